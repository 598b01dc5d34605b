"""What the code of a test says, read without running it."""

from __future__ import annotations

import ast
import dis
import importlib
import sys
from collections.abc import Iterator, Mapping
from types import CodeType, TracebackType
from typing import Any

from . import codec, plan

MODULES = frozenset((*sys.stdlib_module_names, "numpy"))
STREAMS = ("builtins.input", "builtins.print", "sys.stdin", "sys.stderr")
"""What of Python's own the subject gets from the test, where the test replaces it."""


def codes(code: CodeType) -> Iterator[CodeType]:
    """A code object and those in it."""
    yield code
    for const in code.co_consts:
        if isinstance(const, CodeType):
            yield from codes(const)


def names_of(code: CodeType) -> tuple[list[str], list[str]]:
    """Names that the test uses: those that Python does not define, and those of built-in functions
    and types."""
    used = {name for one in codes(code) for name in one.co_names}
    return (
        sorted(name for name in used if not plan.is_builtin(name)),
        sorted(name for name in used if name in codec.BUILTINS or name in plan.ENDS),
    )


def ours(code: CodeType, loaded: Mapping[str, Any]) -> dict[str, Any]:
    """Of the names that the solution defines, those that the test gets from us all the same.

    A name that the test reads only what a module has of, is our own copy of that module. A tool to
    compare with is ours where the test uses something else of the solution, which then is what is
    tested. So a solution that calls something else `math` or `isclose` judges nothing.
    """
    tools = [name for name in loaded if name in plan.TOOLS]
    modules = {name: _module("numpy" if name == "np" else name) for name in loaded}
    used = _loads(code) if any(modules.values()) else {}
    found = {
        name: module
        for name, module in modules.items()
        if module is not None
        and all(word and hasattr(module, word) for word in used.get(name, [None]))
    }
    if len(found) + len(tools) < len(loaded):
        for name in tools:
            found[name] = getattr(_module(plan.TOOLS[name]), name, None) or loaded[name]
    return found


def _module(name: str) -> Any:
    """Our own copy; None for what is no module of the standard library's or NumPy's."""
    top = name.partition(".")[0]
    if top not in MODULES or (top == "numpy" and top not in sys.modules):
        return None
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def _loads(code: CodeType) -> dict[str, list[str | None]]:
    """Each name that the test reads, with the attribute that is read of it at once, if any."""
    used: dict[str, list[str | None]] = {}
    for one in codes(code):
        steps = [step for step in dis.get_instructions(one) if step.opname not in ("CACHE", "NOP")]
        for step, following in zip(steps, [*steps[1:], None], strict=True):
            if step.opname in ("LOAD_NAME", "LOAD_GLOBAL"):
                read = following is not None and following.opname in ("LOAD_ATTR", "LOAD_METHOD")
                used.setdefault(step.argval, []).append(
                    following.argval if read and following is not None else None
                )
    return used


def patches_modules(code: CodeType) -> bool:
    """Whether a test uses unittest.mock's `patch` on a name of a module. What it feeds to `input`
    and the standard streams needs no patch in the subject."""
    if not any("patch" in one.co_names for one in codes(code)):
        return False
    texts = {const for one in codes(code) for const in one.co_consts if type(const) is str}
    patched = {text for text in texts if text.partition(".")[0] in MODULES and "." in text}
    return bool(patched - {*STREAMS, "sys.stdout"})


_BLOCKS = (ast.With, ast.AsyncWith)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_LOOPS = (ast.For, ast.AsyncFor, ast.While)


def skips_an_assertion(source: bytes, trace: TracebackType | None) -> bool:
    """Whether to swallow an exception at the end of a `with` block passes over assertions: those of
    the block, or of functions called in it, that come with or after what raised.

    `trace` is what `__exit__` gets: its first entry is in the block, the others are deeper.
    """
    lines = []
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<test>":
            lines.append(trace.tb_lineno)
        trace = trace.tb_next
    if not lines:
        return False
    nodes = [node for node in ast.walk(ast.parse(source)) if hasattr(node, "lineno")]
    return any(
        _asserts_later(node, line)
        for depth, line in enumerate(lines)
        for node in nodes
        if isinstance(node, _FUNCTIONS if depth else _BLOCKS) and _spans(node, line)
    )


def _spans(node: ast.AST, line: int) -> bool:
    return node.lineno <= line <= (node.end_lineno or node.lineno)  # type: ignore[attr-defined, no-any-return]


def _asserts_later(block: ast.AST, line: int) -> bool:
    inner = list(ast.walk(block))
    # A loop comes round again.
    loops = [node.lineno for node in inner if isinstance(node, _LOOPS) and _spans(node, line)]
    since = min([line, *loops])
    return any(
        _is_assertion(node) and (node.end_lineno or 0) >= since  # type: ignore[attr-defined]
        for node in inner
    )


def _is_assertion(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        return "assert" in name or name in ("check", "fail")
    return isinstance(node, ast.Assert)
