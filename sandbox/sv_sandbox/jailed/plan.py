"""Which tests only look at what calls with literal arguments return? No test code has to run then.

`assert f([3, 1]) == [1, 3]` becomes the encoded request `(None, (("f", ([3, 1],), {}),), ...)`,
which is all that the subject ever sees, and the expected value, which the judge compares with the
decoded answer. What is more than such an equality becomes a compiled expression over `__answer__`.
Only expressions that cannot do anything but look at plain data qualify: every node and every
function in them is on a short list, so nothing foreign runs. A test may be several such assertions,
also in one function that is called with a name of the solution's (`check(f)`).

A request is such a name (None where there is none: it is what the solution has by it when the test
begins), and for each assertion an operation: `(name,)` reads a name, `(name, args, kwargs)` calls
it, `(name, args)` calls it with operands `("value", v)` or `("result", operation)`, None asks for
nothing; then whether answers are compared with constants alone, whether with one value each, and
the names that the test binds.
`answered` answers one, in the subject: for each assertion, what its operation gave, encoded before
the next begins. All of them run before anything is compared.
"""

from __future__ import annotations

import ast
import builtins
import operator
from collections.abc import Callable, Sized
from types import CodeType
from typing import Any, NamedTuple

from . import values
from .bytecode import names_of
from .values import native

MAX_SOURCE_CHARACTERS = 20_000
MAX_LITERAL_ITEMS = 100_000

ANSWER = "__answer__"


def answered(
    request: Any, namespace: dict[str, Any], solution: CodeType
) -> tuple[bytes, ...] | None:
    """What the operation of each assertion gives in the solution's namespace. Raises what the first
    one raises, and Unencodable; None where a later one raises (which assertion fails first, the
    test's code will tell), and where in one process a name of the test's would be the solution's,
    or the other way round."""
    name, assertions, bare, one_each, binds = request
    if not namespace.keys().isdisjoint((*binds, *_MEANT)):
        return None
    if binds and not names_of(solution).isdisjoint(binds):
        return None
    if name is not None:
        namespace = {name: namespace[name]} if name in namespace else {}
    found: list[bytes] = []
    while assertions:  # what was given, and what was answered, lives no longer than in a test
        try:
            answer = requested(assertions.pop(0), namespace)
        except BaseException:
            if not found:
                raise
            return None
        if bare and not one_each and type(answer).__module__ == "numpy":
            return None
        found.append(encoded(answer, bare))
        answer = None
    return tuple(found)


def encoded(answer: object, bare: bool) -> bytes:
    """One answer. Raises Unencodable."""
    most, told = native.MAX_ANSWER_BYTES, _refuse_rebuilt if bare else _refuse_sets
    return bytes(values.encode(answer, None, None, True, bare, most, told))


def joined(answers: tuple[bytes, ...]) -> bytes:
    """The answers of a test as they cross."""
    return answers[0] if len(answers) == 1 else bytes(values.encode(answers))


def _refuse_rebuilt(kind: int) -> None:
    if kind in (values.REBUILT, native.NAN):
        raise values.Unencodable("a value that is rebuilt of its parts, or that compares loosely")


def _refuse_sets(kind: int) -> None:
    _refuse_rebuilt(kind)
    if kind in (native.SET, native.FROZENSET):
        raise values.Unencodable("a set, whose order may be looked at")


def requested(operation: tuple[Any, ...] | None, namespace: dict[str, Any]) -> object:
    """What an operation of a request gives in the solution's namespace. The caller keeps none of
    it: what a call is given lives no longer than in a test."""
    if operation is None:
        return None
    name = operation[0]
    if name not in namespace:
        raise NameError(f"name {name!r} is not defined")
    function = namespace[name]
    if len(operation) == 1:
        return function
    if len(operation) == 3:
        return function(*operation[1], **operation[2])
    given, operands = [*reversed(operation[1])], []
    del operation
    while given:
        kind, operand = given.pop()
        box = [operand]
        del operand
        operands.append(box.pop() if kind == "value" else requested(box.pop(), namespace))
    return _CALLS[len(operands)](function, operands)


