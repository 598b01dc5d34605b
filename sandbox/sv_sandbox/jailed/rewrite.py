"""Assertion sites, `is` and `except` of a test's text, rewritten to tell `provenance.Provenance`.

In: the parsed test. Out: the same tree, where

    assert E, M         try: S.entered(); if S.holds(kind, E): pass
                                          else: raise S.failed(M)
                        except BaseException: S.broken(); raise
    self.assertX(...)   the same around the call (`pytest.fail`, `np.testing.assert_...` alike), and
    with raises(...):   around the whole statement
    except T:           except S.handler(T, own):
    raises(T), suppress(T)   raises(S.expected(T, own)), suppress(S.expected(T, own))
    a is b              S.identity(a) is S.identity(b), unless one is a constant
    raise AssertionError(...)   raise S.raised(AssertionError(...))

with S the global name `SITES`. Nothing else changes: scopes, order of evaluation and line numbers
stay. Pure; the invariant is that of `provenance`.
"""

from __future__ import annotations

import ast
import builtins
from types import CodeType
from typing import Any

from .provenance import EQUALITY, NESTED, OTHER

SITES = "__sv_sites__"

_EQUALITIES = frozenset(
    "assertEqual assertListEqual assertDictEqual assertSetEqual assertTupleEqual assertCountEqual"
    " assertSequenceEqual assertMultiLineEqual assertAlmostEqual assertEquals assert_equal"
    " assert_array_equal assert_allclose assert_almost_equal assert_array_almost_equal".split()
)
_EXPECTING = frozenset(
    "raises warns deprecated_call assertRaises assertRaisesRegex assertWarns assertWarnsRegex"
    " assertLogs assertNoLogs".split()
)
_GIVEN_CLASSES = _EXPECTING - {"assertLogs", "assertNoLogs", "deprecated_call"} | {"suppress"}
_BRANCHES = (ast.If, ast.While, ast.IfExp, ast.Match, ast.BoolOp)


def rewrite(tree: ast.Module, own: set[str]) -> int:
    """Rewrites in place; `own` are names that the text binds. Returns the number of sites."""
    rewriter = _Rewriter(own)
    rewriter.visit(tree)
    ast.fix_missing_locations(tree)
    return rewriter.sites


def branches(tree: ast.Module) -> bool:
    """Whether the test's control flow, beside its assertions, may depend on values."""
    asserted = {id(node.test) for node in ast.walk(tree) if isinstance(node, ast.Assert)}
    return any(
        (isinstance(node, _BRANCHES) and id(node) not in asserted)
        or (isinstance(node, ast.comprehension) and bool(node.ifs))
        for node in ast.walk(tree)
    )


def holds_sites(code: CodeType) -> bool:
    """Whether a function's code, or one in it, has an assertion site."""
    if SITES in code.co_names and ("entered" in code.co_names or "raised" in code.co_names):
        return True
    return any(isinstance(const, CodeType) and holds_sites(const) for const in code.co_consts)


def kind_of(test: ast.expr, own: set[str]) -> int:
    """What this assertion decides by."""
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        return max(kind_of(value, own) for value in test.values)
    if isinstance(test, ast.Compare) and all(isinstance(op, ast.Eq) for op in test.ops):
        if not any(map(_is_yes_or_no, (test.left, *test.comparators))):
            return EQUALITY
    return NESTED if any(_asks_of_answer(node, own) for node in ast.walk(test)) else OTHER


