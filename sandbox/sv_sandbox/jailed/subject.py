"""What runs inside the jail: one row of cells, or one program, in a fork of a template.

In: the row in shared memory (`native.row`, `native.blob`).  Out: a verdict per cell (`native.end`).

With the `inline` judge everything here shares one process with the tests, so a hostile program can
forge its verdict; it can do nothing to anybody else. With the `split` judge this process has the
solution alone (`run_calls`, `serve`): it says what the calls returned, and what it says is data.
"""

from __future__ import annotations

import atexit
import builtins
import contextlib
import copy
import dataclasses
import enum
import errno
import functools
import io
import itertools
import math
import operator
import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
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

from . import about, codec
from .channel import Channel, Lost, Whole
from .codec import FIXED, Handle, Unencodable
from .plan import requested
from .protocols import BINARY, INPLACE, ORDER, PROTOCOLS

# Codes of `Verdict`, which stays outside the jail.
PASS, WRONG, EXCEPTION, MEMORY, OUTPUT, FORBIDDEN, EARLY_EXIT = 1, 2, 3, 5, 6, 7, 8
REFUSED = frozenset((errno.EPERM, errno.EACCES, errno.EROFS))
FULL = frozenset((errno.EFBIG, errno.ENOSPC, errno.EDQUOT))
DETAIL_BYTES = 200

_stdout, _stderr = sys.stdout, sys.stderr
_owner = 0  # the process that speaks for the row; a child that it forks never does


def main(native: Any) -> None:
    """Run the row and end the process. Never returns."""
    global _owner
    _owner = os.getpid()
    kind, start, cells, blobs = native.row()
    try:
        if kind == native.KIND_PROGRAM:
            run_program(native, blobs)
        elif kind == native.KIND_CALLS:
            run_calls(native, start, cells)
        elif kind == native.KIND_SERVE:
            serve(native)
        else:
            run_cells(native, start, cells)
    finally:
        os._exit(0)


def only_owner() -> None:
    """End a forked copy of this process that came back from foreign code."""
    if os.getpid() != _owner:
        os._exit(0)


def verdict_of(error: BaseException) -> tuple[int, bytes]:
    """The verdict an escaping exception stands for, and a short detail."""
    verdict = EXCEPTION
    if isinstance(error, AssertionError):
        verdict = WRONG
    elif isinstance(error, MemoryError):
        verdict = MEMORY
    elif isinstance(error, SystemExit):
        verdict = EARLY_EXIT
    elif isinstance(error, OSError):
        if error.errno in REFUSED:
            verdict = FORBIDDEN
        elif error.errno in FULL:
            verdict = OUTPUT
    try:
        text = str(error)[:DETAIL_BYTES]
        detail = f"{type(error).__name__}: {text}" if text else type(error).__name__
        return verdict, detail.encode("utf-8", "replace")[:DETAIL_BYTES]
    except BaseException:  # the program's own __str__ failed; the verdict stands
        return verdict, b""


def new_namespace(name: str = "solution") -> dict[str, Any]:
    """The globals of a fresh module, findable by the machinery that asks `sys.modules` for it."""
    module = ModuleType(name)
    sys.modules[name] = module
    return module.__dict__


def run_cells(native: Any, start: int, cells: int) -> None:
    """Each test in a fresh execution of the solution, one after another.

    The first execution is the load: if it fails, it fails for every remaining cell.
    """
    native.begin(start)
    try:
        solution = compile(native.blob(0), "<solution>", "exec", dont_inherit=True)
        namespace = new_namespace()
        exec(solution, namespace)
    except BaseException as error:
        verdict, detail = verdict_of(error)
        native.end(start, cells, verdict, detail)
        return
    native.loaded()
    for cell in range(start, cells):
        if cell > start:
            native.begin(cell)
        verdict, detail = run_cell(
            native, solution if cell > start else None, native.blob(1 + cell), namespace
        )
        only_owner()
        native.end(cell, cell + 1, verdict, detail)


