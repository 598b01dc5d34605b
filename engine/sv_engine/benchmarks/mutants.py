"""Wrong programs made of a right one, one small change each.

In: the source of a reference. Out: mutants, always the same ones for the same source. The
operators, after Offutt et al. 1996 ("An experimental determination of sufficient mutant
operators"), in Python:

    AOR  an arithmetic operator becomes another:  + - * // / % **
    ROR  a comparison becomes its neighbour or its opposite:  < <= > >= == != in is
    LCR  `and` becomes `or`, and the other way round
    NEG  the condition of an if, a while, a conditional expression or a comprehension is negated
    CRP  a constant changes: n + 1, n - 1, True and False, a text gets one more character
    SDL  a statement is deleted: an assignment, a call, an if, a break
    FNR  a call becomes its counterpart: min max, any all, lower upper, sorted list, ...

A mutant that the task's own tests do not refute is taken for equivalent and left out (`Bank`): what
is left is wrong beyond doubt.
"""

from __future__ import annotations

import ast
import copy
import random
from collections.abc import Callable, Iterator

from sv_engine.problems.python_text import parse

BANK_SIZE = 12
TRIED = 48
"""Mutants of one program that are run against its tests."""

_ARITHMETIC: dict[type[ast.operator], tuple[type[ast.operator], ...]] = {
    ast.Add: (ast.Sub, ast.Mult),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Add, ast.FloorDiv),
    ast.FloorDiv: (ast.Mult, ast.Mod),
    ast.Div: (ast.Mult, ast.FloorDiv),
    ast.Mod: (ast.FloorDiv,),
    ast.Pow: (ast.Mult,),
}
_COMPARISON: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}
_COUNTERPARTS = {
    **{"min": "max", "max": "min", "any": "all", "all": "any", "lower": "upper", "upper": "lower"},
    **{"sum": "max", "sorted": "list", "abs": "int", "startswith": "endswith"},
    **{"endswith": "startswith", "lstrip": "rstrip", "rstrip": "lstrip", "find": "rfind"},
}
Change = Callable[[ast.AST], None]
"""Changes one node of a copy of the tree."""


def mutants(source: str, entry_point: str, count: int = TRIED) -> list[str]:
    """Up to `count` different programs, each one change away from `source`; none for text that is
    no program."""
    tree = parse(source)
    if tree is None:
        return []
    nodes = list(enumerate(ast.walk(tree)))
    words = [getattr(node, "body", [])[:1] for _, node in nodes if _has_docstring(node)]
    said = {part for (first,) in words for part in ast.walk(first)}
    places = [(i, change) for i, node in nodes if node not in said for change in _changes(node)]
    random.Random(f"mutants {entry_point}").shuffle(places)
    original = ast.unparse(tree)
    found: dict[str, None] = {}
    for index, change in places:
        if len(found) == count:
            break
        mutant = copy.deepcopy(tree)
        change(next(node for i, node in enumerate(ast.walk(mutant)) if i == index))
        text = ast.unparse(ast.fix_missing_locations(mutant))
        if text != original and parse(text) is not None:
            found[text] = None
    return list(found)


def _changes(node: ast.AST) -> Iterator[Change]:
    match node:
        case ast.BinOp() | ast.AugAssign():
            for kind in _ARITHMETIC.get(type(node.op), ()):
                yield _setting("op", kind)
        case ast.Compare():
            for at, operator in enumerate(node.ops):
                for other in _COMPARISON.get(type(operator), ()):
                    yield _comparing(at, other)
        case ast.BoolOp():
            yield _setting("op", ast.Or if isinstance(node.op, ast.And) else ast.And)
        case ast.UnaryOp(op=ast.USub()):
            yield _setting("op", ast.UAdd)
        case ast.Constant(value=value):
            for changed in _constants(value):
                yield _setting("value", lambda changed=changed: changed)  # type: ignore[misc]
        case ast.Call(func=ast.Name(id=name)) if name in _COUNTERPARTS:
            yield _renaming("id", _COUNTERPARTS[name])
        case ast.Call(func=ast.Attribute(attr=name)) if name in _COUNTERPARTS:
            yield _renaming("attr", _COUNTERPARTS[name])
    if isinstance(node, ast.If | ast.While | ast.IfExp):
        yield _negate
    if isinstance(node, ast.comprehension):
        for at in range(len(node.ifs)):
            yield _negating_filter(at)
    for at, statement in enumerate(getattr(node, "body", ()) or () if _has_block(node) else ()):
        if isinstance(statement, ast.Assign | ast.AugAssign | ast.Expr | ast.If | ast.Break):
            if not _is_docstring(statement):
                yield _deleting(at)


def _has_block(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef | ast.For | ast.While | ast.If | ast.With)


def _has_docstring(node: ast.AST) -> bool:
    if not isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module):
        return False
    return bool(node.body) and _is_docstring(node.body[0])


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _constants(value: object) -> tuple[object, ...]:
    match value:
        case bool():
            return (not value,)
        case int():
            return (value + 1, value - 1)
        case float():
            return (value + 1,)
        case str():
            return (value + "x", "") if value else ("x",)
        case _:
            return ()


def _setting(field: str, make: Callable[[], object]) -> Change:
    return lambda node: setattr(node, field, make())


def _renaming(field: str, name: str) -> Change:
    return lambda node: setattr(node.func, field, name)  # type: ignore[attr-defined]


def _comparing(at: int, kind: type[ast.cmpop]) -> Change:
    return lambda node: node.ops.__setitem__(at, kind())  # type: ignore[attr-defined]


def _deleting(at: int) -> Change:
    return lambda node: node.body.__setitem__(at, ast.Pass())  # type: ignore[attr-defined]


def _negate(node: ast.AST) -> None:
    node.test = ast.UnaryOp(ast.Not(), node.test)  # type: ignore[attr-defined]


def _negating_filter(at: int) -> Change:
    def change(node: ast.AST) -> None:
        node.ifs[at] = ast.UnaryOp(ast.Not(), node.ifs[at])  # type: ignore[attr-defined]

    return change
