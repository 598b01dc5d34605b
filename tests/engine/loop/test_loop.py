"""The loop with a scripted player and trainer: what is trained on what, leaks, failures."""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from sv_engine.config.layers import load
from sv_engine.config.sections import Config, Evaluate, RoleSet
from sv_engine.errors import RunStopped
from sv_engine.generate import EngineDiedError, GenerationRequest
from sv_engine.pocket import grammar
from sv_engine.problems import sources
from sv_engine.problems.jsonl import BadRow
from sv_engine.problems.sources import SourceError
from sv_engine.records import Heldout, Problem
from sv_engine.run.doors import base_model
from sv_engine.run.journal import FILE_NAME, Journal
from sv_engine.run.loop import NothingLearntError, run_loop
from sv_engine.run.report import IterationReport
from sv_engine.run.state import Run
from sv_engine.run.summary import summarise, table, write_summary
from sv_engine.train import (
    PhaseResult,
    TrainerCrashedError,
    TrainProgress,
    TrainResult,
    TrainSpec,
)

SETTINGS = [
    "problems.count=8",
    "generate.solutions=6",
    "generate.tests=8",
    "generate.derivations=2",
    "generate.agreement=0.5",
    "evaluate.problems=5",
    "evaluate.samples=2",
    "evaluate.k=[1, 2]",
    "run.iterations=2",
    "recipe.min_input_size=1",
]


def write(request: GenerationRequest, index: int) -> str:
    """Somebody who believes that every problem says "take the first two", and errs at times."""
    rng = random.Random(f"{request.problem_id}-{request.role}-{index}-{request.prompt}")
    if request.role == "describe":
        return f"take the first two of {rng.randint(0, 10**9)}."
    if request.role == "solve":
        return f"\n    return xs[:{rng.choice((2, 2, 2, 1, 3))}]"
    xs = [rng.randint(0, 9) for _ in range(rng.randint(1, 4))]
    if request.role == "derive":
        xs = json.loads(request.prompt.partition("assert f(")[2].partition(")")[0])
    value = xs[: 2 if rng.random() < 0.7 else 1]
    return f"{value})" if request.role == "derive" else f"{xs}) == ({value})"


class ScriptedTrainer:
    """Writes what a trainer writes, learns nothing."""

    def __init__(self, adapter: bool = False) -> None:
        self.specs: list[TrainSpec] = []
        self.adapter = adapter
        self.fails_at = 0

    async def __call__(
        self, spec: TrainSpec, on_progress: Callable[[TrainProgress], None]
    ) -> TrainResult:
        self.specs.append(spec)
        if len(self.specs) == self.fails_at:
            raise TrainerCrashedError("the trainer crashed", where="log", remedy="read the log")
        on_progress(TrainProgress("sft", 1, 1, 0.5, 1e-4))
        where = spec.output / ("adapter" if self.adapter else "weights")
        where.mkdir(parents=True)
        phase = PhaseResult(1, 10, 0, 0.5, 0.4, 0.1, {})
        return TrainResult(
            weights=None if self.adapter else where,
            adapter=where if self.adapter else None,
            sft=phase,
            dpo=None,
            import_s=0,
            load_s=0,
            save_s=0,
            wall_s=0,
        )


class Watcher:
    def __init__(self) -> None:
        self.phases: list[str] = []
        self.spent_s: dict[str, float] = {}
        self.bad_rows: list[str] = []
        self.notes: list[str] = []

    def begin(self, phase: str, total: int, spent_s: float = 0.0) -> None:
        self.phases.append(phase)
        self.spent_s[phase] = spent_s

    def advance(self, units: int = 1, note: str = "") -> None: ...

    def iteration(self, report: IterationReport) -> None: ...

    def note(self, text: str) -> None:
        self.notes.append(text)

    def skipped(self, bad_rows: Sequence[BadRow]) -> None:
        self.bad_rows += map(str, bad_rows)


def play(
    folder: Path,
    generator: Any,
    cells: Any,
    trainer: ScriptedTrainer,
    *settings: str,
    on_report: Callable[[list[IterationReport]], None] = lambda _: None,
    stopping: Callable[[], bool] = lambda: False,
) -> tuple[list[IterationReport], Config, Watcher]:
    config = load(settings=[*SETTINGS, *settings])
    watcher = Watcher()

    async def main() -> list[IterationReport]:
        with Journal(folder) as journal:
            async with generator:
                run = Run(config, folder, generator, cells, trainer, journal, watcher, on_report)
                run.stopping = stopping
                return await run_loop(run)

    return asyncio.run(main()), config, watcher


