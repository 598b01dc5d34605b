"""Which tests are sure to fail where nothing is behind the names of the solution? They need not be
tried (`judge.vacuous`).

In: a parsed test. Out: whether it calls a name of the solution's whatever values it meets, and has
nothing that catches what the call raises. Pure; reads the text only, and says no where in doubt.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Iterator

from .plan import is_builtin

_CATCHES = (
    *(ast.Try, ast.TryStar, ast.With, ast.AsyncWith, ast.ClassDef, ast.AsyncFunctionDef),
    *(ast.Yield, ast.YieldFrom, ast.Global, ast.Nonlocal, ast.Delete, ast.Match),
)
"""What may catch an exception, run later, or change what a name means."""
_MODULES = frozenset(
    "bisect collections copy datetime decimal fractions heapq itertools json math numpy operator"
    " random re string typing".split()
)
"""Modules of which nothing catches what a function given to it raises, or ends the process."""
_ENDS = frozenset(
    "exit quit SystemExit KeyboardInterrupt eval exec globals vars locals setattr getattr".split()
)


def fails_with_nothing(tree: ast.Module, entry_point: str | None) -> bool:
    """Whether the test fails for certain if every name of the solution's raises when called."""
    nodes = list(ast.walk(tree))
    if any(isinstance(node, _CATCHES) or not _is_harmless(node) for node in nodes):
        return False
    arguments = {node.arg for node in nodes if type(node) is ast.arg}
    functions: dict[str, ast.FunctionDef] = {}
    for statement in tree.body:
        if type(statement) is ast.FunctionDef and not statement.decorator_list:
            functions[statement.name] = statement
    for name in _assigned_twice(tree) | arguments:
        functions.pop(name, None)  # what it means may change
    return _Reader(_bound(tree) | arguments, functions, entry_point).calls(tree.body, set())


def _assigned_twice(tree: ast.Module) -> set[str]:
    """Names of functions that anything else below has as well."""
    counts = Counter(name for node in ast.walk(tree) for name in _names_of(node))
    return {name for name, count in counts.items() if count > 1}


def _names_of(node: ast.AST) -> list[str]:
    """What this assigns to, defines or imports."""
    if type(node) is ast.FunctionDef:
        return [node.name]
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [(one.asname or one.name).partition(".")[0] for one in node.names]
    return [node.id] if type(node) is ast.Name and type(node.ctx) is ast.Store else []


def _bound(tree: ast.AST) -> set[str]:
    """Names that are assigned to, defined or imported, anywhere below."""
    return {name for node in ast.walk(tree) if node is not tree for name in _names_of(node)}


def _is_harmless(node: ast.AST) -> bool:
    named = getattr(node, "id", getattr(node, "attr", getattr(node, "value", None)))
    if isinstance(named, str):  # where a name, or a string, leads to a namespace, anything may be
        return named not in _ENDS and (named[:2] != "__" or named in ("__name__", "__main__"))
    if type(node) is ast.Import:
        return all(one.name in _MODULES for one in node.names)
    if type(node) is ast.ImportFrom:
        return node.module in _MODULES and all(one.name != "*" for one in node.names)
    return True


class _Reader:
    """Follows what is evaluated whatever the values are."""

    def __init__(
        self, binds: set[str], functions: dict[str, ast.FunctionDef], entry_point: str | None
    ):
        self._binds, self._functions, self._entry_point = binds, functions, entry_point
        self._inside: list[str] = []

    def calls(self, body: Iterable[ast.stmt], given: set[str]) -> bool:
        """Whether these statements are sure to call the solution; `given`: parameters that are
        functions of it."""
        for statement in body:
            if type(statement) is ast.FunctionDef:
                continue
            if any(self._asks(node, given) for node in _evaluated(statement)):
                return True
            if any(type(node) is ast.Return for node in ast.walk(statement)):
                return False  # what follows may not be reached
        return False

    def _asks(self, node: ast.AST, given: set[str]) -> bool:
        if type(node) is not ast.Call or type(node.func) is not ast.Name:
            return False
        name = node.func.id
        if name in given or self._is_theirs(name):
            return True
        function = self._functions.get(name)
        if function is None or name in self._inside:
            return False
        if any(type(value) is ast.Starred for value in node.args):
            return False
        passed = {
            one.arg
            for one, value in zip(
                [*function.args.posonlyargs, *function.args.args], node.args, strict=False
            )
            if type(value) is ast.Name and (value.id in given or self._is_theirs(value.id))
        }
        passed -= _bound(function)
        self._inside.append(name)
        try:
            return self.calls(function.body, passed)
        finally:
            self._inside.pop()

    def _is_theirs(self, name: str) -> bool:
        if name in self._binds or name.startswith("__"):
            return False
        return name == self._entry_point or not is_builtin(name)


_FIRST: dict[type, tuple[str, ...]] = {
    **dict.fromkeys((ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp), ("generators",)),
    **dict.fromkeys((ast.If, ast.IfExp, ast.While, ast.Assert), ("test",)),
    **{ast.For: ("iter",), ast.comprehension: ("iter",), ast.Lambda: ()},
}
"""Of what is not evaluated whole: fields that are, or their first item."""


def _evaluated(node: ast.AST) -> Iterator[ast.AST]:
    """The node, and what below it is evaluated whatever the values are."""
    yield node
    if type(node) is ast.BoolOp:
        below: list[ast.AST] = [node.values[0]]
    elif type(node) is ast.Compare:
        below = [node.left, node.comparators[0]]
    elif type(node) in _FIRST:
        fields = [getattr(node, name) for name in _FIRST[type(node)]]
        below = [one[0] if type(one) is list else one for one in fields]
    else:
        below = list(ast.iter_child_nodes(node))
    for one in below:
        yield from _evaluated(one)
