"""What a test's text speaks of before it runs: the names that it reads, binds, imports and sets.

In: a parsed test. Out: `Text`. Pure.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterable
from typing import Any

from . import plan

TOOLS = frozenset((*sys.stdlib_module_names, "np", "numpy", "pytest", *plan.TOOLS))
"""Names that are the library's, whoever imports it (`judge` sees to that)."""


class Text:
    """What a test's text says, read in one pass, in which its assertion sites are rewritten."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        """All names, attributes and modules that it speaks of."""
        self.binds: set[str] = set()
        """Names that it binds itself, but not what it imports from the solution."""
        self.defines: set[str] = set()
        """Of those, what it assigns or defines, and does not import."""
        self.imports: set[str] = set()
        """Of those, modules."""
        self.sets: list[tuple[str, str]] = []
        """Attributes of names that it sets."""
        self.hands_over = False
        """Whether it may define tests that it does not run itself, or use pytest's names."""
        self.sites = 0
        self.fails = False
        """Whether it fails by its own hand: `raise AssertionError`, `fail()`, `if …: exit(1)`."""
        self.is_due = False
        """Whether an assertion stands outside of functions."""


def read(nodes: Iterable[ast.AST]) -> Text:
    """What the nodes of a tree say; they stay as they are."""
    text = Text()
    for node in nodes:
        bind = _BINDS.get(type(node))
        if bind is not None:
            bind(text, node)
    return text


def _bind_name(text: Text, node: ast.Name) -> None:
    text.names.add(node.id)
    if type(node.ctx) is ast.Store:
        text.binds.add(node.id)
        text.defines.add(node.id)
        text.hands_over |= node.id.startswith("test")


def _bind_definition(text: Text, node: ast.FunctionDef | ast.ClassDef) -> None:
    text.binds.add(node.name)
    text.defines.add(node.name)
    text.hands_over |= type(node) is ast.ClassDef or node.name.startswith(("test", "load_tests"))


def _bind_import(text: Text, node: ast.Import) -> None:
    node_names = [one for one in node.names if one.name.split(".")[0] != "solution"]
    text.hands_over |= any(one.name in ("pytest", "unittest") for one in node.names)
    for one in node_names:
        text.names.update(one.name.split("."))
        text.binds.add(one.asname or one.name.split(".")[0])
        text.imports.add(one.asname or one.name.split(".")[0])


def _bind_from(text: Text, node: ast.ImportFrom) -> None:
    text.hands_over |= node.module in ("pytest", "unittest")
    text.names.update((node.module or "").split("."))
    text.names.update(one.name for one in node.names)
    if node.module != "solution":
        text.binds.update(one.asname or one.name for one in node.names)


def _note_branch(text: Text, node: ast.If) -> None:
    text.fails |= any(map(_ends, (*node.body, *node.orelse)))


def _ends(node: ast.stmt) -> bool:
    """Whether a statement raises, or exits with another code than success."""
    call = getattr(node, "exc", getattr(node, "value", None))
    named = getattr(call, "func", call)
    name = getattr(named, "attr", getattr(named, "id", ""))
    if name not in ("SystemExit", "exit", "quit", "_exit"):
        return isinstance(node, ast.Raise)
    codes = getattr(call, "args", [])
    return any(not isinstance(one, ast.Constant) or one.value for one in codes)


def _bind_argument(text: Text, node: ast.arg) -> None:
    text.binds.add(node.arg)


_BINDS: dict[type, Callable[[Text, Any], None]] = {
    ast.Name: _bind_name,
    ast.Attribute: lambda text, node: text.names.add(node.attr),
    ast.FunctionDef: _bind_definition,
    ast.AsyncFunctionDef: _bind_definition,
    ast.ClassDef: _bind_definition,
    ast.arg: _bind_argument,
    ast.Import: _bind_import,
    ast.ImportFrom: _bind_from,
    ast.If: _note_branch,
}
