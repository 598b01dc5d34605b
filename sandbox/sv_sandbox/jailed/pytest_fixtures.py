"""Built-in fixtures of pytest that a caller may offer to `collect.run`: in one process with the
solution (`OFFERED`), or where it is elsewhere (`SPLIT`): it sees the folder, the environment and
what stands in the place of a stream, it is heard, but of other modules it has its own."""

from __future__ import annotations

import importlib
import io
import os
import sys
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from . import lending
from .provenance import is_reference
from .pytest_names import Fixture, Unsupported
from .testcode import REDIRECTED

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


class LogCapture:
    """`caplog`: what reaches the root logger, whoever logs it."""

    def __init__(self) -> None:
        import logging  # not for every zygote

        self._logger = logging.getLogger
        kind: Any = logging.StreamHandler
        self.handler = kind(io.StringIO())
        self.handler.setFormatter(logging.Formatter(_LOG_LINE))
        self.handler.handleError = _raise_again
        self.records: list[Any] = []
        self._undo: list[Callable[[], object]] = [lambda: logging.root.removeHandler(self.handler)]
        self._write, self.handler.emit = self.handler.emit, self._emit
        logging.root.addHandler(self.handler)

    def _emit(self, record: object) -> None:
        self.records.append(record)
        self._write(record)

    text = property(lambda self: self.handler.stream.getvalue())
    messages = property(lambda self: [one.getMessage() for one in self.records])

    @property
    def record_tuples(self) -> list[tuple[str, int, str]]:
        return [(one.name, one.levelno, one.getMessage()) for one in self.records]

    def clear(self) -> None:
        self.records.clear()
        self.handler.setStream(io.StringIO())

    def set_level(self, level: int | str, logger: str | None = None) -> None:
        for one in (self._logger(logger), self.handler):
            self._undo.append(partial(one.setLevel, one.level))
            one.setLevel(level)

    @contextmanager
    def at_level(self, level: int | str, logger: str | None = None) -> Iterator[None]:
        before = len(self._undo)
        self.set_level(level, logger)
        try:
            yield
        finally:
            self.undo(before)

    def undo(self, down_to: int = 0) -> None:
        while len(self._undo) > down_to:
            self._undo.pop()()


_LOG_LINE = "%(levelname)-8s %(name)s:%(filename)s:%(lineno)d %(message)s"


def _raise_again(_: object) -> None:
    raise  # what a record raised as it was written


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
        inner = type(self)()
        try:
            yield inner
        finally:
            inner.undo()

    def undo(self) -> None:
        while self._undo:
            self._undo.pop()()


class SplitPatch(MonkeyPatch):
    """Where the solution is elsewhere: refuses what it would not see."""

    def setattr(
        self, target: object, name: Any, value: object = _NONE, raising: bool = True
    ) -> None:
        if isinstance(target, str):
            target, name, value = *_resolved(target), name
        _seen_by_both(target, name)
        super().setattr(target, name, value, raising)

    def delattr(self, target: object, name: Any = _NONE, raising: bool = True) -> None:
        if isinstance(target, str):
            target, name = _resolved(target)
        _seen_by_both(target, name)
        super().delattr(target, name, raising)

    def setitem(self, mapping: MutableMapping[Any, Any], name: object, value: object) -> None:
        if mapping is sys.modules:
            raise Unsupported("a module in the place of another")
        super().setitem(mapping, name, value)

    def syspath_prepend(self, path: object) -> None:
        raise Unsupported("another path of modules")


def _seen_by_both(target: object, name: str) -> None:
    kind = target if isinstance(target, type) else type(target)
    if isinstance(target, ModuleType):
        here = target.__name__ == "test" and dict.__contains__(vars(target), name)
        is_seen = here or (target.__name__, name) in REDIRECTED
    else:
        is_seen = is_reference(target) or lending.is_tests(kind)
    if not is_seen:
        raise Unsupported(f"{getattr(target, '__name__', kind.__name__)}.{name} to be patched")


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


def _capsys() -> Iterator[Capture]:
    capture = Capture()
    yield capture
    capture.close()


def _caplog() -> Iterator[LogCapture]:
    capture = LogCapture()
    yield capture
    capture.undo()


def _monkeypatch() -> Iterator[MonkeyPatch]:
    patch = MonkeyPatch()
    yield patch
    patch.undo()


def _split_patch() -> Iterator[MonkeyPatch]:
    patch = SplitPatch()
    yield patch
    patch.undo()


def _tmp_path() -> Path:
    import tempfile  # three compressors come with it: not for every zygote

    return Path(tempfile.mkdtemp())


OFFERED = {
    "caplog": Fixture(_caplog),
    "capfd": Fixture(_capsys),  # without what other programs print: there are none
    "capsys": Fixture(_capsys),
    "monkeypatch": Fixture(_monkeypatch),
    "tmp_path": Fixture(_tmp_path),
}
SPLIT = {**OFFERED, "monkeypatch": Fixture(_split_patch)}
