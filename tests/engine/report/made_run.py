"""Makes a run's folder through the journal's own writer: hidden truths, noisy programs and tests.

Each problem has a right function and some popular mistakes; a program is one of them, a test is
right about a random input or about a mistake's. So the matrix has groups, as a model's has.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path
from random import Random

import numpy as np

from sv_engine.config.layers import dump, load
from sv_engine.config.sections import Config
from sv_engine.dataset import recipes
from sv_engine.generate import Generator, Sampling
from sv_engine.generate.protocol import GenerationRequest
from sv_engine.records import Candidates, Outcome, Problem, Repeat, Solution, Test, Verdicts
from sv_engine.run.journal import Journal, Scope
from sv_engine.run.journalled import JournalledGenerator
from sv_engine.train import TrainProgress

KINDS = 5
"""Behaviours of programs: 0 is right."""


def outcome(
    name: str, rng: np.random.Generator, solutions: int, tests: int, marks: Sequence[str] = ("",)
) -> Outcome:
    """One judged problem. marks: texts that stand in prompt, programs and tests."""
    mark = marks[int(rng.integers(len(marks)))]
    programs = tuple(
        Solution(f"def f(xs):\n    # {i} {mark}\n    return xs[:{i}]", int(rng.integers(1, 4)))
        for i in range(solutions)
    )
    asserts = tuple(
        Test(f"assert f([{i}, {i + 1}, 7]) == [{i}]  # {mark}", int(rng.integers(0, 3)))
        for i in range(tests)
    )
    kind_S = rng.choice(KINDS, solutions, p=[0.45, 0.25, 0.15, 0.1, 0.05])
    truth_T = rng.choice(KINDS, tests, p=[0.7, 0.15, 0.08, 0.04, 0.03])
    answer_KT = rng.integers(0, 3, (KINDS, tests))
    verdicts = Verdicts.unknown(solutions, tests, 1.0)
    passed_ST = answer_KT[kind_S] == answer_KT[truth_T, np.arange(tests)]
    passed_ST ^= rng.random(passed_ST.shape) < 0.01
    failure_S = rng.choice([2, 2, 2, 3, 4], solutions)
    verdicts.verdict_ST[:] = np.where(passed_ST, 1, failure_S[:, None])
    verdicts.trust_ST[:] = 3
    holes_ST = rng.random(passed_ST.shape) < 0.002
    verdicts.verdict_ST[holes_ST] = verdicts.trust_ST[holes_ST] = 0
    verdicts.repeat_ST[passed_ST] = Repeat.PASSED
    verdicts.repeat_ST[passed_ST & (rng.random(passed_ST.shape) < 0.001)] = Repeat.FLIPPED
    verdicts.cpu_us_ST[:] = 900
    verdicts.vacuous_T[:] = rng.random(tests) < 0.02
    problem = Problem(name, f"Write f(xs): the first of xs. {mark}", "f")
    return Outcome(Candidates(problem, programs, asserts, {"no program": 2}), verdicts)


def make_run(
    folder: Path,
    generator: Generator,
    *,
    problems: int = 6,
    solutions: int = 8,
    tests: int = 8,
    iterations: int = 2,
    marks: Sequence[str] = ("",),
    kill_rates: Sequence[float] = (0.5, 0.55, 0.6),
) -> Config:
    """Write config.toml and journal.sqlite of a run that played `problems` in all."""
    config = load(settings=[f"run.iterations={iterations}", "recipe.min_tests=1"])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.toml").write_text(dump(config), "utf-8")
    rng = np.random.default_rng(0)
    with Journal(folder) as journal:
        journal.add("run", "config", config.model_dump_json())
        for iteration in range(iterations + 1):
            _measure(journal, iteration, kill_rates[iteration])
            if iteration:
                found = [
                    outcome(f"problem {i} {marks[i % len(marks)]}", rng, solutions, tests, marks)
                    for i in range(iteration - 1, problems, iterations)
                ]
                _play(journal, generator, config, iteration, found)
                _train(journal, iteration)
    return config


def _measure(journal: Journal, iteration: int, kill_rate: float) -> None:
    for temperature, shift in ((1.0, 0.0), (0.6, 0.1), (0.0, 0.2)):
        figures = {
            "code_pass_at_1": 0.3 + 0.1 * iteration + shift,
            "code_pass_at_4": 0.5 + 0.08 * iteration + shift,
            "code_uniqueness": 0.9 - 0.1 * iteration,
            "test_validity": 0.4 + 0.1 * iteration + shift,
            "test_kill_rate": kill_rate,
            "test_uniqueness": 0.95 - 0.05 * iteration,
            "test_parse_rate": 0.97,
            "test_input_size": 3.5 + 0.2 * iteration,
        }
        for name, value in figures.items():
            journal.add_metric(iteration, f"{name}@{temperature}", value, 0.015, 400)
    journal.add_event(iteration, "evaluate", wall_s=40.0 + iteration)


def _play(
    journal: Journal,
    generator: Generator,
    config: Config,
    iteration: int,
    found: Sequence[Outcome],
) -> None:
    scope = Scope(iteration)

    async def sample() -> None:
        player = JournalledGenerator(generator, journal, lambda _: None)
        player.scope = scope
        for outcome in found[:5]:
            for role in ("solve", "verify"):
                sampling = Sampling(1.0, 1.0, 64, seed=1)
                prompt = f"{role}: {outcome.problem.prompt}"
                request = GenerationRequest(outcome.problem.id, role, prompt, 4, sampling)
                async with aclosing(player.generate(request)) as completions:
                    async for _ in completions:
                        pass

    asyncio.run(sample())
    now = time.time()
    judged = [(now + i % 3, o.tests.verdict_ST.size) for i, o in enumerate(found)]
    for one in found:
        believed = recipes.believe(one.evidence, config.select, Random(0))
        refusal = recipes.refusal(one, believed, config.recipe)
        journal.add_problem(scope, one.problem)
        journal.add_outcome(scope, one)
        journal.add_selection(scope, one.problem.id, believed, refusal.value if refusal else "used")
    cells = sum(o.tests.verdict_ST.size for o in found)
    journal.add_event(iteration, "judged", cells=judged)
    journal.add_event(iteration, "played", problems=len(found), cells=cells)
    journal.add_event(iteration, "play", wall_s=60.0)


def _train(journal: Journal, iteration: int) -> None:
    for phase, first in (("sft", 1.2), ("dpo", 0.69)):
        for step in range(1, 31):
            margin = {"rewards/margins": step / 20, "rewards/accuracies": 0.5 + step / 70}
            metrics = margin if phase == "dpo" else {}
            loss = first / (1 + step / 20)
            journal.add_step(iteration, TrainProgress(phase, step, 30, loss, 1e-4, metrics))
    journal.add_event(iteration, "train", wall_s=25.0)
