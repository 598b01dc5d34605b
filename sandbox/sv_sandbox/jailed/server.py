"""The subject's end of the channel: it loads the solution and answers a judge's requests.

In: requests (`Server.do_...`), each with a reply: what came of it, or the exception; names that the
solution has rebound; what it printed.  Objects of the solution go out as handles, what the test
lends comes in as stubs (`lent`). What this process says is data: hostile code may send anything.
"""

from __future__ import annotations

import contextlib
import enum
import functools
import io
import itertools
import os
import sys
import threading
from collections.abc import Callable, Iterator
from types import (
    AsyncGeneratorType,
    BuiltinFunctionType,
    CodeType,
    CoroutineType,
    FunctionType,
    GeneratorType,
    MethodType,
    ModuleType,
)
from typing import Any

from . import about, codec, lent
from .about import described, lineage, nearest
from .channel import Channel, Lost, Whole
from .codec import FIXED, Unencodable
from .protocols import BINARY, OPERATIONS, PROTOCOLS, awaited, supported
from .subject import claim, new_namespace, only_owner, verdict_of

_stdout = sys.stdout


def main(native: Any) -> None:
    """Answer until the judge hangs up, and end the process. Never returns."""
    claim()
    try:
        serve(native)
    finally:
        os._exit(0)


def serve(native: Any) -> None:
    """Answer a judge's requests until it hangs up."""
    server = Server(native)
    try:
        while True:
            server.answer()
    except Lost:
        server.finish()
        native.stop()
    except BaseException as error:  # outside any call: the solution broke this process
        if server.cell is not None:
            native.end(server.cell, server.cell + 1, *verdict_of(error))


class Printed(io.TextIOBase):
    """What the solution prints in a call: passed on to the test, and to stdout for its limit."""

    MOST = 1 << 16
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
        if self._size < self.MOST:
            self._parts.append(text[: self.MOST - self._size])
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


_STREAMS = {
    "builtins.input": input,
    "builtins.print": print,
    "sys.stdin": sys.stdin,
    "sys.stderr": sys.stderr,
}


