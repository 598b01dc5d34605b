"""What the code of a test says, read without running it."""

from __future__ import annotations

import ast
from types import TracebackType

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
