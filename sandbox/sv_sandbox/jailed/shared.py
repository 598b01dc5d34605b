"""What test and solution share in one process besides objects, carried along with frames as notes.

Each end has one `Shared`. What the solution prints reaches the test's stdout; where the test puts
another object in the place of a standard stream, `input` or `print`, the solution finds it; the
state of `random`, the environment, the arguments, the working folder, the levels of loggers and a
recursion limit that was raised are those of whoever used them last; warnings and log records of the
solution reach the test's filters and handlers; what one writes into the scratch folder the other
finds there (`files`). What a test's text does not mention (`wanted`) is not looked at.
"""

from __future__ import annotations

import builtins
import gc
import io
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .files import Files
from .subject import flush_files
from .values import CodecError, native

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

STREAMS = {"input": builtins, "print": builtins, "stdin": sys, "stderr": sys}
"""What of Python's own the solution gets from the test, where the test replaces it."""
_ORIGINALS = {name: getattr(module, name) for name, module in STREAMS.items()}
_stdout = sys.stdout
MOST_PRINTED = 1 << 16


def _random_state() -> object:
    return sys.modules["random"].getstate()


def _set_random_state(state: object) -> None:
    sys.modules["random"].setstate(state)


def _numpy_state() -> object:
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


def _set_environ(new: tuple[tuple[str, str], ...]) -> None:
    for name in set(os.environ) - set(dict(new)):
        del os.environ[name]
    os.environ.update(new)


def levels() -> tuple[Any, ...]:
    """Of all loggers that have one, the root's first."""
    logging = sys.modules.get("logging")
    if logging is None:
        return (30,)
    loggers = logging.root.manager.loggerDict.items()
    each = ((name, getattr(one, "level", 0)) for name, one in loggers)
    return (logging.root.level, *sorted(one for one in each if one[1]))


def _set_levels(new: tuple[Any, ...]) -> None:
    import logging

    root, *others = new
    wanted = dict.fromkeys(dict(levels()[1:]), 0) | dict(others)
    logging.root.setLevel(root)
    for name, level in wanted.items():
        logging.getLogger(name).setLevel(level)


def _set_recursion_limit(new: int) -> None:
    sys.setrecursionlimit(max(new, LEAST_RECURSION))


LEAST_RECURSION = 1000
"""Python's own: with less, our frames beside the solution's would count."""


def _set_argv(new: list[str]) -> None:
    sys.argv[:] = new


STATES: dict[str, tuple[Callable[[], object], Callable[[Any], None]]] = {
    "random": (_random_state, _set_random_state),
    "numpy": (_numpy_state, _set_numpy_state),
    "environ": (lambda: tuple(sorted(os.environ.items())), _set_environ),
    "argv": (lambda: tuple(sys.argv), _set_argv),
    "logging": (levels, _set_levels),
    "cwd": (os.getcwd, os.chdir),
    "recursion": (sys.getrecursionlimit, _set_recursion_limit),
}
"""Process-wide states by the name that a test mentions: how one is read, and how it is set."""
_NOT_STATES = (TypeError, ValueError, LookupError, AttributeError, OSError, OverflowError)


def _free_descriptor() -> int:
    """The lowest one: another than at first while a file is open."""
    try:
        free = os.dup(native.CHANNEL_IN)
    except OSError:
        return -2
    os.close(free)
    return free


class Shared:
    """One end's part."""

    def __init__(self, wanted: tuple[str, ...] = ()):
        self._states = {name: STATES[name] for name in wanted if name in STATES}
        self._seen = {name: read() for name, (read, _) in self._states.items()}
        self._files = Files(os.getcwd()) if "files" in wanted else None
        self._free = _free_descriptor() if self._files is not None else -1

    def notes(self) -> list[tuple[str, object]]:
        """What has changed since the last frame."""
        found = []
        for name, (read, _) in self._states.items():
            now = read()
            if now != self._seen[name]:
                self._seen[name] = now
                found.append((name, now))
        if self._files is not None:
            if _free_descriptor() != self._free:  # what lies in buffers the other end is to see
                flush_files(gc.get_objects())
            changes = self._files.changes()
            if changes:
                found.insert(0, ("files", changes))
        return found

    def noted(self, name: str, value: object) -> None:
        """What has changed at the other end. Raises CodecError."""
        if name == "files" and self._files is not None:
            self._files.put(value)
            return
        if name not in self._states:
            raise CodecError("a note that nobody wants")
        read, put = self._states[name]
        try:
            put(value)
        except _NOT_STATES as error:
            raise CodecError(f"not a state of {name}: {error}") from None
        self._seen[name] = read()


