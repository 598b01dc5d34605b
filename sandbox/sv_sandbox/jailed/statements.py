"""The statements of a test's text, as `changes` follows them: what each reads, stores and guards.

In: a test's text. Out: `Statements`. Pure.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator

from . import text

TEXT = "<test>"
"""The file name of a test's code."""
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
LOOPS = (ast.For, ast.AsyncFor)
BLOCKS = (*FUNCTIONS, *LOOPS, ast.ClassDef, ast.If, ast.While, ast.Match)
"""Statements whose head decides whether and how often what is in them runs."""
_JUMPS = (ast.Return, ast.Break, ast.Continue, ast.Raise, ast.Yield, ast.YieldFrom)
_HEADS: dict[type, tuple[str, ...]] = {
    **dict.fromkeys((ast.If, ast.While), ("test",)),
    **dict.fromkeys(LOOPS, ("iter",)),
    **dict.fromkeys(FUNCTIONS, ("decorator_list", "args")),
    **dict.fromkeys((ast.With, ast.AsyncWith), ("items",)),
    **dict.fromkeys((ast.Try, getattr(ast, "TryStar", ast.Try)), ()),
    **{ast.ClassDef: ("decorator_list", "bases", "keywords"), ast.Match: ("subject",)},
}
"""Of statements that hold others: the fields that are evaluated first."""
_TARGETS: dict[type, str] = dict.fromkeys(LOOPS, "target")


class Statements:
    """Of one text."""

    def __init__(self, source: str):
        tree = ast.parse(source)
        self.text = text.read(tree)
        self._at: dict[int, list[ast.stmt]] = {}
        self._scopes: dict[ast.stmt, ast.AST] = {}
        self.around: dict[ast.stmt, tuple[ast.stmt, ...]] = {}
        """The blocks that each lies in, as far as its function."""
        self._stores: dict[ast.stmt, set[str]] = {}
        self._reads: dict[ast.stmt, frozenset[str]] = {}
        self.bare = Counter(one for node in ast.walk(tree) for one in _bare(node))
        """Constants that a name gets, or a function returns."""
        self._free: dict[ast.AST, frozenset[str]] = {}
        self._place(tree, tree, ())
        self._functions = {
            node.name: node for node in ast.walk(tree) if isinstance(node, FUNCTIONS)
        }

    def _place(self, node: ast.AST, scope: ast.AST, around: tuple[ast.stmt, ...]) -> None:
        for inner in ast.iter_child_nodes(node):
            if isinstance(inner, ast.stmt):
                self._scopes[inner], self.around[inner] = scope, around
                heads = self.heads(inner)
                lines = [inner.lineno, *(part.end_lineno or 0 for part in heads)]
                if type(inner) not in _HEADS:
                    lines.append(inner.end_lineno or 0)
                first = min(inner.lineno, *(part.lineno for part in heads), inner.lineno)
                for line in range(first, max(lines) + 1):
                    self._at.setdefault(line, []).append(inner)
            if isinstance(inner, (*FUNCTIONS, ast.Lambda)):
                self._place(inner, inner, ())
            else:
                self._place(inner, scope, (*around, inner) if isinstance(inner, BLOCKS) else around)

    def at(self, line: int) -> list[ast.stmt]:
        """Those that a line may belong to; the same list for the same line."""
        return self._at.get(line, _NONE)

    def free(self, node: ast.AST) -> frozenset[str]:
        """Names that an expression reads and does not bind itself."""
        if node not in self._free:
            found: set[str] = set()
            if isinstance(node, ast.Name):
                found = {node.id} if type(node.ctx) is ast.Load else found
            else:
                found.update(*map(self.free, ast.iter_child_nodes(node)))
                found -= _bound_in(node)
                if hasattr(node, "generators"):
                    found |= self.free(node.generators[0].iter)
            self._free[node] = frozenset(found)
        return self._free[node]

    def reads(self, statement: ast.stmt) -> frozenset[str]:
        """Names that a statement reads itself."""
        if statement not in self._reads:
            found = frozenset[str]().union(*map(self.free, self.heads(statement)))
            if isinstance(statement, ast.AugAssign):
                found |= names_stored(statement.target)
            self._reads[statement] = found
        return self._reads[statement]

    @staticmethod
    def heads(statement: ast.stmt) -> list[ast.expr]:
        """What a statement evaluates itself."""
        names = _HEADS.get(type(statement), statement._fields)
        found: list[ast.expr] = []
        for name in names:
            value = getattr(statement, name, None)
            for one in value if isinstance(value, list) else [value]:
                if isinstance(one, ast.expr):
                    found.append(one)
                elif isinstance(one, ast.withitem):
                    found.append(one.context_expr)
                elif isinstance(one, ast.keyword):
                    found.append(one.value)
                elif isinstance(one, ast.arguments):
                    found += [default for default in (*one.defaults, *one.kw_defaults) if default]
        return found

    def stores(self, statement: ast.stmt) -> set[str]:
        """Names that a statement itself binds."""
        if statement not in self._stores:
            self._stores[statement] = self._stored(statement)
        return self._stores[statement]

    def _stored(self, statement: ast.stmt) -> set[str]:
        if isinstance(statement, (*FUNCTIONS, ast.ClassDef)):
            return {statement.name}
        parts: list[ast.AST] = [*self.heads(statement)]
        parts += [getattr(statement, _TARGETS.get(type(statement), ""), None) or ast.Pass()]
        if isinstance(statement, ast.With | ast.AsyncWith):
            parts += [one.optional_vars for one in statement.items if one.optional_vars]
        return names_stored(*parts)

    def guards(self, statement: ast.stmt) -> bool:
        """Whether it depends on this statement's head which assertions are reached."""
        if not isinstance(statement, BLOCKS):
            return not isinstance(statement, ast.With | ast.AsyncWith) and any(sites(statement))
        if any(map(_asserts, self.effects(statement))):
            return True
        if isinstance(statement, (*FUNCTIONS, ast.ClassDef)):
            return False
        jumps = any(isinstance(node, _JUMPS) for node in ast.walk(statement))
        return jumps and _asserts(self._scopes[statement])

    def effects(self, statement: ast.stmt) -> list[ast.AST]:
        """A statement, and the functions of the text that it may call."""
        found: list[ast.AST] = [statement]
        for part in found:
            for node in ast.walk(part):
                name = getattr(node, "id", getattr(node, "attr", ""))
                called = self._functions.get(name)
                if called is not None and called not in found:
                    found.append(called)
        return found


