"""A test that no change in place can mislead: straight text, and what it expects stands there.

In: a parsed test. Out: whether it is one (`is_straight`), and which of its functions change nothing
(`quiet`). In a straight text each statement is come to in its order: no branch, nothing that is
caught, and no loop but over what is listed there. Each of its assertions says that one thing is a
constant of the text, or is named by a name that holds nothing but constants and is read nowhere
else. What the solution changes of the test's data can then change what is looked at, which is the
solution's to get right, and nothing that it is compared with. Pure.
"""

from __future__ import annotations

import ast
import builtins
from collections import Counter
from collections.abc import Iterable, Iterator, Set

from .nodes import called

_PLAIN = (
    *(ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Expr, ast.Import, ast.ImportFrom, ast.Pass),
    *(ast.FunctionDef, ast.ClassDef, ast.Assert, ast.Global, ast.Nonlocal, ast.For),
)
_WAITING = (ast.AsyncFunctionDef, ast.Await, ast.Yield, ast.YieldFrom)
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_READERS = frozenset("len sorted list tuple set dict frozenset sum min max str repr abs".split())
"""Functions of Python's that make one thing of one thing."""
_MAKERS = frozenset("list tuple set dict frozenset".split())
_EQUAL = frozenset(
    "assertEqual assertEquals assertListEqual assertTupleEqual assertDictEqual assertSetEqual"
    " assertSequenceEqual".split()
)
_READ_AND_CHANGED = frozenset(
    "defaultdict property cached_property __getattr__ __getattribute__ __missing__ __getitem__"
    " __get__ __call__ __iter__ __len__ __next__ Mock MagicMock PropertyMock iter next".split()
)
_CHANGES = (
    ast.Global,
    ast.Nonlocal,
    ast.Delete,
    ast.Yield,
    ast.YieldFrom,
    ast.Await,
    ast.AugAssign,
)


def is_straight(tree: ast.Module, nodes: Iterable[ast.AST], entry_point: str | None) -> bool:
    """Whether nothing but constants of the text decides what it asserts."""
    return _Straight(nodes, entry_point).holds(tree)


