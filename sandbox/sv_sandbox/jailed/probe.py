"""For a test whose code has to run: the name that it evaluates first.

A model's tests often begin with a name that nobody defines (`assert ____(f(1)) == 2`); where the
solution does not define it either, the test raises NameError before anything else happens, and no
process has to be started to see that. Pure.
"""

from __future__ import annotations

import ast

from . import values
from .plan import MAX_SOURCE_CHARACTERS, is_builtin


def probe(source: str) -> bytes | None:
    """A request (`plan`) that reads this name. None where the first name is not sure to be
    evaluated first. Never raises."""
    try:
        body = ast.parse(source).body if len(source) <= MAX_SOURCE_CHARACTERS else []
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    if len(body) != 1 or not isinstance(body[0], ast.Assert):
        return None
    node: ast.AST = body[0].test
    while not isinstance(node, ast.Name):  # down to what is evaluated first
        if isinstance(node, ast.Call):
            node = node.func
        elif isinstance(node, ast.Attribute | ast.Subscript):
            node = node.value
        elif isinstance(node, ast.Compare | ast.BinOp):
            node = node.left
        elif isinstance(node, ast.UnaryOp):
            node = node.operand
        elif isinstance(node, ast.BoolOp):
            node = node.values[0]
        else:
            return None
    if is_builtin(node.id):
        return None
    return bytes(values.encode((None, [(node.id,)], True, True, ())))
