"""`/v1/matrix`: rows that stream, and what they hold."""

from __future__ import annotations

import json
from typing import Any

import pytest

RIGHT, WRONG = "def f(x): return x + 1", "def f(x): return x"


def rows_of(answer: Any) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in answer.text.splitlines() if line]
    assert lines[0]["format"] == "sv-matrix/1"
    assert lines[-1] == {"end": True, "rows": len(lines) - 2}
    names = lines[0]["verdicts"]
    rows = sorted(lines[1:-1], key=lambda row: row["row"])
    return [row | {"named": [names[code] for code in row["verdict"]]} for row in rows]


def test_every_solution_meets_every_test(post: Any) -> None:
    body = {"solutions": [RIGHT, WRONG], "tests": ["assert f(1) == 2", "assert f(0) == 0"]}
    rows = rows_of(post("/v1/matrix", body))
    assert [row["named"] for row in rows] == [["pass", "wrong"], ["wrong", "pass"]]
    assert all(cpu_us > 0 for row in rows for cpu_us in row["cpu_us"])
    assert all(trust > 0 for row in rows for trust in row["trust"])
    assert "got 1" in rows[1]["detail"]["0"]


def test_programs_and_assertions_stand_side_by_side(post: Any) -> None:
    tests = ["assert f(1) == 2", {"stdin": "", "expected": "3"}]
    rows = rows_of(post("/v1/matrix", {"solutions": [RIGHT + "\nprint(f(2))"], "tests": tests}))
    assert rows[0]["named"] == ["pass", "pass"]


@pytest.mark.parametrize(
    ("check", "expected", "verdict"),
    [
        ("exact", "1.0  2\n", "wrong"),
        ("lines", "1.0  2", "pass"),
        ("tokens", "1.0\n2", "pass"),
        ("floats", "1.0000001 2", "pass"),
        ("decimals", "1.00 2", "pass"),
        ("decimals", "1.0000001 2", "wrong"),
        ("lines", "1.00 2", "wrong"),
    ],
)
def test_how_output_is_compared(post: Any, check: str, expected: str, verdict: str) -> None:
    tests = [{"stdin": "", "expected": expected, "check": check}]
    rows = rows_of(post("/v1/matrix", {"solutions": ["print('1.0  2 ')"], "tests": tests}))
    assert rows[0]["named"] == [verdict]


def test_many_rows_come_once_each(post: Any) -> None:
    solutions = [f"def f(x): return x + {n}" for n in range(300)]
    rows = rows_of(post("/v1/matrix", {"solutions": solutions, "tests": ["assert f(1) == 100"]}))
    assert [row["row"] for row in rows] == list(range(300))
    assert [row["row"] for row in rows if row["named"] == ["pass"]] == [99]


@pytest.mark.parametrize("solutions", [[], [RIGHT]])
def test_nothing_to_do(post: Any, solutions: list[str]) -> None:
    rows = rows_of(post("/v1/matrix", {"solutions": solutions, "tests": []}))
    assert [row["verdict"] for row in rows] == [[]] * len(solutions)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"cpu_s": -1}, "cpu_s"),
        ({"tests": [3]}, "tests"),
        ({"trust": "blind"}, "trust"),
        ({"solution": []}, "solution"),
        ({"below": "zero"}, "below"),
    ],
)
def test_a_bad_request_names_the_field(post: Any, change: dict[str, Any], field: str) -> None:
    answer = post("/v1/matrix", {"solutions": [RIGHT], "tests": ["assert f(1) == 2"]} | change)
    assert answer.status_code == 422
    assert any(field in each["loc"] for each in answer.json()["detail"])
