"""What a test's text writes out: constants, and names that hold nothing else.

In: nodes of its tree. Out: `Written`, which tells whether an expression's value stands in the text,
so that no solution has a part in it. Pure.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable
from typing import TypeGuard

from . import plan
from .text import TOOLS

_LISTING = frozenset(("zip", "enumerate"))
_MAKERS = frozenset(
    "dict bytes bytearray Decimal Fraction date datetime timedelta deque OrderedDict Counter approx"
    " array".split()
)
"""What makes a value of constants, where it is Python's own or imported from a library."""
_DISPLAYS = (ast.List, ast.Set, ast.Dict, ast.Call)


class Written:
    """Of one text."""

    def __init__(self, nodes: Iterable[ast.AST]):
        nodes = [*nodes]
        self._library = {name for node in nodes for name in _from_libraries(node)}
        self._bound: Counter[str] = Counter()
        """How often a name is bound, or read; of these, to what is written, to what is written and
        has nothing in it that can change, and where it is only looked at: as a side of an equality.
        """
        self._read: Counter[str] = Counter()
        self._written: Counter[str] = Counter()
        self._flat: Counter[str] = Counter()
        self._looked_at: Counter[str] = Counter()
        self._truths: set[str] = set()
        """Names that are bound to truths alone."""
        self._loops: dict[str, list[ast.expr]] = {}
        """The targets of each loop over a name."""
        loops: list[ast.For] = []
        for node in nodes:
            self._note(node)
            if isinstance(node, ast.For):
                loops.append(node)
                for name in _names_gone_over(node.iter):
                    self._loops.setdefault(name, []).append(node.target)
        for loop in loops:
            if self._is_listed(loop.iter):
                self._give(self._written, loop.target)

    def holds(self, node: ast.expr) -> bool:
        """Whether the value of this is written out, and the solution is not given it."""
        if isinstance(node, ast.Name):
            return self._is_kept(node.id) and self._keeps_items(node.id)
        return self._is_constant(node)

    def is_truths(self, node: ast.expr) -> bool:
        """Whether this writes out truths alone, perhaps with None among them."""
        if isinstance(node, ast.Name):
            return node.id in self._truths
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and len(node.args) == 1:
            return node.func.id in ("list", "tuple", "deque") and self.is_truths(node.args[0])
        parts = getattr(node, "elts", getattr(node, "values", []))
        return (
            isinstance(node, ast.List | ast.Tuple | ast.Set | ast.Dict)
            and any(_is_truth(one) or self.is_truths(one) for one in parts)
            and all(_is_truth(one) or _is_none(one) or self.is_truths(one) for one in parts)
        )

    def is_of_library(self, name: str) -> bool:
        """Whether the text imports this from a library."""
        return name in self._library

    def _is_kept(self, name: str) -> bool:
        return 0 < self._bound[name] == self._written[name] and self._is_seen_only(name)

    def _is_seen_only(self, name: str) -> bool:
        return self._read[name] == self._looked_at[name] + len(self._loops.get(name, ()))

    def _keeps_items(self, name: str) -> bool:
        """Whether what loops over a list do with its items leaves them as they are."""
        reached, waiting = {name}, [name]
        while waiting:
            at = waiting.pop()
            if self._bound[at] == self._flat[at]:
                continue
            items = {one for target in self._loops.get(at, ()) for one in _names_in(target)}
            if not all(map(self._is_seen_only, items)):
                return False
            waiting += items - reached
            reached |= items
        return True

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
            self._note_assigned(node)
        elif isinstance(node, ast.Compare):
            self._look_at([node.left, *node.comparators])
        elif isinstance(node, ast.Call):
            name = str(getattr(node.func, "attr", getattr(node.func, "id", "")))
            if name.startswith("assert"):
                self._look_at(node.args[:2])
            elif name == "parametrize" and len(node.args) == 2 and self._is_constant(node.args[1]):
                names = getattr(node.args[0], "value", "")
                self._written.update(str(names).replace(" ", "").split(","))

    def _note_assigned(self, node: ast.Assign) -> None:
        if len(node.targets) == 1 and self._is_constant(node.value):
            self._give(self._written, node.targets[0])
            if not any(isinstance(one, _DISPLAYS) for one in [*ast.walk(node.value)][1:]):
                self._give(self._flat, node.targets[0])
        if self.is_truths(node.value):
            self._truths.update(one for target in node.targets for one in _names_in(target))

    def _give(self, what: Counter[str], target: ast.expr) -> None:
        what.update(_names_in(target))

    def _look_at(self, nodes: Iterable[ast.expr]) -> None:
        self._looked_at.update(one.id for one in nodes if isinstance(one, ast.Name))

    def _is_listed(self, node: ast.expr) -> bool:
        if _is_listing(node):
            return all(map(self._is_listed, node.args))
        if isinstance(node, ast.Name):  # each item is its own, unless another loop has it as well
            is_alone = len(self._loops.get(node.id, ())) == 1
            return self._is_kept(node.id) and (is_alone or self._keeps_items(node.id))
        return self._is_constant(node)

    def _is_constant(self, node: ast.expr) -> bool:
        """Whether it is a constant, or made of constants."""
        if isinstance(node, ast.List | ast.Tuple):
            return all(map(self._is_constant, node.elts))
        if isinstance(node, ast.Call) and self._is_maker(node.func):
            return all(map(self._is_constant, (*node.args, *(one.value for one in node.keywords))))
        if any(isinstance(one, ast.BinOp) and _repeats(one) for one in ast.walk(node)):
            return False
        try:
            plan.constant(node)
        except (plan.NotLiteral, *_TROUBLE):
            return False
        return True

    def _is_maker(self, called: ast.expr) -> bool:
        if isinstance(called, ast.Attribute):
            root = called.value
            while isinstance(root, ast.Attribute):
                root = root.value
            return called.attr in _MAKERS and getattr(root, "id", "") in self._library
        name = getattr(called, "id", "")
        return name in _MAKERS and (plan.is_builtin(name) or name in self._library)


_TROUBLE = (ValueError, TypeError, ArithmeticError, RecursionError, MemoryError)


def _from_libraries(node: ast.AST) -> list[str]:
    """The names that this binds to modules of libraries, or to what is in them."""
    if isinstance(node, ast.Import):
        found = [one for one in node.names if one.name.split(".")[0] in TOOLS]
        return [one.asname or one.name.split(".")[0] for one in found]
    if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in TOOLS:
        return [one.asname or one.name for one in node.names]
    return []


def _is_listing(node: ast.expr) -> TypeGuard[ast.Call]:
    return isinstance(node, ast.Call) and getattr(node.func, "id", "") in _LISTING


def _names_gone_over(node: ast.expr) -> list[str]:
    """The names whose items a loop over this goes over."""
    if _is_listing(node):
        return [name for one in node.args for name in _names_gone_over(one)]
    return [node.id] if isinstance(node, ast.Name) else []


def _names_in(target: ast.expr) -> list[str]:
    return [one.id for one in ast.walk(target) if isinstance(one, ast.Name)]


def _repeats(node: ast.BinOp) -> bool:
    """Whether this is a list that holds one list several times."""
    held = (one for side in (node.left, node.right) for one in [*ast.walk(side)][1:])
    return isinstance(node.op, ast.Mult) and any(isinstance(one, _DISPLAYS) for one in held)


def _is_truth(node: ast.expr) -> bool:
    return type(getattr(node, "value", None)) is bool


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None
