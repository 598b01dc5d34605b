"""What a test's text does once: names that are given a value in one place, which is come to once.

That is a statement at the top of the text, or of a test function that nothing else calls and no
decorator has run again. Pure.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator

from .nodes import called, inside

_AGAIN = frozenset(("params", "parametrize"))
"""What has a test function run again."""


def bound(tree: ast.Module) -> frozenset[str]:
    """Names that get one value only, there."""
    times = _times(tree, stored=True)
    given = (one for node in _statements(tree) for one in _targets(node))
    return frozenset(one.id for one in given if times[one.id] == 1)


def heads(tree: ast.Module) -> frozenset[str]:
    """Of those, names of what the text lists, each object once, for one loop that goes over it: no
    item can be met a second time."""
    times, read = _times(tree, stored=True), _times(tree, stored=False)
    statements = [*_statements(tree)]
    listed = [one for one in statements if isinstance(one, ast.Assign) and is_listed(one.value)]
    names = {one.id for node in listed for one in _targets(node) if len(node.targets) == 1}
    over = [_gone_over(one.iter) for one in statements if isinstance(one, ast.For)]
    return frozenset(
        name for each in over for name in each if name in names and times[name] == read[name] == 1
    )


def is_listed(node: ast.AST) -> bool:
    """Whether all in it is written there, each object once."""
    if isinstance(node, ast.List | ast.Tuple | ast.Set | ast.Dict | ast.UnaryOp):
        return all(map(is_listed, ast.iter_child_nodes(node)))
    return isinstance(node, ast.Constant | ast.expr_context | ast.unaryop)


def _gone_over(node: ast.expr) -> list[str]:
    """The names in a loop's head that go over what they hold, item by item."""
    is_plain = isinstance(node, ast.Call) and called(node) in ("zip", "enumerate")
    parts = inside(node) if isinstance(node, ast.Call) and is_plain else [node]
    return [one.id for one in parts if isinstance(one, ast.Name)]


def _times(tree: ast.AST, stored: bool) -> Counter[str]:
    """How often names are bound, or read."""
    found = [one.id for one in ast.walk(tree) if isinstance(one, ast.Name) and _is(one, stored)]
    if stored:
        found += [one.arg for one in ast.walk(tree) if isinstance(one, ast.arg)]
    return Counter(found)


def _is(name: ast.Name, stored: bool) -> bool:
    return (type(name.ctx) is not ast.Load) == stored


def _statements(tree: ast.Module) -> Iterator[ast.stmt]:
    """Those that are come to once."""
    read = {_word(one) for one in ast.walk(tree)}
    is_again = not read.isdisjoint(_AGAIN)
    waiting: list[ast.stmt] = [*tree.body]
    for node in waiting:
        is_known = isinstance(node, ast.FunctionDef) and node.name.startswith("test")
        if is_known or isinstance(node, ast.ClassDef):
            assert isinstance(node, ast.FunctionDef | ast.ClassDef)
            is_once = not (is_again or node.decorator_list or node.name in read)
            waiting += node.body if is_once else []
        else:
            yield node


def _word(node: ast.AST) -> object:
    """What a node reads by its name, or may be used as one."""
    for name in ("id", "attr", "arg", "value"):
        word = getattr(node, name, None)
        if isinstance(word, str):
            return word
    return None


def _targets(node: ast.stmt) -> list[ast.Name]:
    """Names that an assignment gives a value."""
    targets = node.targets if isinstance(node, ast.Assign) else []
    parts = [one for target in targets for one in _parts(target)]
    return [one for one in parts if isinstance(one, ast.Name)]


def _parts(target: ast.expr) -> list[ast.expr]:
    return target.elts if isinstance(target, ast.Tuple | ast.List) else [target]