MOST_OPERANDS = 8
_CALLS = [eval(f"lambda f, x: f({'x.pop(0), ' * n})") for n in range(MOST_OPERANDS + 1)]
"""Calls with so many operands, which the function then holds alone."""
FUNCTIONS = {
    name: getattr(builtins, name)
    for name in (
        "abs all any bool dict float frozenset int len list max min round set sorted str sum tuple"
    ).split()
}
"""What an expression may call on an answer."""
TYPES = {kind.__name__: kind for kind in (bool, bytes, dict, float, int, list, set, str, tuple)}
_EMPTY = {"set": set, "list": list, "dict": dict, "tuple": tuple, "frozenset": frozenset}
_MEANT = frozenset((*FUNCTIONS, *TYPES, *_EMPTY, "isinstance", "range"))
"""Names of Python's that a planned test may speak of, and mean the solution's by."""

TOOLS = {
    "isclose": "math",
    **dict.fromkeys(("allclose", "array_equal"), "numpy"),
    **dict.fromkeys(
        ("assert_allclose", "assert_array_equal", "assert_almost_equal"), "numpy.testing"
    ),
    **dict.fromkeys(("Counter", "OrderedDict", "defaultdict", "deque"), "collections"),
    "Decimal": "decimal",
    "Fraction": "fractions",
}
"""What tests compare with, and may leave to the solution to import: not planned, for a solution
that calls something else `isclose` would then be asked how close it was."""

_NODES = (
    ast.Compare, ast.UnaryOp, ast.BinOp, ast.Constant, ast.List, ast.Tuple, ast.Set, ast.Dict,
    ast.Call, ast.Name, ast.Load, ast.Subscript, ast.Slice, ast.keyword, ast.cmpop, ast.unaryop,
    ast.operator,
)  # fmt: skip


_spent = [0]  # items that the constants of the test at hand stand for, beside those it spells out


def _spend(items: int) -> None:
    _spent[0] += items
    if _spent[0] > MAX_LITERAL_ITEMS:
        raise NotLiteral


class NotLiteral(Exception):
    """The test needs more than one call and a comparison."""


Operation = tuple[Any, ...]


class Assertion(NamedTuple):
    """One assertion of a planned test."""

    operation: Operation | None
    """None for one that asks for nothing."""
    holds: Callable[[object], object]
    """Whether it does, of the answer. Raises what its expression raises."""
    expected: tuple[object, ...] = ()
    """The constant that an answer, as it comes, is compared with; nothing where it says more."""


def _refuse(kind: int) -> None:
    if kind in (native.NAN, native.SET, native.FROZENSET):  # one object or two; in which order?
        raise NotLiteral


class Literal:
    """A planned test: the encoded request, and its assertions."""

    __slots__ = ("assertions", "calls", "request")

    def __init__(self, name: str | None, assertions: list[Assertion], binds: tuple[object, ...]):
        self.assertions = assertions
        asked = [one.operation for one in assertions]  # a list, which `answered` empties
        bare = all(one.expected for one in assertions)
        # With one that holds others, each of these is compared with a number of NumPy's.
        one_each = bare and not any(isinstance(one.expected[0], Sized) for one in assertions)
        self.request = bytes(values.encode((name, asked, bare, one_each, binds), told=_refuse))
        self.calls = any(operation and len(operation) > 1 for operation in asked)


def _isinstance(value: object, kinds: object) -> bool:
    names = kinds if isinstance(kinds, tuple) else (kinds,)
    return isinstance(value, tuple(TYPES[name] for name in names))


def plan(source: str, entry_point: str | None = None) -> Literal | None:
    """A Literal, or None when the test code has to run. Never raises."""
    try:
        if entry_point is not None and is_builtin(entry_point):
            return None  # the one name here that is not Python's
        return _plan(source)
    except (NotLiteral, SyntaxError, ValueError, TypeError, ArithmeticError, RecursionError):
        return None
    except MemoryError:  # the parser's word for "nested too deeply"
        return None


def _plan(source: str) -> Literal:
    _spent[0] = 0
    if len(source) > MAX_SOURCE_CHARACTERS or "assert" not in source:
        raise NotLiteral
    body = ast.parse(source).body
    name, statements, binds = _unfolded(body)
    assertions = [_assertion(statement) for statement in statements]
    operations = [one.operation for one in assertions if one.operation is not None]
    if not operations or (name is not None and {*map(_name_of, operations)} != {name}):
        raise NotLiteral
    return Literal(name, assertions, binds)