_NONE: list[ast.stmt] = []


def names_stored(*nodes: ast.AST) -> set[str]:
    """Names that are bound anywhere in these."""
    inside = (inner for node in nodes for inner in ast.walk(node))
    found = set()
    for one in inside:
        if type(one) is ast.Name and type(one.ctx) is not ast.Load:
            found.add(one.id)
        elif isinstance(one, ast.Global | ast.Nonlocal):
            found.update(one.names)
    return found


def _bound_in(node: ast.AST) -> set[str]:
    """Names that a comprehension or a lambda binds."""
    if isinstance(node, ast.Lambda):
        return {one.arg for one in ast.walk(node.args) if type(one) is ast.arg}
    generators: list[ast.comprehension] = getattr(node, "generators", [])
    return names_stored(*(one.target for one in generators))


def _bare(node: ast.AST) -> Iterator[tuple[type, object]]:
    values: list[object] = []
    if isinstance(node, ast.Assign | ast.AnnAssign | ast.Return):
        values = [node.value]
    elif isinstance(node, ast.IfExp):
        values = [node.body, node.orelse]
    yield from ((type(one.value), one.value) for one in values if isinstance(one, ast.Constant))


def name_of(call: ast.AST) -> str:
    """The last name of what is called."""
    func = getattr(call, "func", None)
    return str(getattr(func, "attr", getattr(func, "id", "")))


def is_site(node: ast.AST) -> bool:
    """Whether something is asserted here."""
    return type(node) is ast.Assert or (type(node) is ast.Call and name_of(node)[:6] == "assert")


def _asserts(node: ast.AST) -> bool:
    return any(map(is_site, ast.walk(node)))


def sites(statement: ast.stmt) -> Iterator[ast.expr]:
    """What a statement asserts."""
    if type(statement) is ast.Assert:
        yield statement.test
    else:
        for head in Statements.heads(statement):
            yield from (node for node in ast.walk(head) if is_site(node))  # type: ignore[misc]
