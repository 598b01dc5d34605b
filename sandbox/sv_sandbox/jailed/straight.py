"""A test that no change in place can mislead: straight text, and what it expects stands there.

In: a parsed test. Out: whether it is one. In a straight text each statement is come to in its
order: no branch, nothing that is caught, and no loop but over what is listed there. Each of its
assertions says that one thing (what a name was given as a constant, an answer, or a part of these)
is a constant of the text, or what a name holds that is given nothing but constants and is read
nowhere else. What the solution changes of the test's data can then change what is looked at, which
is the solution's to get right, and nothing that it is compared with. Pure.
"""

from __future__ import annotations

import ast
import builtins
from collections import Counter, defaultdict
from collections.abc import Iterable

from .nodes import FUNCTIONS, asserting, asserts, called, said

_PLAIN = (
    *(ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Expr, ast.Import, ast.ImportFrom, ast.Pass),
    *(ast.FunctionDef, ast.ClassDef, ast.Assert, ast.Global, ast.Nonlocal, ast.For),
)
_WAITING = (ast.AsyncFunctionDef, ast.Await, ast.Yield, ast.YieldFrom)
_READERS = frozenset("len sorted list tuple set dict frozenset sum min max str repr abs".split())
"""Functions of Python's that make one thing of one thing."""
_MAKERS = frozenset("list tuple set dict frozenset bytearray deque OrderedDict".split())
_EQUAL = frozenset(
    "assertEqual assertEquals assertListEqual assertTupleEqual assertDictEqual assertSetEqual"
    " assertSequenceEqual".split()
)
CONSTANT, ANSWER, THING = "constant", "answer", "thing"
"""What a name may be given: what stands there, an answer, or a part of what such a name holds."""


def is_straight(tree: ast.Module, nodes: list[ast.AST], entry_point: str | None) -> bool:
    """Whether nothing but constants of the text decides what it asserts."""
    text = _Straight(nodes, entry_point)
    return [text.holds(tree) for _ in range(3)][-1]  # what names are given, and what that is of


