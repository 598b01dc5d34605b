"""What test and solution share in one process besides objects, carried along with frames as notes.

Each end has one `Shared`. What the solution prints reaches the test's stdout; where the test puts
another object in the place of a standard stream, `input` or `print`, the solution finds it; the
state of `random`, the environment and the arguments are those of whoever used them last; warnings
and log records of the solution reach the test's filters and handlers; what one writes into the
scratch folder the other finds there (`files`). What a test's text does not mention (`wanted`) is
not looked at.
"""

from __future__ import annotations

import builtins
import contextlib
import gc
import io
import os
import sys
from collections.abc import Callable
from typing import Any

from .files import Files
from .values import CodecError

Notes = tuple[tuple[str, Any], ...]

STREAMS = {"input": builtins, "print": builtins, "stdin": sys, "stderr": sys}
"""What of Python's own the solution gets from the test, where the test replaces it."""
_ORIGINALS = {name: getattr(module, name) for name, module in STREAMS.items()}
_stdout = sys.stdout
MOST_PRINTED = 1 << 16


def _random_state() -> Any:
    return sys.modules["random"].getstate()


def _set_random_state(state: Any) -> None:
    sys.modules["random"].setstate(state)


def _numpy_state() -> Any:
    random = sys.modules.get("numpy.random")
    if random is None:
        return None
    name, keys, *rest = random.get_state()
    return (name, keys.tobytes(), *rest)


def _set_numpy_state(state: Any) -> None:
    if state is not None and "numpy" in sys.modules:
        numpy = sys.modules["numpy"]
        name, keys, *rest = state
        if name == "MT19937" and len(keys) == 4 * 624:
            numpy.random.set_state((name, numpy.frombuffer(keys, "u4"), *rest))


def _set_environ(new: Any) -> None:
    for name in set(os.environ) - set(new):
        del os.environ[name]
    os.environ.update(new)


def _set_argv(new: Any) -> None:
    sys.argv[:] = new


STATES: dict[str, tuple[Callable[[], Any], Callable[[Any], None]]] = {
    "random": (_random_state, _set_random_state),
    "numpy": (_numpy_state, _set_numpy_state),
    "environ": (lambda: tuple(sorted(os.environ.items())), lambda new: _set_environ(dict(new))),
    "argv": (lambda: tuple(sys.argv), _set_argv),
}
"""Process-wide states by the name that a test mentions: how one is read, and how it is set."""


def flush() -> None:
    """What lies in the buffers of open files is to be seen by the other end."""
    for value in gc.get_objects():
        if type(value) in (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom):
            with contextlib.suppress(Exception):  # closed, or read only
                value.flush()


class Shared:
    """One end's part."""

    def __init__(self, wanted: tuple[str, ...] = ()):
        self._states = {name: STATES[name] for name in wanted if name in STATES}
        self._seen = {name: read() for name, (read, _) in self._states.items()}
        self._files = Files(os.getcwd()) if "files" in wanted else None

    def notes(self) -> list[tuple[str, Any]]:
        """What has changed since the last frame."""
        found = []
        for name, (read, _) in self._states.items():
            now = read()
            if now != self._seen[name]:
                self._seen[name] = now
                found.append((name, now))
        if self._files is not None:
            flush()
            changes = self._files.changes()
            if changes:
                found.append(("files", changes))
        return found

    def noted(self, name: str, value: Any) -> None:
        """What has changed at the other end. Raises CodecError."""
        if name == "files" and self._files is not None:
            self._files.put(value)
            return
        if name not in self._states:
            raise CodecError("a note that nobody wants")
        read, put = self._states[name]
        try:
            put(value)
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            raise CodecError(f"not a state of {name}: {error}") from None
        self._seen[name] = read()


class JudgeShared(Shared):
    """Tells of streams that the test replaces, and shows what the solution printed."""

    def __init__(self, wanted: tuple[str, ...] = ()):
        super().__init__(wanted)
        self._told: dict[str, Any] = dict.fromkeys(STREAMS)

    def notes(self) -> list[tuple[str, Any]]:
        """As `Shared`, and streams; None for one that is Python's own again."""
        found = super().notes() if self._states or self._files else []
        for name, module in STREAMS.items():
            now = getattr(module, name, None)
            if now is _ORIGINALS[name]:
                now = None
            if now is not self._told[name]:
                self._told[name] = now
                found.append((name, now))
        return found

    def noted(self, name: str, value: Any) -> None:
        """As `Shared`, and what was printed, warned or logged."""
        if name == "printed" and type(value) is str:
            sys.stdout.write(value)
        elif name == "warned" and type(value) is tuple and len(value) == 3:
            _warn(*value)
        elif name == "logged" and type(value) is tuple and len(value) == 3:
            _log(*value)
        else:
            super().noted(name, value)


