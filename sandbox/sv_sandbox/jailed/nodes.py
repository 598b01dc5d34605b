"""What single nodes of a test's tree say: names, calls, parameters. Pure."""

from __future__ import annotations

import ast
import builtins
import symtable
import sys
from collections.abc import Callable, Iterable, Iterator, Set
from typing import NamedTuple

from . import text

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def free(source: str, nodes: list[ast.AST]) -> set[str]:
    """Names that are read and nobody in the text binds: the solution's, but for the library's. A
    module that is not imported is meant where an attribute of it is."""
    scope = symtable.symtable(source, "<test>", "exec")
    module = {one.get_name() for one in scope.get_symbols() if _binds(one)}
    found, scopes = set(), [scope]
    while scopes:
        scope = scopes.pop()
        scopes += scope.get_children()
        read = [one for one in scope.get_symbols() if one.is_referenced() and one.is_global()]
        found |= {one.get_name() for one in read}
    tools = text.TOOLS - _bare(nodes)
    known = {name for name in found if hasattr(builtins, name) or name in tools}
    return found - module - known


def _bare(nodes: list[ast.AST]) -> set[str]:
    """Names of modules that stand for themselves somewhere."""
    bases = {id(one.value) for one in nodes if isinstance(one, ast.Attribute)}
    found = (one for one in nodes if isinstance(one, ast.Name) and id(one) not in bases)
    return {one.id for one in found if one.id in sys.stdlib_module_names}


def _binds(symbol: symtable.Symbol) -> bool:
    return symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace()


def imported_from(node: ast.Import | ast.ImportFrom, modules: Set[str]) -> Iterator[str]:
    """The names that an import takes from these."""
    of = [getattr(node, "module", None) or ""]
    for one in node.names:
        if not modules.isdisjoint(name.partition(".")[0] for name in (*of, one.name)):
            yield one.asname or one.name.partition(".")[0]


def root(node: ast.AST) -> str:
    """The name that `name.attribute[0]` begins with."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Starred | ast.Await):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def path(node: ast.AST) -> Iterator[str]:
    """The attributes in `name.attribute[0].other`, the last one first."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Starred | ast.Await):
        if isinstance(node, ast.Attribute):
            yield node.attr
        node = node.value


def called(call: ast.Call) -> str:
    """The name by which something is called."""
    return str(getattr(call.func, "attr", getattr(call.func, "id", "")))


def called_by(call: ast.Call) -> list[ast.expr]:
    """What a function of Python's is given to call."""
    given = [one.value for one in call.keywords if one.arg in ("key", "default_factory")]
    return [*given, *(call.args[:1] if called(call) in ("map", "filter") else [])]


def inside(call: ast.Call) -> list[ast.expr]:
    """What a call is given."""
    return [*call.args, *(one.value for one in call.keywords)]


def parameters(node: ast.AST) -> list[str]:
    """Of a function or lambda; none of a class."""
    given = getattr(node, "args", None)
    return [one.arg for one in ast.walk(given) if isinstance(one, ast.arg)] if given else []


class Said(NamedTuple):
    """What stands in a node: names, attributes (`.name`), calls; whether it asserts."""

    words: frozenset[str]
    calls: list[ast.Call]
    asserts: bool = False


def said(node: ast.AST) -> Said:
    """All that stands in a node."""
    words, calls = set(), []
    asserts = False
    for one in ast.walk(node):
        if isinstance(one, ast.Name):
            words.add(one.id)
        elif isinstance(one, ast.Attribute):
            words.add(f".{one.attr}")
        elif isinstance(one, ast.Call):
            calls.append(one)
            asserts = asserts or called(one).startswith(_ASSERTING)
        elif isinstance(one, ast.Assert | ast.Raise):
            asserts = True
    return Said(frozenset(words), calls, asserts)


_ASSERTING = ("assert", "fail", "raises")


def asserting(nodes: Iterable[ast.AST], look: Callable[[ast.AST], Said] = said) -> set[str]:
    """Names of functions of the text that assert something or speak of such a one, and of classes
    whose special methods do."""
    parts = [(name, look(one)) for node in nodes for name, one in _named(node)]
    found = {name for name, one in parts if one.asserts}
    while True:
        known = found | {f".{name}" for name in found}
        new = {name for name, one in parts if not known.isdisjoint(one.words)} - found
        if not new:
            return found
        found |= new


def _named(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """Functions that a node defines, each by the name that it is called by."""
    if isinstance(node, FUNCTIONS):
        yield node.name, node
    elif isinstance(node, ast.ClassDef):
        parts = (part for part in node.body if isinstance(part, FUNCTIONS))
        yield from ((node.name, part) for part in parts if part.name[:2] == "__")
    elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Lambda):
        targets = (target for target in node.targets if isinstance(target, ast.Name))
        yield from ((target.id, node.value) for target in targets)


def asserts(one: Said, by_name: Set[str]) -> bool:
    """Whether there is an assertion in it, or the name of a function that has one."""
    return one.asserts or any(word.lstrip(".") in by_name for word in one.words)


def goes_by_a_class_name(name: str) -> bool:
    """`Stack` and `_Node`; not `stack`, and not `Find_Area`."""
    bare = name.lstrip("_")
    return bare[:1].isupper() and "_" not in bare