class _Straight:
    """Of one text, gone through again with what is known of its names."""

    def __init__(self, nodes: list[ast.AST], entry_point: str | None):
        names = [one for one in nodes if isinstance(one, ast.Name)]
        self._hides_names = False
        self._read = Counter(one.id for one in names if type(one.ctx) is ast.Load)
        self._stored = Counter(one.id for one in names if type(one.ctx) is not ast.Load)
        for one in nodes:
            if isinstance(one, (*FUNCTIONS, ast.ClassDef)):
                self._stored[one.name] += 1
            elif isinstance(one, ast.arg):
                self._stored[one.arg] += 1
            elif isinstance(one, ast.Import | ast.ImportFrom):
                of_them = isinstance(one, ast.ImportFrom) and one.module == "solution"
                self._hides_names |= any(of.name == "*" for of in one.names) and not of_them
                bound = ((of.asname or of.name).split(".")[0] for of in one.names)
                self._stored.update([] if of_them else bound)
        self._entry_point = entry_point
        self._asserting = asserting(nodes)
        self._roles: dict[str, list[str]] = defaultdict(list)
        self._known: dict[str, set[str]] = {}
        """By name, what it is given, for names that are given nothing else."""
        self._expected: Counter[str] = Counter()
        """How often an assertion compares with what a name holds."""

    def holds(self, tree: ast.Module) -> bool:
        """Whether all of it is straight, as far as names are known."""
        if self._hides_names:
            return False
        self._known = {
            name: {*roles}
            for name, roles in self._roles.items()
            if len(roles) == self._stored[name]
        }
        self._roles.clear()
        self._expected.clear()
        are_read_there_only = self._all(tree.body)
        expected = self._expected.items()
        return are_read_there_only and all(self._read[name] == times for name, times in expected)

    def _all(self, body: list[ast.stmt]) -> bool:
        return not [one for one in body if not self._statement(one)]  # all are looked at

    def _statement(self, node: ast.stmt) -> bool:
        if isinstance(node, ast.Assert):
            return not self._asserts_inside(node) and self._is_told(node.test)
        if not isinstance(node, _PLAIN) or any(isinstance(one, _WAITING) for one in ast.walk(node)):
            return False
        if isinstance(node, ast.ClassDef):
            return self._all(node.body)
        if isinstance(node, ast.For):
            self._give(node.target, node.iter, of_listed=True)
            return not node.orelse and self._is_listed(node.iter) and self._all(node.body)
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            self._give(node.targets[0], node.value)
        if isinstance(node, ast.FunctionDef) and node.name in self._asserting:
            return all(map(self._lists_cases, node.decorator_list)) and self._all(node.body)
        if isinstance(node, ast.FunctionDef) or not asserts(said(node), self._asserting):
            return True
        call = node.value if isinstance(node, ast.Expr) else None
        if not isinstance(call, ast.Call) or self._asserts_inside(call):
            return False
        if called(call) in self._asserting:
            return isinstance(call.func, ast.Name)  # a function of the text, called as a statement
        return called(call) in _EQUAL and len(call.args) > 1 and self._is_pair(*call.args[:2])

    def _asserts_inside(self, node: ast.AST) -> bool:
        return any(asserts(said(one), self._asserting) for one in ast.iter_child_nodes(node))

    def _lists_cases(self, decorator: ast.expr) -> bool:
        """Whether it has the function run with what stands there, each time with other objects."""
        match decorator:
            case ast.Call(ast.Attribute(attr="parametrize"), [ast.Constant(str(names)), cases], []):
                for name in names.replace(" ", "").split(","):
                    self._roles[name].append(CONSTANT)
                return is_literal(cases)
        return False

    # ---- what names hold -------------------------------------------------------------------------

    def _give(self, target: ast.expr, value: ast.expr, of_listed: bool = False) -> None:
        """`target = value`, or each item of it."""
        if is_literal(value) or (of_listed and self._is_listed(value)):
            for one in ast.walk(target):
                if isinstance(one, ast.Name):
                    self._roles[one.id].append(CONSTANT)
        elif isinstance(target, ast.Name) and not of_listed:
            if self._is_asked(value):
                self._roles[target.id].append(ANSWER)
            elif self._is_one(value) or self._is_made(value):
                self._roles[target.id].append(THING)

    def _is_listed(self, node: ast.expr) -> bool:
        """Whether a loop over it takes what stands there, or is named for that loop alone, and
        gives each object once."""
        if isinstance(node, ast.Call) and called(node) in ("zip", "enumerate", "range"):
            return not node.keywords and all(map(self._is_listed, node.args))
        if isinstance(node, ast.Name):
            return self._known.get(node.id) == {CONSTANT} and self._read[node.id] == 1
        return is_literal(node)

    # ---- what assertions say ---------------------------------------------------------------------

    def _is_told(self, test: ast.expr) -> bool:
        if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
            return all(map(self._is_told, test.values))
        if not isinstance(test, ast.Compare) or len(test.ops) != 1:
            return False
        if isinstance(test.ops[0], ast.Is):
            return isinstance(test.comparators[0], ast.Constant) and self._is_answer(test.left)
        return isinstance(test.ops[0], ast.Eq) and self._is_pair(test.left, test.comparators[0])

    def _is_pair(self, a: ast.expr, b: ast.expr) -> bool:
        for one, other in ((a, b), (b, a)):
            if self._is_one(one) and self._is_constant(other, one):
                self._expected.update([other.id] if isinstance(other, ast.Name) else [])
                return True
        return False

    def _is_constant(self, node: ast.expr, of: ast.expr) -> bool:
        """Whether all of it is written there; a yes or no is one of what the solution is asked."""
        if isinstance(node, ast.Name):
            return self._known.get(node.id) == {CONSTANT}
        if isinstance(node, ast.Constant):
            is_word = node.value is None or isinstance(node.value, bool)
            return not is_word or self._is_answer(of)
        return is_literal(node) or self._is_made(node)

    def _is_made(self, node: ast.expr) -> bool:
        """Whether Python makes it of constants."""
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            return False
        name, parts = node.func.id, [*node.args, *(word.value for word in node.keywords)]
        is_pythons = self._stored[name] <= (not hasattr(builtins, name))  # or imported, once
        return name in _MAKERS and is_pythons and all(map(is_literal, parts))

    def _is_one(self, node: ast.expr) -> bool:
        """Whether it is one thing: what a name holds, a part of it, or what is made of it alone."""
        if isinstance(node, ast.Name):
            return node.id in self._known
        if isinstance(node, ast.Attribute):
            return node.attr[:2] != "__" and self._is_one(node.value)
        if isinstance(node, ast.Subscript):
            return is_literal(node.slice) and self._is_one(node.value)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id in _READERS and not self._stored[node.func.id]:
                is_plain = len(node.args) == 1 and not node.keywords
                return is_plain and self._is_one(node.args[0])
        return self._is_asked(node)

    def _is_answer(self, node: ast.expr) -> bool:
        return self._is_asked(node) or (
            isinstance(node, ast.Name) and self._known.get(node.id) == {ANSWER}
        )

    def _is_asked(self, node: ast.expr) -> bool:
        """Whether the solution is called: by a name that nobody else has, or by an answer's."""
        if not isinstance(node, ast.Call):
            return False
        if isinstance(node.func, ast.Attribute):
            is_plain = not node.keywords and all(map(is_literal, node.args))
            return is_plain and self._is_answer(node.func.value)
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        is_free = not self._stored[name] and not hasattr(builtins, name)
        return bool(name) and (is_free or name == self._entry_point)


_CHANGING = frozenset(
    "append extend insert remove pop clear sort reverse update add discard setdefault popitem"
    " appendleft popleft extendleft rotate move_to_end subtract difference_update resize fill put"
    " intersection_update symmetric_difference_update heappush heappop heapify shuffle setattr"
    " delattr __setitem__ __delitem__ iadd setitem".split()
)


def changes(nodes: Iterable[ast.AST]) -> bool:
    """Whether the text itself may change an object in place."""
    stores = (ast.Subscript, ast.Attribute)
    for one in nodes:
        if isinstance(one, stores) and type(one.ctx) is not ast.Load:
            return True
        if isinstance(one, ast.Attribute | ast.Name | ast.alias):
            name = getattr(one, "attr", getattr(one, "id", getattr(one, "name", "")))
            if name in _CHANGING:
                return True
        if isinstance(one, ast.AugAssign):
            return True
    return False


def is_literal(node: ast.AST) -> bool:
    """Whether all in it is written there, each object once."""
    if isinstance(node, ast.List | ast.Tuple | ast.Set | ast.Dict | ast.UnaryOp):
        return all(map(is_literal, ast.iter_child_nodes(node)))
    return isinstance(node, ast.Constant | ast.expr_context | ast.unaryop)