def _unfolded(body: list[ast.stmt]) -> tuple[str | None, list[ast.Assert], tuple[str, ...]]:
    """The assertions that a test consists of, with the name that a function of the test's, where
    they are in one, is called with, and the names that the test binds. Raises NotLiteral."""
    there = [one for one in body if not _is_text(one)]
    if all(isinstance(one, ast.Assert) for one in there):
        return None, [one for one in there if isinstance(one, ast.Assert)], ()
    match [one for one in there if not isinstance(one, ast.Assign)]:
        case [
            ast.FunctionDef(name, ast.arguments([], [ast.arg(own, None)], None, [], [], None, [])),
            ast.Expr(ast.Call(ast.Name(called), [ast.Name(given)], [])),
        ] if called == name != given and not is_builtin(own):
            pass
        case _:
            raise NotLiteral
    function = next(one for one in there if isinstance(one, ast.FunctionDef))
    if function.decorator_list or function.returns is not None or is_builtin(name):
        raise NotLiteral
    inside = [one for one in function.body if not _is_text(one)]
    assigned = [one for one in (*there, *inside) if isinstance(one, ast.Assign)]
    found = [one for one in inside if isinstance(one, ast.Assert)]
    if len(found) + sum(one in inside for one in assigned) < len(inside):
        raise NotLiteral
    for one in assigned:
        _check_assigned(one, (name, own, given))
    for node in ast.walk(function):
        if isinstance(node, ast.Name):
            if node.id == given != own:
                raise NotLiteral  # it reads that name as well, each time anew
            node.id = given if node.id == own else node.id
    stored = (target for one in there if isinstance(one, ast.Assign) for target in one.targets)
    return given, found, (name, *(one.id for one in stored if isinstance(one, ast.Name)))


def _is_text(statement: ast.stmt) -> bool:
    constant = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return constant or isinstance(statement, ast.Pass)


def _check_assigned(statement: ast.Assign, others: tuple[str, ...]) -> None:
    """A constant by a name that nothing else has: what reads it is not planned."""
    constant(statement.value)
    for target in statement.targets:
        if not isinstance(target, ast.Name) or target.id in others or is_builtin(target.id):
            raise NotLiteral


def _name_of(operation: Operation) -> str | None:
    """The name that an operation, and those in it, speak of; None for more than one."""
    names = {str(operation[0])}
    if len(operation) == 2:
        names |= {_name_of(one) or "" for kind, one in operation[1] if kind == "result"}
    return names.pop() if len(names) == 1 else None


def _assertion(statement: ast.Assert) -> Assertion:
    if statement.msg is not None:
        constant(statement.msg)  # raises NotLiteral: another message may do anything when it fails
    return _equality(statement.test) or _expression(statement.test)


def _equality(test: ast.expr) -> Assertion | None:
    """`f(1) == 2`, by far the most frequent test: nothing to compile. None for other shapes."""
    if not isinstance(test, ast.Compare) or not isinstance(test.left, ast.Call):
        return None
    if len(test.ops) != 1 or not isinstance(test.ops[0], ast.Eq):
        return None
    try:
        operation, expected = _operation_of(test.left), constant(test.comparators[0])
    except NotLiteral:
        return None
    return Assertion(operation, lambda answer: answer == expected, (expected,))


def _expression(test: ast.expr) -> Assertion:
    finder = _Finder()
    test = finder.visit(test)
    expression = ast.fix_missing_locations(ast.Expression(test))
    code = compile(expression, "<test>", "eval", dont_inherit=True)
    scope = {"__builtins__": {}, **FUNCTIONS, "isinstance": _isinstance}
    return Assertion(finder.operation, lambda answer: eval(code, {**scope, ANSWER: answer}))


_FROM_SITE = frozenset(("help", "copyright", "credits", "license"))
ENDS = frozenset(("exit", "quit"))
"""What `site` adds as well, and a test may fail by: as much a built-in function as `sum`."""