def _is_yes_or_no(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and (node.value is None or isinstance(node.value, bool))


def _asks_of_answer(node: ast.AST, own: set[str]) -> bool:
    """A call of the solution's with a call of the solution's among its arguments."""
    return _calls_foreign(node, own) and any(
        _calls_foreign(inner, own)
        for argument in (*node.args, *node.keywords)  # type: ignore[attr-defined]
        for inner in ast.walk(argument)
    )


def _calls_foreign(node: ast.AST, own: set[str]) -> bool:
    root = _root(node.func) if isinstance(node, ast.Call) else ""
    return bool(root) and root not in own and not hasattr(builtins, root)


def _name_of(call: ast.expr) -> str:
    """The last name of what is called; empty for other expressions."""
    if isinstance(call, ast.Await):
        call = call.value
    if not isinstance(call, ast.Call):
        return ""
    return str(getattr(call.func, "attr", getattr(call.func, "id", "")))


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _call(method: str, *args: ast.expr) -> ast.Call:
    return ast.Call(
        ast.Attribute(ast.Name(SITES, ast.Load()), method, ast.Load()), list(args), []
    )


def _site(body: list[ast.stmt]) -> ast.Try:
    entered: ast.stmt = ast.Expr(_call("entered"))
    broken = ast.ExceptHandler(None, None, [ast.Expr(_call("broken")), ast.Raise()])
    return ast.Try([entered, *body], [broken], [], [])


class _Rewriter(ast.NodeTransformer):
    def __init__(self, own: set[str]):
        self._own = own
        self.sites = 0

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        kind = kind_of(node.test, self._own)
        self.generic_visit(node)
        self.sites += 1
        failed = _call("failed", *([node.msg] if node.msg is not None else []))
        holds = _call("holds", ast.Constant(kind), node.test)
        return ast.copy_location(
            _site([ast.copy_location(ast.If(holds, [ast.Pass()], [ast.Raise(failed)]), node)]), node
        )

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        name = _name_of(node.value)
        if not (name.startswith("assert") or name in ("fail", "raises", "warns")):
            return self.generic_visit(node)
        kind = OTHER
        args = getattr(node.value, "args", [])
        if name in _EQUALITIES and not any(map(_is_yes_or_no, args[:2])):
            kind = EQUALITY
        return self._around(self.generic_visit(node), kind)

    def visit_With(self, node: ast.With | ast.AsyncWith) -> ast.AST:
        self.generic_visit(node)
        if any(_name_of(item.context_expr) in _EXPECTING for item in node.items):
            return self._around(node, OTHER)
        return node

    visit_AsyncWith = visit_With

    def _around(self, node: Any, kind: int) -> ast.AST:
        self.sites += 1
        left = ast.Expr(_call("left", ast.Constant(kind)))
        return ast.copy_location(_site([node, left]), node)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.AST:
        if node.type is None:
            caught: ast.expr = ast.Name("BaseException", ast.Load())
            first = ast.Expr(_call("handler", caught, ast.Constant(True)))
            self.generic_visit(node)
            node.body.insert(0, first)
            return node
        own = self._names_own(node.type)
        self.generic_visit(node)
        node.type = _call("handler", node.type, ast.Constant(own))
        return node

    def _names_own(self, kinds: ast.expr) -> bool:
        """Whether the text names classes of Python's or of its own."""
        named = kinds.elts if isinstance(kinds, ast.Tuple) else [kinds]
        return all(_root(one) in self._own or hasattr(builtins, _root(one)) for one in named)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        own = [self._names_own(argument) for argument in node.args]
        self.generic_visit(node)
        if _name_of(node) in _GIVEN_CLASSES:
            few = len(node.args) if _name_of(node) == "suppress" else 1
            for at, argument in enumerate(node.args[:few]):
                if not isinstance(argument, ast.Starred):
                    node.args[at] = _call("expected", argument, ast.Constant(own[at]))
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        operands = [node.left, *node.comparators]
        for at, how in enumerate(node.ops):
            pair = operands[at : at + 2]
            if isinstance(how, ast.Is | ast.IsNot):
                if not any(isinstance(one, ast.Constant) for one in pair):
                    operands[at : at + 2] = [_call("identity", one) for one in pair]
        node.left, *node.comparators = operands
        return node

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        self.generic_visit(node)
        if node.exc is not None:
            named = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            if isinstance(named, ast.Name) and named.id == "AssertionError":
                self.sites += 1
                node.exc = _call("raised", node.exc)
        return node
