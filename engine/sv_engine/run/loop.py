"""The self-play loop: play, select, train, put the new weights back, evaluate, again.

In: a configuration, the doors to model, sandbox and trainer, a journal. Out: `summary.json`,
rewritten after every iteration, and in the run directory one folder per iteration with its
training data (`sft.jsonl`, `dpo.jsonl`) and weights (`model/`). Iteration 0 is the base model.

No ground truth reaches generation, selection or training: what is played comes from
`sources.unlabelled` or the describe role, which read none, and `pipeline.play` refuses a problem
that carries any; held-out problems go to `evaluate` only, and their texts to decontamination.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Protocol

from sv_engine.config.sections import Config, ProblemSource, RoleSet, StartFrom
from sv_engine.dataset import recipes
from sv_engine.dataset.recipes import Harvest
from sv_engine.errors import EngineError
from sv_engine.evaluate.heldout import Bench, Heldout, Setting, evaluate, verified
from sv_engine.evaluate.metrics import Estimate
from sv_engine.generate import GenerationRequest, Generator, Sampling
from sv_engine.play.board import Played
from sv_engine.play.describe import Wish, describe, read_function, read_sentence
from sv_engine.play.pipeline import CellRunner, Hooks, PipelineStatistics, Player, play
from sv_engine.problems import decontaminate, sources
from sv_engine.prompts.roles import templates
from sv_engine.records import Completion, Problem, Recheck
from sv_engine.run.doors import base_model, train_spec
from sv_engine.run.journal import Journal, Scope
from sv_engine.train import TrainProgress, TrainResult, TrainSpec, write_rows

Trainer = Callable[[TrainSpec, Callable[[TrainProgress], None]], Awaitable[TrainResult]]
Figures = dict[float, dict[str, Estimate]]
"""Temperature -> figure -> estimate."""


class Watcher(Protocol):
    """Who is told how far the run is."""

    def begin(self, phase: str, total: int) -> None:
        """A phase of `total` units starts; it ends the one before."""
        ...

    def advance(self, units: int = 1, note: str = "") -> None:
        """Units of the current phase are done."""
        ...

    def iteration(self, report: IterationReport) -> None:
        """An iteration is measured."""
        ...


class NothingLearntError(EngineError):
    """Selection accepted nothing, so there is nothing to train on."""


@dataclass(slots=True)
class IterationReport:
    """What one iteration came to; 0 is the base model."""

    iteration: int
    figures: Figures = field(default_factory=dict)
    played: dict[str, Any] = field(default_factory=dict)
    """Problems, samples, cells, timeouts run again, refusals, examples and pairs."""
    trained: dict[str, Any] = field(default_factory=dict)
    wall_s: dict[str, float] = field(default_factory=dict)
    """Seconds of each phase."""


@dataclass(slots=True)
class Run:
    """Everything one run holds."""

    config: Config
    folder: Path
    generator: Generator
    executor: CellRunner
    train: Trainer
    journal: Journal
    watcher: Watcher
    on_report: Callable[[list[IterationReport]], None] = lambda _: None
    """Called after every iteration with all reports so far: who writes the summary."""
    reports: list[IterationReport] = field(default_factory=list)
    earlier: Harvest = field(default_factory=Harvest)
    """Accepted data of the iterations before."""
    weights: str = ""
    """Whole weights to go on from."""
    adapter: Path | None = None


async def run_loop(run: Run) -> list[IterationReport]:
    """All iterations; raises what a stage failed with, everything before it being journalled."""
    run.weights = base_model(run.config)
    run.journal.add("run", "config", run.config.model_dump_json())
    bench = _bench(run, 0)
    heldout = await verified(sources.heldout(run.config.evaluate), bench)
    for iteration in range(run.config.run.iterations + 1):
        report = IterationReport(iteration)
        if iteration:
            problems = await _problems(run, iteration, heldout, report)
            harvest = await _play(run, iteration, problems, report)
            await _train(run, iteration, harvest, report)
        await _evaluate(run, iteration, heldout, report)
        run.reports.append(report)
        run.on_report(run.reports)
        run.watcher.iteration(report)
    return run.reports


# ---- problems -----------------------------------------------------------------------------------


async def _problems(
    run: Run, iteration: int, heldout: Sequence[Heldout], report: IterationReport
) -> list[Problem]:
    """The problems to play, free of repeats and of held-out text."""
    config, texts = run.config.problems, _heldout_texts(heldout)
    if config.source is not ProblemSource.DESCRIBE:
        problems, dropped = decontaminate.clean(
            sources.unlabelled(run.config, iteration),
            texts,
            ngram=config.ngram,
            near_duplicate=config.near_duplicate,
        )
        report.played["dropped_problems"] = {r.value: n for r, n in dropped.items()}
        return problems
    run.watcher.begin(f"iteration {iteration}: describe", config.count)
    scope = _scope(run, iteration, "play")

    def on_completion(request: GenerationRequest, index: int, completion: Completion) -> None:
        run.journal.add_completion(scope, request, index, completion)
        run.watcher.advance()

    generate = run.config.generate
    sampling = Sampling(
        generate.temperature, generate.top_p, generate.max_tokens, seed=run.config.run.seed
    )
    problems, reasons = await describe(
        sources.snippets(run.config, iteration),
        templates(run.config.roles).describe,
        run.generator,
        sampling,
        Wish(config.count, texts, config.ngram, config.near_duplicate),
        read_sentence if run.config.roles.templates is RoleSet.POCKET else read_function,
        on_completion,
    )
    report.played["dropped_problems"] = dict(reasons)
    return problems


def _heldout_texts(heldout: Sequence[Heldout]) -> list[str]:
    found = [h.problem.prompt for h in heldout]
    return found + [h.problem.reference_solution or "" for h in heldout]


# ---- play and select ----------------------------------------------------------------------------


async def _play(
    run: Run, iteration: int, problems: Sequence[Problem], report: IterationReport
) -> Harvest:
    """Sample, execute, select; the training data."""
    start_s = time.perf_counter()
    config, scope = run.config, _scope(run, iteration, "play")
    role_templates = templates(config.roles)
    outcomes: Counter[str] = Counter()
    samples: Counter[str] = Counter()
    harvests: dict[str, Harvest] = {}

    def on_completion(request: GenerationRequest, index: int, completion: Completion) -> None:
        run.journal.add_completion(scope, request, index, completion)
        samples[completion.role] += 1
        samples["tokens"] += completion.token_count

    def on_played(played: Played) -> None:
        problem_id = played.rollout.problem.id
        matrix = played.matrix
        run.journal.add_verdicts(scope, played.rollout, matrix.verdict_ST, matrix.cpu_us_ST)
        rng = Random(f"{config.run.seed}-{iteration}-{problem_id}")
        selection = recipes.believe(played, config.select, rng)
        refusal = recipes.refusal(played, selection, config.recipe)
        outcome = "used" if refusal is None else refusal.value
        run.journal.add_selection(scope, problem_id, selection, outcome)
        outcomes[outcome] += 1
        if refusal is None:
            harvests[problem_id] = recipes.harvest(
                played, selection, config.recipe, role_templates, rng
            )
        run.watcher.advance(note=f"{outcomes['used']} used")

    for problem in problems:
        run.journal.add_problem(scope, problem)
    run.watcher.begin(f"iteration {iteration}: play", len(problems))
    player = Player(
        run.generator, role_templates, config.generate, config.roles, _seed(config, iteration)
    )
    hooks = Hooks(on_completion=on_completion, on_played=on_played)
    statistics = await play(problems, player, run.executor, config.execute, hooks)
    # Problems finish in any order; training data must not depend on it.
    harvest = recipes.gather([harvests[p.id] for p in problems if p.id in harvests])
    report.played |= _played(len(problems), outcomes, samples, harvest, statistics)
    report.wall_s["play"] = time.perf_counter() - start_s
    run.journal.add_event(iteration, "played", **report.played)
    return harvest


def _played(
    problems: int,
    outcomes: Counter[str],
    samples: Counter[str],
    harvest: Harvest,
    statistics: PipelineStatistics,
) -> dict[str, Any]:
    return {
        "problems": problems,
        "outcomes": dict(outcomes),
        "samples": dict(samples),
        "cells": statistics.cells,
        "timeouts": {kind.name.lower(): statistics.rechecks[kind] for kind in list(Recheck)[1:]},
        "examples": dict(Counter(e.role for e in harvest.examples)),
        "pairs": dict(Counter(p.role for p in harvest.pairs)),
    }


# ---- train --------------------------------------------------------------------------------------


async def _train(run: Run, iteration: int, harvest: Harvest, report: IterationReport) -> None:
    """Train on the harvest and serve the new weights."""
    config = run.config
    folder = run.folder / f"iteration_{iteration}"
    folder.mkdir(parents=True)
    data = _data(run, iteration, harvest)
    if config.sft.enabled and data.examples:
        write_rows(folder / "sft.jsonl", data.examples)
    if config.dpo.enabled and data.pairs:
        write_rows(folder / "dpo.jsonl", data.pairs)
    if not any(folder.iterdir()):
        raise NothingLearntError(
            f"iteration {iteration} accepted nothing to train on: {report.played['outcomes']}",
            where=str(run.journal.path),
            remedy="sample more (generate.solutions, generate.tests), or loosen the guards of "
            "[recipe]",
        )
    if config.run.start_from is StartFrom.BASE:
        run.weights, run.adapter = base_model(config), None
    spec = train_spec(config, iteration, run.weights, run.adapter, folder)
    start_s = time.perf_counter()
    run.watcher.begin(f"iteration {iteration}: train", 0)

    def on_progress(progress: TrainProgress) -> None:
        if progress.step == 1:
            run.watcher.begin(f"iteration {iteration}: {progress.phase}", progress.total)
        run.watcher.advance(note=f"loss {progress.loss:.3f}")

    if config.generate.sleep_while_training:
        await run.generator.sleep()
    result = await run.train(spec, on_progress)
    if config.generate.sleep_while_training:
        await run.generator.wake()
    new = result.weights or result.adapter
    assert new is not None
    await run.generator.load_weights(new)
    run.adapter = None if result.weights else result.adapter
    run.weights = str(result.weights) if result.weights else run.weights
    report.wall_s["train"] = time.perf_counter() - start_s
    report.trained = {
        name: {
            "rows": phase.rows,
            "steps": phase.steps,
            "first_loss": phase.first_loss,
            "last_loss": phase.last_loss,
            "wall_s": phase.wall_s,
        }
        for name, phase in (("sft", result.sft), ("dpo", result.dpo))
        if phase is not None
    }
    run.journal.add_event(iteration, "trained", weights=new, **report.trained)


def _data(run: Run, iteration: int, fresh: Harvest) -> Harvest:
    """What this iteration trains on: fresh data with replay, or all data so far."""
    config = run.config
    earlier, run.earlier = run.earlier, recipes.gather([run.earlier, fresh])
    if config.run.start_from is StartFrom.BASE:
        return run.earlier
    rng = Random(f"replay-{config.run.seed}-{iteration}")
    return recipes.with_replay(fresh, earlier, config.recipe.replay, rng)


# ---- evaluate -----------------------------------------------------------------------------------


async def _evaluate(
    run: Run, iteration: int, heldout: Sequence[Heldout], report: IterationReport
) -> None:
    """Measure both roles at every temperature."""
    start_s = time.perf_counter()
    config, bench = run.config, _bench(run, iteration)
    temperatures = dict.fromkeys(config.evaluate.temperatures)
    run.watcher.begin(f"iteration {iteration}: evaluate", len(heldout) * len(temperatures))
    for temperature in temperatures:
        samples = config.evaluate.samples if temperature > 0 else 1
        setting = Setting(
            temperature=temperature,
            samples=samples,
            k=tuple(k for k in config.evaluate.k if k <= samples),
            max_tokens=config.generate.max_tokens,
            top_p=config.generate.top_p if temperature > 0 else 1.0,
        )
        report.figures[temperature] = await evaluate(heldout, setting, bench)
        for name, figure in report.figures[temperature].items():
            run.journal.add_metric(
                iteration,
                f"{name}@{temperature}",
                figure.mean,
                figure.standard_error,
                figure.count,
            )
    report.wall_s["evaluate"] = time.perf_counter() - start_s


def _bench(run: Run, iteration: int) -> Bench:
    config, scope = run.config, _scope(run, iteration, "heldout")
    return Bench(
        generator=run.generator,
        executor=run.executor,
        templates=templates(config.roles),
        cpu_s=config.execute.cpu_s,
        reference_cpu_s=config.execute.reference_cpu_s,
        problems_in_flight=config.generate.problems_in_flight,
        on_completion=lambda *sample: run.journal.add_completion(scope, *sample),
        on_matrix=lambda *matrix: run.journal.add_verdicts(scope, *matrix),
        on_problem=run.watcher.advance,
    )


def _scope(run: Run, iteration: int, phase: str) -> Scope:
    # Play samples with the weights of the iteration before; evaluation with this one's.
    version = iteration - 1 if phase == "play" else iteration
    return Scope(iteration, phase, f"{run.config.model.path}#{run.folder.name}#{version}")


def _seed(config: Config, iteration: int) -> int:
    return config.run.seed * 1_000_003 + iteration
