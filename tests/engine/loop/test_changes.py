"""A run that goes on after something was changed: nothing old is taken for new, in silence."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.engine.loop.test_deaths import fake_model
from tests.engine.loop.test_loop import (
    HELD,
    ScriptedTrainer,
    column,
    evaluate_in,
    lines,
    play,
    write,
)

from sv_engine.errors import EngineError
from sv_engine.execute.sandbox import SandboxFault
from sv_engine.run.changes import ChangedError
from sv_engine.run.journal import FILE_NAME
from sv_engine.run.loop import NothingLearntError
from sv_engine.train import TrainerCrashedError

REFUSE_ALL = "recipe.min_solution_samples=1000"
ONE = "run.iterations=1"


def result(folder: Path) -> list[Any]:
    """What a run leaves, but times."""
    queries = (
        "SELECT id || prompt FROM problem ORDER BY iteration, id",
        "SELECT iteration || text FROM completion ORDER BY problem_id, role, occurrence, sample,"
        " text",
        "SELECT outcome || detail FROM selection ORDER BY iteration, problem_id",
        "SELECT content FROM training_row ORDER BY iteration, phase, number",
        "SELECT name || value FROM metric ORDER BY iteration, name",
        "SELECT detail FROM event WHERE kind = 'played' ORDER BY iteration",
        "SELECT hex(packed) FROM outcome WHERE stage = 'play' ORDER BY iteration, problem_id",
    )
    found = [column(folder, query) for query in queries]
    events = [json.loads(text) for text in found[5]]
    for event in events:
        del event["samples"]  # all that were paid for, those that are of no use any more as well
    return [*found[:5], events, *found[6:]]


@pytest.mark.parametrize(
    "settings",
    [
        ("generate.solutions=9", "generate.tests=11"),
        ("recipe.min_solution_samples=1",),
        ("select.selector=codet", "recipe.min_solution_samples=1"),
        ("execute.cpu_s=2",),
        ("problems.count=5",),
        ("evaluate.samples=3", "evaluate.k=[1, 3]"),
    ],
)
def test_what_is_changed_before_anything_is_trained_counts(
    tmp_path: Path, scripted: Any, cells: Any, settings: tuple[str, ...]
) -> None:
    """The same as a run that had it from the start, and no sample is asked twice."""
    for name in ("changed", "fresh"):
        (tmp_path / name).mkdir()
    first, again = scripted(write), scripted(write)
    with pytest.raises(NothingLearntError, match="--resume"):
        play(tmp_path / "changed", first, cells, ScriptedTrainer(), ONE, REFUSE_ALL)
    more = ("recipe.min_solution_samples=3", *settings, ONE)
    _, _, watcher = play(tmp_path / "changed", again, type(cells)(), ScriptedTrainer(), *more)
    fresh = scripted(write)
    play(tmp_path / "fresh", fresh, type(cells)(), ScriptedTrainer(), *more)
    assert f"{settings[0].partition('=')[0]} (was " in watcher.notes[0]
    changed, expected = result(tmp_path / "changed"), result(tmp_path / "fresh")
    if settings != ("problems.count=5",):  # the samples of the others stay
        assert changed == expected
    changed[1] = expected[1]
    assert changed == expected
    asked = [sum(r.n for r in g.requests if "heldout" not in r.label) for g in (first, again)]
    assert asked[0] + asked[1] == max(
        asked[0], sum(r.n for r in fresh.requests if "heldout" not in r.label)
    )


@pytest.mark.parametrize(
    "setting",
    [
        "model.dtype=float16",
        "problems.count=5",
        "recipe.min_tests=1",
        "select.selector=codet",
        "roles.test_begins='['",
        "run.seed=1",
    ],
)
def test_what_weights_rest_on_is_refused_by_name(
    tmp_path: Path, scripted: Any, cells: Any, setting: str
) -> None:
    play(tmp_path, scripted(write), cells, ScriptedTrainer(), ONE)
    before, generator = result(tmp_path), scripted(write)
    with pytest.raises(ChangedError, match=setting.partition("=")[0]) as caught:
        play(tmp_path, generator, cells, ScriptedTrainer(), setting)
    assert caught.value.exit_code == 2
    assert "--out" in caught.value.remedy
    assert not generator.requests
    assert result(tmp_path) == before


def test_a_model_may_be_moved_but_not_replaced(
    tmp_path: Path, scripted: Any, cells: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is what is in its folder. A run that was begun before that was known goes by the name."""
    run, model = tmp_path / "run", fake_model(tmp_path / "model")
    run.mkdir()
    monkeypatch.chdir(tmp_path)

    def go(name: object) -> list[str]:
        trainer, setting = ScriptedTrainer(), f"model.path={name}"
        return play(run, scripted(write), type(cells)(), trainer, ONE, setting)[2].notes

    def is_refused(name: object, said: str) -> None:
        with pytest.raises(ChangedError, match=r"model\.path") as caught:
            go(name)
        assert said in str(caught.value)

    assert go("model") == []
    assert go(model) == []
    moved = model.rename(tmp_path / "moved")
    assert go(moved) == []
    other = fake_model(tmp_path / "other")
    (other / "tokenizer.json").write_text("[]")
    is_refused(other, f'model.path (was "{moved}")'[:60])
    (moved / "config.json").write_text('{"other": 1}')
    is_refused(moved, "model.path (has other files now)")
    is_refused("some/name", "was")
    (moved / "config.json").write_text("{}")
    with sqlite3.connect(run / FILE_NAME) as journal:
        journal.execute("DELETE FROM run WHERE key = 'model'")
    is_refused(moved.rename(tmp_path / "again"), "was")
    (tmp_path / "again").rename(moved)
    assert go(moved) == []
    assert go(moved.rename(tmp_path / "again")) == []


