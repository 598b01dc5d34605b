"""What a statement at the top of a module may be: a test's, or one that does no harm there.

For `split_text`, which decides where a text that holds a program and its test may be cut. Every
function here takes time in proportion to the statements it is given. Needs the standard library
only.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_SCOPES = (*_FUNCTIONS, ast.ClassDef, ast.Lambda)
_LEAVING = frozenset({"exit", "quit", "_exit", "abort", "kill"})


@dataclass(slots=True)
class Asked:
    """What the statements of a module ask."""

    froms: list[int | None] = field(default_factory=list)
    """For each statement None, or the last index from which on a test may begin if it is to ask
    something when this statement runs."""
    checks: set[int] = field(default_factory=set)
    """Indices of functions that are there to assert, and of classes of `unittest`."""
    within: set[int] = field(default_factory=set)
    """Indices at which no test begins: between a class of `unittest` and what runs it."""


def asked(body: Sequence[ast.stmt]) -> Asked:
    """What is asked by statements that assert or raise; that call for its own sake a function which
    is there to assert, or run the cases of `unittest`: then with that function or class."""
    told = Asked()
    checks: dict[str, int] = {}
    cases: int | None = None
    within = 0
    mains: set[str] = set()
    for at, statement in enumerate(body):
        asking = _asks_from(statement, at, checks)
        if isinstance(statement, ast.ImportFrom) and statement.module == "unittest":
            mains.update(each.asname or "main" for each in statement.names if each.name == "main")
        elif isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            checks.pop(statement.name, None)
            mains.discard(statement.name)
            if asking is not None:
                checks[statement.name] = asking
                told.checks.add(at)
        elif _is_test_case(statement):
            cases, within = at, at + 1
            told.checks.add(at)
        elif cases is not None and _runs_cases(statement, mains):
            asking = cases if asking is None else asking
            told.within.update(range(within, at + 1))
            within = at + 1
        told.froms.append(None if isinstance(statement, _SCOPES) else asking)
    return told


def _asks_from(statement: ast.stmt, at: int, checks: dict[str, int]) -> int | None:
    if isinstance(statement, ast.Assert):
        return at
    is_function = isinstance(statement, _FUNCTIONS)
    nodes = list(ast.walk(statement)) if is_function else list(_running(statement))
    if any(map(_names_input, nodes)):  # a block that reads input is a program at work
        return None
    is_asking = _is_assertion if is_function else _is_raised
    if any(map(is_asking, nodes)):
        return at
    called = (called_by(node) for node in nodes)
    return max((checks[name] for name in called if name in checks), default=None)


def _runs_cases(statement: ast.stmt, mains: Container[str]) -> bool:
    """Whether it runs the cases of `unittest`. mains: names of its `main`."""
    for node in _running(statement):
        function = node.func if isinstance(node, ast.Call) else None
        if isinstance(function, ast.Name) and function.id in mains:
            return True
        if _last_name(function) == "TextTestRunner":
            return True
        if isinstance(function, ast.Attribute) and function.attr == "main":
            if _last_name(function.value) == "unittest":
                return True
    return False


def _is_test_case(statement: ast.stmt) -> bool:
    """Whether it is a class of tests for `unittest`."""
    return isinstance(statement, ast.ClassDef) and any(
        (_last_name(base) or "").endswith("TestCase") for base in statement.bases
    )


def changes_arguments(statement: ast.stmt) -> bool:
    """Whether a function sets attributes of what it is given: one that is only there to assert
    seldom does."""
    if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
        return False
    given = {each.arg for each in ast.walk(statement.args) if isinstance(each, ast.arg)}
    return any(
        isinstance(node, ast.Attribute)
        and not isinstance(node.ctx, ast.Load)
        and isinstance(node.value, ast.Name)
        and node.value.id in given
        for node in ast.walk(statement)
    )


def may_stand_in_test(statement: ast.stmt) -> bool:
    """Whether a caller may have written this, which is no definition, as part of a test."""
    return not any(
        _names_input(node) or _last_name(node) in _LEAVING for node in ast.walk(statement)
    )


def without_variables(body: Sequence[ast.stmt]) -> None:
    """Give another name to a variable that is called `input`, and reads none."""
    nodes = [node for each in body for node in ast.walk(each)]
    named = [node for node in nodes if isinstance(node, ast.Name) and node.id == "input"]
    if not any(isinstance(node.ctx, ast.Store) for node in named):
        return
    assigned = (node for node in nodes if isinstance(node, ast.Assign | ast.AnnAssign))
    for each in assigned:
        inside = list(ast.walk(each))
        reading = (node for node in inside if not _is_stored(node) and _names_input(node))
        if any(map(_is_stored, inside)) and any(reading):  # input = sys.stdin.readline
            return
    for node in named:
        node.id = "input_"


def _is_stored(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id == "input" and isinstance(node.ctx, ast.Store)


def reads_input(statement: ast.stmt) -> bool:
    """Whether standard input is named in it."""
    return any(map(_names_input, ast.walk(statement)))


def prints_what_it_computes(statement: ast.stmt) -> bool:
    """Whether it prints more than a text that stands there."""
    for node in ast.walk(statement):
        if isinstance(node, ast.Call) and _last_name(node.func) in ("print", "write"):
            arguments = [inner for each in node.args for inner in ast.walk(each)]
            if any(isinstance(inner, ast.Name | ast.Call) for inner in arguments):
                return True
    return False


def names_bound(statement: ast.stmt) -> set[str]:
    """Names that it gives a value, or whose value it changes, when it runs."""
    found = set()
    for node in _running(statement):
        if isinstance(getattr(node, "ctx", None), ast.Store):
            while isinstance(node, ast.Attribute | ast.Subscript):
                node = node.value
            if isinstance(node, ast.Name):
                found.add(node.id)
    return found


def names_needed(definition: ast.stmt) -> set[str]:
    """Names of the module that a function or class uses when it is used."""
    names = [node for node in ast.walk(definition) if isinstance(node, ast.Name)]
    own = {node.id for node in names if not isinstance(node.ctx, ast.Load)}
    own |= {node.arg for node in ast.walk(definition) if isinstance(node, ast.arg)}
    return {node.id for node in names} - own


def called_by(node: ast.AST) -> str | None:
    """The name of the function that is called here for its own sake."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        return node.value.func.id if isinstance(node.value.func, ast.Name) else None
    return None


