"""Built-in fixtures of pytest that a caller may offer to `collect.run`: right only in one process
with the solution, whose output, environment and modules they change."""

from __future__ import annotations

import importlib
import io
import os
import sys
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from .pytest_names import Fixture

_NONE = object()


class Captured(NamedTuple):
    out: str
    err: str


class Capture:
    def __init__(self) -> None:
        self._kept = sys.stdout, sys.stderr
        self._new()

    def _new(self) -> None:
        self._streams = io.StringIO(), io.StringIO()
        sys.stdout, sys.stderr = self._streams

    def readouterr(self) -> Captured:
        got = Captured(*(stream.getvalue() for stream in self._streams))
        for stream in self._streams:
            stream.seek(0)
            stream.truncate()
        return got

    @contextmanager
    def disabled(self) -> Iterator[None]:
        here, (sys.stdout, sys.stderr) = (sys.stdout, sys.stderr), self._kept
        yield
        sys.stdout, sys.stderr = here

    def close(self) -> None:
        sys.stdout, sys.stderr = self._kept


class MonkeyPatch:
    def __init__(self) -> None:
        self._undo: list[Callable[[], object]] = []

    def setattr(
        self, target: object, name: Any, value: object = _NONE, raising: bool = True
    ) -> None:
        if isinstance(target, str):
            target, name, value = *_resolved(target), name
        old = getattr(target, name, _NONE)
        if raising and old is _NONE:
            raise AttributeError(f"{target!r} has no attribute {name!r}")
        old = vars(target).get(name, _NONE) if isinstance(target, type) else old
        self._undo.append(lambda: _restore(target, name, old))
        setattr(target, name, value)

    def delattr(self, target: object, name: Any = _NONE, raising: bool = True) -> None:
        if isinstance(target, str):
            target, name = _resolved(target)
        if hasattr(target, name) or raising:
            old = vars(target).get(name, _NONE)
            delattr(target, name)
            self._undo.append(lambda: _restore(target, name, old))

    def setitem(self, mapping: MutableMapping[Any, Any], name: object, value: object) -> None:
        old = mapping.get(name, _NONE)
        self._undo.append(lambda: _put_back(mapping, name, old))
        mapping[name] = value

    def delitem(
        self, mapping: MutableMapping[Any, Any], name: object, raising: bool = True
    ) -> None:
        if name in mapping or raising:
            old = mapping.pop(name)
            self._undo.append(lambda: _put_back(mapping, name, old))

    def setenv(self, name: str, value: object, prepend: str | None = None) -> None:
        if prepend and name in os.environ:
            value = f"{value}{prepend}{os.environ[name]}"
        self.setitem(os.environ, name, str(value))

    def delenv(self, name: str, raising: bool = True) -> None:
        self.delitem(os.environ, name, raising)

    def syspath_prepend(self, path: object) -> None:
        kept = list(sys.path)
        self._undo.append(lambda: sys.path.__setitem__(slice(None), kept))
        sys.path.insert(0, str(path))

    def chdir(self, path: Any) -> None:
        here = os.getcwd()
        self._undo.append(lambda: os.chdir(here))
        os.chdir(path)

    @contextmanager
    def context(self) -> Iterator[MonkeyPatch]:
        inner = MonkeyPatch()
        try:
            yield inner
        finally:
            inner.undo()

    def undo(self) -> None:
        while self._undo:
            self._undo.pop()()


def _resolved(path: str) -> tuple[object, str]:
    """ "os.path.exists" as the object before the last dot, and the name after it."""
    parent, _, name = path.rpartition(".")
    words = parent.split(".")
    found: object = importlib.import_module(words[0])
    for at, word in enumerate(words[1:], 2):
        if not hasattr(found, word):
            importlib.import_module(".".join(words[:at]))
        found = getattr(found, word)
    return found, name


def _restore(target: object, name: str, old: object) -> None:
    if old is _NONE:
        delattr(target, name)
    else:
        setattr(target, name, old)


def _put_back(mapping: MutableMapping[object, object], name: object, old: object) -> None:
    if old is _NONE:
        mapping.pop(name, None)
    else:
        mapping[name] = old


class LogCapture:
    """What was logged since the test began."""

    def __init__(self) -> None:
        import logging  # not for every zygote

        self._logging = logging
        self.records: list[Any] = []
        self.handler = logging.Handler()
        self.handler.emit = self.records.append  # type: ignore[method-assign, assignment]
        self._format = logging.Formatter(
            "%(levelname)-8s %(name)s:%(filename)s:%(lineno)d %(message)s"
        ).format
        self._levels: list[tuple[Any, int]] = []
        logging.getLogger().addHandler(self.handler)

    @property
    def text(self) -> str:
        return "".join(f"{self._format(record)}\n" for record in self.records)

    @property
    def messages(self) -> list[str]:
        return [record.getMessage() for record in self.records]

    @property
    def record_tuples(self) -> list[tuple[str, int, str]]:
        return [(one.name, one.levelno, one.getMessage()) for one in self.records]

    def clear(self) -> None:
        self.records.clear()

    def set_level(self, level: int | str, logger: str | None = None) -> None:
        one = self._logging.getLogger(logger)
        self._levels.append((one, one.level))
        one.setLevel(level)
        self.handler.setLevel(level)

    @contextmanager
    def at_level(self, level: int | str, logger: str | None = None) -> Iterator[None]:
        of_handler = self.handler.level
        self.set_level(level, logger)
        try:
            yield
        finally:
            one, before = self._levels.pop()
            one.setLevel(before)
            self.handler.setLevel(of_handler)

    def close(self) -> None:
        for one, before in reversed(self._levels):
            one.setLevel(before)
        self._logging.getLogger().removeHandler(self.handler)


def _caplog() -> Iterator[LogCapture]:
    capture = LogCapture()
    yield capture
    capture.close()


def _capsys() -> Iterator[Capture]:
    capture = Capture()
    yield capture
    capture.close()


def _monkeypatch() -> Iterator[MonkeyPatch]:
    patch = MonkeyPatch()
    yield patch
    patch.undo()


def _tmp_path() -> Path:
    import tempfile  # three compressors come with it: not for every zygote

    return Path(tempfile.mkdtemp())


OFFERED = {
    "caplog": Fixture(_caplog),
    "capsys": Fixture(_capsys),
    "monkeypatch": Fixture(_monkeypatch),
    "tmp_path": Fixture(_tmp_path),
}
TEMPORARY = {name: OFFERED[name] for name in ("tmp_path", "capsys", "caplog")}
"""Those that do as well where the solution is elsewhere: it sees the folder, and is heard."""