def test_a_trainer_that_ctrl_c_ended_is_no_failure(
    tmp_path: Path, scripted: Any, cells: Any
) -> None:
    """The signal reaches a trainer that has not left our process group yet."""
    trainer = ScriptedTrainer()
    trainer.fails_at = 1
    with pytest.raises(RunStopped):
        play(tmp_path, scripted(write), cells, trainer, stopping=lambda: bool(trainer.specs))


def lines(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def column(folder: Path, query: str) -> list[Any]:
    with sqlite3.connect(folder / FILE_NAME) as connection:
        return [row[0] for row in connection.execute(query)]


@pytest.mark.parametrize(
    "settings",
    [
        (),
        ("problems.source=describe",),
        ("generate.critique=true",),
        ("roles.verifier_sees=solution",),
        ("generate.test_sampling=single", "run.seed=5"),
    ],
)
def test_different_questions_share_no_random_numbers(
    tmp_path: Path, scripted: Any, cells: Any, settings: tuple[str, ...]
) -> None:
    """A model that answers much alike would otherwise answer all of them alike."""
    generator = scripted(write)
    play(tmp_path, generator, cells, ScriptedTrainer(), "run.iterations=1", *settings)
    first: dict[tuple[str, int], set[tuple[str, str, str]]] = {}
    for request in generator.requests:
        asked = (request.problem_id, request.role, request.prompt)
        for sample in range(request.n):
            seed = request.sampling.seed + request.first + sample
            first.setdefault((request.label, seed), set()).add(asked)
    assert len(first) > 100
    assert max(map(len, first.values())) == 1


def test_two_iterations_train_serve_and_measure(tmp_path: Path, scripted: Any, cells: Any) -> None:
    generator, trainer = scripted(write), ScriptedTrainer()
    reports, config, watcher = play(tmp_path, generator, cells, trainer)
    assert [r.iteration for r in reports] == [0, 1, 2]
    assert [set(r.figures) for r in reports] == [{1.0, 0.6, 0.0}] * 3
    first, second = trainer.specs
    assert first.base_model == base_model(config)
    assert second.base_model == str(tmp_path / "iteration_1" / "model" / "weights")
    assert generator.loaded == [spec.output / "weights" for spec in trainer.specs]
    assert second.sft is not None
    assert second.sft.learning_rate == pytest.approx(0.7 * config.sft.learning_rate)
    for number, spec in enumerate(trainer.specs, 1):
        folder = tmp_path / f"iteration_{number}"
        examples, pairs = lines(folder / "sft.jsonl"), lines(folder / "dpo.jsonl")
        assert {row["role"] for row in examples} == {"solve", "verify"}
        assert {row["role"] for row in pairs} == {"solve", "verify"}
        assert all(
            row["completion"] == "\n    return xs[:2]" for row in examples if row["role"] == "solve"
        )
        assert spec.sft is not None
        assert spec.sft.data == folder / "sft.jsonl"
    assert watcher.phases[0] == "iteration 0: evaluate"
    played = [r.played["problems"] for r in reports[1:]]
    assert played == [8, 8]


HELD = {
    "id": "h1",
    "prompt": "def f(xs): # take the first two.",
    "entry_point": "f",
    "solutions": ["def f(xs):\n    return xs[:2]"],
    "tests": ["assert f([1]) == [1]"],
    "reference_solution": "def f(xs):\n    return xs[:2]",
    "reference_test": "assert f([1, 2, 3]) == [1, 2]",
}


def evaluate_in(path: Path, *rows: object) -> list[str]:
    """Settings with these rows as held-out problems."""
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return ["evaluate.source=jsonl", f"evaluate.path={path}"]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (3, "JSON object"),
        ({"id": "h2"}, "entry_point"),
        (HELD | {"id": 7}, "id"),
        (HELD | {"id": "h2", "entry_point": "a b"}, "entry_point"),
        (HELD | {"id": "h2", "reference_test": 1}, "reference_test"),
    ],
)
def test_rows_that_cannot_be_used_are_shown_and_counted(
    tmp_path: Path, scripted: Any, cells: Any, row: object, said: str
) -> None:
    path = tmp_path / "held.jsonl"
    chosen = ["run.iterations=0", *evaluate_in(path, HELD, row)]
    for _ in range(2):  # and once in the journal of a run that goes on
        _, _, watcher = play(tmp_path, scripted(write), cells, ScriptedTrainer(), *chosen)
        (shown,) = watcher.bad_rows
        assert shown.startswith(f"{path}:2: ")
        assert said in shown
    events = column(tmp_path, "SELECT detail FROM event WHERE kind = 'bad_rows'")
    assert [json.loads(event) for event in events] == [{"count": 1, "first": [shown]}]


