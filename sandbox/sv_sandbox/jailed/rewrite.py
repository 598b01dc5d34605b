"""Assertion sites, `is` and `except` of a test's text, rewritten to tell `provenance.Provenance`.

In: the parsed test. Out: the same tree, where

    assert E, M         try: S.entered(n); if S.holds(kind, E): pass
                                          else: raise S.failed(M)
                        except BaseException: S.broken(); raise
    self.assertX(...)   the same around the call (`pytest.fail`, `np.testing.assert_...` alike), and
    with raises(...):   around the whole statement
    except T:           except S.handler(T, own):
    raises(T), suppress(T)   raises(S.expected(T, own)), suppress(S.expected(T, own))
    x = self.assertX(...)   x = S.asserted(n, kind, self.assertX)(...), where it is no statement
    a is b              S.identity(a) is S.identity(b), unless one is a constant
    a in b              a in S.container(b)
    f(answer)           S.helper(f)(answer), where the text tells that it is one of the solution's
    raise AssertionError(...)   raise S.raised(AssertionError(...))
    type(x)             S.type_of(x)
    eval(x)             S.runner(eval)(x), unless x is a constant (`exec`, `compile` alike)

with S the global name `SITES`. Nothing else changes: scopes, order of evaluation and line numbers
stay. Pure; the invariant is that of `provenance`.
"""

from __future__ import annotations

import ast
import builtins
import functools
import operator
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import CodeType
from typing import Any

from . import plan
from .provenance import ANSWERS, EQUALITY, HANDED, OTHER

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
TOOLS = frozenset((*sys.stdlib_module_names, "np", "numpy", "pytest", *plan.TOOLS))
"""Names that are the library's, whoever imports it (`judge` sees to that)."""
_RUNNERS = frozenset(("eval", "exec", "compile"))
_BRANCHES = (ast.If, ast.While, ast.IfExp, ast.Match, ast.BoolOp)


@dataclass
class Text:
    """What a test's text says, read in one pass, in which its assertion sites are rewritten."""

    names: set[str] = field(default_factory=set)
    """All names, attributes and modules that it speaks of."""
    binds: set[str] = field(default_factory=set)
    """Names that it binds itself, but not what it imports from the solution."""
    imports: set[str] = field(default_factory=set)
    """Of those, modules."""
    sets: list[tuple[str, str]] = field(default_factory=list)
    """Attributes of names that it sets."""
    branches: bool = False
    """Whether its control flow, beside its assertions, may depend on values."""
    hands_over: bool = False
    """Whether it may define tests that it does not run itself, or use pytest's names."""
    sites: int = 0
    inner_sites: int = 0
    """Of those, the ones in functions (one in two functions counts twice)."""
    answers: set[str] = field(default_factory=set)
    """Names and attributes (`.name`) that may hold answers of the solution."""
    objects: set[str] = field(default_factory=set)
    """And those that may hold objects that the test made of a class of the solution."""
    handed: set[str] = field(default_factory=set)
    """And those of the test's own that were handed to the solution, or are made of such."""
    parameters: set[str] = field(default_factory=set)
    given: list[tuple[list[ast.expr], ast.expr]] = field(default_factory=list)
    """Targets and the values that they get."""

    def is_answer(self, node: ast.AST, or_object: bool = False) -> bool:
        """Whether an expression holds an answer of the solution, as far as the text tells; or an
        object that the test made of a class of it."""
        known = self.answers | self.objects if or_object else self.answers
        for inner in ast.walk(node):
            if type(inner) is ast.Call and self.asks(inner):
                if or_object or not _makes(inner):
                    return True
            elif type(inner) is ast.Name and (
                inner.id in known or (or_object and self.is_free(inner))
            ):
                return True
            elif type(inner) is ast.Attribute and f".{inner.attr}" in known:
                return True
        return False

    def are_objects(self, *sides: ast.expr) -> bool:
        """Whether both sides of an equality are the solution's, and one of them an object."""
        theirs = sum(self.is_answer(side, True) for side in sides)
        return theirs > 1 and theirs > sum(self.is_answer(side) for side in sides)

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
        return is_parameter or base not in self.binds or base in self.answers | self.objects

    def find_answers(self, calls: list[ast.Call]) -> None:
        """From the targets of answers to what they are given to, until nothing is new; likewise
        from what calls of the solution are given."""
        self._follow(self.objects, lambda value: self.is_answer(value, True))
        self._follow(self.answers, self.is_answer)
        for call in filter(self.asks, calls):
            for one in (*call.args, *call.keywords):
                inside = (inner for inner in ast.walk(one) if type(inner) is ast.Name)
                self.handed.update(inner.id for inner in inside if inner.id in self.binds)
        self._follow(self.handed, lambda value: self.reads_handed(value) > 0)

    def _follow(self, known: set[str], is_known: Callable[[ast.expr], bool]) -> None:
        rest = self.given
        while True:
            found = [pair for pair in rest if is_known(pair[1])]
            if not found:
                break
            rest = [pair for pair in rest if pair not in found]
            known.update(name for targets, _ in found for name in _stored(targets))

    def reads_handed(self, node: ast.AST) -> int:
        """How often an expression reads what was handed over, but to hand it over."""
        if type(node) is ast.Call and self.asks(node):
            return 0
        if type(node) is ast.Name:
            return int(node.id in self.handed)
        return sum(map(self.reads_handed, ast.iter_child_nodes(node)))

    def is_handed(self, *sides: ast.expr) -> bool:
        """Whether what should know better may have been changed by the solution: it stands beside
        an answer, or on both sides."""
        if len(sides) == 1:
            return self.reads_handed(sides[0]) > 0
        reading = [side for side in sides if self.reads_handed(side)]
        answers = [side for side in sides if side not in reading and self.is_answer(side, True)]
        return len(reading) > 1 or bool(reading and answers)


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


