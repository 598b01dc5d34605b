"""What a test's text says before it runs: its names, and which of them may hold what of whose.

In: a parsed test. Out: `Text`: the names that it speaks of and binds; which hold answers of the
solution; and what an assertion decides by (`kind_of`, as `provenance`
wants to know). Pure. It tells as far as a text tells: what it misses
makes a mark less, so nothing rests on it alone but what no proxy sees.
"""

from __future__ import annotations

import ast
import builtins
import functools
import operator
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from . import plan
from .provenance import EQUALITY, OTHER

TOOLS = frozenset((*sys.stdlib_module_names, "np", "numpy", "pytest", *plan.TOOLS))
"""Names that are the library's, whoever imports it (`judge` sees to that)."""


@dataclass
class Text:
    """What a test's text says, read in one pass, in which its assertion sites are rewritten."""

    names: set[str] = field(default_factory=set)
    """All names, attributes and modules that it speaks of."""
    binds: set[str] = field(default_factory=set)
    """Names that it binds itself, but not what it imports from the solution."""
    defines: set[str] = field(default_factory=set)
    """Of those, what it assigns or defines, and does not import."""
    imports: set[str] = field(default_factory=set)
    """Of those, modules."""
    sets: list[tuple[str, str]] = field(default_factory=list)
    """Attributes of names that it sets."""
    hands_over: bool = False
    """Whether it may define tests that it does not run itself, or use pytest's names."""
    sites: int = 0
    inner_sites: int = 0
    """Of those, the ones in functions (one in two functions counts twice)."""
    answers: set[str] = field(default_factory=set)
    """Names and attributes (`.name`) that may hold answers of the solution."""
    parameters: set[str] = field(default_factory=set)
    given: list[tuple[list[ast.expr], ast.expr]] = field(default_factory=list)
    """Targets and the values that they get."""

    def is_answer(self, node: ast.AST) -> bool:
        """Whether an expression holds an answer of the solution, as far as the text tells."""
        for inner in ast.walk(node):
            if type(inner) is ast.Call and self.asks(inner) and not _makes(inner):
                return True
            if type(inner) is ast.Name and inner.id in self.answers:
                return True
            if type(inner) is ast.Attribute and f".{inner.attr}" in self.answers:
                return True
        return False

    def is_free(self, node: ast.expr) -> bool:
        """Whether a name is none of the text's, of Python's or of the library's."""
        base = _base(node)
        return bool(base) and not (base in self.binds or hasattr(builtins, base) or base in TOOLS)

    def asks(self, call: ast.Call) -> bool:
        """Whether a call may ask the solution: by a name that the text does not bind, that it takes
        from the solution, that is a parameter, or that holds an object of it."""
        base = _base(call.func)
        if not base or hasattr(builtins, base) or base in TOOLS:
            return False
        is_parameter = isinstance(call.func, ast.Name) and base in self.parameters
        return is_parameter or base not in self.binds or base in self.answers

    def find_answers(self) -> None:
        """From the targets of answers to what they are given to, until nothing is new."""
        rest = self.given
        while True:
            found = [pair for pair in rest if self.is_answer(pair[1])]
            if not found:
                break
            rest = [pair for pair in rest if pair not in found]
            self.answers.update(name for targets, _ in found for name in _stored(targets))


def _stored(targets: list[ast.expr]) -> Iterator[str]:
    for inner in (one for target in targets for one in ast.walk(target)):
        if type(inner) is ast.Name and type(inner.ctx) is ast.Store:
            yield inner.id
        elif type(inner) is ast.Attribute and type(inner.ctx) is ast.Store:
            yield f".{inner.attr}"


def _makes(call: ast.Call) -> bool:
    """Whether this is a call by a class's name: `Stack(1)`, not `stack(1)` and not
    `Find_Area(1)`."""
    name = call.func.id if isinstance(call.func, ast.Name) else ""
    return name[:1].isupper() and "_" not in name


def _base(node: ast.AST) -> str:
    """The name that `name.attribute[0](1).other` begins with."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def read(nodes: Iterable[ast.AST]) -> Text:
    """What the nodes of a tree say; they stay as they are."""
    text = Text()
    for node in nodes:
        bind = _BINDS.get(type(node))
        if bind is not None:
            bind(text, node)
    text.find_answers()
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
    text.hands_over |= type(node) is ast.ClassDef or node.name.startswith("test")


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


def _bind_argument(text: Text, node: ast.arg) -> None:
    text.binds.add(node.arg)
    text.parameters.add(node.arg)


def _give(text: Text, value: ast.expr | None, *targets: ast.expr | None) -> None:
    there = [target for target in targets if target is not None]
    if value is not None and there:
        text.given.append((there, value))


_BINDS: dict[type, Callable[[Text, Any], None]] = {
    ast.Name: _bind_name,
    ast.Attribute: lambda text, node: text.names.add(node.attr),
    ast.FunctionDef: _bind_definition,
    ast.AsyncFunctionDef: _bind_definition,
    ast.ClassDef: _bind_definition,
    ast.arg: _bind_argument,
    ast.Assign: lambda text, node: _give(text, node.value, *node.targets),
    ast.AnnAssign: lambda text, node: _give(text, node.value, node.target),
    ast.AugAssign: lambda text, node: _give(text, node.value, node.target),
    ast.NamedExpr: lambda text, node: _give(text, node.value, node.target),
    ast.For: lambda text, node: _give(text, node.iter, node.target),
    ast.AsyncFor: lambda text, node: _give(text, node.iter, node.target),
    ast.comprehension: lambda text, node: _give(text, node.iter, node.target),
    ast.withitem: lambda text, node: _give(text, node.context_expr, node.optional_vars),
    ast.Import: _bind_import,
    ast.ImportFrom: _bind_from,
}


def kind_of(test: ast.expr, text: Text) -> int:
    """What this assertion decides by."""
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        return functools.reduce(operator.or_, (kind_of(value, text) for value in test.values))
    if isinstance(test, ast.Compare):
        return kind_of_sides(
            all(isinstance(op, ast.Eq) for op in test.ops), text, test.left, *test.comparators
        )
    return kind_of_sides(False, text, test)


def kind_of_sides(is_equality: bool, text: Text, *sides: ast.expr) -> int:
    if not is_equality or any(map(_is_yes_or_no, sides)):
        return OTHER
    return EQUALITY


def _is_yes_or_no(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and (node.value is None or isinstance(node.value, bool))