class JudgeShared(Shared):
    """Tells of streams that the test replaces, and shows what the solution printed."""

    def __init__(self, wanted: tuple[str, ...] = ()):
        super().__init__(wanted)
        self._told: dict[str, object] = dict.fromkeys(STREAMS)

    def names_folder(self, data: bytes | bytearray) -> bool:
        """Whether this frame names the scratch folder by a path that only this end has."""
        return bool(self._files and self._files.own_name and self._files.own_name in data)

    def notes(self) -> list[tuple[str, object]]:
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

    def is_cut(self, name: str, value: object) -> bool:
        """Whether more was printed than is told, and the test keeps what is."""
        if name != "printed" or sys.stdout is _stdout or type(value) is not str:
            return False
        return len(value.encode("utf-8", "surrogateescape")) >= MOST_PRINTED

    def noted(self, name: str, value: object) -> None:
        """As `Shared`, and what was printed, warned or logged."""
        if name == "printed" and type(value) is str:
            sys.stdout.write(value)
        elif name == "warned" and type(value) is tuple and len(value) == 3:
            _warn(*value)
        elif name == "logged" and type(value) is tuple and len(value) == 6:
            _log(*value)
        else:
            super().noted(name, value)


def _warn(category: object, text: object, module: object) -> None:
    import warnings

    if type(category) is str:  # one of Python's own, which is no answer
        category = getattr(builtins, category, None)
    if not (isinstance(category, type) and issubclass(category, Warning)) or type(text) is not str:
        raise CodecError("not a warning")
    warnings.warn_explicit(text, category, "solution.py", 1, module="solution", registry={})


_LOGGED = (str, int, str, str, int)


def _log(*told: Any) -> None:
    import logging

    name, level, message, function, line, error = told
    is_error = error is None or issubclass(type(error), BaseException)
    if not is_error or tuple(map(type, told[:-1])) != _LOGGED:
        raise CodecError("not a log record")
    logger = logging.getLogger(name)
    if level > logger.manager.disable:
        raised = error and (type(error), error, None)
        where = name, level, "solution.py", line
        logger.handle(logger.makeRecord(*where, message, (), raised, function))


class SubjectShared(Shared):
    """Puts the test's streams in place, and keeps what the solution prints, warns and logs."""

    def __init__(self, wanted: tuple[str, ...] = ()):
        super().__init__(wanted)
        self.printed = Printed()
        self._said: list[tuple[str, object]] = []
        sys.stdout = stream_of(self.printed)
        for name in STREAMS:
            self.noted(name, None)
        if "warnings" in wanted:
            self._hear_warnings()
        if "logging" in wanted:
            self._hear_logs()

    def notes(self) -> list[tuple[str, object]]:
        """As `Shared`, and what was said since."""
        found = super().notes() if self._states or self._files else []
        text = self.printed.take()
        if text:
            found.append(("printed", text))
        if self._said:
            found += self._said
            self._said.clear()
        return found

    def noted(self, name: str, value: object) -> None:
        """As `Shared`, and streams."""
        if name in STREAMS:
            setattr(STREAMS[name], name, _ORIGINALS[name] if value is None else value)
        else:
            super().noted(name, value)

    def _hear_warnings(self) -> None:
        import warnings

        def show(message: object, category: object, *where: object, **more: object) -> None:
            name = getattr(category, "__name__", "")
            told = name if getattr(builtins, name, None) is category else category
            self._said.append(("warned", (told, str(message), "solution")))

        warnings.resetwarnings()
        warnings.simplefilter("always")
        warnings.showwarning = show

    def _hear_logs(self) -> None:
        import logging

        said = self._said

        class Told(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                what = record.name, record.levelno, record.getMessage()
                where = str(record.funcName), record.lineno
                said.append(("logged", (*what, *where, (record.exc_info or (None, None))[1])))

        logging.getLogger().handlers[:] = [Told()]


class Printed(io.BufferedIOBase):
    """What the solution prints in a call: passed on to the test, and to stdout for its limit."""

    name, mode = "<stdout>", "wb"

    def __init__(self) -> None:
        self._kept = bytearray()

    def writable(self) -> bool:
        """As a stream is asked."""
        return True

    def fileno(self) -> int:
        """Where it goes in the end; what is written there is not the test's to see."""
        return _stdout.fileno()

    def write(self, data: ReadableBuffer) -> int:
        """Keep the first part for the test; everything goes to stdout as well."""
        written = bytes(data)
        self._kept += written[: max(0, MOST_PRINTED - len(self._kept))]
        _stdout.buffer.write(written)
        return len(written)

    def take(self) -> str:
        """What was printed since the last time."""
        if not self._kept:
            return ""
        text = self._kept.decode("utf-8", "surrogateescape")
        self._kept.clear()
        _stdout.flush()
        return text


def stream_of(printed: Printed) -> io.TextIOWrapper:
    """A standard output over it."""
    stream = io.TextIOWrapper(printed, "utf-8", "surrogateescape", write_through=True)
    vars(stream)["mode"] = "w"
    return stream
