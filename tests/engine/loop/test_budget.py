"""What a run may cost and how long it still takes: bounds that hold, a forecast that comes true."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.engine.loop.test_loop import SETTINGS, ScriptedTrainer, column, play, write

from sv_engine.cli import main
from sv_engine.config.layers import load
from sv_engine.generate import EngineDiedError, GenerationRequest
from sv_engine.run import phase
from sv_engine.run.budget import completions_of_evaluation, completions_of_play, cost
from sv_engine.run.forecast import EVALUATION_WEIGHT, Forecast

CHATTY = "\n".join(f"assert f([{n}, 1]) == [{n}, 1]" for n in range(40))


@pytest.mark.parametrize(
    "settings",
    [
        (),
        ("generate.critique=true",),
        ("roles.verifier_sees=solution",),
        ("roles.verifier_sees=solution", "generate.tests=3"),
        ("generate.test_sampling=single",),
        ("problems.source=describe",),
        ("generate.max_asserts=3", 'roles.verify="{prompt}"'),
        ("generate.max_asserts=1", "generate.critique=true", 'roles.verify="{prompt}"'),
    ],
)
def test_no_role_samples_more_than_the_budget_says(
    tmp_path: Path, scripted: Any, cells: Any, settings: tuple[str, ...]
) -> None:
    def long_suites(request: GenerationRequest, index: int) -> str:
        if request.role in ("verify", "critique") and "roles.verify" in str(settings):
            return CHATTY
        return write(request, index)

    generator = scripted(long_suites)
    try:
        play(tmp_path, generator, cells, ScriptedTrainer(), "run.iterations=1", *settings)
    except Exception as error:  # what was accepted is not the subject
        assert type(error).__name__ == "NothingLearntError"  # noqa: PT017
    config = load(settings=[*SETTINGS, "run.iterations=1", *settings])
    asked: Counter[str] = Counter()
    for request in generator.requests:
        asked[request.role if "play" in request.label else request.label[2:9]] += request.n
    bound = completions_of_play(config)
    for role in ("solve", "verify", "critique", "derive"):
        assert asked[role] <= bound.get(role, 0)
    assert asked["describe"] <= bound.get("describe", 0)
    assert 0 < asked["heldout"] <= 2 * completions_of_evaluation(config)


def test_the_bound_on_asserts_reaches_the_board(tmp_path: Path, scripted: Any, cells: Any) -> None:
    for limit in (1, 2, 5, 8, 100):

        def suites(request: GenerationRequest, index: int) -> str:
            return CHATTY if request.role == "verify" else write(request, index)

        generator = scripted(suites)
        settings = (f"generate.max_asserts={limit}", 'roles.verify="{prompt}"', "run.iterations=1")
        folder = tmp_path / str(limit)
        folder.mkdir()
        try:
            play(folder, generator, cells, ScriptedTrainer(), *settings)
        except Exception as error:
            assert type(error).__name__ == "NothingLearntError"  # noqa: PT017
        derived = Counter(r.problem_id for r in generator.requests if r.role == "derive")
        assert set(derived.values()) == {min(limit, 40)}


@pytest.mark.parametrize("name", ["pocket", "llama-3.1-8b", "qwen2.5-coder-1.5b"])
def test_every_preset_says_what_it_costs(name: str, tmp_path: Path) -> None:
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"x" * 10_000)
    found = cost(load(name), str(tmp_path))
    iterations = load(name).run.iterations
    assert (
        found.completions
        == iterations * sum(found.iteration.values()) + (iterations + 1) * found.evaluation
    )
    assert found.disk_bytes > iterations * 10_000
    text = str(found)
    for word in ("completions", "tokens", " h at", "B on disk"):
        assert word in text


@pytest.mark.parametrize(("name", "hours"), [("llama-3.1-8b", 8), ("qwen2.5-coder-1.5b", 2)])
def test_an_iteration_of_a_packaged_configuration_fits(name: str, hours: float) -> None:
    """Sampling takes at most four fifths of the time: the rest is for training."""
    result = CliRunner().invoke(main, ["run", name, "--dry-run"])
    assert result.exit_code == 0
    (said,) = re.findall(r"an iteration ([0-9.]+) h", " ".join(result.stderr.split()))
    assert 0.1 < float(said) < 0.8 * hours
    found = cost(load(name), "nowhere")
    assert found.iteration_tokens / 10_000 / 3600 == pytest.approx(float(said), abs=0.06)


def simulate(
    durations: dict[str, float], iterations: int, *settings: str
) -> list[tuple[float, float | None, float]]:
    """(share of the run, what was said, what was true) at a hundred moments of each phase."""
    config = load(settings=[f"run.iterations={iterations}", *settings])
    forecast = Forecast(config)
    parts = ["evaluate", *["play", "sft", "dpo", "evaluate"] * iterations]
    whole = sum(durations[name] for name in parts)
    now, said = 30.0, []  # the engine took 30 s to start
    forecast.begin("starting the engine", 0.0)
    for name in parts:
        forecast.begin(f"iteration 1: {name}", now)
        for step in range(100):
            forecast.advance(step / 100)
            at = now + durations[name] * step / 100
            true = whole + 30 - at
            said.append(((at - 30) / whole, forecast.left_s(at), true))
        now += durations[name]
    return said


@pytest.mark.parametrize(
    "durations",
    [
        {"evaluate": 40.0, "play": 200.0, "sft": 50.0, "dpo": 30.0},
        {"evaluate": 600.0, "play": 9000.0, "sft": 900.0, "dpo": 900.0},
        {"evaluate": 20.0, "play": 20.0, "sft": 200.0, "dpo": 200.0},
        {"evaluate": 300.0, "play": 100.0, "sft": 5.0, "dpo": 80.0},
        {"evaluate": 3.0, "play": 4000.0, "sft": 1.0, "dpo": 1.0},
    ],
)
@pytest.mark.parametrize("iterations", [2, 3])
def test_the_forecast_is_exact_once_every_phase_was_measured(
    durations: dict[str, float], iterations: int
) -> None:
    said = simulate(durations, iterations)
    measured = said[-400 * (iterations - 1) :]  # the first iteration is over
    assert all(left == pytest.approx(true, rel=0.01, abs=0.1) for _, left, true in measured)


def test_nothing_is_said_before_anything_was_measured() -> None:
    forecast = Forecast(load())
    forecast.begin("starting the engine", 0.0)
    assert forecast.left_s(20.0) is None
    forecast.begin("iteration 0: evaluate", 30.0)
    for done in (0, 0.01, 0.049):
        forecast.advance(done)
        assert forecast.left_s(40.0) is None
    forecast.advance(0.1)
    assert forecast.left_s(40.0) is not None


def test_where_phases_cost_what_their_completions_cost_the_first_word_is_right() -> None:
    config = load()
    play_s = sum(completions_of_play(config).values()) / 300
    evaluate_s = EVALUATION_WEIGHT * completions_of_evaluation(config) / 300
    durations = {"evaluate": evaluate_s, "play": play_s}
    durations |= {"sft": 0.2 * play_s, "dpo": 0.2 * play_s}
    said = [(left, true) for _, left, true in simulate(durations, 2) if left is not None]
    assert len(said) > 800
    assert all(left == pytest.approx(true, rel=0.02, abs=1) for left, true in said)


def test_of_the_default_run_the_first_word_is_near() -> None:
    """Wall times of docs/pocket_three_seeds.json: the median of twelve runs, each phase."""
    durations = {"evaluate": 52.0, "play": 112.0, "sft": 40.0, "dpo": 28.0}
    said = [(left, true) for _, left, true in simulate(durations, 2) if left is not None]
    assert len(said) > 800
    assert all(true / 1.7 < left < 1.7 * true for left, true in said if true > 30)


RECORDED = ("generate.backend=recorded", "generate.recording=journal.sqlite")


def test_of_a_recording_a_phase_says_nothing_of_another_one() -> None:
    """Its samples come at once, and training takes what it takes."""
    durations = {"evaluate": 2.0, "play": 5.0, "sft": 200.0, "dpo": 300.0}
    said = simulate(durations, 3, *RECORDED)
    assert all(left == pytest.approx(true, rel=0.01, abs=0.1) for _, left, true in said if left)
    assert all(left is None for _, left, _ in said[:300])  # until the last kind of phase goes on
    assert all(left is not None for _, left, _ in said[400:])
    evaluation = simulate(durations, 0, *RECORDED)
    assert all(left == pytest.approx(true) for _, left, true in evaluation[5:])


def test_of_a_recording_a_stage_with_nothing_to_train_on_keeps_no_secret() -> None:
    forecast = Forecast(load(settings=["run.iterations=2", *RECORDED]))
    phases = ("evaluate", "play", "train", "sft", "evaluate", "play")
    for start_s, name in zip((0, 2, 7, 10, 50, 52), phases, strict=True):
        forecast.begin(f"iteration 1: {name}", start_s)
    assert forecast.left_s(52.0) == pytest.approx(5 + 40 + 2)


@pytest.mark.parametrize("at", [0.2, 0.6, 0.95, 1.0])
def test_what_was_found_is_no_pace(at: float) -> None:
    """A process that goes on at a share of the first play, or after it, says what one says that was
    never stopped."""
    durations = {"evaluate": 300.0, "play": 5400.0, "sft": 900.0, "dpo": 900.0}
    config, left = load(settings=["run.iterations=2"]), []
    for spent in (0.0, at):  # the share of the play that another process has done
        forecast, now = Forecast(config), 10_000.0
        forecast.begin("iteration 0: evaluate", now, 300.0 if spent else 0.0)
        now += 0.1 if spent else 300.0
        forecast.begin("iteration 1: play", now, spent * durations["play"])
        forecast.advance(at)
        now += (at - spent) * durations["play"]
        left.append(forecast.left_s(now + 0.1))
        forecast.begin("iteration 1: sft", now + (1 - at) * durations["play"])
        forecast.advance(0.5)
        left.append(forecast.left_s(now + (1 - at) * durations["play"] + 450.0))
    whole, later, resumed, resumed_later = left
    assert resumed == pytest.approx(whole, rel=0.01)
    assert resumed_later == pytest.approx(later, rel=0.01)


def test_the_seconds_of_a_phase_are_those_of_all_processes(
    tmp_path: Path, scripted: Any, cells: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one that was killed in it as well, and of one that it was over in."""
    monkeypatch.setattr(phase, "KEEP_S", 0.0)

    def seconds(name: str) -> float:
        query = f"SELECT value FROM run WHERE key = 'seconds of iteration {name}'"
        return float(column(tmp_path, query)[0])

    dying = scripted(write)
    dying.fail_after = 12  # of the base's evaluation
    with pytest.raises(EngineDiedError):
        play(tmp_path, dying, cells, ScriptedTrainer())
    first = seconds("0: evaluate")
    again = scripted(write)
    again.fail_after = 60  # of the first play
    with pytest.raises(EngineDiedError):
        play(tmp_path, again, cells, ScriptedTrainer(), "generate.problems_in_flight=1")
    second = seconds("1: play")
    reports, _, watcher = play(tmp_path, scripted(write), cells, ScriptedTrainer())
    assert watcher.spent_s["iteration 0: evaluate"] == reports[0].wall_s["evaluate"] > first > 0
    assert watcher.spent_s["iteration 1: play"] == second
    assert reports[1].wall_s["play"] > second > 0
    assert watcher.spent_s["iteration 1: train"] == 0
    _, _, watcher = play(tmp_path, scripted(write), cells, ScriptedTrainer())
    for report in reports:
        for name, wall_s in report.wall_s.items():
            assert watcher.spent_s[f"iteration {report.iteration}: {name}"] == wall_s


@pytest.mark.parametrize("settings", [(), ("dpo.enabled=false",)])
def test_a_resumed_run_knows_what_its_phases_took(settings: tuple[str, ...]) -> None:
    forecast = Forecast(load(settings=["run.iterations=2", *settings]))
    took_s = {"evaluate": 40.0, "play": 200.0, "train": 80.0}
    for name in ("evaluate", "play", "train", "evaluate"):
        forecast.begin(f"iteration 1: {name}", 0.0, took_s[name])
    forecast.begin("iteration 2: play", 0.0)
    assert forecast.left_s(0.0) == pytest.approx(320.0)


def test_benchmarks_are_a_part_of_the_evaluation() -> None:
    forecast = Forecast(load(settings=["run.iterations=1"]))
    for start_s, name in ((0, "evaluate"), (40, "benchmarks"), (70, "play")):
        forecast.begin(f"iteration 0: {name}", start_s)
    for start_s, name in ((270, "sft"), (310, "dpo"), (340, "evaluate")):
        forecast.begin(f"iteration 1: {name}", start_s)
    assert forecast.left_s(340.0) == pytest.approx(70.0)
