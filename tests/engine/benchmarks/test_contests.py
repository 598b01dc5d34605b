"""Contest rows in the exact format of their releases; hostile pickles stay data."""

from __future__ import annotations

import base64
import json
import os
import pickle
import zlib
from typing import Any

import pytest

from sv_engine.benchmarks import contests
from sv_engine.benchmarks.contests import unpacked
from sv_engine.benchmarks.tasks import task_of
from sv_engine.executors.protocol import Io
from sv_engine.grading.suite import Call, SuiteError
from sv_engine.problems.jsonl import FieldError


def packed(tests: Any) -> str:
    """As LiveCodeBench packs private tests."""
    return base64.b64encode(zlib.compress(pickle.dumps(json.dumps(tests)))).decode()


def lcb(public: Any, private: Any, **more: Any) -> dict[str, Any]:
    return {
        "question_title": "Sum",
        "question_content": "Add the numbers.",
        "platform": "atcoder",
        "question_id": "abc301_a",
        "contest_id": "abc301",
        "contest_date": "2023-05-13T00:00:00",
        "starter_code": "",
        "difficulty": "easy",
        "public_test_cases": json.dumps(public),
        "private_test_cases": private,
        "metadata": "{}",
        **more,
    }


STDIN = [{"input": "2\n1 2\n", "output": "3\n", "testtype": "stdin"}]
FUNCTIONAL = [{"input": "[1, 2]\n3", "output": "true", "testtype": "functional"}]
STARTER = "class Solution:\n    def hasSum(self, nums: List[int], k: int) -> bool:\n        "


@pytest.mark.parametrize("private", [json.dumps(STDIN), packed(STDIN), STDIN])
def test_livecodebench_programs(private: Any) -> None:
    task = task_of(lcb(STDIN, private))
    assert task.problem.id == "LCB/abc301_a"
    assert task.problem.entry_point == ""
    assert task.suite.tests == (Io("2\n1 2\n", "3\n", "decimals"),) * 2
    assert "stdin" in task.problem.prompt


@pytest.mark.parametrize("private", [json.dumps(FUNCTIONAL), packed(FUNCTIONAL), ""])
def test_livecodebench_functions(private: Any) -> None:
    row = lcb(FUNCTIONAL, private, starter_code=STARTER, metadata='{"func_name": "hasSum"}')
    task = task_of(row)
    assert task.problem.entry_point == "Solution().hasSum"
    first = task.suite.tests[0]
    assert isinstance(first, Call)
    assert (first.name, first.arguments, first.expected[0]) == ("hasSum", ([1, 2], 3), True)
    assert STARTER.rstrip() in task.problem.prompt


def apps(input_output: Any, **more: Any) -> dict[str, Any]:
    return {
        "problem_id": 17,
        "question": "Say hello.",
        "solutions": json.dumps(["print('hello')"]),
        "input_output": input_output,
        "difficulty": "interview",
        "url": "https://example.invalid/17",
        "starter_code": "",
        **more,
    }


@pytest.mark.parametrize(
    "input_output",
    [
        json.dumps({"inputs": ["1\n", "2\n"], "outputs": ["a\n", "b\n"]}),
        {"inputs": ["1\n", "2\n"], "outputs": ["a\n", "b\n"]},
        json.dumps({"inputs": [["1"], ["2", ""]], "outputs": [["a"], ["b"]]}),
        json.dumps({"fn_name": None, "inputs": ["1\n", "2\n"], "outputs": ["a\n", "b\n"]}),
    ],
)
def test_apps_without_fn_name_reads_and_writes(input_output: Any) -> None:
    task = task_of(apps(input_output))
    assert task.problem.id == "APPS/17"
    assert task.problem.entry_point == ""
    assert all(isinstance(test, Io) for test in task.suite.tests)
    assert [t.stdin.strip() for t in task.suite.tests if isinstance(t, Io)] == ["1", "2"]


@pytest.mark.parametrize(
    ("inputs", "outputs", "arguments", "expected"),
    [
        ([[1, 2]], [3], (1, 2), 3),
        ([[[1, 2]]], [[3]], ([1, 2],), [3]),
        ([["ab", 1]], ["b"], ("ab", 1), "b"),
        ([[]], [None], (), None),
        ([[{"a": 1}]], [True], ({"a": 1},), True),
    ],
)
def test_apps_with_fn_name_calls(inputs: Any, outputs: Any, arguments: Any, expected: Any) -> None:
    text = json.dumps({"fn_name": "solve", "inputs": inputs, "outputs": outputs})
    task = task_of(apps(text, starter_code="def solve(*args):\n\t"))
    (call,) = task.suite.tests
    assert isinstance(call, Call)
    assert call.arguments == arguments
    assert call.expected[0] == expected
    assert task.problem.entry_point == "solve"


def test_codecontests() -> None:
    row = {
        "name": "1575_A. Another Sorting Problem",
        "description": "Sort.",
        "public_tests": {"input": ["1\n"], "output": ["1\n"]},
        "private_tests": {"input": ["2\n"], "output": ["2\n"]},
        "generated_tests": {"input": [], "output": []},
        "solutions": {"language": [3], "solution": ["print(input())"]},
    }
    task = task_of(row)
    assert [t.stdin for t in task.suite.tests if isinstance(t, Io)] == ["1\n", "2\n"]


class Shell:
    def __reduce__(self) -> Any:
        return (os.system, ("touch /tmp/never",))


@pytest.mark.parametrize(
    "data",
    [
        pickle.dumps(Shell()),
        pickle.dumps(["not text"]),
        pickle.dumps("not json"),
        b"not a pickle",
        pickle.dumps(json.dumps([]))[:-3],
        b"\x80\x04Pabc\n.",
    ],
)
def test_what_is_packed_is_data_or_refused(data: bytes) -> None:
    with pytest.raises(FieldError):
        unpacked(base64.b64encode(zlib.compress(data)).decode())


@pytest.mark.parametrize("text", ["%%%", base64.b64encode(b"no zlib").decode(), "é", ""])
def test_what_is_not_packed_is_refused(text: str) -> None:
    with pytest.raises(FieldError):
        unpacked(text)


def test_a_bomb_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contests, "MAX_TESTS_BYTES", 1000)
    with pytest.raises(FieldError, match="more than"):
        unpacked(packed([{"input": "x" * 2000, "output": ""}]))


@pytest.mark.parametrize(
    "row",
    [
        lcb([], ""),
        lcb("text", ""),
        lcb(STDIN, packed("text")),
        lcb(STDIN, "", question_content=3),
        apps("{"),
        apps(json.dumps({"inputs": ["1"], "outputs": []})),
        apps(json.dumps({"inputs": [], "outputs": []})),
        apps(json.dumps({"fn_name": "no name", "inputs": [[1]], "outputs": [1]})),
        {k: v for k, v in apps('{"inputs": ["1"], "outputs": ["1"]}').items() if k != "problem_id"},
    ],
)
def test_rows_that_cannot_be_used_say_why(row: dict[str, Any]) -> None:
    with pytest.raises((FieldError, SuiteError)):
        task_of(row)