def rewrite(tree: ast.Module) -> Text:
    """Reads the tree, and rewrites it in place."""
    text, calls = Text(), []
    for node in ast.walk(tree):
        bind = _BINDS.get(type(node))
        if bind is not None:
            bind(text, node)
        elif type(node) is ast.Call:
            calls.append(node)
    text.find_answers(calls)
    _Rewriter(text).inside(tree)
    return text


def _bind_name(text: Text, node: ast.Name) -> None:
    text.names.add(node.id)
    if type(node.ctx) is ast.Store:
        text.binds.add(node.id)
        text.hands_over |= node.id.startswith("test")


def _bind_definition(text: Text, node: ast.FunctionDef | ast.ClassDef) -> None:
    text.binds.add(node.name)
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


def holds_sites(code: CodeType) -> bool:
    """Whether a function's code, or one in it, has an assertion site."""
    if SITES in code.co_names and ("entered" in code.co_names or "raised" in code.co_names):
        return True
    return any(isinstance(const, CodeType) and holds_sites(const) for const in code.co_consts)


def kind_of(test: ast.expr, text: Text) -> int:
    """What this assertion decides by."""
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        return functools.reduce(operator.or_, (kind_of(value, text) for value in test.values))
    if isinstance(test, ast.Compare):
        return _kind(
            all(isinstance(op, ast.Eq) for op in test.ops), text, test.left, *test.comparators
        )
    return _kind(False, text, test)


def _kind(is_equality: bool, text: Text, *sides: ast.expr) -> int:
    handed = HANDED if text.is_handed(*sides) else 0
    if not is_equality or any(map(_is_yes_or_no, sides)):
        return OTHER | handed
    return (ANSWERS if text.are_objects(*sides) else EQUALITY) | handed


