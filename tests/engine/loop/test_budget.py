"""What a run may cost and how long it still takes: bounds that hold, a forecast that comes true."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.engine.loop.test_loop import SETTINGS, ScriptedTrainer, play, write

from sv_engine.cli import main
from sv_engine.config.layers import load
from sv_engine.generate import GenerationRequest
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
    durations: dict[str, float], iterations: int, known: bool = False, *settings: str
) -> list[tuple[float, float | None, float]]:
    """(share of the run, what was said, what was true) at a hundred moments of each phase."""
    config = load(settings=[f"run.iterations={iterations}", *settings])
    forecast = Forecast(config)
    parts = ["evaluate", *["play", "sft", "dpo", "evaluate"] * iterations]
    whole = sum(durations[name] for name in parts)
    now, said = 30.0, []  # the engine took 30 s to start
    forecast.begin("starting the engine", 0.0)
    for place, name in enumerate(parts):
        forecast.begin(f"iteration 1: {name}", now)
        for step in range(100):
            forecast.advance(step / 100)
            at = now + durations[name] * step / 100
            true = whole + 30 - at
            said.append(((at - 30) / whole, forecast.left_s(at), true))
        now += durations[name]
        if name == "evaluate" and known and place:
            forecast.measured({"evaluate": durations[name]})
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
    said = simulate(durations, 3, False, *RECORDED)
    assert all(left == pytest.approx(true, rel=0.01, abs=0.1) for _, left, true in said if left)
    assert all(left is None for _, left, _ in said[:300])  # until the last kind of phase goes on
    assert all(left is not None for _, left, _ in said[400:])
    evaluation = simulate(durations, 0, False, *RECORDED)
    assert all(left == pytest.approx(true) for _, left, true in evaluation[5:])


def test_of_a_recording_a_stage_with_nothing_to_train_on_keeps_no_secret() -> None:
    forecast = Forecast(load(settings=["run.iterations=2", *RECORDED]))
    for start_s, name in (
        (0, "evaluate"),
        (2, "play"),
        (7, "train"),
        (10, "sft"),
        (50, "evaluate"),
    ):
        forecast.begin(f"iteration 1: {name}", start_s)
    forecast.measured({"play": 5.0, "train": 43.0, "evaluate": 2.0})
    forecast.begin("iteration 2: play", 52.0)
    assert forecast.left_s(52.0) == pytest.approx(5 + 40 + 2)


def test_a_resumed_run_knows_what_its_phases_took() -> None:
    forecast = Forecast(load())
    forecast.begin("iteration 0: evaluate", 0.0)
    for place, name in enumerate(["play", "sft", "evaluate"]):  # found in the journal, in no time
        forecast.begin(f"iteration 1: {name}", 0.01 * place)
    forecast.measured({"play": 200.0, "train": 80.0, "evaluate": 40.0})
    forecast.begin("iteration 2: play", 0.1)
    assert forecast.left_s(0.1) == pytest.approx(320.0)