def test_a_name_that_is_no_folder_is_the_model(tmp_path: Path, scripted: Any, cells: Any) -> None:
    none = "run.iterations=0"
    play(tmp_path, scripted(write), cells, ScriptedTrainer(), none, "model.path=some/name")
    play(tmp_path, scripted(write), cells, ScriptedTrainer(), none, "model.path=some/name")
    with pytest.raises(ChangedError, match=r'model.path \(was "some/name"\)'):
        play(tmp_path, scripted(write), cells, ScriptedTrainer(), none, "model.path=other/name")


@pytest.mark.parametrize(
    "setting", ["execute.workers=2", "generate.timeout_s=5", "run.name=other", "run.iterations=3"]
)
def test_what_changes_no_result_goes_on(
    tmp_path: Path, scripted: Any, cells: Any, setting: str
) -> None:
    play(tmp_path, scripted(write), cells, ScriptedTrainer())
    generator = scripted(write)
    reports, _, watcher = play(tmp_path, generator, cells, ScriptedTrainer(), setting)
    assert watcher.notes == []
    assert len(reports) == (4 if "iterations" in setting else 3)
    assert {r.label.split()[0] for r in generator.requests} <= {"3"}


def test_later_iterations_may_be_trained_and_sampled_otherwise(
    tmp_path: Path, scripted: Any, cells: Any
) -> None:
    trainer = ScriptedTrainer()
    trainer.fails_at = 2
    with pytest.raises(TrainerCrashedError):
        play(tmp_path, scripted(write), cells, trainer)
    first = column(tmp_path, "SELECT detail FROM event WHERE kind = 'played' AND iteration = 1")
    again, generator = ScriptedTrainer(), scripted(write)
    settings = ("sft.learning_rate=0.001", "generate.solutions=8")
    _, _, watcher = play(tmp_path, generator, cells, again, *settings)
    assert "iterations to 1 stay as they were trained" in watcher.notes[0]
    assert [spec.output.parent.name for spec in again.specs] == ["iteration_2"]
    played = "SELECT detail FROM event WHERE kind = 'played' ORDER BY iteration"
    found = column(tmp_path, played)
    assert found[:1] == first
    assert [json.loads(text)["samples"]["solve"] for text in found] == [8 * 6, 8 * 8]
    assert {r.label.split()[0] for r in generator.requests if r.role == "solve"} == {"2"}


MADE = "what is not trained yet is made with it, of the samples that are there"
ANEW = "figures are measured anew"
STAY = "iterations to {} stay as they were trained"