class _Straight:
    """Of one text."""

    def __init__(self, nodes: Iterable[ast.AST], entry_point: str | None):
        names = [one for one in nodes if isinstance(one, ast.Name)]
        stored = Counter(one.id for one in names if type(one.ctx) is not ast.Load)
        stored.update(one.name for one in nodes if isinstance(one, _DEFINITIONS))
        stored.update(one.arg for one in nodes if isinstance(one, ast.arg))
        self._own = stored.keys() - {entry_point}
        self._once = {name for name, times in stored.items() if times == 1}
        self._read = Counter(one.id for one in names if type(one.ctx) is ast.Load)
        self._constants: set[str] = set()
        """Names that are given constants, or an item of what is listed."""
        self._expected: Counter[str] = Counter()
        """How often an assertion compares with what they hold."""
        self._answers: set[str] = set()
        """Names that are given an answer, and nothing else."""

    def holds(self, tree: ast.Module) -> bool:
        """Whether all of it is straight."""
        are_read_there = all(self._all(tree.body) for _ in range(2))  # names first, then their uses
        uses = {name: times // 2 for name, times in self._expected.items()}
        return are_read_there and all(self._read[name] == times for name, times in uses.items())

    def _all(self, body: list[ast.stmt]) -> bool:
        return not [one for one in body if not self._statement(one)]  # all are looked at

    def _statement(self, node: ast.stmt) -> bool:
        if isinstance(node, ast.Assert):
            return self._is_told(node.test)
        if not isinstance(node, _PLAIN) or any(isinstance(one, _WAITING) for one in ast.walk(node)):
            return False
        if isinstance(node, ast.ClassDef):
            return self._all(node.body)
        if isinstance(node, ast.For):
            self._given(node.target, node.iter)
            return not node.orelse and self._is_listed(node.iter) and self._all(node.body)
        if isinstance(node, ast.Assign):
            for target in node.targets:
                self._given(target, node.value)
        if not _asserts(node):
            return True
        if isinstance(node, ast.FunctionDef):
            return all(map(self._lists_cases, node.decorator_list)) and self._all(node.body)
        call = node.value if isinstance(node, ast.Expr) else None
        if not isinstance(call, ast.Call) or called(call) not in _EQUAL or len(call.args) < 2:
            return False
        return self._is_pair(call.args[0], call.args[1])

    def _lists_cases(self, decorator: ast.expr) -> bool:
        """Whether it has the function run with what stands there, each time with other objects."""
        match decorator:
            case ast.Call(ast.Attribute(attr="parametrize"), [ast.Constant(str(names)), cases], []):
                self._constants |= {*names.replace(" ", "").split(",")} & self._once
                return is_literal(cases)
        return False

    # ---- what names hold -------------------------------------------------------------------------

    def _given(self, target: ast.expr, value: ast.expr) -> None:
        """`target = value`, or each item of it: constants are by themselves, whatever is done with
        what other names hold."""
        if is_literal(value) or self._is_listed(value):
            parts = (one for one in ast.walk(target) if isinstance(one, ast.Name))
            self._constants |= {one.id for one in parts} & self._once
        if isinstance(target, ast.Name) and self._is_asked(value):
            self._answers |= {target.id} & self._once

    def _is_listed(self, node: ast.expr) -> bool:
        """Whether a loop over it takes what stands there, or is named for that loop alone, and
        gives each object once."""
        if isinstance(node, ast.Call) and called(node) in ("zip", "enumerate", "range"):
            return not node.keywords and all(map(self._is_listed, node.args))
        is_named = isinstance(node, ast.Name) and node.id in self._constants
        return is_literal(node) or (is_named and self._read[node.id] == 1)  # type: ignore[attr-defined]

    # ---- what assertions say ---------------------------------------------------------------------

    def _is_told(self, test: ast.expr) -> bool:
        if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
            return all(map(self._is_told, test.values))
        if not isinstance(test, ast.Compare) or len(test.ops) != 1:
            return False
        if isinstance(test.ops[0], ast.Is):
            return isinstance(test.comparators[0], ast.Constant) and self._is_asked(test.left)
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
            return node.id in self._constants
        if isinstance(node, ast.Constant):
            is_word = node.value is None or isinstance(node.value, bool)
            return not is_word or self._is_asked(of)
        if isinstance(node, ast.Call):
            is_maker = isinstance(node.func, ast.Name) and node.func.id in _MAKERS
            return is_maker and not node.keywords and all(map(is_literal, node.args))
        return is_literal(node)

    def _is_one(self, node: ast.expr) -> bool:
        """Whether it is one thing: what a name holds, a part of it, or what is made of it alone."""
        if isinstance(node, ast.Name):
            return node.id not in self._expected
        if isinstance(node, ast.Attribute):
            return node.attr[:2] != "__" and self._is_one(node.value)
        if isinstance(node, ast.Subscript):
            return is_literal(node.slice) and self._is_one(node.value)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id in _READERS - self._own:
                is_plain = len(node.args) == 1 and not node.keywords
                return is_plain and self._is_one(node.args[0])
        return self._is_asked(node)

    def _is_asked(self, node: ast.expr) -> bool:
        """Whether it is a call that the text does not define, or names the answer."""
        if isinstance(node, ast.Name):
            return node.id in self._answers
        if not isinstance(node, ast.Call) or called(node) in self._own:
            return False
        return isinstance(node.func, ast.Name) or (
            isinstance(node.func, ast.Attribute) and self._is_one(node.func.value)
        )


def _asserts(node: ast.stmt) -> bool:
    for one in ast.walk(node):
        if isinstance(one, ast.Assert | ast.Raise):
            return True
        if isinstance(one, ast.Call) and called(one).startswith(("assert", "fail", "raises")):
            return True
    return False


def is_literal(node: ast.AST) -> bool:
    """Whether all in it is written there, each object once."""
    if isinstance(node, ast.List | ast.Tuple | ast.Set | ast.Dict | ast.UnaryOp):
        return all(map(is_literal, ast.iter_child_nodes(node)))
    return isinstance(node, ast.Constant | ast.expr_context | ast.unaryop)


# ---- functions that change nothing -------------------------------------------------------------


def quiet(nodes: Iterable[ast.AST], names: Set[str]) -> set[tuple[str, int]] | None:
    """Name and first line of each function that only makes a value of what it is given; None where,
    by the `names` of the text, there may be something that changes as it is read."""
    return {*_quiet(nodes)} if names.isdisjoint(_READ_AND_CHANGED) else None


def _quiet(nodes: Iterable[ast.AST]) -> Iterator[tuple[str, int]]:
    for one in nodes:
        if isinstance(one, ast.Lambda) and _changes_nothing([one.body]):
            yield "<lambda>", one.lineno
        elif isinstance(one, ast.FunctionDef) and not one.decorator_list:
            of = one.args.args[0].arg if one.name == "__init__" and one.args.args else ""
            if _changes_nothing(one.body, of):
                yield one.name, one.lineno


def _changes_nothing(body: Iterable[ast.AST], of: str = "") -> bool:
    """But for attributes `of` the object that is made."""
    for node in (one for part in body for one in ast.walk(part)):
        if isinstance(node, _CHANGES) or (isinstance(node, ast.Call) and not _is_reader(node)):
            return False
        if isinstance(node, ast.Attribute | ast.Subscript) and type(node.ctx) is not ast.Load:
            if not (isinstance(node.value, ast.Name) and node.value.id == of):
                return False
    return True


def _is_reader(call: ast.Call) -> bool:
    name = called(call)
    kind = getattr(builtins, name, None)
    return isinstance(call.func, ast.Name) and (name in _READERS or isinstance(kind, type))
