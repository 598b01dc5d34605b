"""Assertion sites, `is` and `except` of a test's text, rewritten to tell `sites.Sites`.

In: the parsed test. Out: the same tree, where

    assert E, M         try: S.entered(n); if S.holds(kind, E): pass
                                          else: raise S.failed(M)
                        except BaseException: S.broken(); raise
    self.assertX(...)   the same around the call (`pytest.fail`, `np.testing.assert_...` alike), and
    with raises(...):   around the whole statement
    except T:           except S.handler(T, own):
    raises(T), suppress(T)   raises(S.expected(T, own)), suppress(S.expected(T, own))
    x = self.assertX(...)   x = S.asserted(n, kind, self.assertX)(...), where it is no statement
    a is b              S.told(a, "`is`") is S.told(b, "`is`"), unless one is a constant
    a in b              a in S.told(b, "`in`")
    assert_x(a)         S.told(assert_x, ...)(a), and what else goes by the name of an assertion
    raise AssertionError(...)   raise S.raised(AssertionError(...))
    type(x)             S.type_of(x)
    isinstance(x, T)    isinstance(*S.pair(x, T)), and `assertIsInstance` alike
    hasattr(x, "__n__")   hasattr(S.shown(x, ...), "__n__"), and `callable(x)`
    eval(x)             S.runner(eval)(x), unless x is a constant (`exec`, `compile` alike)

with S the global name `SITES`. Nothing else changes: scopes, order of evaluation and line numbers
stay. Pure; the invariant is that of `sites`.
"""

from __future__ import annotations

import ast
import builtins
import functools
import operator
from collections.abc import Callable, Iterable
from types import (
    AsyncGeneratorType,
    CodeType,
    CoroutineType,
    FunctionType,
    GeneratorType,
    MethodType,
)
from typing import Any

from .provenance import EQUALITY, LOOSE, OPEN
from .shapes import mro, names_in
from .text import Text, read
from .written import Written

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
_TOOLS = frozenset(("fail", "raises", "warns", "suppress"))
_TOLD_OF = {
    **dict.fromkeys(("iscoroutine", "isawaitable"), 1),
    **dict.fromkeys(("assertIs", "assertIsNot", "is_", "is_not"), 2),
}
"""What goes by an object's identity, or by what it is, and of how many arguments."""
_OF_CLASSES = frozenset(("isinstance", "assertIsInstance", "assertNotIsInstance"))
_RUNNERS = frozenset(("eval", "exec", "compile"))


def rewrite(tree: ast.Module, nodes: Iterable[ast.AST] | None = None) -> Text:
    """Reads the tree (`nodes`: all of it), and rewrites it in place."""
    nodes = [*ast.walk(tree)] if nodes is None else nodes
    found = read(nodes)
    _Rewriter(found, Written(nodes)).inside(tree)
    ast.fix_missing_locations(tree)
    return found


_ASSERTING = frozenset(("asserted", "entered", "raised"))


def holds_sites(code: CodeType) -> bool:
    """Whether a function's code, or one in it, has an assertion site."""
    if SITES in code.co_names and not _ASSERTING.isdisjoint(code.co_names):
        return True
    return any(isinstance(const, CodeType) and holds_sites(const) for const in code.co_consts)


def asserts(value: Any, deep: int = 4) -> bool:
    """Whether who is given this can run an assertion of the text: a function, something that wraps
    one or is at work in one, a class of the test's, or an object of it."""
    kind = type(value)
    if kind is FunctionType:
        return holds_sites(value.__code__)
    if kind in _RUNNING:
        return holds_sites(getattr(value, _RUNNING[kind]))
    if not deep:
        return True
    if kind in _WRAPPED:
        parts = _WRAPPED[kind](value)
    else:
        classes = mro(value if issubclass(kind, type) else kind)
        own = [names_in(one).values() for one in classes if one.__module__ == "test"]
        parts = [one for names in own for one in names if type(one) in _IN_CLASSES]
    return any(asserts(part, deep - 1) for part in parts)


