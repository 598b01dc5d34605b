"""The rules of the house for code in the jail: sizes, and annotations that say something."""

from __future__ import annotations

import ast
from pathlib import Path

import sv_sandbox

JAILED = sorted((Path(sv_sandbox.__file__).parent / "jailed").glob("*.py"))


def written(tree: ast.Module) -> list[ast.expr]:
    """Of all parameters, results and variables."""
    found: list[ast.expr | None] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.append(node.returns)
        elif isinstance(node, ast.arg | ast.AnnAssign):
            found.append(node.annotation)
    return [one for one in found if one is not None]


def says_any(node: ast.AST, aliases: frozenset[str] = frozenset({"Any"})) -> bool:
    """Whether `Any`, or a name for it, is in an annotation."""
    return any(
        (isinstance(one, ast.Name) and one.id in aliases)
        or (isinstance(one, ast.Attribute) and one.attr == "Any")
        for one in ast.walk(node)
    )


def aliases_of(tree: ast.Module) -> frozenset[str]:
    """`Any`, and names of types with `Any` in them."""
    known = {"Any"}
    for node in tree.body:
        if isinstance(node, ast.Assign) and says_any(node.value, frozenset(known)):
            known |= {one.id for one in node.targets if isinstance(one, ast.Name)}
    return frozenset(known)


def test_less_than_a_tenth_of_the_annotations_in_the_jail_is_any() -> None:
    loose: dict[str, int] = {}
    total = 0
    for path in JAILED:
        tree = ast.parse(path.read_bytes())
        names, found = aliases_of(tree), written(tree)
        total += len(found)
        loose[path.name] = sum(says_any(one, names) for one in found)
    assert sum(loose.values()) < total / 10, (sum(loose.values()), total, loose)


def test_no_file_in_the_jail_is_longer_than_500_lines() -> None:
    lines = {path.name: len(path.read_text().splitlines()) for path in JAILED}
    assert max(lines.values()) <= 500, lines


def test_no_function_in_the_jail_is_longer_than_70_lines() -> None:
    for path in JAILED:
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                assert node.end_lineno - node.lineno < 70, (path.name, node.name)