def run_cell(
    native: Any, solution: CodeType | None, test: bytes, namespace: dict[str, Any]
) -> tuple[int, bytes]:
    """One verdict. `solution` is None when `namespace` is freshly loaded already."""
    try:
        if solution is not None:
            namespace = new_namespace()
            exec(solution, namespace)
        exec(compile(test, "<test>", "exec", dont_inherit=True), namespace)
        _stdout.flush()
    except BaseException as error:
        return verdict_of(error)
    return PASS, b""


def run_program(native: Any, blobs: int) -> None:
    """One program as `__main__`, with the exit code an interpreter would give."""
    native.begin(0)
    verdict, detail, exit_code = PASS, b"", 0
    try:
        for index in range(1, blobs, 2):
            write_file(os.fsdecode(native.blob(index)), native.blob(index + 1))
        module = ModuleType("__main__")
        module.__dict__["__file__"] = "program.py"
        sys.modules["__main__"] = module
        sys.argv[:] = ["program.py"]
        sys.path.insert(0, os.getcwd())  # modules among its files
        code = compile(native.blob(0), "program.py", "exec", dont_inherit=True)
        native.loaded()
        exec(code, module.__dict__)
    except SystemExit as error:
        exit_code, detail = exit_code_of(error)
        verdict = PASS if exit_code == 0 else EXCEPTION
    except BaseException as error:
        verdict, detail = verdict_of(error)
        if isinstance(error, AssertionError):
            verdict = EXCEPTION  # a program has no test that could be wrong
        exit_code = 1
        try:
            # Without the frame of this function: what the program's own interpreter would print.
            shown = error.__traceback__.tb_next if error.__traceback__ else None
            traceback.print_exception(type(error), error, shown, file=_stderr)
        except BaseException:
            pass  # the program broke its own stderr; the exit code tells
    for finish in (threading._shutdown, atexit._run_exitfuncs, _stdout.flush, _stderr.flush):  # type: ignore[attr-defined]
        try:
            finish()
        except BaseException:
            exit_code = exit_code or 120  # the interpreter's code for a failed flush
    native.end(0, 1, verdict if exit_code == 0 or verdict != PASS else EXCEPTION, detail)
    os._exit(exit_code & 255)


def exit_code_of(error: SystemExit) -> tuple[int, bytes]:
    """Exit code and detail of a SystemExit, by the interpreter's rules."""
    if error.code is None:
        return 0, b""
    if isinstance(error.code, int):
        return error.code, f"exit code {error.code}".encode() if error.code else b""
    print(error.code, file=_stderr)
    return 1, str(error.code)[:DETAIL_BYTES].encode("utf-8", "replace")


def write_file(path: str, content: bytes) -> None:
    """One of the caller's files, below the scratch folder."""
    parent = os.path.dirname(path)
    if parent:
        os.makedirs(parent, exist_ok=True)
    with open(path, "wb") as file:
        file.write(content)


# ---- the split judge: the solution alone ---------------------------------------------------------


def run_calls(native: Any, start: int, cells: int) -> None:
    """Answer a list of encoded calls, each in a fresh execution of the solution."""
    native.begin(start)
    try:
        solution = compile(native.blob(0), "<solution>", "exec", dont_inherit=True)
        namespace = new_namespace()
        exec(solution, namespace)
    except BaseException as error:
        verdict, detail = verdict_of(error)
        native.end(start, cells, verdict if verdict != PASS else EARLY_EXIT, detail)
        return
    native.loaded()
    for cell in range(start, cells):
        if cell > start:
            native.begin(cell)
        mark, answer = native.MARK_ANSWERED, b""
        try:
            if cell > start:
                namespace = new_namespace()
                exec(solution, namespace)
            request = codec.decode(native.blob(1 + cell))
            values = tuple(requested(operation, namespace) for operation in request)
            try:
                answer = codec.encode(values)
            except Unencodable:
                mark = native.MARK_LONG
            if len(answer) > native.MAX_ANSWER_BYTES:
                mark, answer = native.MARK_LONG, b""
            _stdout.flush()
        except BaseException as error:
            mark, answer = verdict_of(error)
        only_owner()
        native.end(cell, cell + 1, mark, answer)


