"""Public benchmarks in a run: both roles by the benchmark's own rule, every iteration, kept apart
from what is played."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from tests.engine.loop.test_loop import SETTINGS, ScriptedTrainer, play, write

from sv_engine.config.layers import load
from sv_engine.errors import EngineError
from sv_engine.generate import GenerationRequest
from sv_engine.report.read import read
from sv_engine.run.budget import completions_of_evaluation
from sv_engine.run.journal import FILE_NAME
from sv_engine.run.summary import summarise, table, write_summary

MBPP = [
    {
        "task_id": number,
        "text": f"Write a function to take the first {number - 9} items of a list.",
        "code": f"def f(xs):\n    return xs[:{number - 9}]",
        "test_list": [f"assert f([5, 6, 7, 8, 9]) == {[5, 6, 7, 8, 9][: number - 9]}"],
        "test_setup_code": "",
        "challenge_test_list": [],
    }
    for number in (11, 12)
]


def settings(data: Path) -> list[str]:
    with (data / "mbpp.jsonl").open("w") as file:
        file.writelines(json.dumps(row) + "\n" for row in MBPP)
    return ['evaluate.benchmarks=["mbpp"]', f'evaluate.data="{data}"', "run.iterations=1"]


def answers(request: GenerationRequest, index: int) -> str:
    """As `write`, and for benchmarks: right on the first one, wrong on the second."""
    if not request.problem_id.startswith("MBPP"):
        return write(request, index)
    if request.role == "solve":
        return "\n    return xs[:2]"
    return f"[4, 5, 6, 7]) == ({[4, 5] if index % 2 else [4, 5, 6]})"


def test_both_roles_on_every_iteration(tmp_path: Path, scripted: Any, cells: Any) -> None:
    data = tmp_path / "data"
    data.mkdir()
    chosen = settings(data)
    reports, config, watcher = play(tmp_path, scripted(answers), cells, ScriptedTrainer(), *chosen)
    assert watcher.phases.count("iteration 0: benchmarks") == 1
    for report in reports:
        figures = report.figures[1.0]
        assert figures["mbpp/code_pass_at_1"].mean == 0.5
        assert figures["mbpp/test_validity"].count == 2
        assert 0 < figures["mbpp/test_kill_rate"].mean <= 1
        assert "mbpp/code_pass_at_1" not in report.figures[0.0]
        folder = tmp_path / "benchmarks" / "mbpp" / f"iteration_{report.iteration}"
        assert {path.name for path in folder.iterdir()} == {"samples.jsonl", "bank.jsonl"}
    write_summary(tmp_path / "summary.json", summarise(config, reports, 1.0, 2))
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["relative_improvement"]["1.0"]["mbpp/code_pass_at_1"] == 0
    assert summary["relative_improvement_95"]["1.0"]["mbpp/code_pass_at_1"] == [0, 0]
    assert table(config, reports).row_count == 12 + 4
    names = {figure.name for figure in read(tmp_path).figures}
    assert {"code_pass_at_1", "mbpp/code_pass_at_1", "mbpp/test_mutation_score"} <= names


def test_what_is_journalled_is_not_asked_again(tmp_path: Path, scripted: Any, cells: Any) -> None:
    data = tmp_path / "data"
    data.mkdir()
    chosen = settings(data)
    first, _, _ = play(tmp_path, scripted(answers), cells, ScriptedTrainer(), *chosen)
    generator = scripted(answers)
    again, _, _ = play(tmp_path, generator, cells, ScriptedTrainer(), *chosen)
    assert generator.requests == []
    for before, after in zip(first, again, strict=True):
        means, now = ({name: e.mean for name, e in r.figures[1.0].items()} for r in (before, after))
        assert now == means


def test_no_problem_of_a_benchmark_is_played(tmp_path: Path, scripted: Any, cells: Any) -> None:
    data = tmp_path / "data"
    data.mkdir()
    chosen = settings(data)
    problems = tmp_path / "problems.jsonl"
    texts = [MBPP[0]["text"], *(f"Return the {n}th number of the list." for n in range(9))]
    with problems.open("w") as file:
        for number, text in enumerate(texts):
            row = {"id": f"p{number}", "prompt": text, "entry_point": "f"}
            file.write(json.dumps(row) + "\n")
    own = ["problems.source=jsonl", f'problems.path="{problems}"', "problems.ngram=5"]
    own += ["recipe.min_solution_samples=1", "recipe.min_tests=1", "problems.near_duplicate=1.0"]
    play(tmp_path, scripted(answers), cells, ScriptedTrainer(), *chosen, *own)
    with sqlite3.connect(tmp_path / FILE_NAME) as connection:
        played = {row[0] for row in connection.execute("SELECT id FROM problem")}
    assert "p0" not in played
    assert "p1" in played


def test_a_file_that_is_not_there_is_told_first(tmp_path: Path) -> None:
    config = load(
        settings=[*SETTINGS, 'evaluate.benchmarks=["mbpp"]', f'evaluate.data="{tmp_path}"']
    )
    with pytest.raises(EngineError, match=r"mbpp.jsonl is not here"):
        completions_of_evaluation(config)