class Server:
    """The subject's end of the channel."""

    def __init__(self, native: Any):
        self.native = native
        self._lent = lent.Maker(self)
        self._lock = threading.RLock()  # the solution may have threads
        self.channel = Channel(
            native.CHANNEL_FD, self._kind_of, self._lent, self._lent.index_of, self._extended
        )
        self.solution: CodeType | None = None
        self.cell: int | None = None
        self.printed = Printed()
        self.loop: Any = None
        self._words: dict[type, str] = {}
        self._namespace: dict[str, Any] = {}
        self._constants: dict[str, Any] = {}

    def finish(self) -> None:
        """The current cell is over: what it cost is written down."""
        if self.cell is not None:
            self.native.end(self.cell, self.cell + 1, self.native.MARK_ANSWERED, b"")
            self.cell = None

    def answer(self) -> None:
        """One request, one reply."""
        with self._lock:
            request = self.channel.decode(self._receive())
        self._reply(request, last=True)

    def _receive(self) -> bytes:
        """One message; meanwhile the judge's guard is the one that counts."""
        self.native.waiting(True)
        data = self.channel.receive()
        self.native.waiting(False)
        return data

    def _reply(self, request: Any, last: bool) -> None:
        operation, *operands = request
        del request
        if operation == "load":
            self._begin(operands[0])
        try:
            reply: tuple[Any, ...] = ("ok", getattr(self, f"do_{operation}")(*operands))
        except Lost:
            raise
        except BaseException as error:
            reply = ("raise", self._described(error))
        only_owner()
        with self._lock:
            reply = (*reply, self._rebound() if self._constants else (), self.printed.take())
            try:
                data = self.channel.encode(reply, last)
            except Unencodable as error:
                told = self._described(TypeError(str(error)))
                data = self.channel.encode(("raise", told, (), ""), last)
            self.channel.send(data)

    @staticmethod
    def _described(error: BaseException) -> tuple[Any, ...]:
        with contextlib.suppress(Exception):
            error.__traceback__ = None  # the judge may hold it: not so what its frames hold
        return described(error)

    def _rebound(self) -> tuple[tuple[str, Any], ...]:
        """Names that were told as plain values and have been rebound since, with their values."""
        found = {}
        for name, old in self._constants.items():
            new = self._namespace.get(name, old)
            if new is not old:
                found[name] = self._constants[name] = new
        return tuple(found.items())

    def call_back(self, operation: str, stub: Any, *operands: Any) -> Any:
        """Ask something of what the test has lent."""
        number = self._lent.index_of(stub)
        if number is None:
            raise TypeError(f"a test's {stub!r} cannot be used like that by the solution")
        with self._lock:
            self.channel.send(self.channel.encode(("call", operation, number, *operands)))
            while True:
                outcome = self.channel.decode(self._receive())
                if outcome[0] == "returned":
                    return outcome[1]
                if outcome[0] == "raised":
                    raise outcome[1]
                self._reply(outcome, last=False)  # what was called calls us

    def _begin(self, cell: int) -> None:
        self.finish()
        self.cell = cell
        self.native.begin(cell)
        self.channel.forget()
        self._lent.forget()
        self._words.clear()

    def _kind_of(self, value: Any) -> tuple[str, Any]:
        kind = _SIMPLE.get(type(value))
        if kind is not None:
            return kind, None
        if isinstance(value, type):
            told = lineage(value) if issubclass(value, BaseException) else None
            return f"class {self._class(value)}", told
        return f"object {self._class(type(value))}", None

    def _class(self, kind: type) -> str:
        """A class, as a handle tells it: its number, what it supports, its name."""
        words = self._words.get(kind)
        if words is None:
            number = self.channel.number(kind)
            base = plain_base(kind)
            bases = codec.mro(kind)
            before = bases[: bases.index(base if base in FIXED else object)]
            found = supported(before)
            if base is not None:
                found.append(f"={base.__name__}")
            if issubclass(kind, BaseException):
                found.append(f"!{nearest(kind)}")
            if hasattr(kind, "__class_getitem__"):
                found.append("generic")
            words = self._words[kind] = f"{number} {','.join(found)} {kind.__name__}"
        return words

    def _extended(self, value: Any) -> str | None:
        """What extends plain data keeps its class where that adds something to be used by name."""
        kind = type(value)
        base = plain_base(kind)
        if base is None or not _adds(kind, base):
            return None
        return f"{'value' if base in FIXED else 'object'} {self._class(kind)}"

    # -- requests

    def do_load(self, cell: int, names: tuple[str, ...]) -> dict[str, Any]:
        """A fresh namespace; what it has of `names`, each with what it is."""
        sys.stdout = self.printed
        for name in _STREAMS:
            self.do_redirect(name, None)
        if self.solution is None:
            self.solution = compile(self.native.blob(0), "<solution>", "exec", dont_inherit=True)
        self._constants = {}
        self._namespace = namespace = new_namespace()
        exec(self.solution, namespace)
        self.native.loaded()
        self._constants = {
            name: namespace[name]
            for name in names
            if name in namespace and type(namespace[name]) in _REBOUND
        }
        return {name: self._defined(namespace[name]) for name in names if name in namespace}

    @staticmethod
    def _defined(value: Any) -> tuple[str, Any]:
        if isinstance(value, ModuleType):
            return "module", value.__name__
        return "value", value

    def do_invoke(self, function: Any, args: Any, kwargs: Any) -> Any:
        """Call an object of ours."""
        return function(*args, **dict(kwargs))

    def do_make(self, kind: Any, args: Any, kwargs: Any) -> Any:
        """Call a class of ours for the test, which then wants the object and not its value."""
        made = kind(*args, **dict(kwargs))
        base = plain_base(type(made))
        if base is None or base in FIXED or not _changes(type(made), base):
            return made
        return Whole(made)

    def do_raised(self, kind: Any, args: Any, kwargs: Any) -> Any:
        """Make an exception: the judge sees it as one that was raised."""
        return self._described(kind(*args, **dict(kwargs)))

    def do_seed(self, name: str, args: Any, kwargs: Any) -> None:
        """The test has seeded a module."""
        if name in sys.modules:
            sys.modules[name].seed(*args, **dict(kwargs))

    def do_redirect(self, name: str, stub: Any) -> None:
        """The test has replaced a stream, or `input`, or (None) has put it back."""
        module, _, attribute = name.partition(".")
        setattr(sys.modules[module], attribute, _STREAMS[name] if stub is None else stub)

    def do_getattr(self, target: Any, name: str) -> Any:
        """Read an attribute."""
        return getattr(target, name)

    def do_setattr(self, target: Any, name: str, value: Any) -> None:
        """Set an attribute."""
        setattr(target, name, value)

    def do_delattr(self, target: Any, name: str) -> None:
        """Delete an attribute."""
        delattr(target, name)

    def do_start(self, coroutine: Any) -> Any:
        """Make a task of a coroutine of ours."""
        import asyncio

        if self.loop is None:
            self.loop = asyncio.new_event_loop()
            asyncio.set_event_loop(self.loop)
        return self.loop.create_task(coroutine)

    def do_run(self, task: Any, wait_s: float) -> tuple[Any] | None:
        """Let all tasks run, for a moment or until this one is done: then, what it returned."""
        self._let_run(task, wait_s)
        return (task.result(),) if task.done() else None

    def do_cancel(self, task: Any) -> None:
        """The test waits no longer."""
        task.cancel()
        self._let_run(task, 0.005)

    def _let_run(self, task: Any, wait_s: float) -> None:
        import asyncio

        self.loop.run_until_complete(asyncio.wait((task,), timeout=wait_s))

    def do_leave(self, name: str, manager: Any, error: Any) -> Any:
        """Leave a context manager, with an exception if there is one."""
        kind = None if error is None else type(error)
        return getattr(type(manager), name)(manager, kind, error, None)

    def do_op(self, name: str, operands: tuple[Any, ...]) -> Any:
        """An operator or a protocol."""
        return _OPERATIONS[name](*operands)


