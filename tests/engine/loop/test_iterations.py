"""What iterations have in common: no problems, and of training data what `recipe.replay` says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.engine.loop.test_loop import ScriptedTrainer, column, lines, play, write

from sv_engine.config.layers import load


def jsonl(path: Path, count: int) -> str:
    """So many problems that share no run of words."""
    rows = [
        {"id": f"p{k}", "prompt": f"keep {k}a{k} of b{k} in c{k} to d{k}.", "entry_point": "f"}
        for k in range(count)
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    return f'problems.path="{path}"'


def prompts(folder: Path) -> list[list[str]]:
    query = "SELECT prompt FROM problem WHERE iteration = "
    return [column(folder, f"{query}{i} ORDER BY prompt") for i in (1, 2, 3)]


@pytest.mark.parametrize("source", ["pocket", "describe", "jsonl"])
def test_no_problem_is_played_twice(tmp_path: Path, scripted: Any, cells: Any, source: str) -> None:
    settings = [f"problems.source={source}", "run.iterations=3", "problems.count=24"]
    if source == "jsonl":
        settings.append(jsonl(tmp_path / "problems.jsonl", 72))
    if source == "describe":
        settings.append("problems.near_duplicate=1")
    reports, _, _ = play(tmp_path, scripted(write), cells, ScriptedTrainer(), *settings)
    first, second, third = prompts(tmp_path)
    assert len(first) == len(second) == len(third) == 24
    assert len({*first, *second, *third}) == 72
    assert not any(report.played.get("repeated_problems") for report in reports)


@pytest.mark.parametrize(("rows", "repeated"), [(30, [0, 0, 6]), (20, [0, 4, 12]), (9, [0, 9, 9])])
def test_a_short_file_is_used_up_before_problems_repeat_and_says_so(
    tmp_path: Path, scripted: Any, cells: Any, rows: int, repeated: list[int]
) -> None:
    settings = ["problems.source=jsonl", "run.iterations=3", "problems.count=12"]
    settings.append(jsonl(tmp_path / "problems.jsonl", rows))
    reports, _, _ = play(tmp_path, scripted(write), cells, ScriptedTrainer(), *settings)
    assert [r.played["repeated_problems"] for r in reports[1:]] == repeated
    assert len({p for some in prompts(tmp_path) for p in some}) == rows


@pytest.mark.parametrize("start", ["base", "last"])
@pytest.mark.parametrize("share", [None, 0.0, 0.25, 0.5, 1.0])
def test_replay_holds_whatever_weights_are_trained(
    tmp_path: Path, scripted: Any, cells: Any, start: str, share: float | None
) -> None:
    settings = [f"run.start_from={start}"]
    if share is not None:
        settings.append(f"recipe.replay={share}")
    play(tmp_path, scripted(write), cells, ScriptedTrainer(), *settings)
    first, second = (lines(tmp_path / f"iteration_{i}" / "sft.jsonl") for i in (1, 2))
    ids = {row["problem_id"] for row in first}
    replayed = sum(row["problem_id"] in ids for row in second)
    if share is None:
        assert replayed == (len(first) if start == "base" else 0)
    else:
        assert replayed == min(round(share * (len(second) - replayed)), len(first))


def test_a_problem_that_is_played_again_teaches_nothing_twice(
    tmp_path: Path, scripted: Any, cells: Any
) -> None:
    settings = ["problems.source=jsonl", "run.start_from=base", "problems.count=8"]
    settings.append(jsonl(tmp_path / "problems.jsonl", 8))
    play(tmp_path, scripted(write), cells, ScriptedTrainer(), *settings)
    for name in ("sft", "dpo"):
        rows = list(map(json.dumps, lines(tmp_path / "iteration_2" / f"{name}.jsonl")))
        assert len(rows) == len(set(rows))


def test_the_llama_preset_trains_on_all_data_so_far() -> None:
    settings = ["problems.path=seeds.jsonl", "evaluate.path=heldout.jsonl"]
    config = load("llama-3.1-8b", settings=settings)
    assert (config.run.start_from, config.recipe.replay) == ("base", None)
