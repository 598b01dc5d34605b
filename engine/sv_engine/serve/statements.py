"""What a statement at the top of a module may be: a test's, or one that does no harm there.

For `split_text`, which decides where a text that holds a program and its test may be cut. Every
function here takes time in proportion to the statements it is given. Needs the standard library
only.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterator, Mapping, Sequence

SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
_LEAVING = frozenset({"exit", "quit", "_exit", "abort", "kill"})


def changes_arguments(statement: ast.stmt) -> bool:
    """Whether a function sets attributes of what it is given: one that is only there to assert
    seldom does."""
    if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
        return False
    given = {each.arg for each in nodes_of(statement.args) if isinstance(each, ast.arg)}
    return any(
        isinstance(node, ast.Attribute)
        and not isinstance(node.ctx, ast.Load)
        and isinstance(node.value, ast.Name)
        and node.value.id in given
        for node in nodes_of(statement)
    )


def may_stand_in_test(statement: ast.stmt) -> bool:
    """Whether a caller may have written this, which is no definition, as part of a test. Who leaves
    with what a function answers may be a test's `main`."""
    nodes = nodes_of(statement)
    answered = {
        id(node.func) for node in nodes if isinstance(node, ast.Call) and _is_answer(node.args)
    }
    return not any(
        names_input(node) or (last_name(node) in _LEAVING and id(node) not in answered)
        for node in nodes
    )


def _is_answer(arguments: Sequence[ast.expr]) -> bool:
    return len(arguments) == 1 and isinstance(arguments[0], ast.Call)


def without_variables(body: Sequence[ast.stmt]) -> None:
    """Give another name to a variable that is called `input`, and reads none."""
    nodes = [node for each in body for node in nodes_of(each)]
    named = [node for node in nodes if isinstance(node, ast.Name) and node.id == "input"]
    if not any(isinstance(node.ctx, ast.Store) for node in named):
        return
    assigned = (node for node in nodes if isinstance(node, ast.Assign | ast.AnnAssign))
    for each in assigned:
        inside = nodes_of(each)
        reading = (node for node in inside if not _is_stored(node) and names_input(node))
        if any(map(_is_stored, inside)) and any(reading):  # input = sys.stdin.readline
            return
    for node in named:
        node.id = "input_"


def _is_stored(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id == "input" and isinstance(node.ctx, ast.Store)


def reads_input(statement: ast.stmt) -> bool:
    """Whether standard input is named in it."""
    return any(map(names_input, nodes_of(statement)))


def prints_what_it_computes(statement: ast.stmt) -> bool:
    """Whether it prints more than a text that stands there."""
    for node in nodes_of(statement):
        if isinstance(node, ast.Call) and last_name(node.func) in ("print", "write"):
            arguments = [inner for each in node.args for inner in nodes_of(each)]
            if any(isinstance(inner, ast.Name | ast.Call) for inner in arguments):
                return True
    return False


def names_bound(statement: ast.stmt) -> set[str]:
    """Names that it gives a value, or whose value it changes, when it runs."""
    found = set()
    for node in running(statement):
        if isinstance(getattr(node, "ctx", None), ast.Store):
            while isinstance(node, ast.Attribute | ast.Subscript):
                node = node.value
            if isinstance(node, ast.Name):
                found.add(node.id)
    return found


def names_needed(tree: ast.AST) -> set[str]:
    """Names of the module that a function or class uses when it is used; that a module has from
    elsewhere."""
    names = [node for node in nodes_of(tree) if isinstance(node, ast.Name)]
    own = {node.id for node in names if not isinstance(node.ctx, ast.Load)}
    own |= {node.arg for node in nodes_of(tree) if isinstance(node, ast.arg)}
    own |= {
        node.name for node in nodes_of(tree) if isinstance(node, SCOPES[:3]) and node is not tree
    }
    return {node.id for node in names} - own


def nodes_of(tree: ast.AST) -> list[ast.AST]:
    """A node and all below it, but for contexts, breadth first. Kept with the node: they are asked
    for again and again."""
    found: list[ast.AST] | None = getattr(tree, "_sv_nodes", None)
    if found is None:
        found = [tree]
        for node in found:
            for name in node._fields:
                value = getattr(node, name, None) if name != "ctx" else None
                if isinstance(value, ast.AST):
                    found.append(value)
                elif isinstance(value, list):
                    found += (each for each in value if isinstance(each, ast.AST))
        tree._sv_nodes = found  # type: ignore[attr-defined]
    return found


def running(statement: ast.stmt) -> Iterator[ast.AST]:
    """What of a statement runs with it: no bodies of functions and classes."""
    waiting: list[ast.AST] = [statement]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += (each for each in ast.iter_child_nodes(node) if not isinstance(each, SCOPES))


def names_input(node: ast.AST) -> bool:
    if isinstance(node, ast.Call) and last_name(node.func) == "open" and node.args:
        return isinstance(node.args[0], ast.Constant) and node.args[0].value == 0
    return last_name(node) in ("input", "stdin", "fileinput")


def last_name(node: ast.AST | None) -> str | None:
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
_MADE = {"unittest": {"TestCase"}}
"""What of other modules is harmless where an object of it is made."""
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
    nodes = nodes_of(statement)
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
        for node in nodes_of(statement)
    )


def imports(statement: ast.stmt) -> Iterator[tuple[str, str]]:
    """Names that a statement imports, and what each stands for: `io`, `math.pi`."""
    for node in nodes_of(statement):
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
            return all(_is_known(alias.name) for alias in node.names)
        case ast.ImportFrom():
            named = all(alias.asname is None and alias.name != "*" for alias in node.names)
            return named and not node.level and _is_known(node.module)
        case ast.Name(id=name) if name in imported:  # used, and not handed about
            module, _, attribute = imported[name].rpartition(".")
            if not module:
                return id(node) in bases
            is_used = id(node) in calls or id(node) in bases or attribute in _NUMBERS
            is_made = attribute in _MADE.get(module, ()) and id(node) in calls
            return is_made or attribute in _PARTS.get(module, ()) or (module in _PURE and is_used)
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
            if attr in _MADE.get(path, ()):
                return id(node) in calls
            is_number = attr in _NUMBERS and isinstance(node.ctx, ast.Load)
            is_pure = path in _PURE or path.rpartition(".")[0] in _PURE
            return is_pure and not _INSIDE.match(attr) and (id(node) in calls or is_number)
        case ast.Attribute():
            of_name = isinstance(node.ctx, ast.Load) or isinstance(node.value, ast.Name)
            return of_name and not _INSIDE.match(node.attr)
    return True


def _is_known(module: str | None) -> bool:
    return module in _PURE or module in _PARTS or module in _MADE


def _is_safe(name: str) -> bool:
    known = getattr(builtins, name)
    return name in _SAFE or (isinstance(known, type) and issubclass(known, BaseException))
