"""Input files: the five formats, and every way in which a file can be wrong."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from sv_engine.problems import jsonl
from sv_engine.problems.formats import Format, RolloutFile
from sv_engine.records import Candidates, Solution, Test

DATA = Path(__file__).parents[2].parent / "shared" / "data"
GOOD = {"id": "a", "entry_point": "f", "solutions": ["def f(): pass"], "tests": ["assert f()"]}
HUMANEVAL = {
    "task_id": "H/1",
    "prompt": "def f(x):\n",
    "entry_point": "f",
    "canonical_solution": "    return x\n",
    "test": "def check(candidate):\n    assert candidate(1) == 1\n",
}
MBPP = {
    "task_id": 7,
    "text": "Return it.",
    "code": "def g(x):\n    return x\n\ndef f(x):\n    return g(x)",
    "test_list": ["assert set(f([1])) == {1}", "assert f(2) == K"],
    "test_setup_code": "K = 2",
}
CRUXEVAL = {"id": "s_1", "code": "def f(x):\n    return x", "input": "'a'", "output": "'a'"}
CODEGEN = HUMANEVAL | {
    "solution_samples": ["    return x\n\ndef g():", "    return x\n", "    return 1\n"],
    "test_samples": ["f(1) == 1\nassert f(2) == 2\n", "f(1) == 1\n", "nothing"],
}


def write(path: Path, *rows: object) -> Path:
    lines = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


def read(path: Path, **options: Any) -> tuple[list[Candidates], list[tuple[int, str, str]]]:
    source = RolloutFile(path, **options)
    rollouts = list(source)
    return rollouts, [(bad.line, bad.field, bad.message) for bad in source.bad_rows]


# ---- formats ------------------------------------------------------------------------------------


def test_own_format_extracted_with_weights(tmp_path: Path) -> None:
    row = GOOD | {"solutions": ["x", {"source": "y", "weight": 3}, "x"], "tests": ["t", "t", "u"]}
    (rollout,), bad = read(write(tmp_path / "in", row))
    assert rollout.solutions == (Solution("x", 2), Solution("y", 3))
    assert rollout.tests == (Test("t", 2), Test("u", 1))
    assert (rollout.dropped, bad) == ({}, [])


def test_own_format_raw(tmp_path: Path) -> None:
    row = {
        "id": "a",
        "entry_point": "f",
        "solution_completions": ["```python\ndef f():\n    pass\n```", "no"],
        "test_completions": ["assert f()\nassert f() is None\n", ""],
    }
    (rollout,), _ = read(write(tmp_path / "in", row), tests_per_sample=1)
    assert rollout.solutions == (Solution("def f():\n    pass\n"),)
    assert rollout.tests == (Test("assert f()"),)
    assert rollout.dropped == {"solution: entry point not defined": 1, "test: empty": 1}


@pytest.mark.parametrize(
    ("row", "file_format"),
    [
        (GOOD, Format.SV),
        (HUMANEVAL, Format.HUMANEVAL),
        (MBPP, Format.MBPP),
        (CRUXEVAL, Format.CRUXEVAL),
        (CODEGEN, Format.CODEGEN),
    ],
)
def test_the_format_is_told_from_the_keys(
    tmp_path: Path, row: dict[str, Any], file_format: Format
) -> None:
    source = RolloutFile(write(tmp_path / "in", row))
    assert len(list(source)) == 1
    assert source.format is file_format


def test_codegen_is_cut_and_counted(tmp_path: Path) -> None:
    (rollout,), _ = read(write(tmp_path / "in", CODEGEN))
    assert rollout.solutions == (
        Solution("def f(x):\n    return x\n", 2),
        Solution("def f(x):\n    return 1\n", 1),
    )
    assert rollout.tests == (Test("assert f(1) == 1", 2), Test("assert f(2) == 2", 1))
    assert rollout.problem.reference_test == HUMANEVAL["test"] + "\ncheck(f)\n"
    as_benchmark, _ = read(tmp_path / "in", file_format=Format.HUMANEVAL)
    assert len(as_benchmark[0].tests) == 1


def test_mbpp_and_cruxeval_are_their_solution_on_their_tests(tmp_path: Path) -> None:
    (mbpp,), _ = read(write(tmp_path / "m", MBPP))
    assert (mbpp.problem.id, mbpp.problem.entry_point) == ("MBPP/7", "f")
    assert [test.source for test in mbpp.tests][1] == "K = 2\nassert f(2) == K"
    (crux,), _ = read(write(tmp_path / "c", CRUXEVAL))
    assert crux.tests == (Test("assert f('a') == 'a'"),)


SANITIZED = {
    "source_file": "x",
    "task_id": 2,
    "prompt": "The area of a circle.",
    "code": "def area(r):\n    return math.pi * r * r",
    "test_imports": ["import math"],
    "test_list": ["assert math.isclose(area(1), 3.14159265, rel_tol=1e-6)"],
}
LEETCODE = {
    "task_id": "two",
    "prompt": "import math\nfrom typing import *\n",
    "problem_description": "Add one.",
    "starter_code": "class Solution:\n    def inc(self, x: int) -> int:\n        ",
    "completion": "class Solution:\n    def inc(self, x: int) -> List:\n        return x + 1\n",
    "entry_point": "Solution().inc",
    "test": "def check(candidate):\n    assert candidate(x=1) == 2\n",
}
EVALPLUS = {
    "task_id": "HumanEval/0",
    "prompt": "def half(x):\n",
    "entry_point": "half",
    "canonical_solution": "    x.append(0)\n    return [y / 2 for y in x]\n",
    "base_input": [[[1, 2]]],
    "plus_input": [[[]], [[0.1]]],
    "atol": 1e-6,
    "contract": "",
}


@pytest.mark.parametrize(
    ("row", "wrong"),
    [
        (SANITIZED, "def area(r): return r"),
        (MBPP, "def f(x): return [0]"),
        (LEETCODE, "class Solution:\n    def inc(self, x): return x"),
        (EVALPLUS, "def half(x): return [y / 2 + 1e-3 for y in x + [0]]"),
        (EVALPLUS, "def half(x): return x"),
        (HUMANEVAL, "def f(x): return 0"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_a_benchmark_passes_its_own_test(
    tmp_path: Path, row: dict[str, Any], wrong: str, packed: bool
) -> None:
    path = write(tmp_path / "in.jsonl", row)
    if packed:
        path = tmp_path / "in.jsonl.gz"
        path.write_bytes(gzip.compress((tmp_path / "in.jsonl").read_bytes()))
    (rollout,), bad = read(path)
    assert bad == []
    (solution,) = rollout.solutions
    for test in [*(test.source for test in rollout.tests), rollout.problem.reference_test or ""]:
        exec(test, run(solution.source))
    with pytest.raises(AssertionError):
        exec(rollout.problem.reference_test or "", run(wrong))


def run(source: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(source, names)
    return names


def test_a_reference_alone_is_executed_with_its_wrong_twins(tmp_path: Path) -> None:
    row = {"id": "a", "entry_point": "f", "reference_solution": "r", "reference_test": "t"}
    (rollout,), _ = read(write(tmp_path / "in", row | {"wrong_solutions": ["w", "v", "w"]}))
    assert [s.source for s in rollout.solutions] == ["r", "w", "v"]
    assert [t.source for t in rollout.tests] == ["t"]


def test_a_method_is_an_entry_point(tmp_path: Path) -> None:
    row = GOOD | {
        "entry_point": "Solution().m",
        "solution_completions": ["```python\nclass Solution:\n    def m(self):\n        pass\n```"],
        "test_completions": ["s = Solution()\nassert s.m() is None"],
    }
    (rollout,), bad = read(write(tmp_path / "in", row))
    assert (len(rollout.solutions), len(rollout.tests), bad) == (2, 2, [])


@pytest.mark.parametrize(
    "changes",
    [
        {"tests": [{"input": "3", "output": "6"}]},
        {"tests": [""]},
        {"tests": [None, 3]},
        {"tests": [], "test_completions": ["nothing", ""]},
        {"tests": [], "test_completions": ["assert g() == 1"]},
        {"solutions": [{"code": "x"}]},
        {"solutions": ["", "\0"]},
    ],
)
def test_a_row_of_which_nothing_can_be_used_is_bad(tmp_path: Path, changes: dict[str, Any]) -> None:
    rollouts, ((_, field, message),) = read(write(tmp_path / "in", GOOD | changes))
    assert rollouts == []
    assert field == list(changes)[-1]
    assert "no usable" in message


@pytest.mark.parametrize("kept", [0, 10, 60, -20, -1])
def test_a_damaged_gzip_file_says_so(tmp_path: Path, kept: int) -> None:
    lines = b"".join(json.dumps(GOOD | {"id": str(i)}).encode() + b"\n" for i in range(50))
    packed = gzip.compress(lines)
    path = tmp_path / "in.gz"
    path.write_bytes(packed[:kept] if kept else packed[:20] + b"\xff" * 40 + packed[60:])
    source = RolloutFile(path)
    assert len(list(source)) <= 50
    assert "compressed data is broken" in str(source.bad_rows[-1])
    assert source.count() <= 50


# ---- bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "field", "message"),
    [
        (b"{broken", "", "not JSON"),
        (b'{"id": "a', "", "not JSON"),
        (b'{"id": "a\0"}', "", "not JSON: Invalid control character"),
        (b"\xff\xfe", "", "not UTF-8 (0xff at byte 1)"),
        (b"[1]", "", "expected a JSON object, got list"),
        (b"[" * 100_000, "", "not usable JSON"),
        (b"1" * 10_000, "", "not usable JSON"),
        (b"NaN", "", "expected a JSON object, got float"),
        ({}, "id", "Field required"),
        ({"id": "b", "entry_point": "f"}, "solutions", "no solution"),
        (GOOD | {"id": "b", "solutions": []}, "solutions", "no solution"),
        (GOOD | {"id": "b", "tests": []}, "tests", "no test"),
        (GOOD | {"id": 3}, "id", "valid string"),
        (GOOD | {"id": ""}, "id", "at least 1 character"),
        (GOOD | {"id": "b", "tests": "assert"}, "tests", "valid list"),
        (GOOD | {"id": "b", "entry_point": "a.b"}, "entry_point", "not the name of a function"),
        (GOOD | {"id": "b", "prompt": "\0"}, "prompt", "NUL byte"),
        (GOOD | {"id": "b", "prompt": "\udc80"}, "prompt", "lone surrogate"),
        (GOOD | {"id": "b", "reference_test": "x" * 70_000}, "reference_test", "longer than"),
        (GOOD | {"id": "b", "completion_style": "x"}, "completion_style", "one of auto"),
        (GOOD, "id", "'a' was already used in line 1"),
    ],
)
def test_a_bad_row_costs_itself_only(
    tmp_path: Path, bad: bytes | dict[str, Any], field: str, message: str
) -> None:
    path = write(tmp_path / "in", GOOD, bad, b"", GOOD | {"id": "last"})
    rollouts, bad_rows = read(path)
    assert [rollout.problem.id for rollout in rollouts] == ["a", "last"]
    ((line, where, what),) = bad_rows
    assert (line, where) == (2, field)
    assert message in what


@pytest.mark.parametrize(
    ("row", "field"),
    [
        (HUMANEVAL | {"test": None}, "test"),
        (CODEGEN | {"solution_samples": []}, "solution_samples"),
        (MBPP | {"test_list": []}, "test_list"),
        (MBPP | {"test_list": ["assert f(1)", 3]}, "test_list.1"),
        (MBPP | {"test_list": ["assert f(1)", "\0"]}, "test_list.1"),
        (MBPP | {"code": "def f("}, "test_list"),
        (CRUXEVAL | {"input": 3}, "input"),
        ({"nothing": 1}, ""),
    ],
)
def test_bad_rows_of_benchmarks_name_their_field(
    tmp_path: Path, row: dict[str, Any], field: str
) -> None:
    rollouts, ((line, where, _),) = read(write(tmp_path / "in", row))
    assert (rollouts, line, where) == ([], 1, field)


@pytest.mark.parametrize(
    ("sample", "reason"),
    [
        ("x" * (10 << 20), "too large"),
        ("x\0", "NUL byte"),
        ("\ud800", "lone surrogate"),
        ("  ", "empty"),
        (None, "not a string"),
        (["x"], "not a string"),
        ({"weight": 2}, "field `source`: Field required"),
        ({"source": "x", "weight": 0}, "field `weight`"),
        ({"source": "x", "weight": "2"}, "field `weight`"),
    ],
)
def test_a_bad_sample_costs_itself_only(tmp_path: Path, sample: object, reason: str) -> None:
    row = GOOD | {"solutions": [sample, "good"], "tests": ["good", sample]}
    (rollout,), bad = read(write(tmp_path / "in", row))
    assert bad == []
    assert rollout.solutions == (Solution("good"),)
    assert rollout.tests == (Test("good"),)
    kinds = sorted((key.split(": ", 1) for key in rollout.dropped), reverse=True)
    assert [kind for kind, _ in kinds] == ["test", "solution"]
    assert all(reason in why for _, why in kinds)


def test_a_huge_weight_is_counted_and_not_expanded(tmp_path: Path) -> None:
    row = GOOD | {"solutions": [{"source": "x", "weight": 10**15}]}
    (rollout,), _ = read(write(tmp_path / "in", row))
    assert rollout.solutions == (Solution("x", 10**15),)


def test_a_line_beyond_the_bound_is_skipped_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jsonl, "MAX_LINE_BYTES", 1 << 10)
    long = GOOD | {"id": "b", "prompt": "x" * 5000}
    path = write(tmp_path / "in", GOOD, long, GOOD | {"id": "c"})
    rollouts, ((line, _, message),) = read(path)
    assert [rollout.problem.id for rollout in rollouts] == ["a", "c"]
    assert line == 2
    assert "longer than" in message
    assert RolloutFile(path).count() == 3


def test_byte_order_mark_windows_line_ends_and_missing_last_newline(tmp_path: Path) -> None:
    path = tmp_path / "in"
    rows = [json.dumps(GOOD | {"id": name}).encode() for name in "ab"]
    path.write_bytes(b"\xef\xbb\xbf" + b"\r\n".join(rows))
    rollouts, bad = read(path)
    assert ([rollout.problem.id for rollout in rollouts], bad) == (["a", "b"], [])


def test_iterating_again_starts_anew(tmp_path: Path) -> None:
    source = RolloutFile(write(tmp_path / "in", GOOD, b"{"))
    assert len(list(source)) == len(list(source)) == 1
    assert len(source.bad_rows) == 1


# ---- the real files -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "file_format", "problems", "solutions", "cells"),
    [
        ("humaneval", Format.HUMANEVAL, 164, 164, 164),
        ("mbpp", Format.MBPP, 974, 974, 2916),
        ("cruxeval", Format.CRUXEVAL, 400, 400, 400),
        ("humaneval_codegen16b", Format.CODEGEN, 109, 7861, 398_548),
    ],
)
def test_the_real_files_are_read_whole(
    name: str, file_format: Format, problems: int, solutions: int, cells: int
) -> None:
    path = DATA / f"{name}.jsonl"
    if not path.exists():
        pytest.skip(f"{path.name} is not on this machine")
    source = RolloutFile(path)
    shapes = [(len(rollout.solutions), len(rollout.tests)) for rollout in source]
    assert (source.format, source.bad_rows) == (file_format, [])
    assert len(shapes) == problems
    assert sum(s for s, _ in shapes) == solutions
    assert sum(s * t for s, t in shapes) == cells


def test_a_helper_of_the_prompt_is_the_tests_own(tmp_path: Path) -> None:
    """A solution that defines it anew does not judge itself."""
    row = {
        "task_id": "X/1",
        "prompt": "import math\ndef twice(x):\n    return 2 * x\ndef unused():\n    return 0\n"
        'def half(x):\n    """Half of x."""\n',
        "entry_point": "half",
        "canonical_solution": "    return x / 2\n",
        "test": "def check(candidate):\n    assert twice(candidate(4)) == 4\n",
    }
    (rollout,) = RolloutFile(write(tmp_path / "in", row))
    test = rollout.problem.reference_test
    assert test is not None
    for helper in ("def twice(x): return 2 * x", "def twice(x): return 4"):
        right: dict[str, object] = {}
        exec(f"{helper}\ndef half(x): return x / 2\n{test}", right)
        with pytest.raises(AssertionError):
            exec(f"{helper}\ndef half(x): return x\n{test}", {})
    row["test"] = "def check(candidate):\n    assert candidate(4) == 2\n"
    (rollout,) = RolloutFile(write(tmp_path / "in", row))
    assert rollout.problem.reference_test == row["test"] + "\ncheck(half)\n"