def _is_raised(node: ast.AST) -> bool:
    return isinstance(node, ast.Assert | ast.Raise)


def _is_assertion(node: ast.AST) -> bool:
    if isinstance(node, ast.Raise) and node.exc is not None:
        raised = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        return _last_name(raised) == "AssertionError"
    return isinstance(node, ast.Assert)


def _running(statement: ast.stmt) -> Iterator[ast.AST]:
    """What of a statement runs with it: no bodies of functions and classes."""
    waiting: list[ast.AST] = [statement]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += (each for each in ast.iter_child_nodes(node) if not isinstance(each, _SCOPES))


def _names_input(node: ast.AST) -> bool:
    if isinstance(node, ast.Call) and _last_name(node.func) == "open" and node.args:
        return isinstance(node.args[0], ast.Constant) and node.args[0].value == 0
    return _last_name(node) in ("input", "stdin", "fileinput")


def _last_name(node: ast.AST | None) -> str | None:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else None


# -- what does no harm

_PLAIN = (
    *(ast.Assert, ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Expr, ast.For, ast.While, ast.If),
    *(ast.With, ast.withitem, ast.Try, ast.ExceptHandler, ast.Raise, ast.Pass, ast.Break),
    *(ast.Continue, ast.BoolOp, ast.BinOp, ast.UnaryOp, ast.Lambda, ast.IfExp, ast.Dict, ast.Set),
    *(ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.comprehension, ast.Compare),
    *(ast.Call, ast.keyword, ast.FormattedValue, ast.JoinedStr, ast.Constant, ast.Attribute),
    *(ast.Subscript, ast.Starred, ast.Name, ast.List, ast.Tuple, ast.Slice, ast.arguments, ast.arg),
    *(ast.expr_context, ast.boolop, ast.operator, ast.unaryop, ast.cmpop, ast.Import),
    ast.alias,
    ast.ImportFrom,
)
_PURE = frozenset(
    "math cmath collections itertools re copy heapq bisect json datetime decimal fractions "
    "statistics random numpy".split()
)
"""Modules whose functions compute. None makes a class, or finds an attribute, by a text."""
_PARTS = {
    "io": {"StringIO", "BytesIO"},
    "sys": {"stdout", "stderr", "__stdout__", "__stderr__"},
    "contextlib": {"redirect_stdout", "redirect_stderr", "suppress"},
}
"""What of other modules does no harm: it catches what is printed."""
_SAFE = frozenset(
    "abs all any ascii bin bool bytearray bytes callable chr complex dict divmod enumerate filter "
    "float format frozenset hash hex id int isinstance issubclass iter len list map max min next "
    "object oct ord pow print range repr reversed round set slice sorted str sum tuple zip "
    "True False None NotImplemented Ellipsis".split()
)
_REACHING = frozenset("globals locals vars setattr delattr exec eval compile".split())
_NUMBERS = frozenset({"pi", "e", "tau", "inf", "nan"})
_INSIDE = re.compile(r"_|gi_|f_|cr_|ag_|tb_|co_|set|getcontext|localcontext")
"""Attributes that lead into the interpreter, or set up a library, begin so."""