_SIMPLE: dict[type, str] = {
    CoroutineType: "coroutine",
    FunctionType: "function",
    MethodType: "method",
    BuiltinFunctionType: "builtin",
    GeneratorType: "generator",
    AsyncGeneratorType: "asyncgen",
}
_REBOUND = frozenset((type(None), bool, int, float, complex, str, bytes, tuple, frozenset))


def plain_base(kind: type) -> type | None:
    """The type of plain data that a class extends; None for others, and for those types."""
    if codec.is_plain(kind):
        return None
    return next((base for base, _ in codec.PLAIN if base in codec.mro(kind)), None)


def _added(kind: type, base: type) -> Iterator[tuple[str, Any]]:
    bases = codec.mro(kind)
    for one in bases[: bases.index(base)]:
        if one.__module__ != "collections" and one.__module__ != "enum":
            yield from one.__dict__.items()


_USED = (FunctionType, property, classmethod, staticmethod, functools.cached_property)
_REPLACED = frozenset((*PROTOCOLS, "missing", "getattr", "setattr", "delattr"))


def _adds(kind: type, base: type) -> bool:
    """Whether it has methods of its own, by public names that its base has not, or operators where
    it cannot change."""
    if kind.__module__ not in ("solution", "__main__"):
        return False
    if issubclass(kind, enum.Enum):
        return True
    for name, value in _added(kind, base):
        public = name[:1] != "_" and not hasattr(base, name)
        operator = base in FIXED and name.strip("_") in (*BINARY, "call")
        if isinstance(value, _USED) and (public or operator):
            return True
    return False


def _changes(kind: type, base: type) -> bool:
    """Whether it has methods of its own, or other ones than its base under the same names."""
    return _adds(kind, base) or any(
        isinstance(value, FunctionType) and (name[:1] != "_" or name.strip("_") in _REPLACED)
        for name, value in _added(kind, base)
    )


def _items(container: Any, most: int) -> list[Any]:
    """The first items."""
    return list(itertools.islice(container, most))


def _plain(value: Any) -> Any:
    """The plain data in an object whose class extends some."""
    return next(plain for base, plain in codec.PLAIN if base in codec.mro(type(value)))(value)


_OPERATIONS: dict[str, Callable[..., Any]] = {
    **OPERATIONS,
    "plain": _plain,
    "items": _items,
    "fields": lambda of: about.fields_of(of, shown=True),
    "signature": lambda function: about.parameters_of(function, shown=True),
    "code": about.code_facts,
    "await": awaited,
}
"""What a judge may ask for by name."""
