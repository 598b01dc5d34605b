"""What a test's text writes out: constants, and names that hold nothing else.

In: nodes of its tree. Out: `Written`, which tells whether an expression's value stands in the text,
so that no solution has a part in it. Pure.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable

from . import plan

_LISTING = frozenset(("zip", "enumerate"))
_MAKERS = frozenset(
    "dict bytes bytearray Decimal Fraction date datetime timedelta deque OrderedDict Counter approx"
    " array".split()
)
"""What makes a value of constants. (`provenance` marks those that the solution defines.)"""


class Written:
    """Of one text."""

    def __init__(self, nodes: Iterable[ast.AST]):
        self._bound: Counter[str] = Counter()
        """How often a name is bound, or read; of these, to what is written, and where it is only
        looked at: as a side of an equality, or as what is looped over."""
        self._read: Counter[str] = Counter()
        self._written: Counter[str] = Counter()
        self._looked_at: Counter[str] = Counter()
        self._loops: list[ast.For] = []
        for node in nodes:
            self._note(node)
        for loop in self._loops:
            if self._is_listed(loop.iter):
                self._give(loop.target)

    def holds(self, node: ast.expr) -> bool:
        """Whether the value of this is written out, and the solution is not given it."""
        return self._is_kept(node.id) if isinstance(node, ast.Name) else is_constant(node)

    def _is_kept(self, name: str) -> bool:
        times = self._bound[name]
        is_seen_only = self._read[name] == self._looked_at[name]
        return 0 < times == self._written[name] and is_seen_only

    def _note(self, node: ast.AST) -> None:
        if isinstance(node, ast.Name):
            (self._read if type(node.ctx) is ast.Load else self._bound)[node.id] += 1
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            self._bound[node.name] += 1
        elif isinstance(node, ast.arg):
            self._bound[node.arg] += 1
        elif isinstance(node, ast.MatchAs | ast.MatchStar | ast.ExceptHandler):
            self._bound[node.name or ""] += 1
        elif isinstance(node, ast.MatchMapping):
            self._bound[node.rest or ""] += 1
        elif isinstance(node, ast.Import | ast.ImportFrom):
            self._bound.update((one.asname or one.name).split(".")[0] for one in node.names)
        elif isinstance(node, ast.Assign):
            if len(node.targets) == 1 and is_constant(node.value):
                self._give(node.targets[0])
        elif isinstance(node, ast.For):
            self._loops.append(node)
            self._look_at([node.iter, *getattr(node.iter, "args", [])])
        elif isinstance(node, ast.Compare):
            self._look_at([node.left, *node.comparators])
        elif isinstance(node, ast.Call):
            name = _name_of(node)
            if name.startswith("assert"):
                self._look_at(node.args[:2])
            elif name == "parametrize" and len(node.args) == 2 and is_constant(node.args[1]):
                names = getattr(node.args[0], "value", "")
                self._written.update(str(names).replace(" ", "").split(","))

    def _give(self, target: ast.expr) -> None:
        self._written.update(one.id for one in ast.walk(target) if isinstance(one, ast.Name))

    def _look_at(self, nodes: Iterable[ast.expr]) -> None:
        self._looked_at.update(one.id for one in nodes if isinstance(one, ast.Name))

    def _is_listed(self, node: ast.expr) -> bool:
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in _LISTING:
            return all(map(self._is_listed, node.args))
        return self.holds(node)


def is_constant(node: ast.expr) -> bool:
    """Whether it is a constant, or made of constants."""
    if isinstance(node, ast.List | ast.Tuple):
        return all(map(is_constant, node.elts))
    if isinstance(node, ast.Call) and _name_of(node) in _MAKERS:
        return all(map(is_constant, (*node.args, *(word.value for word in node.keywords))))
    try:
        plan.constant(node)
    except (plan.NotLiteral, ValueError, TypeError, ArithmeticError, RecursionError, MemoryError):
        return False
    return True


def _name_of(call: ast.Call) -> str:
    return str(getattr(call.func, "attr", getattr(call.func, "id", "")))