@pytest.mark.parametrize(
    ("trained", "setting", "told"),
    [
        (2, "sft.learning_rate=0.001", f"nothing is left to be made with it; {STAY}"),
        (2, "generate.solutions=8", f"{ANEW}; {STAY}"),
        (2, "evaluate.samples=3", f"{ANEW}; {STAY}"),
        (1, "dpo.learning_rate=0.001", f"{MADE}; {STAY}"),
        (1, "generate.solutions=8", f"{MADE}; {ANEW}; {STAY}"),
        (1, "evaluate.samples=3", f"{ANEW}; {STAY}"),
        (0, "select.selector=codet", MADE),
        (0, "evaluate.samples=3", ANEW),
    ],
)
def test_what_comes_of_a_change_is_told_truly(
    tmp_path: Path, scripted: Any, cells: Any, trained: int, setting: str, told: str
) -> None:
    trainer = ScriptedTrainer()
    trainer.fails_at = trained + 1
    if trained < 2:
        with pytest.raises(TrainerCrashedError):
            play(tmp_path, scripted(write), cells, trainer)
    else:
        play(tmp_path, scripted(write), cells, trainer)
    generator, again = scripted(write), ScriptedTrainer()
    _, _, watcher = play(tmp_path, generator, cells, again, setting)
    assert watcher.notes[0].partition("); ")[2] == told.format(trained)
    assert len(again.specs) == 2 - trained


def problems_in(path: Path, change: Callable[[list[dict[str, str]]], None]) -> tuple[str, str]:
    rows = [{"id": f"p{i}", "prompt": f"take two of {i}.", "entry_point": "f"} for i in range(8)]
    change(rows)
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return "problems.source=jsonl", f"problems.path={path}"


def other_text(rows: list[dict[str, str]]) -> None:
    rows[3]["prompt"] = "take two of something else."


def one_less(rows: list[dict[str, str]]) -> None:
    del rows[3]


@pytest.mark.parametrize("change", [other_text, one_less])
def test_problems_that_are_others_are_played_again_or_named(
    tmp_path: Path, scripted: Any, cells: Any, change: Callable[[list[dict[str, str]]], None]
) -> None:
    file = tmp_path / "problems.jsonl"
    chosen = (ONE, *problems_in(file, lambda _: None))
    for name in ("trained", "played", "fresh"):
        (tmp_path / name).mkdir()
    with pytest.raises(NothingLearntError):
        play(tmp_path / "played", scripted(write), cells, ScriptedTrainer(), *chosen, REFUSE_ALL)
    play(tmp_path / "trained", scripted(write), cells, ScriptedTrainer(), *chosen)
    moved = file.rename(tmp_path / "moved.jsonl")
    elsewhere = (*chosen, f"problems.path={moved}")
    _, _, watcher = play(
        tmp_path / "trained", scripted(write), cells, ScriptedTrainer(), *elsewhere
    )
    assert watcher.notes == []  # the same problems
    problems_in(file, change)
    with pytest.raises(ChangedError, match=r": p3$|: p3\n"):
        play(tmp_path / "trained", scripted(write), cells, ScriptedTrainer(), *chosen)
    play(tmp_path / "played", scripted(write), cells, ScriptedTrainer(), *chosen)
    play(tmp_path / "fresh", scripted(write), cells, ScriptedTrainer(), *chosen)
    played, fresh = (result(tmp_path / name) for name in ("played", "fresh"))
    played[1] = fresh[1]  # the samples of what was there stay
    assert played == fresh
    data = [lines(tmp_path / name / "iteration_1" / "sft.jsonl") for name in ("played", "fresh")]
    assert data[0] == data[1]


def test_a_problem_file_that_changes_between_a_play_and_a_kill(
    tmp_path: Path, scripted: Any, cells: Any
) -> None:
    """And without a word in the configuration."""
    file, run = tmp_path / "problems.jsonl", tmp_path / "run"
    run.mkdir()
    chosen = (ONE, *problems_in(file, lambda _: None))
    dying = scripted(write)
    dying.fail_after = 60
    with pytest.raises(EngineError):
        play(run, dying, cells, ScriptedTrainer(), *chosen)
    problems_in(file, other_text)
    play(run, scripted(write), type(cells)(), ScriptedTrainer(), *chosen)
    whole = tmp_path / "whole"
    whole.mkdir()
    play(whole, scripted(write), type(cells)(), ScriptedTrainer(), *chosen)
    first, second = result(run), result(whole)
    first[1] = second[1]
    assert first == second
    shutil.rmtree(whole)


