"""Files of problems, snippets and held-out problems: read whole before anything is paid for."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from sv_engine.config.sections import Config, ProblemSource
from sv_engine.problems.sources import SourceError, check_files, heldout, snippets, unlabelled
from sv_engine.records import Problem

PLAIN = {"id": "a", "prompt": "Add one.", "entry_point": "f"}
HELDOUT = PLAIN | {
    "reference_solution": "def f(x): return x + 1",
    "reference_test": "assert f(1) == 2",
}
MBPP = {"task_id": 7, "text": "Add one.", "code": "def f(x): return x + 1", "test_list": ["f(1)"]}
LEETCODE = {
    "task_id": "two",
    "prompt": "import math\n",
    "problem_description": "Add one.",
    "starter_code": "class Solution:\n    def f(self, x: int) -> int:\n        ",
    "completion": "class Solution:\n    def f(self, x):\n        return x + 1\n",
    "entry_point": "Solution().f",
    "test": "def check(candidate):\n    assert candidate(1) == 2\n",
}


def write(path: Path, *rows: object) -> Path:
    text = "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def config(problems: Path | None = None, held: Path | None = None, source: str = "jsonl") -> Config:
    found = Config()
    problem_changes = {"path": problems, "source": ProblemSource(source)} if problems else {}
    held_changes = {"path": held, "source": "jsonl"} if held else {}
    return found.model_copy(
        update={
            "problems": found.problems.model_copy(update=problem_changes),
            "evaluate": found.evaluate.model_copy(update=held_changes),
        }
    )


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (PLAIN, Problem("a", "Add one.", "f")),
        (PLAIN | {"reference_solution": "x", "tests": 3}, Problem("a", "Add one.", "f")),
        (PLAIN | {"entry_point": "Solution().f"}, Problem("a", "Add one.", "Solution().f")),
        (MBPP, Problem("MBPP/7", "Add one.", "f")),
        (
            {"task_id": "H/1", "prompt": "def f():", "entry_point": "f", "test": ""},
            Problem("H/1", "def f():", "f"),
        ),
        (LEETCODE, Problem("two", f"Add one.\n\n{LEETCODE['starter_code']}", "Solution().f")),
    ],
)
@pytest.mark.parametrize("name", ["in.jsonl", "in.jsonl.gz"])
def test_problems_come_without_references(
    tmp_path: Path, row: dict[str, object], problem: Problem, name: str
) -> None:
    given = config(write(tmp_path / name, row))
    assert unlabelled(given, 1) == [problem]
    assert check_files(given) == []


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ("{", "not JSON"),
        ("[1]", "expected a JSON object"),
        ({"id": "b"}, "field `prompt`"),
        (PLAIN | {"id": 3}, "field `id`"),
        (PLAIN | {"id": "b", "prompt": ""}, "field `prompt`"),
        (PLAIN | {"id": "b", "entry_point": "f()"}, "field `entry_point`"),
        (PLAIN | {"id": "b", "entry_point": "1"}, "field `entry_point`"),
    ],
)
def test_bad_rows_are_counted_and_named(tmp_path: Path, bad: object, said: str) -> None:
    given = config(write(tmp_path / "in", PLAIN, bad, bad))
    first, second = check_files(given)
    assert (first.line, second.line) == (2, 3)
    assert said in str(first)
    with pytest.raises(SourceError, match="no usable row; 1 bad rows, the first") as error:
        check_files(config(write(tmp_path / "in", bad)))
    assert said in str(error.value)


@pytest.mark.parametrize("rows", [(PLAIN, PLAIN), (PLAIN, PLAIN | {"id": "b"}, PLAIN)])
def test_an_id_used_twice_is_refused(tmp_path: Path, rows: tuple[dict[str, str], ...]) -> None:
    path = write(tmp_path / "in", *rows)
    for use in (check_files, lambda given: unlabelled(given, 1)):
        with pytest.raises(SourceError, match=f"'a' stands in lines 1 and {len(rows)}"):
            use(config(path))
    held = write(tmp_path / "held", *(row | HELDOUT | {"id": row["id"]} for row in rows))
    with pytest.raises(SourceError, match="already used in line 1"):
        check_files(config(held=held))


def test_every_row_of_the_held_out_file_is_read(tmp_path: Path) -> None:
    rows = [HELDOUT | {"id": str(i)} for i in range(500)]
    given = config(held=write(tmp_path / "in", *rows, "broken"))
    (bad,) = check_files(given)
    assert bad.line == 501
    assert len(heldout(given.evaluate)) == given.evaluate.problems


@pytest.mark.parametrize(
    ("row", "field"),
    [
        (PLAIN | {"reference_solution": "def f(x): return x + 1"}, "reference_test"),
        (PLAIN | {"reference_test": "assert f(1) == 2"}, "reference_solution"),
        (HELDOUT | {"reference_test": None, "tests": ["assert f(1) == 2"]}, "reference_test"),
        (HELDOUT | {"reference_test": ""}, "reference_test"),
        (
            PLAIN | {"tests": ["assert f(1) == 2"], "solutions": ["def f(x): return x + 1"]},
            "reference_solution",
        ),
        (PLAIN, "reference_solution"),
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_a_held_out_row_without_a_reference_is_named(
    tmp_path: Path, row: dict[str, object], field: str, first: bool
) -> None:
    rows = [row | {"id": "bad"}, HELDOUT]
    path = write(tmp_path / "h.jsonl", *(rows if first else rows[::-1]))
    (bad,) = check_files(config(held=path))
    assert bad.line == (1 if first else 2)
    assert (bad.field, bad.message) == (field, "a held-out problem needs one") or (
        row is PLAIN and first and "cannot tell the format" in bad.message
    )
    assert len(heldout(config(held=path).evaluate)) == 1


def test_wrong_solutions_are_the_bank(tmp_path: Path) -> None:
    wrong = ["def f(x): return 0", "def f(x): return 1"]
    (item,) = heldout(
        config(held=write(tmp_path / "in", HELDOUT | {"wrong_solutions": wrong})).evaluate
    )
    assert list(item.wrong_solutions) == wrong
    assert item.problem.reference_test == HELDOUT["reference_test"]


def test_snippets(tmp_path: Path) -> None:
    path = write(tmp_path / "in", {"text": "x = 1"}, {"txt": "y"}, {"text": ""})
    given = config(path, source="describe")
    assert snippets(given, 1) == ["x = 1"]
    assert [bad.line for bad in check_files(given)] == [2, 3]


@pytest.mark.parametrize("held", [False, True])
def test_a_file_that_is_not_there(tmp_path: Path, held: bool) -> None:
    path = tmp_path / "none"
    with pytest.raises(SourceError, match="cannot be read"):
        check_files(config(held=path) if held else config(path))