def serve(native: Any) -> None:
    """Answer a judge's requests until it hangs up."""
    server = Server(native)
    try:
        while True:
            server.answer(server.channel.receive())
    except Lost:
        server.finish()
        native.stop()
    except BaseException as error:  # outside any call: the solution broke this process
        if server.cell is not None:
            native.end(server.cell, server.cell + 1, *verdict_of(error))


def described(error: BaseException, room: int = 20) -> tuple[Any, ...]:
    """An exception as it crosses: names from its class to the first that both ends have, arguments,
    text, those attributes that can cross as data, the exception itself (for one of the other end's
    own: its number there), and the exceptions that belong to it."""
    try:
        text = str(error)[:2000]
    except BaseException:
        text = ""
    args: tuple[Any, ...] = (text,)
    attributes: dict[str, Any] = {}
    original: Any = error
    others: dict[str, Any] = {}
    try:
        args = tuple(error.args)
        if isinstance(error, OSError) and error.filename is not None:
            args = (error.errno, error.strerror, error.filename)
        if isinstance(error, BaseExceptionGroup):
            args = (str(error.message),)
            others["group"] = [
                described(part, room - 1) for part in error.exceptions[: max(room, 0)]
            ]
        try:
            codec.encode(args, strict=False)
        except Unencodable:
            args = (text,)
        original = vars(error).get("_sv_number", error)
        for name, value in vars(error).items():
            with contextlib.suppress(Unencodable):
                codec.encode(value, strict=False)
                attributes[name] = value
        if room > 0:
            for name in ("cause", "context"):
                other = getattr(error, f"__{name}__")
                if isinstance(other, BaseException):
                    others[name] = described(other, room - 1 if name == "cause" else 0)
    except BaseException:
        args = (text,)
    return lineage(type(error)), args, text, attributes, original, others


def lineage(kind: type[BaseException]) -> Any:
    """The name of an exception class that both ends have; of another, its name and the lineages of
    its bases."""
    known = codec.exception_name(kind)
    if known is not None:
        return known
    bases = [base for base in kind.__bases__ if issubclass(base, BaseException)]
    return (kind.__name__, *map(lineage, bases))


def nearest(kind: type[BaseException]) -> str:
    """The name of the first base of an exception class that both ends have."""
    return next(filter(None, map(codec.exception_name, codec.mro(kind)[:-1])), "Exception")


class Remote:
    """Something of the test's that the solution was passed: it can be called, and passed back. Of a
    function, name, documentation and parameters can be read as well."""

    __slots__ = ("__dict__", "__weakref__", "_about", "_handle", "_server")

    def __init__(self, server: Server, handle: Handle):
        self._server, self._handle = server, handle
        self._about: Any = ()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._server.call_back("invoke", self, args, tuple(kwargs.items()))

    def __getattr__(self, name: str) -> Any:
        if name not in (*about.NAMES, "__signature__", "__code__") or self._told() is None:
            raise AttributeError(name)
        names, facts, parameters = self._told()
        if name == "__signature__":
            return about.signature_of(parameters)
        return about.code_of(facts) if name == "__code__" else names[about.NAMES.index(name)]

    def _told(self) -> Any:
        if self._about == ():
            self._about = self._server.call_back("about", self)
        return self._about

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return type(self) if self._told() is None else FunctionType


for _name in ("__doc__", "__module__"):  # not those of the stub
    setattr(Remote, _name, property(operator.methodcaller("__getattr__", _name)))


