"""Mutation operators: each makes what its name says, and never the original."""

from __future__ import annotations

import ast

import pytest

from sv_engine.benchmarks.mutants import mutants


def body(line: str) -> str:
    return f"def f(x, y, xs):\n    {line}\n"


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("return x + y", "return x - y"),
        ("return x // y", "return x * y"),
        ("x += y", "x -= y"),
        ("return x < y", "return x <= y"),
        ("return x == y", "return x != y"),
        ("return x in xs", "return x not in xs"),
        ("return x < y < 3", "return x < y <= 3"),
        ("return x and y", "return x or y"),
        ("return 1 if x else 2", "return 1 if not x else 2"),
        ("return [a for a in xs if a]", "return [a for a in xs if not a]"),
        ("return xs[1:]", "return xs[2:]"),
        ("return True", "return False"),
        ("return 'a'", "return 'ax'"),
        ("return min(xs)", "return max(xs)"),
        ("return x.lower()", "return x.upper()"),
        ("return -x", "return +x"),
    ],
)
def test_operators(line: str, wanted: str) -> None:
    found = mutants(body(line), "f")
    assert ast.unparse(ast.parse(body(wanted))) in found
    assert ast.unparse(ast.parse(body(line))) not in found


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("def f(x):\n    x = x + 1\n    return x", "def f(x):\n    pass\n    return x"),
        (
            "def f(xs):\n    for x in xs:\n        if x:\n            break\n    return x",
            "def f(xs):\n    for x in xs:\n        pass\n    return x",
        ),
        (
            "def f(xs):\n    if not xs:\n        return 0\n    return 1",
            "def f(xs):\n    if not not xs:\n        return 0\n    return 1",
        ),
    ],
)
def test_statements(source: str, wanted: str) -> None:
    assert wanted in mutants(source, "f")


@pytest.mark.parametrize("source", ["def f(:", "", "def f(x):\n    '''Only words.'''"])
def test_nothing_to_change(source: str) -> None:
    assert mutants(source, "f") == []


def test_the_bank_is_frozen_distinct_and_bounded() -> None:
    source = body("return [x + 1, y * 2, x < y, x and y, min(xs), 3, 4, 5, 6, 'a', 'b']")
    found = mutants(source, "f", count=20)
    assert found == mutants(source, "f", count=20)
    assert len(set(found)) == len(found) == 20
    assert all(ast.parse(mutant) for mutant in found)