def _is_yes_or_no(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and (node.value is None or isinstance(node.value, bool))


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


_PLACE = ("lineno", "col_offset", "end_lineno", "end_col_offset")


class _Maker:
    """Makes nodes that stand where another one stood."""

    def __init__(self, node: object):
        self._place = {name: getattr(node, name) for name in _PLACE}

    def call(self, method: str, *args: ast.expr) -> ast.Call:
        name = ast.Name(SITES, _LOAD, **self._place)
        read = ast.Attribute(name, method, _LOAD, **self._place)
        return ast.Call(read, list(args), [], **self._place)

    def constant(self, value: int) -> ast.Constant:
        return ast.Constant(value, **self._place)

    def site(self, site: int, body: list[ast.stmt]) -> ast.Try:
        place = self._place
        broken = ast.Expr(self.call("broken"), **place)
        handler = ast.ExceptHandler(None, None, [broken, ast.Raise(**place)], **place)
        entered = ast.Expr(self.call("entered", self.constant(site)), **place)
        return ast.Try([entered, *body], [handler], [], [], **place)

    def choice(self, test: ast.expr, error: ast.expr) -> ast.If:
        place = self._place
        return ast.If(test, [ast.Pass(**place)], [ast.Raise(error, None, **place)], **place)

    def statement(self, value: ast.expr) -> ast.Expr:
        return ast.Expr(value, **self._place)

    def name(self, name: str) -> ast.Name:
        return ast.Name(name, _LOAD, **self._place)


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

    def __init__(self, text: Text):
        self._text = text
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
        if kind in _BRANCHES or (kind is ast.comprehension and node.ifs):
            self._text.branches = True
        if kind in _OUTSIDE_IN:
            return self._kinds[kind](node)
        self.inside(node)
        rewritten = self._kinds.get(kind)
        return node if rewritten is None else rewritten(node)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        before = self._text.sites
        self.inside(node)
        if self._text.sites > before:
            make = _Maker(node.body[0])
            has_doc = ast.get_docstring(node, clean=False) is not None
            node.body.insert(int(has_doc), make.statement(make.call("begun")))
            self._text.inner_sites += self._text.sites - before
        return node

    def _assert(self, node: ast.Assert) -> ast.AST:
        kind, make = kind_of(node.test, self._text), _Maker(node)
        if isinstance(node.test, ast.BoolOp):
            self.inside(node.test)  # which is no branch
        elif type(node.test) not in _LEAVES:
            node.test = self._node(node.test)
        if node.msg is not None and type(node.msg) not in _LEAVES:
            node.msg = self._node(node.msg)
        self._text.sites += 1
        failed = make.call("failed", *([node.msg] if node.msg is not None else []))
        holds = make.call("holds", make.constant(kind), node.test)
        return make.site(self._text.sites, [make.choice(holds, failed)])

    def _expr(self, node: ast.Expr) -> ast.AST:
        name, kind = _name_of(node.value), self._kind_of_call(node.value)
        self._whole.add(node.value.value if isinstance(node.value, ast.Await) else node.value)
        self.inside(node)
        if not (name.startswith("assert") or name in ("fail", "raises", "warns")):
            return node
        return self._around(node, kind)

    def _kind_of_call(self, call: ast.expr) -> int:
        args = getattr(call, "args", [])[:2]
        name = _name_of(call)
        if not args or not name.startswith("assert"):
            return OTHER
        return _kind(name in _EQUALITIES, self._text, *args)

    def _with(self, node: ast.With | ast.AsyncWith) -> ast.AST:
        expecting = any(_name_of(item.context_expr) in _EXPECTING for item in node.items)
        self._whole.update(item.context_expr for item in node.items)
        self.inside(node)
        return self._around(node, OTHER) if expecting else node

    def _around(self, node: Any, kind: int) -> ast.AST:
        self._text.sites += 1
        make = _Maker(node)
        return make.site(
            self._text.sites, [node, make.statement(make.call("left", make.constant(kind)))]
        )

    def _handler(self, node: ast.ExceptHandler) -> ast.AST:
        own = node.type is None or self._names_own(node.type)
        self.inside(node)
        make = _Maker(node)
        if node.type is None:
            told = make.call("handler", make.name("BaseException"), make.constant(True))
            node.body.insert(0, make.statement(told))
        else:
            node.type = make.call("handler", node.type, make.constant(own))
        return node

    def _names_own(self, kinds: ast.expr) -> bool:
        """Whether the text names classes of Python's or of its own."""
        named = kinds.elts if isinstance(kinds, ast.Tuple) else [kinds]
        return all(_root(one) in self._own or hasattr(builtins, _root(one)) for one in named)

    def _call(self, node: ast.Call) -> ast.AST:
        name = _name_of(node)
        few = 0
        if name in _GIVEN_CLASSES:
            few = len(node.args) if name == "suppress" else min(1, len(node.args))
        own = [self._names_own(argument) for argument in node.args[:few]]
        is_helper = self._is_helper(node, name)
        is_inner = (
            node not in self._whole
            and name not in _EXPECTING
            and (
                name in _EQUALITIES
                or (name.startswith("assert") and isinstance(node.func, ast.Attribute))
            )
        )
        kind = self._kind_of_call(node) if is_inner else OTHER
        is_given = any(map(self._text.is_answer, (*node.args, *node.keywords)))
        self.inside(node)
        if name in _RUNNERS and isinstance(node.func, ast.Name) and name not in self._own:
            if not (node.args and isinstance(node.args[0], ast.Constant)):
                node.func = _Maker(node).call("runner", node.func)
        if name == "type" and len(node.args) == 1 and isinstance(node.func, ast.Name):
            if not node.keywords and name not in self._own:
                return _Maker(node).call("type_of", *node.args)
        for at, argument in enumerate(node.args[:few]):
            if not isinstance(argument, ast.Starred):
                make = _Maker(argument)
                node.args[at] = make.call("expected", argument, make.constant(own[at]))
        if is_helper:
            node.func = _Maker(node).call(is_helper, node.func)
        for arguments in (node.args, node.keywords):
            self._mark_given(arguments, is_given)
        if is_inner:
            self._text.sites += 1
            make = _Maker(node)
            facts = make.constant(self._text.sites), make.constant(kind)
            node.func = make.call("asserted", *facts, node.func)
        return node

    def _mark_given(self, arguments: list[Any], is_given: bool) -> None:
        """A function of the solution that is given to another one together with an answer."""
        for at, one in enumerate(arguments if is_given else ()):
            value = one.value if isinstance(one, ast.keyword) else one
            if isinstance(value, ast.Name | ast.Attribute) and self._text.is_free(value):
                marked = _Maker(value).call("helper", value)
                if isinstance(one, ast.keyword):
                    one.value = marked
                else:
                    arguments[at] = marked

    def _is_helper(self, node: ast.Call, name: str) -> str:
        """How it is marked that what is called goes by the name of an assertion, or is given an
        answer; empty for neither."""
        if isinstance(node.func, ast.Name) and hasattr(builtins, node.func.id):
            return ""
        if name.startswith("assert") or name in ("fail", "raises", "warns", "suppress"):
            return "tool"
        given = any(map(self._text.is_answer, (*node.args, *node.keywords)))
        return "helper" if given else ""

    def _compare(self, node: ast.Compare) -> ast.AST:
        operands = [node.left, *node.comparators]
        for at, how in enumerate(node.ops):
            pair = operands[at : at + 2]
            if isinstance(how, ast.Is | ast.IsNot):
                if not any(isinstance(one, ast.Constant) for one in pair):
                    operands[at : at + 2] = [_Maker(one).call("identity", one) for one in pair]
            elif isinstance(how, ast.In | ast.NotIn):
                operands[at + 1] = _Maker(pair[1]).call("container", pair[1])
        node.left, *node.comparators = operands
        return node

    def _raise(self, node: ast.Raise) -> ast.AST:
        if node.exc is not None:
            named = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            if isinstance(named, ast.Name) and named.id == "AssertionError":
                node.exc = _Maker(node).call("raised", node.exc)
        return node

    def _attribute(self, node: ast.Attribute) -> ast.AST:
        if type(node.ctx) is not ast.Load and isinstance(node.value, ast.Name):
            self._text.sets.append((node.value.id, node.attr))
        return node
