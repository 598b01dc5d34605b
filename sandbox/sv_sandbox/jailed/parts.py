"""Whether a test's passes can be proven: what its assertions compare, as its text says.

In: a test's text. Out: `Parts.mixed`, why a pass proves nothing, if it does not. An assertion is
sound if it compares the test's own with one thing of the solution's (`levels`), as it came or as
Python's own functions make it: then who does not know what the test expects cannot pass. Whatever
else is done with an answer (two of them together, given to other code, a branch, a name, a
template, an index) may pass for another reason, and nobody looks at which.

Names are followed until nothing is new. What the text cannot tell, the objects' own yes and no and
what is changed in place, is for `provenance` and `straight`. Pure.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Set
from typing import Any

from .expressions import Expressions
from .levels import MIXED, ONE, OWN
from .nodes import FUNCTIONS, asserting, asserts, called, inside, parameters, root

_EXPECTING = frozenset(
    "raises assertRaises assertRaisesRegex warns assertWarns assertLogs suppress catch_warnings"
    " redirect_stdout redirect_stderr".split()
)
_CATCHING = frozenset("raises assertRaises assertRaisesRegex suppress".split())
_PRINTING = frozenset("redirect_stdout redirect_stderr patch object".split())
_OPERATORS = frozenset(
    "__eq__ __ne__ __lt__ __le__ __gt__ __ge__ __hash__ __repr__ __str__ __len__ __iter__ __next__"
    " __bool__ __enter__ __exit__ __new__ __post_init__".split()
)
"""Methods that get nothing of the solution's, or whose answers count by themselves."""
_LOGGING = frozenset("debug info warning error critical exception log".split())
_LEAVING = frozenset("skip skipTest xfail exit quit importorskip".split())
_PARTLY = (ast.BoolOp, ast.IfExp, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_CALLING = frozenset("map filter any all sorted max min reduce list sum".split())
_JUMPS = (ast.Return, ast.Break, ast.Continue)
_TRIES = (ast.Try, getattr(ast, "TryStar", ast.Try))
_MOST_ROUNDS = 12
_NOTHING = "no assertion on an answer"
_RAISED = "what is asserted where nothing is raised"
_SEVERAL_PARTS = "an assertion on more than one answer"


class Parts(Expressions):
    """Of one test's text."""

    def __init__(
        self,
        source: str,
        tree: ast.Module,
        nodes: list[ast.AST],
        entry_point: str | None = None,
        modules: Set[str] = frozenset(),
    ):
        super().__init__(source, nodes, entry_point, modules)
        self.asserting = asserting(nodes, self.said_in)
        """Functions of the text that assert, or call such a one."""
        self._called = {called(one) for one in nodes if isinstance(one, ast.Call)} | {"__init__"}
        self._sound = 0
        self._twins: set[str] = set()
        """Names of what two equal answers come from, and of what is compared with the test's."""
        self._compared: set[str] = set()
        self._deciding: dict[str, int] = {}
        self._rest: list[ast.stmt] = []
        """What stands after the statement at hand."""
        for _ in range(_MOST_ROUNDS):
            self.is_new, self.why = False, ""
            self._sound, self._twins, self._compared = 0, set(), set()
            self._deciding.clear()
            self._all(tree.body)
            if not self.is_new:
                break
        else:
            self.mix("a test that is too much")
        if any(map(self._may_leave_out, nodes)):
            self.mix("an assertion within an expression")
        if self._leaves_to_others(nodes):
            self.mix("an assertion that is left to others")
        if any(level for name, level in self.returned.items() if _is_special(name)):
            self.mix("an operator of the test's own")
        if any(
            {name, *self.aliases.get(name, ())}.isdisjoint(self._compared) for name in self._twins
        ):
            self.mix(_SEVERAL_PARTS)
        if not self._sound and self.free:
            self.mix(_NOTHING)
        self.mixed = self.why
        """Why a pass of this test proves nothing; empty where it does."""

    def _may_leave_out(self, node: ast.AST) -> bool:
        """Whether this decides, or repeats, in the middle of an expression what is asserted."""
        if isinstance(node, ast.Call):
            given = (*node.args, *(word.value for word in node.keywords))
            return called(node) in _CALLING and any(map(self._may_assert, given))
        is_one = isinstance(node, _PARTLY) or (isinstance(node, ast.Compare) and len(node.ops) > 1)
        return is_one and self._may_assert(node)

    def _may_assert(self, node: ast.AST) -> bool:
        return asserts(self.said_in(node), self.asserting)

    def _leaves_to_others(self, nodes: list[ast.AST]) -> bool:
        """Whether what asserts is given away, for others to call it as often as they like."""
        known = {id(one.func) for one in nodes if isinstance(one, ast.Call)}
        for one in nodes:
            if isinstance(one, (*FUNCTIONS, ast.ClassDef)):
                known.update(map(id, one.decorator_list))
        return any(
            type(getattr(one, "ctx", None)) is ast.Load and id(one) not in known
            for one in nodes
            if getattr(one, "id", getattr(one, "attr", None)) in self.asserting
        )

    def _all(self, body: list[ast.stmt]) -> None:
        for at, node in enumerate(body):
            self._rest = body[at + 1 : at + 2]
            do = _STATEMENTS.get(type(node))
            if do is not None:
                do(self, node)

    # ---- statements ------------------------------------------------------------------------------

    def _return(self, node: ast.Return) -> None:
        self.raise_to(self.returned, self.function, self.level(node.value))
        self.keep(node.value, self.function)

    def _assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            self.alias(target, node.targets[0])
            if isinstance(node.value, ast.Lambda) and isinstance(target, ast.Name):
                self.raise_to(self.returned, target.id, self.level(node.value.body))
                self.keep(node.value.body, target.id)
                continue
            self.give(target, node.value)
            if ast.unparse(target) in ("sys.stdout", "sys.stderr") and root(node.value):
                self.change(node.value, ONE)

    def _annotated(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.give(node.target, node.value)

    def _augmented(self, node: ast.AugAssign) -> None:
        added = self.level(node.value)
        if added and not isinstance(node.op, ast.Add) and self.level(node.target):
            added = MIXED
        if added or not isinstance(node.target, ast.Name):
            self.bind(node.target, added)
        self.change(node.target, added)

    def _loop(self, node: ast.For | ast.AsyncFor) -> None:
        self.give_items(node.target, node.iter)
        if self.level(node.iter):
            self.mix("a loop over an answer")
        self._all([*node.body, *node.orelse])

    def _branch(self, node: ast.If | ast.While) -> None:
        if isinstance(node, ast.If) and not node.orelse and all(map(_fails, node.body)):
            self._assert_that(ast.UnaryOp(ast.Not(), node.test))
        elif self.level(node.test):
            self._branch_by(self.level(node.test), [*node.body, *node.orelse])
        self._all([*node.body, *node.orelse])

    def _branch_by(self, level: int, body: list[ast.stmt]) -> None:
        """An answer decides whether this is done. Where that asserts nothing and leaves nothing
        out, what it makes, gives or changes is of that answer, too."""
        nodes = [one for statement in body for one in ast.walk(statement)]
        leaves = any(called(one) in _LEAVING for one in nodes if isinstance(one, ast.Call))
        leaves |= any(isinstance(one, (*_JUMPS, ast.Raise, ast.Yield)) for one in nodes)
        leaves |= any(isinstance(one, ast.Call) and self._calls_unknown(one) for one in nodes)
        if leaves or any(map(_asserts, body)):
            self.mix("a branch by an answer")
        else:
            self._decided(body, ONE if level == ONE else MIXED)

    def _calls_unknown(self, call: ast.Call) -> bool:
        """Whether what is called may assert: what a name holds, or gives, that is no function of
        the text's or of Python's, and not asked of the solution."""
        if isinstance(call.func, ast.Attribute):
            return call.func.attr in self.asserting
        name = call.func.id if isinstance(call.func, ast.Name) else ""
        is_plain = name in self.functions and name not in self.asserting
        return not (is_plain or name in self.free or hasattr(builtins, name)) or name in self.stored

    def _match(self, node: ast.Match) -> None:
        if self.level(node.subject) or any(self.level(case.guard) for case in node.cases):
            self.mix("a branch by an answer")
        for case in node.cases:
            self._all(case.body)

    def _with(self, node: ast.With | ast.AsyncWith) -> None:
        contexts = [item.context_expr for item in node.items]
        calls = [one for one in contexts if isinstance(one, ast.Call)]
        names = {called(one) for one in calls}
        is_expected = not _EXPECTING.isdisjoint(names)
        for item in node.items:
            level = self.level(item.context_expr)
            if item.optional_vars is not None:
                self.alias(item.optional_vars, item.context_expr)
                self.bind(item.optional_vars, ONE if is_expected else level)
        for one in (value for call in calls if called(call) in _PRINTING for value in inside(call)):
            if root(one):
                self.change(one, ONE)
        if not _CATCHING.isdisjoint(names) and self._asks(node.body):
            self._sound += 1
            self._decided(node.body)
            if "suppress" in names or any(_asserts(one) or _binds(one) for one in node.body):
                self.mix(_RAISED)
        self._all(node.body)

    def _try(self, node: ast.Try) -> None:
        if self._asks(node.body):
            ends = [*node.body[-1:], *node.orelse[-1:], *self._rest]
            is_failed = any(map(_fails, ends))
            self._sound += 1
            self._decided([*node.body, *node.orelse])
            asserts = any(map(_asserts, node.body))
            for handler in node.handlers:
                self._decided(handler.body)
                is_told = any(_fails(one) or _asserts(one) for one in handler.body)
                if not is_told and (asserts or not is_failed):
                    self.mix(_RAISED)
            if any(isinstance(one, _JUMPS) for one in node.finalbody):
                self.mix(_RAISED)
        for handler in node.handlers:
            if handler.name:
                self.bind(ast.Name(handler.name), ONE)
            self._all(handler.body)
        self._all([*node.body, *node.orelse, *node.finalbody])

    def _asks(self, body: list[ast.stmt]) -> bool:
        """Whether the solution is asked there, as far as the text tells."""
        found = [*map(self.said_in, body)]
        calls = [call for one in found for call in one.calls]
        words = {name for one in found for name in one.words}
        known = self.asking | self.stored
        is_asking = any(called(call) in known for call in calls) or any(map(_yields, body))
        return is_asking or any(map(self._holds_theirs, words)) or any(map(self.level, calls))

    def _holds_theirs(self, name: str) -> bool:
        """Whether there is something of the solution's by this name, or in what it gives."""
        if name in self.functions or name[:1] == ".":
            return bool(self.returned.get(name) or self.levels.get(name))
        return bool(self.level(ast.Name(name)))

    def _decided(self, body: list[ast.stmt], level: int = ONE) -> None:
        """The solution decides whether this is done: it has a part in what names get there, and in
        objects that are changed."""
        for inner in (one for statement in body for one in ast.walk(statement)):
            if isinstance(inner, ast.Name) and type(inner.ctx) is ast.Store:
                self.bind(inner, level)
            elif isinstance(inner, ast.Attribute | ast.Subscript) and type(inner.ctx) is ast.Store:
                self.change(inner, level)
            elif isinstance(inner, ast.Call) and isinstance(inner.func, ast.Attribute):
                is_assertion = inner.func.attr.startswith(("assert", "fail"))
                if root(inner.func) in self.stored and not is_assertion:
                    self.change(inner.func.value, level)
            if isinstance(inner, ast.Call) and called(inner) in self.functions:
                self._decided_in(called(inner), level)

    def _decided_in(self, name: str, level: int) -> None:
        """And what a function of the text does there."""
        if self._deciding.get(name, OWN) < level:
            self._deciding[name] = level
            for function in self.functions[name]:
                body = [] if isinstance(function, ast.Lambda) else function.body
                self._decided(body, level)
                if any(map(_asserts, body)):
                    self.mix("a branch by an answer")

    def _delete(self, node: ast.Delete) -> None:
        for one in node.targets:
            if isinstance(one, ast.Subscript | ast.Attribute):
                self.change(one.value, MIXED if self.level(one) == MIXED else OWN)

    def _raise(self, node: ast.Raise) -> None:
        self.level(node.exc)

    # ---- assertions ------------------------------------------------------------------------------

    def _assert(self, node: ast.Assert) -> None:
        self._assert_that(node.test)

    def _assert_that(self, test: ast.expr) -> None:
        self._stands(test)
        level = self.level(test)
        if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
            for value in test.values:
                self._assert_that(value)
        elif isinstance(test, ast.Compare) and all(isinstance(one, ast.Eq) for one in test.ops):
            self._assert_equal([test.left, *test.comparators])
        elif level > ONE or self.says(test):
            self.mix(_SEVERAL_PARTS)
        else:
            self._sound += bool(level) or not self.given.isdisjoint(self.said_in(test).words)

    def _stands(self, test: ast.expr) -> None:
        """This is asserted as it stands, or each of what it gives is."""
        self.asserted.add(test)
        if isinstance(test, ast.Call) and called(test) == "all":
            parts = [
                one.elt for one in test.args if isinstance(one, ast.GeneratorExp | ast.ListComp)
            ]
            of = [test.func.value] if isinstance(test.func, ast.Attribute) else []
            self.asserted.update([*parts, *of, *test.args])

    def _assert_equal(self, sides: list[ast.expr]) -> None:
        """Two answers that are equal prove nothing; nor do they hurt, where what answers both is
        compared with the test's own elsewhere."""
        levels = [self.level(one) for one in sides]
        said = [*map(self.said_in, sides)]
        asked = {name for one in said for name in one.words if self._holds_theirs(name)}
        asks = {root(call.func) for one in said for call in one.calls}
        constants = [one.value for one in sides if isinstance(one, ast.Constant)]
        are_twins = sum(map(bool, levels)) > 1
        says = any(one is None or isinstance(one, bool) for one in constants)
        is_said = says and any(map(self.says, sides))
        own = [one for one in sides if not self.level(one)]
        if max(levels, default=OWN) == MIXED or is_said or (are_twins and not asked <= asks):
            self.mix(_SEVERAL_PARTS)
        elif any(levels) and any(map(self.may_be_known, own)):
            self.mix("what the solution was given, and the test has changed since")
        elif are_twins:
            self._twins |= asked or {""}
        else:
            words = {name for one in said for name in one.words}
            self._sound += any(levels) or not self.given.isdisjoint(words)
            self._compared |= set() if says else asked & asks

    def _expr(self, node: ast.Expr) -> None:
        call = node.value.value if isinstance(node.value, ast.Await) else node.value
        name = called(call) if isinstance(call, ast.Call) else ""
        if not isinstance(call, ast.Call):
            if any(_fails(ast.Expr(one)) for one in ast.walk(call) if isinstance(one, ast.Call)):
                self.mix("an expression that fails")
            if self.level(call) and any(map(_is_special, self.functions.keys() - _OPERATORS)):
                self.mix("an operator of the test's own")
        elif name == "print" or self._is_log(call):
            level = max(map(self.level, inside(call)), default=OWN)
            for word in call.keywords:
                if word.arg == "file":
                    self.change(word.value, level)
        elif name.startswith(("assert", "fail")) and not self.defines(name):
            self.assertion(call, name)
        elif self.level(call) > ONE or (name.startswith("assert") and self.returned.get(name)):
            self.mix("a call that is given answers")
        elif isinstance(call.func, ast.Attribute) and not self.level(call.func.value):
            self.change(call.func.value, OWN)

    def _is_log(self, call: ast.Call) -> bool:
        """Whether this is told to the test's own logger."""
        of = call.func.value if isinstance(call.func, ast.Attribute) else None
        return of is not None and called(call) in _LOGGING and not self.level(of)

    def assertion(self, call: ast.Call, name: str) -> int:
        if name in ("assertTrue", "assert_") and call.args:
            self._stands(call.args[0])
        parts = [self.level(one) for one in inside(call)]
        if isinstance(call.func, ast.Attribute):
            parts.append(self.level(call.func.value))
        if name in _EXPECTING and len(call.args) > 1:
            self.give_to_them(inside(call))
            parts = [parts[0], min(ONE, max(parts[1:]))]
        if "qual" in name.replace("GreaterEqual", "").replace("LessEqual", "") or "equal" in name:
            mocks = [call.func.value] if isinstance(call.func, ast.Attribute) else []
            sides = call.args[:2] if len(call.args) > 1 else inside(call)  # no message, no limits
            self._assert_equal([*sides, *(one for one in mocks if self.level(one))])
        elif (
            sum(map(bool, parts)) > 1
            or max(parts, default=OWN) > ONE
            or any(map(self.says, call.args))
        ):
            self.mix(_SEVERAL_PARTS)
        else:
            self._sound += any(parts)
        self._sound += any(map(self.given.__contains__, map(root, inside(call))))
        return OWN

    # ---- functions and classes -------------------------------------------------------------------

    def _function(self, node: Any) -> None:
        outer = self.function, self.class_body
        for decorator in node.decorator_list:
            self._decorated(node, decorator)
        for default in [*node.args.defaults, *node.args.kw_defaults]:
            if self.level(default):
                self.mix("a default that is an answer")
            for name in parameters(node) if default is not None else ():
                self.alias(ast.Name(name), default)
        self.function, self.class_body = node.name, ""
        is_test = node.name.startswith("test")
        for name in parameters(node):
            if name in self.functions:  # a fixture
                self.pair({name}, self.said_by(name) & self.stored)
            if name in self.functions and self.returned.get(name):
                self.bind(ast.Name(name), ONE)
            elif node.name not in self._called | _OPERATORS and not is_test:
                self.bind(ast.Name(name), ONE)  # whoever calls it
        self._all(node.body)
        self.function, self.class_body = outer

    def _skips(self, decorator: ast.expr) -> None:
        """A test that is left out where the solution says so, or that passes where it fails."""
        words = ast.unparse(decorator)
        if "xfail" in words or "expectedFailure" in words:
            self.mix("a test that passes where it fails")
        elif "skip" in words and (self.level(decorator) or "skipif('" in words):
            self.mix("a test that the solution leaves out")

    def _decorated(self, node: Any, decorator: ast.expr) -> None:
        self._skips(decorator)
        if self.level(decorator):
            for name in parameters(node):
                self.bind(ast.Name(name), ONE)
            if "mark." not in ast.unparse(decorator):
                self.raise_to(self.levels, node.name, ONE)
        elif "fixture" in ast.unparse(decorator) and isinstance(decorator, ast.Call):
            if any(word.arg == "name" for word in decorator.keywords):
                self.mix("a fixture by another name")

    def _class(self, node: ast.ClassDef) -> None:
        bases = [one for one in node.bases if not ast.unparse(one).endswith("TestCase")]
        made_of = [*bases, *node.decorator_list, *(one.value for one in node.keywords)]
        is_theirs = any(map(self.level, made_of))
        for decorator in node.decorator_list:
            self._skips(decorator)
        if is_theirs:
            self.raise_to(self.levels, node.name, ONE)
        outer = self.selves, self.class_body
        self.selves, self.class_body = ONE if is_theirs else OWN, node.name
        self._all(node.body)
        self.selves, self.class_body = outer


_STATEMENTS: dict[type, Any] = {
    **dict.fromkeys(FUNCTIONS, Parts._function),
    ast.ClassDef: Parts._class,
    ast.Return: Parts._return,
    ast.Assign: Parts._assign,
    ast.AnnAssign: Parts._annotated,
    ast.AugAssign: Parts._augmented,
    ast.Assert: Parts._assert,
    ast.Expr: Parts._expr,
    ast.For: Parts._loop,
    ast.AsyncFor: Parts._loop,
    ast.If: Parts._branch,
    ast.While: Parts._branch,
    ast.Match: Parts._match,
    ast.With: Parts._with,
    ast.AsyncWith: Parts._with,
    **dict.fromkeys(_TRIES, Parts._try),
    ast.Delete: Parts._delete,
    ast.Raise: Parts._raise,
}


def _yields(node: ast.stmt) -> bool:
    """Whether what stands elsewhere is done there."""
    return any(isinstance(one, ast.Yield | ast.YieldFrom) for one in ast.walk(node))


def _binds(node: ast.stmt) -> bool:
    """Whether it gives anything a value, which stays as it was where something is raised first."""
    return any(
        isinstance(one, ast.Name | ast.Attribute | ast.Subscript) and type(one.ctx) is ast.Store
        for one in ast.walk(node)
    )


def _fails(node: ast.stmt) -> bool:
    """Whether a statement does nothing but fail."""
    if isinstance(node, ast.Assert):
        return isinstance(node.test, ast.Constant) and not node.test.value
    call = node.value if isinstance(node, ast.Expr) else None
    fails = isinstance(node, ast.Raise) and "Skip" not in ast.unparse(node)
    return fails or (isinstance(call, ast.Call) and called(call) == "fail")


def _asserts(node: ast.stmt) -> bool:
    """Whether there is an assertion in it that may hold."""
    inner = [one for one in ast.walk(node) if isinstance(one, ast.Assert | ast.Call)]
    return any(
        called(one).startswith("assert") if isinstance(one, ast.Call) else not _fails(one)
        for one in inner
    )


def _is_special(name: str) -> bool:
    return name[:2] == "__" and name != "__init__"
