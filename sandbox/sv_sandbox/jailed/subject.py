"""A process that runs foreign code, and one program as `__main__`.

In: the program and its files (`native.blob`). Out: a verdict (`native.end`) and an exit code. The
program may do to this process what it likes: what it forges is its own verdict, and passing asks
for exit code 0 and the output that the caller expects.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import gc
import io
import linecache
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterable
from types import ModuleType
from typing import Any

from .values import native

# Codes of `Verdict`, which stays outside the jail.
PASS, WRONG, EXCEPTION, MEMORY, OUTPUT, FORBIDDEN, EARLY_EXIT = 1, 2, 3, 5, 6, 7, 8
REFUSED = frozenset((errno.EPERM, errno.EACCES, errno.EROFS))
FULL = frozenset((errno.EFBIG, errno.ENOSPC, errno.EDQUOT))
DETAIL_BYTES = 200

_stdout, _stderr = sys.stdout, sys.stderr
_owner = 0  # the process that speaks for the row; a child that it forks never does


def claim() -> None:
    """From now on this process speaks for the row, or for all of its rows."""
    global _owner
    if not _owner:
        _owner = os.getpid()
        signal.signal(signal.SIGINT, signal.default_int_handler)


def only_owner() -> None:
    """End a forked copy of this process that came back from foreign code."""
    if os.getpid() != _owner:
        os._exit(0)


def verdict_of(error: BaseException) -> tuple[int, bytes]:
    """The verdict an escaping exception stands for, and a short detail."""
    verdict = EXCEPTION
    text = ""
    if hasattr(error, "first") and type(error).__name__ == "Failures":
        error, text = error.first, str(error)
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
        if not text:
            text = str(error)[:DETAIL_BYTES]
            text = f"{type(error).__name__}: {text}" if text else type(error).__name__
        detail = text
        return verdict, detail.encode("utf-8", "replace")[:DETAIL_BYTES]
    except BaseException:  # the program's own __str__ failed; the verdict stands
        return verdict, b""


def new_namespace(name: str = "solution") -> dict[str, object]:
    """The globals of a fresh module, findable by the machinery that asks `sys.modules` for it."""
    module = ModuleType(name)
    module.__file__ = f"{name}.py"
    sys.modules[name] = sys.modules["__main__"] = module
    return module.__dict__


def main() -> None:
    """One program, with the exit code an interpreter would give. Never returns."""
    claim()
    blobs = native.row()[3]
    native.begin(0)
    verdict, detail, exit_code = execute(blobs)
    for finish in (threading._shutdown, atexit._run_exitfuncs, flush, let_go, flush):  # type: ignore[attr-defined]
        try:
            finish()
        except BaseException:
            exit_code = exit_code or 120  # the interpreter's code for a failed flush
    native.end(0, 1, verdict if exit_code == 0 or verdict != PASS else EXCEPTION, detail)
    os._exit(exit_code & 255)


def execute(blobs: int) -> tuple[int, bytes, int]:
    """Verdict, detail and exit code of a program, from its files to its last line."""
    try:
        for index in range(1, blobs, 2):
            write_file(os.fsdecode(native.blob(index)), native.blob(index + 1))
        module = ModuleType("__main__")
        module.__dict__["__file__"] = "program.py"
        sys.modules["__main__"] = module
        sys.argv[:] = ["program.py"]
        sys.path.insert(0, os.getcwd())  # modules among its files
        source = native.blob(0)
        code = compile(source, "program.py", "exec", dont_inherit=True)
        keep_lines("program.py", source)
        native.loaded()
        exec(code, module.__dict__)
    except SystemExit as error:
        exit_code, detail = exit_code_of(error)
        return PASS if exit_code == 0 else EXCEPTION, detail, exit_code
    except BaseException as error:
        verdict, detail = verdict_of(error)
        if isinstance(error, AssertionError):
            verdict = EXCEPTION  # a program has no test that could be wrong
        try:
            # Without the frame of this function: what the program's own interpreter would print.
            shown = error.__traceback__.tb_next if error.__traceback__ else None
            traceback.print_exception(type(error), error, shown, file=_stderr)
        except BaseException:
            pass  # the program broke its own stderr; the exit code tells
        return verdict, detail, 1
    return PASS, b"", 0


def keep_lines(name: str, source: bytes) -> None:
    """There is no such file: `inspect.getsource` and tracebacks find its lines here."""
    lines = source.decode("utf-8", "replace").splitlines(True)
    linecache.cache[name] = len(source), None, lines, name


def flush() -> None:
    """Write what is still in the streams, the program's own ones in their place included."""
    for stream in (getattr(sys, "stdout", None), getattr(sys, "stderr", None), _stdout, _stderr):
        if stream is not None and not getattr(stream, "closed", False):
            stream.flush()


def let_go() -> None:
    """Drop what a program holds: its open files get what was written, and destructors run."""
    main = sys.modules.pop("__main__", None)
    flush_files(list(vars(main).values()) if main is not None else [])
    del main
    sys.stdout, sys.stderr = _stdout, _stderr
    gc.collect()


def flush_files(values: Iterable[Any]) -> None:
    """Write what is still in those of these that are open files."""
    for value in values:
        if type(value) in (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom):
            with contextlib.suppress(Exception):  # closed, full, or read only
                value.flush()


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