SECOND = HELD | {"id": "h2", "prompt": "def f(xs): # leave the last one out."}
OTHER = HELD | {
    "reference_solution": "def f(xs):\n    return xs[:1]",
    "reference_test": "assert f([1, 2, 3]) == [1]",
}
JUDGED = "SELECT iteration || stage || problem_id || hex(packed) FROM outcome ORDER BY 1"
METRICS = "SELECT iteration || name || value || se || n FROM metric ORDER BY iteration, name"


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ((HELD, SECOND), None),
        ((OTHER, SECOND), "1 (h1)"),
        ((HELD,), "1 (h2)"),
        ((HELD, SECOND, HELD | {"id": "h3"}), "1 (h3)"),
        ((SECOND, HELD | {"id": "h3"}), "2 (h1, h3)"),
    ],
)
def test_held_out_problems_that_are_others_are_measured_anew(
    tmp_path: Path, scripted: Any, cells: Any, rows: tuple[object, ...], told: str | None
) -> None:
    """And said to be so, once, though nothing in the configuration is different."""
    for name in ("changed", "fresh"):
        (tmp_path / name).mkdir()
    file = tmp_path / "held.jsonl"
    chosen = (ONE, *evaluate_in(file, HELD, SECOND))
    play(tmp_path / "changed", scripted(write), cells, ScriptedTrainer(), *chosen)
    before = column(tmp_path / "changed", METRICS)
    evaluate_in(file, *rows)
    notes = [
        play(tmp_path / "changed", scripted(write), cells, ScriptedTrainer(), *chosen)[2].notes
        for _ in range(2)
    ]
    said = "held-out problems that have changed since they were measured: "
    assert notes == [[f"{said}{told}; measured anew"] if told else [], []]
    play(tmp_path / "fresh", scripted(write), cells, ScriptedTrainer(), *chosen)
    after = column(tmp_path / "changed", METRICS)
    assert after == column(tmp_path / "fresh", METRICS)
    assert (after == before) == (told is None)
    assert column(tmp_path / "changed", JUDGED) == column(tmp_path / "fresh", JUDGED)


def test_what_is_no_longer_held_out_has_no_part_in_what_is_there(
    tmp_path: Path, scripted: Any, cells: Any
) -> None:
    """Although no figure was measured yet."""
    file = tmp_path / "held.jsonl"
    chosen = (ONE, "generate.problems_in_flight=1", *evaluate_in(file, HELD, SECOND))
    cells.fail_after = 11  # of the matrices of the base's evaluation
    with pytest.raises(SandboxFault):
        play(tmp_path, scripted(write), cells, ScriptedTrainer(), *chosen)
    measured = "SELECT DISTINCT problem_id FROM outcome WHERE stage LIKE 'heldout%'"
    assert column(tmp_path, measured) == ["h1", "h2"]
    assert column(tmp_path, METRICS) == []
    evaluate_in(file, HELD)
    _, _, watcher = play(tmp_path, scripted(write), type(cells)(), ScriptedTrainer(), *chosen)
    assert [note.partition(": ")[2] for note in watcher.notes] == ["1 (h2); measured anew"]
    assert column(tmp_path, measured) == ["h1"]


def test_a_held_out_problem_that_was_not_checked_yet_has_not_changed(
    tmp_path: Path, scripted: Any, cells: Any
) -> None:
    chosen = (ONE, *evaluate_in(tmp_path / "held.jsonl", HELD, SECOND))
    cells.fail_after = 3  # of the four matrices of the check
    with pytest.raises(SandboxFault):
        play(tmp_path, scripted(write), cells, ScriptedTrainer(), *chosen)
    assert column(tmp_path, "SELECT problem_id FROM outcome") == ["h1"]
    _, _, watcher = play(tmp_path, scripted(write), type(cells)(), ScriptedTrainer(), *chosen)
    assert watcher.notes == []