class Printed(io.TextIOBase):
    """What the solution prints in a call: passed on to the test, and to stdout for its limit."""

    MOST = 1 << 16

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._size = 0

    def writable(self) -> bool:
        """As a stream is asked."""
        return True

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


class Redirected(io.TextIOBase):
    """A stream of the test's, by its methods."""

    def __init__(self, first: Any, read: Any = None):
        self._first, self._read = first, read

    def write(self, text: str) -> int:
        """As a stream is written."""
        self._first(text)
        return len(text)

    def readline(self, *size: Any) -> Any:
        """As a stream is read."""
        return self._first(*size)

    def read(self, *size: Any) -> Any:
        """As a stream is read."""
        return self._read(*size)


_STREAMS = {"builtins.input": input, "sys.stdin": sys.stdin, "sys.stderr": sys.stderr}


class Server:
    """The subject's end of the channel."""

    def __init__(self, native: Any):
        self.native = native
        self.channel = Channel(
            native.CHANNEL_FD, self._kind_of, self._bind, self._handle_of, self._extended
        )
        self.solution: CodeType | None = None
        self.cell: int | None = None
        self.printed = Printed()
        self.loop: Any = None
        self._remotes: dict[int, Remote] = {}
        self._words: dict[type, str] = {}
        self._kinds: dict[Any, Any] = {}
        self._namespace: dict[str, Any] = {}
        self._constants: dict[str, Any] = {}

    def finish(self) -> None:
        """The current cell is over: what it cost is written down."""
        if self.cell is not None:
            self.native.end(self.cell, self.cell + 1, self.native.MARK_ANSWERED, b"")
            self.cell = None

    def answer(self, message: bytes) -> None:
        """One request, one reply."""
        self._reply(self.channel.decode(message), last=True)

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

    def call_back(self, operation: str, function: Remote, *operands: Any) -> Any:
        """Call something of the test's, or ask what it is."""
        number = function._handle.index
        self.channel.send(self.channel.encode(("call", operation, number, *operands)))
        while True:
            outcome = self.channel.decode(self.channel.receive())
            if outcome[0] == "returned":
                return outcome[1]
            if outcome[0] == "raised":
                raise self._raised(outcome[1])
            self._reply(outcome, last=False)  # what was called calls us

    def _raised_kind(self, lineage: Any) -> Any:
        if type(lineage) is str:
            return codec.exception(lineage) or Exception
        bases = tuple(dict.fromkeys(map(self._raised_kind, lineage[1:])))
        if lineage not in self._kinds:
            text = {"__str__": lambda error: vars(error).get("_sv_text", ""), "__module__": "test"}
            self._kinds[lineage] = type(lineage[0], bases, text)
        return self._kinds[lineage]

    def _raised(self, told: Any) -> Any:
        """An exception, or none, as the judge tells of it."""
        if type(told) is not tuple:
            return told
        lineage, args, text, attributes, number = told
        kind = self._raised_kind(lineage)
        try:
            error = kind.__new__(kind, *args)
            error.args = args
            vars(error).update(attributes, _sv_number=number, _sv_text=text)
        except Exception:
            error = Exception(text)
        return error

    def _begin(self, cell: int) -> None:
        self.finish()
        self.cell = cell
        self.native.begin(cell)
        self.channel.forget()
        self._remotes.clear()
        self._words.clear()

    def _kind_of(self, value: Any) -> str | None:
        kind = _SIMPLE.get(type(value))
        if kind is not None:
            return kind
        if isinstance(value, type):
            return f"class {self._class(value)}"
        return f"object {self._class(type(value))}"

    def _class(self, kind: type) -> str:
        """A class, as a handle tells it: its number, what it supports, its name."""
        words = self._words.get(kind)
        if words is None:
            number = self.channel.number(kind)
            base = plain_base(kind)
            bases = codec.mro(kind)
            before = bases[: bases.index(base if base in FIXED else object)]
            found = [name for name in PROTOCOLS if _has(before, f"__{name}__")]
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

    def _bind(self, handle: Handle) -> Any:
        if handle.index not in self._remotes:
            self._remotes[handle.index] = Remote(self, handle)
        return self._remotes[handle.index]

    @staticmethod
    def _handle_of(value: Any) -> int | None:
        return value._handle.index if type(value) is Remote else None

    # -- requests

    def do_load(self, cell: int, names: tuple[str, ...]) -> dict[str, Any]:
        """A fresh namespace; what it has of `names`, each with what it is."""
        sys.stdout = self.printed
        for name in _STREAMS:
            self.do_redirect(name, (None,))
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
        if isinstance(value, type) and issubclass(value, BaseException):
            if codec.exception_name(value) is not None:
                return "value", value
            return "exception", (lineage(value), value)
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

    def do_redirect(self, name: str, methods: tuple[Any, ...]) -> None:
        """The test has replaced a stream, or `input`, or (no method) has put it back."""
        module, _, attribute = name.partition(".")
        stream = _STREAMS[name] if methods[0] is None else methods[0]
        if attribute != "input" and methods[0] is not None:
            stream = Redirected(*methods)
        setattr(sys.modules[module], attribute, stream)

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

    def do_run(self, task: Any) -> tuple[Any] | None:
        """Let all tasks run, for a moment or until this one is done: then, what it returned."""
        import asyncio

        self.loop.run_until_complete(asyncio.wait((task,), timeout=0.005))
        return (task.result(),) if task.done() else None

    def do_cancel(self, task: Any) -> None:
        """The test waits no longer."""
        import asyncio

        task.cancel()
        self.loop.run_until_complete(asyncio.wait((task,), timeout=0.005))

    def do_leave(self, name: str, manager: Any, told: Any) -> Any:
        """Leave a context manager, with an exception if there is one."""
        error = self._raised(told)
        kind = None if error is None else type(error)
        return getattr(type(manager), name)(manager, kind, error, None)

    def do_op(self, name: str, operands: tuple[Any, ...]) -> Any:
        """An operator or a protocol."""
        return OPERATIONS[name](*operands)


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