@pytest.mark.parametrize("rows", [[], [3], [{"id": "h2"}], [HELD, HELD], [HELD, 3, HELD]])
def test_a_file_that_cannot_be_used_costs_nothing(
    tmp_path: Path, scripted: Any, cells: Any, rows: list[object]
) -> None:
    generator, path = scripted(write), tmp_path / "held.jsonl"
    with pytest.raises(SourceError):
        play(tmp_path, generator, cells, ScriptedTrainer(), *evaluate_in(path, *rows))
    assert not generator.requests
    assert not cells.matrices


def test_iterations_play_different_problems(tmp_path: Path, scripted: Any, cells: Any) -> None:
    play(tmp_path, scripted(write), cells, ScriptedTrainer())
    query = "SELECT id FROM problem WHERE iteration = "
    first, second = set(column(tmp_path, query + "1")), set(column(tmp_path, query + "2"))
    assert len(first) == len(second) == 8
    assert not first & second


def test_restart_from_base_trains_on_everything_so_far(
    tmp_path: Path, scripted: Any, cells: Any
) -> None:
    trainer = ScriptedTrainer()
    _, config, _ = play(tmp_path, scripted(write), cells, trainer, "run.start_from=base")
    assert [spec.base_model for spec in trainer.specs] == [base_model(config)] * 2
    first, second = (lines(tmp_path / f"iteration_{i}" / "sft.jsonl") for i in (1, 2))
    assert second[: len(first)] == first
    assert len(second) > len(first)


def test_replay_brings_earlier_examples_back(tmp_path: Path, scripted: Any, cells: Any) -> None:
    play(tmp_path, scripted(write), cells, ScriptedTrainer(), "recipe.replay=0.5")
    first, second = (lines(tmp_path / f"iteration_{i}" / "sft.jsonl") for i in (1, 2))
    ids = {row["problem_id"] for row in first}
    replayed = [row for row in second if row["problem_id"] in ids]
    assert len(replayed) == min(round((len(second) - len(replayed)) / 2), len(first))
    assert replayed


def test_adapters_are_carried_on(tmp_path: Path, scripted: Any, cells: Any) -> None:
    trainer = ScriptedTrainer(adapter=True)
    generator = scripted(write)
    _, config, _ = play(tmp_path, generator, cells, trainer, "train.method=lora")
    first, second = trainer.specs
    assert (first.adapter, second.adapter) == (None, first.output / "adapter")
    assert second.base_model == base_model(config)
    assert generator.loaded[0] == first.output / "adapter"


@pytest.mark.parametrize(("off", "on"), [("dpo", "sft"), ("sft", "dpo")])
def test_stages_can_be_left_out(
    tmp_path: Path, scripted: Any, cells: Any, off: str, on: str
) -> None:
    """Then nothing consumes their rows: they have neither a file nor a name in the journal."""
    trainer = ScriptedTrainer()
    play(tmp_path, scripted(write), cells, trainer, f"{off}.enabled=false", "run.iterations=1")
    assert getattr(trainer.specs[0], off) is None
    assert getattr(trainer.specs[0], on) is not None
    assert not (tmp_path / "iteration_1" / f"{off}.jsonl").exists()
    named = column(tmp_path, "SELECT phase FROM training_row")
    assert named == [on] * len(lines(tmp_path / "iteration_1" / f"{on}.jsonl"))


def test_the_model_may_invent_its_problems(tmp_path: Path, scripted: Any, cells: Any) -> None:
    settings = ("problems.source=describe", "run.iterations=1")
    reports, _, _ = play(tmp_path, scripted(write), cells, ScriptedTrainer(), *settings)
    prompts = column(tmp_path, "SELECT prompt FROM problem")
    assert len(prompts) == 8
    assert all(prompt.startswith("take the first two of") for prompt in prompts)
    assert reports[1].played["outcomes"]["used"]