_WRAPPED: dict[type, Callable[[Any], Iterable[object]]] = {
    **dict.fromkeys((MethodType, staticmethod, classmethod), lambda one: (one.__func__,)),
    property: lambda one: (one.fget, one.fset, one.fdel),
    functools.partial: lambda one: (one.func, *one.args, *one.keywords.values()),
    **dict.fromkeys((map, filter), lambda one: one.__reduce__()[1]),
}
_IN_CLASSES = frozenset((FunctionType, *_WRAPPED))
_RUNNING = {GeneratorType: "gi_code", CoroutineType: "cr_code", AsyncGeneratorType: "ag_code"}


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


def _call(method: str, *args: ast.expr | int | str) -> ast.Call:
    given = [one if isinstance(one, ast.expr) else ast.Constant(one) for one in args]
    return ast.Call(ast.Attribute(ast.Name(SITES, _LOAD), method, _LOAD), given, [])


def _site(node: ast.stmt, number: int, body: list[ast.stmt]) -> ast.AST:
    """A statement with this in its place."""
    broken = ast.ExceptHandler(None, None, [ast.Expr(_call("broken")), ast.Raise()])
    entered = ast.Expr(_call("entered", number))
    return ast.copy_location(ast.Try([entered, *body], [broken], [], []), node)


_LOAD = ast.Load()
_LEAVES = (ast.Constant, ast.Name, ast.Load, ast.Store, ast.Del, ast.alias, ast.arg, ast.Pass)


_OUTSIDE_IN = (
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.Expr,
    ast.With,
    ast.AsyncWith,
    ast.ExceptHandler,
    ast.Call,
)
"""Nodes that are looked at before what is in them is rewritten."""