def is_builtin(name: str) -> bool:
    """Whether Python itself defines the name. What `site` adds a solution may well define anew."""
    return name in ENDS or (hasattr(builtins, name) and name not in _FROM_SITE)


class _Finder(ast.NodeTransformer):
    """Replaces what is foreign by its answer; refuses everything unknown."""

    def __init__(self) -> None:
        self.operation: Operation | None = None

    def _answer(self, operation: Operation) -> ast.AST:
        if self.operation is not None:
            raise NotLiteral  # what one answers may be changed by the next
        self.operation = operation
        return ast.Name(ANSWER, ast.Load())

    def visit(self, node: ast.AST) -> Any:
        if not isinstance(node, _NODES):
            raise NotLiteral
        return super().visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if is_builtin(node.id) or (node.id.startswith("__") and node.id.strip("_")):
            raise NotLiteral  # unless the solution shadows it, and that its code will show
        return self._answer((node.id,))

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        for op, of in zip(node.ops, node.comparators, strict=True):
            if isinstance(op, ast.Is | ast.IsNot) and not _is_one_object(of):
                raise NotLiteral
        node.left, first = self.visit(node.left), self.visit(node.comparators[0])
        asked = self.operation
        node.comparators = [first, *map(self.visit, node.comparators[1:])]
        if self.operation is not asked:
            raise NotLiteral  # `2 < 1 < f(0)` never asks
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        if not isinstance(node.op, ast.Add | ast.Sub | ast.Div | ast.FloorDiv):
            constant(node)  # others may be costly, but not between literals
            return node
        node.left, node.right = self.visit(node.left), self.visit(node.right)
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
        return self._answer(_operation_of(node))

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


def _is_one_object(node: ast.expr) -> bool:
    """Whether this is None, a yes or no, which are the same object wherever they come from."""
    return isinstance(node, ast.Constant) and (node.value is None or type(node.value) is bool)


def _operation_of(node: ast.expr) -> tuple[object, ...]:
    """A foreign call as an operation; its arguments are literals or foreign calls."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        raise NotLiteral
    name = node.func.id
    if is_builtin(name) or name in TOOLS:
        raise NotLiteral
    kwargs: dict[str, object] = {}
    for keyword in node.keywords:
        if keyword.arg is None or keyword.arg in ("__debug__", *kwargs):
            raise NotLiteral  # the last two are no Python
        kwargs[keyword.arg] = constant(keyword.value)
    try:
        return name, tuple(constant(arg) for arg in node.args), kwargs
    except NotLiteral:
        if kwargs or len(node.args) > MOST_OPERANDS:
            raise
    return name, tuple(_operand(arg) for arg in node.args)


def _operand(node: ast.expr) -> tuple[str, object]:
    try:
        return "value", constant(node)
    except NotLiteral:
        return "result", _operation_of(node)


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
        if node.func.id == "range" and 0 < len(node.args) <= 3:
            return range(*(constant(arg) for arg in node.args))
        if len(node.args) == 1 and node.func.id in ("float", "set", "frozenset", "tuple", "list"):
            inside = constant(node.args[0])
            if hasattr(inside, "__len__"):
                _spend(len(inside))
            return {"float": float, **_EMPTY}[node.func.id](inside)
    raise NotLiteral


_NUMBERS = (int, float, complex)
_OPERATIONS: dict[type, Callable[[Any, Any], object]] = {
    **{ast.Add: operator.add, ast.Sub: operator.sub},
    **{ast.Mult: operator.mul, ast.Div: operator.truediv},
}


def _operation(node: ast.BinOp) -> object:
    left, right = constant(node.left), constant(node.right)
    how = type(node.op)
    if type(left) in _NUMBERS and type(right) in _NUMBERS:
        if how in _OPERATIONS:
            return _OPERATIONS[how](left, right)
        if how is ast.Pow and type(left) is type(right) is int:
            if 0 <= right <= 1000 and abs(left) <= 1000:
                return left**right
    elif how is ast.Mult and type(right) is int and type(left) in (list, str, tuple):
        _spend(max(right, 0) * len(left))
        return left * right
    elif how is ast.Add and type(left) is type(right) and type(left) in (list, str):
        return left + right
    raise NotLiteral
