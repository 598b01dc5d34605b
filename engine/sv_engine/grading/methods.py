"""Methods of `Solution()` asked for as functions.

LeetCode's convention is a class `Solution` that is made without arguments for the sake of one
method. A yes or no from such an object counts as its own word (`vouched`), as that of any object
does; asked through a function of the program, the same answer is plain data that the program
computed, no more forgeable than that of a function. Only what stands as `Solution().method`, or
behind a name of the module that holds a `Solution()` and is used for nothing else, is changed.
"""

from __future__ import annotations

import ast
import warnings

_CLASS = "Solution"
_FUNCTION = "_sv_solution_{method}"
_SOURCE = """

def {function}(*_sv_arguments, **_sv_named):
    return Solution().{method}(*_sv_arguments, **_sv_named)
"""


def through_functions(program: str, test: str) -> tuple[str, str] | None:
    """The program with a function for each method, and the test that calls those; None: the test
    uses no method in this way."""
    tree, known = _parsed(test), _parsed(program)
    if tree is None:
        return None
    change = _Change(_holders(tree) | (_holders(known) if known is not None else set()))
    tree = ast.fix_missing_locations(change.visit(tree))
    if not change.methods:
        return None
    for method in sorted(change.methods):
        program += _SOURCE.format(function=_FUNCTION.format(method=method), method=method)
    return program, ast.unparse(tree)


def _parsed(text: str) -> ast.Module | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None


def _makes_solution(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == _CLASS
        and not node.args
        and not node.keywords
    )


def _holders(tree: ast.Module) -> set[str]:
    """Names that hold a `Solution()` and are used for their methods only."""
    held = {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign) and _makes_solution(node.value)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    asked = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
    ]
    fine = {id(value) for value in asked if isinstance(value, ast.Name)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and id(node) not in fine:
            held.discard(node.id)
    return held


class _Change(ast.NodeTransformer):
    def __init__(self, holders: set[str]) -> None:
        self.holders = holders
        self.methods: set[str] = set()

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        of_holder = isinstance(node.value, ast.Name) and node.value.id in self.holders
        if isinstance(node.ctx, ast.Load) and (of_holder or _makes_solution(node.value)):
            self.methods.add(node.attr)
            return ast.Name(_FUNCTION.format(method=node.attr), ast.Load())
        self.generic_visit(node)
        return node