def is_plain(statement: ast.stmt, imported: Mapping[str, str]) -> bool:
    """Whether it makes no odds to the statements after this one whether it is run by the test or by
    the program: it defines no behaviour, and reaches nothing of the interpreter's.

    Such a statement of a program's may stand in front of its test. What it computes is computed
    there as everywhere: no object of the test's side can tell a lie. imported: what imports bind.
    """
    nodes = list(ast.walk(statement))
    calls = {id(node.func): node for node in nodes if isinstance(node, ast.Call)}
    bases = {id(node.value) for node in nodes if isinstance(node, ast.Attribute)}
    asks = isinstance(statement, ast.Assert) or not any(map(_is_type, nodes))
    return asks and all(_is_plain_node(node, imported, calls, bases) for node in nodes)


def _is_type(node: ast.AST) -> bool:
    """A class that is had from its object could be changed."""
    return isinstance(node, ast.Name) and node.id == "type"


def reaches(statement: ast.stmt) -> bool:
    """Whether it is an assertion that does something with the interpreter: it asks nothing."""
    if not isinstance(statement, ast.Assert):
        return False
    return any(
        isinstance(node, ast.NamedExpr)
        or (isinstance(node, ast.Attribute) and node.attr.startswith("_"))
        or (isinstance(node, ast.Name) and (node.id in _REACHING or node.id.startswith("__")))
        for node in ast.walk(statement)
    )


def imports(statement: ast.stmt) -> Iterator[tuple[str, str]]:
    """Names that a statement imports, and what each stands for: `io`, `math.pi`."""
    for node in ast.walk(statement):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield (
                    (alias.asname, alias.name) if alias.asname else 2 * (alias.name.split(".")[0],)
                )
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield alias.asname or alias.name, f"{'.' * node.level}{node.module}.{alias.name}"


def _is_plain_node(
    node: ast.AST, imported: Mapping[str, str], calls: Mapping[int, ast.Call], bases: set[int]
) -> bool:
    if not isinstance(node, _PLAIN):
        return False
    match node:
        case ast.Import():
            return all(alias.name in _PURE or alias.name in _PARTS for alias in node.names)
        case ast.ImportFrom():
            named = all(alias.asname is None and alias.name != "*" for alias in node.names)
            return named and not node.level and (node.module in _PURE or node.module in _PARTS)
        case ast.Name(id=name) if name in imported:  # used, and not handed about
            module, _, attribute = imported[name].rpartition(".")
            if not module:
                return id(node) in bases
            is_used = id(node) in calls or id(node) in bases or attribute in _NUMBERS
            return attribute in _PARTS.get(module, ()) or (module in _PURE and is_used)
        case ast.Name(id="type"):
            return id(node) in calls and len(calls[id(node)].args) == 1
        case ast.Name(id=name) if hasattr(builtins, name):
            return isinstance(node.ctx, ast.Load) and _is_safe(name)
        case ast.Name(id=name):
            return not name.startswith("__")
        case ast.Attribute(value=ast.Name(id=name), attr=attr) if name in imported:
            path = imported[name]
            if attr in _PARTS.get(path, ()):
                return True
            is_number = attr in _NUMBERS and isinstance(node.ctx, ast.Load)
            is_pure = path in _PURE or path.rpartition(".")[0] in _PURE
            return is_pure and not _INSIDE.match(attr) and (id(node) in calls or is_number)
        case ast.Attribute():
            of_name = isinstance(node.ctx, ast.Load) or isinstance(node.value, ast.Name)
            return of_name and not _INSIDE.match(node.attr)
    return True


def _is_safe(name: str) -> bool:
    known = getattr(builtins, name)
    return name in _SAFE or (isinstance(known, type) and issubclass(known, BaseException))
