"""What runs inside the jail: one row of cells, or one program, in a fork of a template.

In: the row in shared memory (`native.row`, `native.blob`).  Out: a verdict per cell (`native.end`).

With the `inline` judge everything here shares one process with the tests, so a hostile program can
forge its verdict; it can do nothing to anybody else. With the `split` judge this process has the
solution alone (`run_calls`, `serve`): it says what the calls returned, and what it says is data.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import io
import itertools
import operator
import os
import sys
import threading
import traceback
from collections.abc import Callable
from types import CodeType, CoroutineType, ModuleType
from typing import Any

from . import codec
from .channel import Channel, Lost, changed, contents, is_mutable
from .codec import CodecError, Handle, Unencodable
from .plan import requested

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


def described(
    error: BaseException,
) -> tuple[tuple[str, ...], tuple[Any, ...], str, dict[str, Any]]:
    """An exception as plain data: names from its class to the first built-in one, arguments, text,
    and those attributes that can cross."""
    try:
        text = str(error)[:2000]
    except BaseException:
        text = ""
    args: tuple[Any, ...] = (text,)
    attributes: dict[str, Any] = {}
    try:
        args = tuple(error.args)
        if isinstance(error, OSError) and error.filename is not None:
            args = (error.errno, error.strerror, error.filename)
        codec.encode(args)
        for name, value in vars(error).items():
            with contextlib.suppress(Unencodable):
                codec.encode(value)
                attributes[name] = value
    except BaseException:
        args = (text,)
    return lineage(type(error)), args, text, attributes


def lineage(kind: type[BaseException]) -> tuple[str, ...]:
    """Names from an exception class to its first built-in base."""
    names = []
    for base in kind.__mro__:
        names.append(base.__name__)
        if codec.EXCEPTIONS.get(base.__name__) is base:
            break
    return tuple(names)


class Remote:
    """Something of the test's that the solution was passed: it can be called, and passed back."""

    def __init__(self, server: Server, handle: Handle):
        self._server, self._handle = server, handle

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._server.call_back(self, args, kwargs)


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


class Server:
    """The subject's end of the channel."""

    def __init__(self, native: Any):
        self.native = native
        self.channel = Channel(native.CHANNEL_FD, self._kind_of, self._bind, self._handle_of)
        self.solution: CodeType | None = None
        self.cell: int | None = None
        self.printed = Printed()
        self.loop: Any = None

    def finish(self) -> None:
        """The current cell is over: what it cost is written down."""
        if self.cell is not None:
            self.native.end(self.cell, self.cell + 1, self.native.MARK_ANSWERED, b"")
            self.cell = None

    def answer(self, message: bytes) -> None:
        """One request, one reply."""
        (operation, *operands), containers = self.channel.decode(message)
        before = [
            contents(container) if is_mutable(container) else None for container in containers
        ]
        if operation == "load":
            self._begin(operands[0])
        try:
            value = getattr(self, f"do_{operation}")(*operands)
            reply: tuple[Any, ...] = ("ok", value)
        except Lost:
            raise
        except BaseException as error:
            reply = ("raise", described(error))
        only_owner()
        changes = [
            (number, contents(container))
            for number, (old, container) in enumerate(zip(before, containers, strict=True))
            if old is not None and changed(old, container)
        ]
        try:
            data, _ = self.channel.encode((*reply, changes, self.printed.take()), containers)
        except Unencodable as error:
            data, _ = self.channel.encode(("raise", described(error), [], ""))
        self.channel.send(data)

    def call_back(self, function: Remote, args: Any, kwargs: Any) -> Any:
        """Call something of the test's."""
        data, _ = self.channel.encode(("call", function, args, kwargs))
        self.channel.send(data)
        while True:
            outcome, _ = self.channel.decode(self.channel.receive())
            if len(outcome) == 2 and outcome[0] == "ok":
                return outcome[1]
            if len(outcome) == 2 and outcome[0] == "raise":
                lineage, arguments = outcome[1][:2]
                raise codec.EXCEPTIONS.get(lineage[-1], Exception)(*arguments)
            raise CodecError("not an outcome")

    def _begin(self, cell: int) -> None:
        self.finish()
        self.cell = cell
        self.native.begin(cell)
        self.channel.forget()

    @staticmethod
    def _kind_of(value: Any) -> str | None:
        if isinstance(value, CoroutineType):
            return "coroutine"
        return "class" if isinstance(value, type) else "object"

    def _bind(self, handle: Handle) -> Any:
        return Remote(self, handle)

    @staticmethod
    def _handle_of(value: Any) -> int | None:
        return value._handle.index if type(value) is Remote else None

    # -- requests

    def do_load(self, cell: int, names: list[str]) -> dict[str, Any]:
        """A fresh namespace; what it has of `names`, each with what it is."""
        sys.stdout = self.printed
        if self.solution is None:
            self.solution = compile(self.native.blob(0), "<solution>", "exec", dont_inherit=True)
        namespace = new_namespace()
        exec(self.solution, namespace)
        self.native.loaded()
        return {name: self._defined(namespace[name]) for name in names if name in namespace}

    @staticmethod
    def _defined(value: Any) -> tuple[str, Any]:
        if isinstance(value, type) and issubclass(value, BaseException):
            return "exception", lineage(value)
        if isinstance(value, ModuleType):
            return "module", value.__name__
        return "value", value

    def do_invoke(self, function: Any, args: Any, kwargs: Any) -> Any:
        """Call an object of ours."""
        return function(*args, **kwargs)

    def do_getattr(self, target: Any, name: str) -> Any:
        """Read an attribute."""
        return getattr(target, name)

    def do_setattr(self, target: Any, name: str, value: Any) -> None:
        """Set an attribute."""
        setattr(target, name, value)

    def do_delattr(self, target: Any, name: str) -> None:
        """Delete an attribute."""
        delattr(target, name)

    def do_run(self, coroutine: Any) -> Any:
        """Run a coroutine of ours to its end."""
        import asyncio

        if self.loop is None:
            self.loop = asyncio.new_event_loop()
        return self.loop.run_until_complete(coroutine)

    def do_op(self, name: str, operands: tuple[Any, ...]) -> Any:
        """An operator or a protocol."""
        return OPERATIONS[name](*operands)


def _items(container: Any, most: int) -> list[Any]:
    """The first items."""
    return list(itertools.islice(container, most))


def _exit(manager: Any, told: Any) -> Any:
    """Leave a context manager, with an exception of the nearest built-in class if there is one."""
    if told is None:
        return manager.__exit__(None, None, None)
    lineage, args = told[:2]
    error = codec.EXCEPTIONS.get(lineage[-1], Exception)(*args)
    return manager.__exit__(type(error), error, None)


OPERATIONS: dict[str, Callable[..., Any]] = {
    **{
        name: getattr(operator, name)
        for name in (
            "eq ne lt le gt ge add sub mul truediv floordiv mod pow matmul xor lshift rshift neg"
            " pos abs invert getitem setitem delitem contains truth index"
        ).split()
    },
    "and": operator.and_,
    "or": operator.or_,
    "len": len,
    "str": str,
    "repr": repr,
    "int": int,
    "float": float,
    "round": round,
    "hash": hash,
    "iter": iter,
    "next": next,
    "isinstance": isinstance,
    "issubclass": issubclass,
    "enter": lambda manager: manager.__enter__(),
    "exit": _exit,
    "items": _items,
}
"""What a judge may ask for by name."""