class _Rewriter:
    """One pass, mostly from the inside of each node to the node itself."""

    def __init__(self, text: Text, written: Written):
        self._text, self._written = text, written
        self._depth = 0
        """In how many functions this stands."""
        self._own = text.binds
        self._whole: set[ast.AST] = set()
        """Calls that are whole statements, sites already where they assert, or given to `with`."""
        self._kinds: dict[type, Callable[[Any], ast.AST]] = {
            ast.Expr: self._expr,
            ast.With: self._with,
            ast.AsyncWith: self._with,
            ast.ExceptHandler: self._handler,
            ast.Compare: self._compare,
            ast.Call: self._call,
            ast.Raise: self._raise,
            ast.Attribute: self._attribute,
            ast.Match: self._match,
            ast.FunctionDef: self._function,
            ast.AsyncFunctionDef: self._function,
        }

    def inside(self, node: ast.AST) -> None:
        """Rewrites what is in a node."""
        for name in node._fields:
            value = getattr(node, name, None)
            if type(value) is list:
                for at, item in enumerate(value):
                    if isinstance(item, ast.AST) and type(item) not in _LEAVES:
                        value[at] = self._node(item)
            elif isinstance(value, ast.AST) and type(value) not in _LEAVES:
                setattr(node, name, self._node(value))

    def _node(self, node: Any) -> Any:
        kind = type(node)
        if kind is ast.Assert:
            return self._assert(node)
        if kind in _OUTSIDE_IN:
            return self._kinds[kind](node)
        self.inside(node)
        rewritten = self._kinds.get(kind)
        return node if rewritten is None else rewritten(node)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        self._depth += 1
        self.inside(node)
        self._depth -= 1
        return node

    def _assert(self, node: ast.Assert) -> ast.AST:
        kind = self._kind_of(node.test)
        if isinstance(node.test, ast.BoolOp):
            self.inside(node.test)  # which is no branch
        elif type(node.test) not in _LEAVES:
            node.test = self._node(node.test)
        if node.msg is not None and type(node.msg) not in _LEAVES:
            node.msg = self._node(node.msg)
        never = isinstance(node.test, ast.Constant) and not node.test.value
        failed = ast.Raise(_call("failed", *([] if node.msg is None else [node.msg])))
        holds = ast.If(_call("holds", kind, node.test), [ast.Pass()], [failed])
        return _site(node, self._number(never), [holds])

    def _expr(self, node: ast.Expr) -> ast.AST:
        name, kind = _name_of(node.value), self._kind_of_call(node.value)
        self._whole.add(node.value.value if isinstance(node.value, ast.Await) else node.value)
        self.inside(node)
        known = name.startswith("assert") or name in ("fail", "raises", "warns")
        if not known or name in self._text.defines:
            return node
        self._text.fails |= name == "fail"
        return self._around(node, kind, name == "fail")

    def _kind_of(self, test: ast.expr) -> int:
        """What this assertion decides by."""
        if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
            return functools.reduce(operator.or_, map(self._kind_of, test.values))
        if isinstance(test, ast.Compare):
            if all(isinstance(op, ast.Eq | ast.Is) for op in test.ops):
                return self._kind_of_sides(test.left, *test.comparators)
        return LOOSE | OPEN

    def _kind_of_sides(self, *sides: ast.expr) -> int:
        truths = [one for one in sides if type(getattr(one, "value", None)) is bool]
        if truths:  # `E is True` asserts what `E` does
            others = [one for one in sides if one not in truths and not self._is_answer(one)]
            return functools.reduce(operator.or_, map(self._kind_of, others), LOOSE)
        kind = EQUALITY if any(map(self._written.holds, sides)) else OPEN
        is_loose = any(_is_none(one) or self._written.is_truths(one) for one in sides)
        return kind | LOOSE if is_loose else kind

    def _is_answer(self, node: ast.expr) -> bool:
        """Whether this calls what is no function of Python's own, of a library's or of the text."""
        name, root = _name_of(node), _root(getattr(node, "func", node))
        is_known = hasattr(builtins, root) or self._written.is_of_library(root)
        return isinstance(node, ast.Call) and not (is_known or name in self._text.defines)

    def _kind_of_call(self, call: ast.expr) -> int:
        args, name = getattr(call, "args", [])[:2], _name_of(call)
        if name in _EXPECTING:
            return EQUALITY  # what is raised is of that class, or it is not
        return self._kind_of_sides(*args) if name in _EQUALITIES else LOOSE | OPEN

    def _with(self, node: ast.With | ast.AsyncWith) -> ast.AST:
        expecting = any(_name_of(item.context_expr) in _EXPECTING for item in node.items)
        self._whole.update(item.context_expr for item in node.items)
        self.inside(node)
        return self._around(node, EQUALITY) if expecting else node

    def _number(self, never: bool) -> int:
        """The number of a new site; 0 for one that can `never` hold: nobody waits for it."""
        self._text.is_due |= not (self._depth or never)
        self._text.sites += not never
        return 0 if never else self._text.sites

    def _around(self, node: ast.stmt, kind: int, never: bool = False) -> ast.AST:
        return _site(node, self._number(never), [node, ast.Expr(_call("left", kind))])

    def _handler(self, node: ast.ExceptHandler) -> ast.AST:
        own = node.type is None or self._names_own(node.type)
        self.inside(node)
        told = _call("handler", node.type or ast.Name("BaseException", _LOAD), own)
        if node.type is None:
            node.body.insert(0, ast.Expr(told))
        else:
            node.type = told
        return node

    def _names_own(self, kinds: ast.expr) -> bool:
        """Whether the text names classes of Python's or of its own."""
        named = kinds.elts if isinstance(kinds, ast.Tuple) else [kinds]
        named = [one.value if isinstance(one, ast.Starred) else one for one in named]
        return all(_root(one) in self._own or hasattr(builtins, _root(one)) for one in named)

    def _call(self, node: ast.Call) -> ast.AST:
        name = _name_of(node)
        few = 0
        if name in _GIVEN_CLASSES:
            few = len(node.args) if name == "suppress" else min(1, len(node.args))
        own = [self._names_own(argument) for argument in node.args[:few]]
        is_builtin = isinstance(node.func, ast.Name) and hasattr(builtins, node.func.id)
        is_tool = not is_builtin and (name.startswith("assert") or name in _TOOLS)
        is_inner = (
            node not in self._whole
            and name not in self._text.defines
            and name not in _EXPECTING
            and (
                name in _EQUALITIES
                or (name.startswith("assert") and isinstance(node.func, ast.Attribute))
            )
        )
        kind = self._kind_of_call(node) if is_inner else LOOSE | OPEN
        self.inside(node)
        if name in _RUNNERS and isinstance(node.func, ast.Name) and name not in self._own:
            if not (node.args and isinstance(node.args[0], ast.Constant)):
                node.func = _call("runner", node.func)
        if name == "type" and len(node.args) == 1 and isinstance(node.func, ast.Name):
            if not node.keywords and name not in self._own:
                return ast.copy_location(_call("type_of", *node.args), node)
        self._tell_arguments(node, name)
        for at, argument in enumerate(node.args[:few]):
            if not isinstance(argument, ast.Starred):
                node.args[at] = _call("expected", argument, own[at])
        if is_tool:
            node.func = _call("told", node.func, "an assertion")
        if is_inner:
            node.func = _call("asserted", self._number(False), kind, node.func)
        return node

    def _tell_arguments(self, node: ast.Call, name: str) -> None:
        """Of what is called by this name, tell whom it asks."""
        args = node.args
        if any(isinstance(one, ast.Starred) for one in args):
            return
        few = _TOLD_OF.get(name, 0)
        if few <= len(args) and not any(isinstance(one, ast.Constant) for one in args[:few]):
            args[:few] = [_call("told", one, f"`{name}`") for one in args[:few]]
        if name in ("assertIn", "assertNotIn") and len(args) > 1:
            args[1] = _call("told", args[1], "`in`")
        if name == "assertSetEqual" and args:  # which gives the second to the first
            args[0] = _call("told", args[0], "`difference`")
        if name in _OF_CLASSES and len(args) > 1 and name not in self._own:
            args[:2] = [ast.Starred(_call("pair", *args[:2]), _LOAD)]
        if isinstance(node.func, ast.Name) and name not in self._own and args:
            is_special = name == "hasattr" and _is_special(args[-1])
            if is_special or name == "callable":
                args[0] = _call("shown", args[0], f"`{name}`")

    def _match(self, node: ast.Match) -> ast.AST:
        patterns = [one for case in node.cases for one in ast.walk(case.pattern)]
        classes = [one.cls for one in patterns if isinstance(one, ast.MatchClass)]
        if any(map(self._names_own, classes)):
            node.subject = _call("told", node.subject, "a pattern")
        return node

    def _compare(self, node: ast.Compare) -> ast.AST:
        operands = [node.left, *node.comparators]
        for at, how in enumerate(node.ops):
            pair = operands[at : at + 2]
            if isinstance(how, ast.Is | ast.IsNot):
                if not any(isinstance(one, ast.Constant) for one in pair):
                    operands[at : at + 2] = [_call("told", one, "`is`") for one in pair]
            elif isinstance(how, ast.In | ast.NotIn):
                operands[at + 1] = _call("told", pair[1], "`in`")
        node.left, *node.comparators = operands
        return node

    def _raise(self, node: ast.Raise) -> ast.AST:
        if node.exc is not None:
            named = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            if isinstance(named, ast.Name) and named.id == "AssertionError":
                self._text.fails = True
                node.exc = _call("raised", node.exc)
        return node

    def _attribute(self, node: ast.Attribute) -> ast.AST:
        if type(node.ctx) is not ast.Load and isinstance(node.value, ast.Name):
            self._text.sets.append((node.value.id, node.attr))
        return node


def _is_special(name: ast.expr) -> bool:
    """Whether this may be the name of a special method, which a class was told to have."""
    return not isinstance(name, ast.Constant) or str(name.value).startswith("__")


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None
