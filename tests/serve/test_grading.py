"""Answers, ground truths, and tests that are asked in another way."""

from __future__ import annotations

import pytest

from sv_engine.executors.checks import decimals
from sv_engine.grading import SuiteError, code_of, read_suite
from sv_engine.grading.suite import Call, literal


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ("x = 1", "x = 1"),
        ("```python\na\n```\n```python\nb\n```", "b\n"),
        ("```python\na\n```\n```text\nb\n```", "a\n"),
        ("```\na\n```\n```\nb\n```", "b\n"),
        ("```py\na", "a"),
        ("~~~python\na\n~~~", "a\n"),
        ("<think>```python\na\n```</think>no code", "no code"),
        (
            [{"role": "user", "content": "q"}, {"content": "```\nc\n```"}],
            "c\n",
        ),
        ([{"role": "assistant", "content": [{"type": "text", "text": "d"}]}], "d"),
        ([], ""),
        ("````python\n```\na\n````", "```\na\n"),
    ],
)
def test_the_program_in_an_answer(answer: object, code: str) -> None:
    assert code_of(answer) == code  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("truth", "call"),
    [
        ({"inputs": ["1\n[2]"], "outputs": ["3"], "fn_name": "f"}, Call("f", (1, [2]), (3, "3"))),
        ({"inputs": ["1\n"], "outputs": ["2"], "fn_name": "f"}, Call("f", (1,), (2, "2"))),
        ({"inputs": [[1, "a"]], "outputs": [[3]], "fn_name": "f"}, Call("f", (1, "a"), ([3], 3))),
        ({"inputs": [""], "outputs": ["null"], "fn_name": "f"}, Call("f", (), (None, "null"))),
        ({"inputs": ["x y"], "outputs": ["x"], "fn_name": "f"}, Call("f", ("x y",), ("x", "x"))),
    ],
)
def test_calls(truth: object, call: Call) -> None:
    assert read_suite(truth).tests == (call,)


@pytest.mark.parametrize(
    "truth",
    [
        {"inputs": ["1"], "outputs": ["2"], "fn_name": "f(); import os"},
        {"inputs": ["1", "2"], "outputs": ["2"]},
        [{"input": "1", "output": "2", "type": "function_call"}],
        {"tests": {"tests": {"tests": {"tests": {"tests": {"tests": ["a"]}}}}}},
        b"bytes",
        [["nested"]],
    ],
)
def test_what_is_no_ground_truth_is_told(truth: object) -> None:
    with pytest.raises(SuiteError):
        read_suite(truth)


@pytest.mark.parametrize("value", [1, "é'\"\n", [1, [None]], {"a": [True]}, 1.5, -0.0, 10**30])
def test_literals(value: object) -> None:
    assert eval(literal(value)) == value


def test_literals_that_json_alone_has() -> None:
    assert literal([float("inf"), float("nan")]) == "[float('inf'), float('nan')]"


@pytest.mark.parametrize(
    ("expected", "output", "same"),
    [
        ("1.0 2", "1 2.00", True),
        ("a \nb", "a\nb\n", True),
        ("a b", "a  b", False),
        ("1\n2", "1", False),
        ("0.3", "0.30000001", False),
        ("nan", "nan", True),
        ("1 a", "1.0 a", False),
        ("", "\n", True),
        ("1" * 500, "1" * 500 + ".0", False),
    ],
)
def test_decimals(expected: str, output: str, same: bool) -> None:
    assert decimals(b"", expected.encode(), output.encode()) is same
