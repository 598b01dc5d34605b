"""Which functions of a text may be a caller's, and which statements make one of a program's.

For `split_text`. Of a function that does not assert nobody can tell who wrote it. Two kinds matter:
what gives a name to a function without `def`, which a program does more often than a test; and a
function that compares what others answer (`def check(): return f(1) == 2`), which may be a test's:
on the program's side an object that equals everything would have its way there. Needs the standard
library only.
"""

from __future__ import annotations

import ast
import builtins
import sys
from collections.abc import Iterable, Iterator

from sv_engine.serve.statements import last_name, names_bound, names_input, nodes_of

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_BUILTINS = frozenset(dir(builtins))
_LOOPS = (ast.For, ast.While, ast.comprehension)


def functions_called(nodes: Iterable[ast.AST]) -> set[str]:
    """Names that are called."""
    calls = (node.func for node in nodes if isinstance(node, ast.Call))
    return {each.id for each in calls if isinstance(each, ast.Name)}


def names_given(node: ast.AST) -> Iterator[str]:
    """Names that are given to what is called for its own sake: `check(f)`."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield from (each.id for each in node.value.args if isinstance(each, ast.Name))


def data_names(nodes: Iterable[ast.AST]) -> set[str]:
    """Names whose value is read, and not called."""
    nodes = list(nodes)
    called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    names = (node for node in nodes if isinstance(node, ast.Name) and id(node) not in called)
    return {node.id for node in names if isinstance(node.ctx, ast.Load)}


def names_functions(statement: ast.stmt, called: set[str], defined: set[str]) -> bool:
    """Whether it gives a name to a function that is called afterwards, and that asks no other of
    the text; or takes a name away. defined: functions and classes of the text."""
    if isinstance(statement, ast.Delete):
        return any(isinstance(each, ast.Name) for each in statement.targets)
    nodes = nodes_of(statement)
    made = [each for each in nodes if isinstance(each, (*_FUNCTIONS, ast.Lambda))]
    bound = names_bound(statement) | {each.name for each in made if isinstance(each, _FUNCTIONS)}
    if called.isdisjoint(bound) or not all(map(_asks_nobody, made)):
        return False
    return len(data_names(nodes) & defined | functions_called(nodes) & defined) <= 1


def _asks_nobody(function: ast.AST) -> bool:
    """Whether a function calls, and compares, nothing but its own and Python's."""
    nodes = nodes_of(function)
    own = {each.arg for each in nodes if isinstance(each, ast.arg)} | sys.stdlib_module_names
    own |= {each.id for each in nodes if isinstance(each, ast.Name) and _is_stored(each)}
    own |= {each.name for each in nodes if isinstance(each, _FUNCTIONS)} | _BUILTINS
    compares = any(isinstance(each, ast.Compare) for each in nodes)
    if compares and functions_called(nodes) & {
        each.arg for each in nodes if isinstance(each, ast.arg)
    }:
        return False
    for node in nodes:
        if isinstance(node, ast.Call if not compares else ast.expr):
            root: ast.expr = node.func if isinstance(node, ast.Call) else node
            while isinstance(root, ast.Attribute | ast.Subscript | ast.Call):
                root = root.func if isinstance(root, ast.Call) else root.value
            if isinstance(root, ast.Name) and root.id not in own:
                return False
    return True


def _is_stored(node: ast.Name) -> bool:
    return isinstance(node.ctx, ast.Store)


def is_helper(statement: ast.stmt) -> bool:
    """Whether it is a function that compares what functions of the module answer, or what one
    answers that it is given.

    One that takes data is so only if it has no loop: a program's own, which are alike, would be
    asked for too much from the other process.
    """
    if not isinstance(statement, _FUNCTIONS) or statement.decorator_list:
        return False
    nodes = nodes_of(statement)
    if any(
        isinstance(node, ast.Global | ast.Nonlocal | ast.Yield | ast.YieldFrom) for node in nodes
    ):
        return False
    if any(map(names_input, nodes)) or not any(map(_compares, nodes)):
        return False
    given = {each.arg for each in nodes_of(statement.args) if isinstance(each, ast.arg)}
    called = functions_called(nodes)
    if called & given:
        return True
    names = (node for node in nodes if isinstance(node, ast.Name))
    own = given | {node.id for node in names if _is_stored(node)}
    own.add(statement.name)
    own |= {node.name for node in nodes if isinstance(node, _FUNCTIONS)}
    if called <= own | _BUILTINS:
        return False
    needs_data = len(statement.args.args) > len(statement.args.defaults)
    return not needs_data or not any(isinstance(node, _LOOPS) for node in nodes)


def _compares(node: ast.AST) -> bool:
    if isinstance(node, ast.Compare):
        return any(isinstance(each, ast.Eq | ast.NotEq) for each in node.ops)
    return isinstance(node, ast.Call) and last_name(node.func) in ("all", "any", "isclose")