# ---- no ground truth ----------------------------------------------------------------------------


def test_nothing_of_the_evaluation_reaches_play_or_training(
    tmp_path: Path, scripted: Any, cells: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every held-out text carries a mark; the marks are looked for wherever they must not be."""

    def marked(count: int) -> list[grammar.HeldoutProblem]:
        return [
            grammar.HeldoutProblem(
                Problem(
                    f"HELDOUTID{i}",
                    f"take HELDOUTPROMPT {i}.",
                    "f",
                    "def f(xs):\n    return xs[:2]  # REFERENCE",
                    "assert f([1, 2, 3]) == [1, 2]  # REFERENCE",
                ),
                ("def f(xs):\n    return xs  # BANK",),
            )
            for i in range(count)
        ]

    monkeypatch.setattr(grammar, "heldout_problems", marked)
    generator = scripted(write)
    reports, _, _ = play(tmp_path, generator, cells, ScriptedTrainer())
    assert reports[0].figures[1.0]["code_pass_at_1"].count == 5  # it was measured
    for request in generator.requests:
        assert "REFERENCE" not in request.prompt
        assert "BANK" not in request.prompt
        assert ("HELDOUTID" in request.problem_id) == ("HELDOUTPROMPT" in request.prompt)
    data = [*tmp_path.glob("iteration_*/sft.jsonl"), *tmp_path.glob("iteration_*/dpo.jsonl")]
    assert len(data) == 4
    for path in data:
        assert not any(mark in path.read_text() for mark in ("HELDOUT", "REFERENCE", "BANK"))
    played = column(tmp_path, "SELECT problem_id FROM completion WHERE stage = 'play'")
    played += column(tmp_path, "SELECT problem_id FROM selection")
    assert played
    assert not any("HELDOUT" in problem_id for problem_id in played)


def test_a_heldout_problem_among_the_played_ones_is_dropped(
    tmp_path: Path, scripted: Any, cells: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    leak = grammar.heldout_problems(5)[2].problem
    fresh = sources.unlabelled(load(settings=SETTINGS), 1)

    def leaky(config: Config, iteration: int) -> list[Problem]:
        return [*fresh[:4], Problem("leak", leak.prompt, "f"), *fresh[4:]]

    monkeypatch.setattr(sources, "unlabelled", leaky)
    reports, _, _ = play(tmp_path, scripted(write), cells, ScriptedTrainer(), "run.iterations=1")
    assert reports[1].played["dropped_problems"] == {"overlaps a held-out problem": 1}
    assert "leak" not in column(tmp_path, "SELECT id FROM problem")


def test_files_of_problems_are_read_without_their_references(tmp_path: Path) -> None:
    path = tmp_path / "problems.jsonl"
    row = {"prompt": "p", "entry_point": "f", "reference_solution": "SECRET", "tests": ["SECRET"]}
    rows = [{"id": f"p{i}", **row} for i in range(3)]
    path.write_text("\n".join(map(json.dumps, rows)) + "\n{broken\n")
    config = load(settings=["problems.source=jsonl", f"problems.path={path}", "problems.count=2"])
    first, second = sources.unlabelled(config, 1), sources.unlabelled(config, 2)
    assert len(first) == len(second) == 3
    assert first[2:] + first[:2] == second
    assert "SECRET" not in repr([*first, *second])
    assert {p.id for p in [*first, *second]} == {"p0", "p1", "p2"}


def test_heldout_files_bring_their_bank(tmp_path: Path) -> None:
    path = tmp_path / "heldout.jsonl"
    row = {
        "id": "a",
        "prompt": "p",
        "entry_point": "f",
        "reference_solution": "def f(): return 1",
        "reference_test": "assert f() == 1",
        "solutions": ["def f(): return 2", "def f(): return 1"],
        "tests": ["assert f() == 1"],
    }
    path.write_text(json.dumps(row))
    (item,) = sources.heldout(Evaluate(source="jsonl", path=path))
    assert item == Heldout(
        Problem("a", "p", "f", "def f(): return 1", "assert f() == 1"), ("def f(): return 2",)
    )


@pytest.mark.parametrize("text", ["", "{}\n", '{"id": "a", "prompt": ""}\n'])
def test_files_without_a_usable_row_say_so(tmp_path: Path, text: str) -> None:
    path = tmp_path / "problems.jsonl"
    path.write_text(text)
    config = load(settings=["problems.source=jsonl", f"problems.path={path}"])
    with pytest.raises(sources.SourceError, match=r"problems\.jsonl"):
        sources.unlabelled(config, 1)
    with pytest.raises(sources.SourceError, match=r"problems\.jsonl"):
        sources.heldout(Evaluate(source="jsonl", path=path))
    config = load(settings=["problems.source=describe", f"problems.path={tmp_path / 'no'}"])
    if config.roles.templates is RoleSet.POCKET:
        with pytest.raises(sources.SourceError, match="read"):
            sources.snippets(config, 1)


# ---- failures -----------------------------------------------------------------------------------


def test_a_dying_engine_loses_nothing_that_was_generated(
    tmp_path: Path, scripted: Any, cells: Any
) -> None:
    generator = scripted(write)
    generator.fail_after = 45  # in the first play
    with pytest.raises(EngineDiedError):
        play(tmp_path, generator, cells, ScriptedTrainer())
    count = column(tmp_path, "SELECT count(*) FROM completion")[0]
    assert count == generator.statistics.finished > 0


def test_a_crashing_trainer_leaves_data_and_first_figures(
    tmp_path: Path, scripted: Any, cells: Any
) -> None:
    trainer, generator = ScriptedTrainer(), scripted(write)
    trainer.fails_at = 2
    reports: list[int] = []
    with pytest.raises(TrainerCrashedError):
        play(
            tmp_path,
            generator,
            cells,
            trainer,
            "generate.sleep_while_training=true",
            on_report=lambda all_so_far: reports.append(len(all_so_far)),
        )
    assert reports == [1, 2]
    assert generator.sleeps == ["sleep", "wake"] * 2  # whoever comes next finds it awake
    assert (tmp_path / "iteration_2" / "sft.jsonl").stat().st_size
    assert len(column(tmp_path, "SELECT name FROM metric WHERE iteration = 1")) > 10


def test_nothing_accepted_is_a_clear_error(tmp_path: Path, scripted: Any, cells: Any) -> None:
    settings = ("recipe.min_solution_samples=1000",)
    with pytest.raises(NothingLearntError, match="too few samples agree"):
        play(tmp_path, scripted(write), cells, ScriptedTrainer(), *settings)


# ---- summary ------------------------------------------------------------------------------------


def test_summary_has_the_documented_keys(tmp_path: Path, scripted: Any, cells: Any) -> None:
    reports, config, _ = play(tmp_path, scripted(write), cells, ScriptedTrainer())
    write_summary(tmp_path / "summary.json", summarise(config, reports, 1.0, 2))
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert len(summary["iterations"]) == 3
    for iteration in summary["iterations"]:
        for name in ("code_pass_at_1", "test_validity", "test_kill_rate"):
            assert iteration["heldout"][name].keys() == {"value", "se", "n"}
        assert iteration["heldout"]["code_pass_at_1"]["n"] == 5
        assert set(iteration["heldout_at"]) == {"1.0", "0.6", "0.0"}
    before, after = (summary["iterations"][i]["heldout"]["test_validity"]["value"] for i in (0, 2))
    change = summary["relative_improvement"]["1.0"]["test_validity"]
    assert change == pytest.approx(after / before - 1)
    low, high = summary["relative_improvement_95"]["1.0"]["test_validity"]
    assert low <= change <= high
    shown = table(config, reports)
    assert (shown.row_count, len(shown.columns)) == (12, 5)


def test_one_iteration_less_is_a_prefix(tmp_path: Path, scripted: Any, cells: Any) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    long, _, _ = play(tmp_path / "a", scripted(write), cells, ScriptedTrainer())
    short, _, _ = play(
        tmp_path / "b", scripted(write), cells, ScriptedTrainer(), "run.iterations=1"
    )
    # repr: a standard error of one problem is NaN, which equals nothing
    assert repr([r.figures for r in long[:2]]) == repr([r.figures for r in short])
    data = (tmp_path / "a" / "iteration_1" / "sft.jsonl").read_text()
    assert data == (tmp_path / "b" / "iteration_1" / "sft.jsonl").read_text()
