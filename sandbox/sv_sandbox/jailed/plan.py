"""Which tests are one call with literal arguments? They need no test code to run.

`assert f([3, 1]) == [1, 3]` becomes the encoded call `("f", ([3, 1],), {})`, which is all that the
subject ever sees, and a compiled expression over `__answer__`, which the judge evaluates on the
decoded answer. Only expressions that cannot do anything but look at plain data qualify: every node
and every function in them is on a short list, so nothing foreign runs.
"""

from __future__ import annotations

import ast
import types
from typing import Any

from . import codec

MAX_SOURCE_BYTES = 20_000
MAX_LITERAL_ITEMS = 100_000

ANSWER = "__answer__"


FUNCTIONS: dict[str, Any] = {
    "abs": abs, "all": all, "any": any, "bool": bool, "dict": dict, "float": float,
    "frozenset": frozenset, "int": int, "len": len, "list": list, "max": max, "min": min,
    "round": round, "set": set, "sorted": sorted, "str": str, "sum": sum, "tuple": tuple,
}  # fmt: skip
"""What an expression may call on an answer."""
TYPES = {kind.__name__: kind for kind in (bool, bytes, dict, float, int, list, set, str, tuple)}

_NODES = (
    ast.Compare, ast.UnaryOp, ast.BinOp, ast.Constant, ast.List, ast.Tuple, ast.Set, ast.Dict,
    ast.Call, ast.Name, ast.Load, ast.Subscript, ast.Slice, ast.keyword, ast.cmpop, ast.unaryop,
    ast.Add, ast.Sub, ast.Div, ast.FloorDiv,
)  # fmt: skip


class NotLiteral(Exception):
    """The test needs more than one call and a comparison."""


class Literal:
    """A planned test: the encoded call, and the expression that judges the answer."""

    __slots__ = ("call", "check")

    def __init__(self, call: bytes, check: types.CodeType):
        self.call, self.check = call, check

    def judge(self, answer: Any) -> bool:
        """Whether the assertion holds. Raises what the expression raises."""
        scope = {"__builtins__": {}, **FUNCTIONS, "isinstance": _isinstance, ANSWER: answer}
        return bool(eval(self.check, scope))


def _isinstance(value: Any, kinds: Any) -> bool:
    names = kinds if isinstance(kinds, tuple) else (kinds,)
    return isinstance(value, tuple(TYPES[name] for name in names))


def plan(source: bytes) -> Literal | None:
    """A Literal, or None when the test code has to run. Never raises."""
    try:
        return _plan(source)
    except (NotLiteral, SyntaxError, ValueError, TypeError, ArithmeticError, RecursionError):
        return None
    except MemoryError:  # the parser's word for "nested too deeply"
        return None


def _plan(source: bytes) -> Literal:
    if len(source) > MAX_SOURCE_BYTES or b"assert" not in source:
        raise NotLiteral
    body = ast.parse(source).body
    if len(body) != 1 or not isinstance(body[0], ast.Assert):
        raise NotLiteral
    statement = body[0]
    if not (statement.msg is None or isinstance(statement.msg, ast.Constant)):
        raise NotLiteral
    finder = _Finder()
    test = finder.visit(statement.test)
    if finder.call is None:
        raise NotLiteral
    name, args, kwargs = finder.call
    expression = ast.fix_missing_locations(ast.Expression(test))
    check = compile(expression, "<test>", "eval", dont_inherit=True)
    return Literal(codec.encode((name, args, kwargs)), check)


class _Finder(ast.NodeTransformer):
    """Replaces the one foreign call by the answer's name; refuses everything unknown."""

    call: tuple[str, tuple[Any, ...], dict[str, Any]] | None = None

    def visit(self, node: ast.AST) -> Any:
        if not isinstance(node, _NODES):
            raise NotLiteral
        return super().visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        raise NotLiteral  # a name alone means something only where the test runs

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        had = self.call
        for later in node.comparators[1:]:  # evaluated only if what stands before holds
            self.visit(later)
        if self.call is not had:
            raise NotLiteral
        node.left = self.visit(node.left)
        node.comparators[0] = self.visit(node.comparators[0])
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if not isinstance(node.func, ast.Name):
            raise NotLiteral
        name = node.func.id
        if name == "isinstance":
            return self._isinstance(node)
        if name in FUNCTIONS:
            if any(keyword.arg is None for keyword in node.keywords):
                raise NotLiteral
            node.args = [self.visit(arg) for arg in node.args]
            node.keywords = [self.visit(keyword) for keyword in node.keywords]
            return node
        if self.call is not None or name in codec.BUILTINS:
            raise NotLiteral
        args = tuple(constant(arg) for arg in node.args)
        kwargs = {}
        for keyword in node.keywords:
            if keyword.arg is None:
                raise NotLiteral
            kwargs[keyword.arg] = constant(keyword.value)
        self.call = (name, args, kwargs)
        return ast.Name(ANSWER, ast.Load())

    def _isinstance(self, node: ast.Call) -> ast.AST:
        if len(node.args) != 2 or node.keywords:
            raise NotLiteral
        kinds = node.args[1]
        names = kinds.elts if isinstance(kinds, ast.Tuple) else [kinds]
        if not all(isinstance(kind, ast.Name) and kind.id in TYPES for kind in names):
            raise NotLiteral
        words: Any = tuple(kind.id for kind in names if isinstance(kind, ast.Name))
        node.args = [self.visit(node.args[0]), ast.Constant(words)]
        return node


_EMPTY = {"set": set, "list": list, "dict": dict, "tuple": tuple, "frozenset": frozenset}


def constant(node: ast.expr) -> Any:
    """The value of a literal expression. Raises NotLiteral for anything else, or too large."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.List | ast.Tuple | ast.Set):
        items = [constant(item) for item in node.elts]
        kind = {ast.List: list, ast.Tuple: tuple, ast.Set: set}[type(node)]
        return kind(items)
    if isinstance(node, ast.Dict):
        keys = [constant(key) for key in node.keys if key is not None]
        if len(keys) < len(node.keys):
            raise NotLiteral
        return dict(zip(keys, map(constant, node.values), strict=True))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        value = constant(node.operand)
        if type(value) not in (int, float, complex):
            raise NotLiteral
        return -value if isinstance(node.op, ast.USub) else value
    if isinstance(node, ast.BinOp):
        return _operation(node)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        if not node.args and node.func.id in _EMPTY:
            return _EMPTY[node.func.id]()
        if len(node.args) == 1 and node.func.id in ("float", "set", "frozenset", "tuple", "list"):
            return {"float": float, **_EMPTY}[node.func.id](constant(node.args[0]))
    raise NotLiteral


def _operation(node: ast.BinOp) -> Any:
    left, right = constant(node.left), constant(node.right)
    numbers = (int, float, complex)
    if type(left) in numbers and type(right) in numbers:
        if isinstance(node.op, ast.Add):
            return left + right
        if isinstance(node.op, ast.Sub):
            return left - right
        if isinstance(node.op, ast.Mult):
            return left * right
        if isinstance(node.op, ast.Div):
            return left / right
        if isinstance(node.op, ast.Pow) and type(left) is int and type(right) is int:
            if 0 <= right <= 1000 and abs(left) <= 1000:
                return left**right
    elif isinstance(node.op, ast.Mult) and type(right) is int and type(left) in (list, str, tuple):
        if 0 <= right * len(left) <= MAX_LITERAL_ITEMS:
            return left * right
    elif isinstance(node.op, ast.Add) and type(left) is type(right) and type(left) in (list, str):
        return left + right
    raise NotLiteral
