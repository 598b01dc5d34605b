"""EvalPlus' own rule: tolerances, sets, other readings, arguments that JSON has no words for."""

from __future__ import annotations

from typing import Any

import pytest

from sv_engine.problems.evalplus import arguments_of, evalplus
from sv_engine.problems.formats import Format, format_of


def row(task_id: str, name: str, code: str, inputs: list[Any], **more: Any) -> dict[str, Any]:
    return {
        "task_id": task_id,
        "prompt": f'"""\nWrite {name}.\n"""\n',
        "entry_point": name,
        "canonical_solution": code,
        "base_input": inputs[:1],
        "plus_input": inputs[1:],
        "atol": 0,
        "contract": "",
        **more,
    }


def accepts(given: dict[str, Any], program: str) -> bool:
    """Whether a program of this file's passes (run here: it is ours)."""
    (test,) = evalplus(given).tests
    space: dict[str, Any] = {}
    exec(program, space)
    try:
        exec(test.source, space)
    except AssertionError:
        return False
    return True


HALF = row("HumanEval/200", "half", "def half(x): return x / 2", [[1], [3]])
PARTS = row("HumanEval/201", "parts", "def parts(x): return [x / 3, x / 7]", [[1.0], [2.0]])
WIDE = row("HumanEval/202", "wide", "def wide(x): return x * 1.0", [[1], [2]], atol=0.1)
WHOLE = row("HumanEval/203", "whole", "def whole(x): return x + 1", [[1], [2]])
ROOT = row(
    "HumanEval/32",
    "find_zero",
    "def find_zero(xs): return -((-xs[0]) ** 0.5)",
    [[[-4, 0, 1]], [[-1, 0, 1]]],
    atol=1e-4,
)
SETS = row("Mbpp/2", "similar_elements", "def similar_elements(a, b): return (1, 2)", [[[1], [2]]])
SOME = row("Mbpp/800", "check_str", "def check_str(s): return True", [["a"]])
DIV = row("Mbpp/295", "sum_div", "def sum_div(n): return 1", [[7]])


@pytest.mark.parametrize(
    ("given", "program", "accepted"),
    [
        (HALF, "def half(x): return x / 2", True),
        (HALF, "def half(x): return x / 2 + 1e-8", True),
        (HALF, "def half(x): return x / 2 + 1e-3", False),
        (HALF, "def half(x): return x // 2", False),
        (PARTS, "def parts(x): return [x / 3 + 1e-9, x / 7]", True),
        (PARTS, "def parts(x): return (x / 3, x / 7 + 1e-9)", False),  # another type
        (PARTS, "def parts(x): return [x / 3]", False),
        (WIDE, "def wide(x): return x + 0.05", True),
        (WIDE, "def wide(x): return x + 0.2", False),
        (WHOLE, "def whole(x): return x + 1 + 1e-9", False),
        (ROOT, "def find_zero(xs): return (-xs[0]) ** 0.5", True),
        (ROOT, "def find_zero(xs): return 0.0", False),
        (SETS, "def similar_elements(a, b): return [2, 1, 1]", True),
        (SETS, "def similar_elements(a, b): return (1, 3)", False),
        (SOME, "def check_str(s): return 'match'", True),
        (SOME, "def check_str(s): return None", False),
        (DIV, "def sum_div(n): return 0", True),
        (DIV, "def sum_div(n): return 2", False),
    ],
)
def test_the_rule(given: dict[str, Any], program: str, accepted: bool) -> None:
    assert format_of(given) is Format.EVALPLUS
    assert accepts(given, program) is accepted


def test_arguments_are_copied_for_each() -> None:
    spoiling = row("HumanEval/204", "last", "def last(xs): return xs.pop()", [[[1, 2]], [[3]]])
    assert accepts(spoiling, "def last(xs): return xs.pop()")


@pytest.mark.parametrize(
    ("task_id", "given", "expected"),
    [
        ("Mbpp/2", [[1, 2], [3]], [(1, 2), (3,)]),
        ("Mbpp/63", [[[1, 2], [3]]], [[(1, 2), (3,)]]),
        ("Mbpp/259", [[[1], [2]], [[3]]], [((1,), (2,)), ((3,),)]),
        ("Mbpp/580", [[1, [2, [3]]]], [(1, (2, (3,)))]),
        ("Mbpp/75", [[[1, 2]], 3], [[(1, 2)], 3]),
        ("Mbpp/250", [[1, 2], 3], [(1, 2), 3]),
        ("Mbpp/278", [[1, [2], 3]], [(1, (2,), 3)]),
        ("Mbpp/106", [[1], [2]], [[1], (2,)]),
        ("Mbpp/115", [[[1, 1], []]], [[{1}, {}]]),
        ("Mbpp/124", ["1.5", "2j"], [1.5, 2j]),
        ("Mbpp/252", ["1+1j"], [1 + 1j]),
        ("Mbpp/722", [{"a": [1, 2]}, 3], [{"a": (1, 2)}, 3]),
        ("Mbpp/3", [[1, 2]], [[1, 2]]),
        ("HumanEval/2", [[1, 2]], [[1, 2]]),
    ],
)
def test_arguments(task_id: str, given: list[Any], expected: list[Any]) -> None:
    assert arguments_of(task_id, given) == expected