def _has(classes: Sequence[type], name: str) -> bool:
    for one in classes:
        if name in one.__dict__:
            return one.__dict__[name] is not None
    return False


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


def _fields(of: Any) -> list[tuple[Any, ...]]:
    """The fields of a dataclass."""
    return [
        (
            *(f.name, () if f.default is dataclasses.MISSING else (f.default,)),
            *(f.init, f.repr, f.compare, f.kw_only is True, f.type),
        )
        for f in dataclasses.fields(of)
    ]


OPERATIONS: dict[str, Callable[..., Any]] = {
    **{
        name: getattr(operator, f"__{name}__")
        for name in (*BINARY, *INPLACE, *ORDER, *"eq ne neg pos abs invert index".split())
        if name != "divmod"
    },
    **{
        name: getattr(builtins, name)
        for name in (
            "divmod len str repr format int float complex bytes round hash iter next reversed dir"
            " isinstance issubclass aiter anext"
        ).split()
    },
    **{name: getattr(operator, name) for name in ("getitem", "setitem", "delitem")},
    **{name: getattr(math, name) for name in ("trunc", "floor", "ceil")},
    "contains": operator.contains,
    "truth": operator.truth,
    "length_hint": operator.length_hint,
    "fspath": os.fspath,
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "plain": _plain,
    "items": _items,
    "fields": _fields,
    "signature": lambda function: about.parameters_of(function, shown=True),
    "code": about.code_facts,
    "enter": lambda manager: manager.__enter__(),
    "aenter": lambda manager: manager.__aenter__(),
    "await": lambda awaitable: _awaited(awaitable),
}
"""What a judge may ask for by name."""


async def _awaited(awaitable: Any) -> Any:
    return await awaitable