def _warn(category: Any, text: Any, module: Any) -> None:
    import warnings

    if not (isinstance(category, type) and issubclass(category, Warning)) or type(text) is not str:
        raise CodecError("not a warning")
    warnings.warn_explicit(text, category, "solution.py", 1, module="solution", registry={})


def _log(name: Any, level: Any, message: Any) -> None:
    import logging

    if type(name) is not str or type(level) is not int or type(message) is not str:
        raise CodecError("not a log record")
    logger = logging.getLogger(name)
    if logger.isEnabledFor(level):
        logger.handle(logger.makeRecord(name, level, "solution.py", 1, message, (), None))


class SubjectShared(Shared):
    """Puts the test's streams in place, and keeps what the solution prints, warns and logs."""

    def __init__(self, wanted: tuple[str, ...] = ()):
        super().__init__(wanted)
        self.printed = Printed()
        self._said: list[tuple[str, Any]] = []
        sys.stdout = self.printed
        for name in STREAMS:
            self.noted(name, None)
        if "warnings" in wanted:
            self._hear_warnings()
        if "logging" in wanted:
            self._hear_logs()

    def notes(self) -> list[tuple[str, Any]]:
        """As `Shared`, and what was said since."""
        found = super().notes() if self._states or self._files else []
        text = self.printed.take()
        if text:
            found.append(("printed", text))
        if self._said:
            found += self._said
            self._said.clear()
        return found

    def noted(self, name: str, value: Any) -> None:
        """As `Shared`, and streams."""
        if name in STREAMS:
            setattr(STREAMS[name], name, _ORIGINALS[name] if value is None else value)
        else:
            super().noted(name, value)

    def _hear_warnings(self) -> None:
        import warnings

        def show(message: Any, category: Any, *where: Any, **more: Any) -> None:
            self._said.append(("warned", (category, str(message), "solution")))

        warnings.resetwarnings()
        warnings.simplefilter("always")
        warnings.showwarning = show

    def _hear_logs(self) -> None:
        import logging

        said = self._said

        class Told(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                said.append(("logged", (record.name, record.levelno, record.getMessage())))

        root = logging.getLogger()
        root.handlers[:] = [Told()]
        root.setLevel(1)


class Printed(io.TextIOBase):
    """What the solution prints in a call: passed on to the test, and to stdout for its limit."""

    encoding, errors, name, mode = "utf-8", "surrogateescape", "<stdout>", "w"
    line_buffering = write_through = False

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._size = 0

    def writable(self) -> bool:
        """As a stream is asked."""
        return True

    @property
    def buffer(self) -> PrintedBytes:
        """As standard output has one."""
        return PrintedBytes(self)

    def fileno(self) -> int:
        """Where it goes in the end; what is written there is not the test's to see."""
        return _stdout.fileno()

    def reconfigure(self, **options: Any) -> None:
        """As standard output can be told; nothing depends on it here."""

    def write(self, text: str) -> int:
        """Keep the first part for the test; everything goes to stdout as well."""
        if self._size < MOST_PRINTED:
            self._parts.append(text[: MOST_PRINTED - self._size])
            self._size += len(text)
        _stdout.write(text)
        return len(text)

    def take(self) -> str:
        """What was printed since the last time."""
        text = "".join(self._parts)
        if text:
            self._parts.clear()
            self._size = 0
            _stdout.flush()
        return text


class PrintedBytes(io.BufferedIOBase):
    """The bytes beneath it."""

    def __init__(self, printed: Printed):
        self._printed = printed

    def writable(self) -> bool:
        """As a stream is asked."""
        return True

    def write(self, data: Any) -> int:
        """Text of it, at once."""
        self._printed.write(bytes(data).decode("utf-8", "surrogateescape"))
        return len(data)
