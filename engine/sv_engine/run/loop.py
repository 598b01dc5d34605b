"""The self-play loop: play, select, train, put the new weights back, evaluate, again.

A run that goes on after a kill takes the same path from the start: what the journal holds is
found instead of made, so the result is that of a run which was never interrupted.

In: a configuration, the doors to model, sandbox and trainer, a journal. Out: `summary.json`,
rewritten after every iteration, and in the run directory one folder per iteration with its
training data (`sft.jsonl`, `dpo.jsonl`) and weights (`model/`). Iteration 0 is the base model.

No ground truth reaches generation, selection or training: what is played comes from
`sources.unlabelled` or the describe role, which read none, and `pipeline.play` refuses a problem
that carries any; held-out problems go to `evaluate` only, and their texts to decontamination.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from itertools import takewhile
from pathlib import Path
from random import Random
from typing import Any

from sv_engine.config.sections import ProblemSource, RoleSet, StartFrom
from sv_engine.dataset import recipes
from sv_engine.dataset.recipes import TrainingData
from sv_engine.dataset.stage import learn
from sv_engine.errors import EngineError
from sv_engine.evaluate.heldout import Bench, Setting, evaluate, verified
from sv_engine.generate.errors import GenerationError
from sv_engine.generate.protocol import sampling_of
from sv_engine.play.describe import Quota, describe, read_function, read_sentence
from sv_engine.play.pipeline import Hooks, Player, play
from sv_engine.problems import decontaminate, sources
from sv_engine.problems.jsonl import figures_of
from sv_engine.prompts.roles import templates
from sv_engine.records import (
    Candidates,
    Example,
    Heldout,
    Outcome,
    PreferencePair,
    Problem,
)
from sv_engine.run.changes import take_changes, take_heldout, take_problems
from sv_engine.run.doors import base_model, train_spec
from sv_engine.run.folder import CONFIG_NAME
from sv_engine.run.journal import Scope
from sv_engine.run.keys import content_key
from sv_engine.run.phase import Phase
from sv_engine.run.report import IterationReport, PlayCounts
from sv_engine.run.room import check_prompts
from sv_engine.run.state import Run
from sv_engine.train import TrainerCrashedError, TrainProgress, write_rows


class NothingLearntError(EngineError):
    """Selection accepted nothing, so there is nothing to train on."""


async def run_loop(run: Run) -> list[IterationReport]:
    """All iterations; raises what a stage failed with, everything before it being journalled.

    Every row of the run's files is read first: SourceError before anything is generated. Raises
    RunStopped when `run.stopping` says so and what is in flight is finished.
    """
    _check_files(run)
    run.weights = base_model(run.config)
    take_changes(run)
    asked = sources.heldout(run.config.evaluate)
    take_heldout(run, asked)
    heldout = await verified(asked, _bench(run, 0, "check"))
    _check_prompts(run, heldout)
    for iteration in range(run.config.run.iterations + 1):
        report = IterationReport(iteration)
        if iteration:
            problems = await _problems(run, iteration, heldout, report)
            run.played += [problem.prompt for problem in problems]
            fresh = await _play(run, iteration, problems, report)
            run.go_on()
            await _train(run, iteration, fresh, report)
        run.go_on()
        await _evaluate(run, iteration, heldout, report)
        await asyncio.to_thread(run.journal.flush)
        report.refused = run.journal.refusals(iteration)
        run.reports.append(report)
        run.on_report(run.reports)
        run.watcher.iteration(report)
    return run.reports


def _check_files(run: Run) -> None:
    """Show, count and journal the rows that cannot be used; raises SourceError."""
    run.bad_rows += sources.check_files(run.config)
    if not run.bad_rows:
        return
    run.watcher.skipped(run.bad_rows)
    if run.journal.event(0, "bad_rows") is None:
        run.journal.add_event(0, "bad_rows", **figures_of(run.bad_rows))


def _check_prompts(run: Run, heldout: Sequence[Heldout]) -> None:
    """Tell of problems that the model has no room for; raises RoomError where it has for none."""
    problems = [item.problem for item in heldout]
    if run.config.problems.source is ProblemSource.JSONL:
        problems += sources.unlabelled(run.config, 1)
    solve = templates(run.config.roles).solve
    for text in check_prompts(run.generator, [(p.id, solve.fill(p)) for p in problems]):
        run.watcher.note(text)


# ---- problems -----------------------------------------------------------------------------------


async def _problems(
    run: Run, iteration: int, heldout: Sequence[Heldout], report: IterationReport
) -> list[Problem]:
    """The problems to play, free of repeats and of held-out text."""
    config = run.config.problems
    texts = [text for item in heldout for text in item.texts] + run.benchmarks.texts()
    if config.source is not ProblemSource.DESCRIBE:
        problems, dropped = decontaminate.clean(
            sources.unlabelled(run.config, iteration),
            texts,
            ngram=config.ngram,
            near_duplicate=config.near_duplicate,
            played=run.played,
            limit=config.count,
            repeat=True,
        )
        known = set(run.played)
        report.played["repeated_problems"] = sum(p.prompt in known for p in problems)
        report.played["dropped_problems"] = {r.value: n for r, n in dropped.items()}
        return problems
    run.watcher.begin(f"iteration {iteration}: describe", config.count)
    run.sampler.scope = Scope(iteration, "describe")
    sampling = sampling_of(run.config.generate, seed=_seed(run, iteration))
    problems, reasons = await describe(
        sources.snippets(run.config, iteration),
        templates(run.config.roles).describe,
        run.sampler,
        sampling,
        Quota(config.count, texts, config.ngram, config.near_duplicate, run.played),
        read_sentence if run.config.roles.templates is RoleSet.POCKET else read_function,
        run.watcher.advance,
    )
    report.played["dropped_problems"] = dict(reasons)
    return problems


# ---- play and select ----------------------------------------------------------------------------


async def _play(
    run: Run, iteration: int, problems: Sequence[Problem], report: IterationReport
) -> TrainingData:
    """Sample, execute, select; the training data."""
    take_problems(run, iteration, problems)
    phase = Phase(run, iteration, "play", len(problems))
    config, scope = run.config, Scope(iteration)
    run.sampler.scope = scope
    counts = PlayCounts()
    lessons: dict[str, TrainingData] = {}
    judged: list[tuple[int, int]] = []  # second, cells

    def take(outcome: Outcome) -> None:
        lesson = learn(outcome, config, iteration)
        run.journal.add_selection(scope, outcome.problem.id, lesson.selection, lesson.use)
        counts.add(outcome, lesson.use)
        lessons[outcome.problem.id] = lesson.data
        phase.advance(f"{counts.uses['used']} used")

    def on_outcome(outcome: Outcome) -> None:
        run.journal.add_outcome(scope, outcome)
        judged.append((int(time.time()), outcome.tests.verdict_ST.size))
        take(outcome)

    left = []
    for problem in problems:
        run.journal.add_problem(scope, problem)
        stored = run.journal.outcome(scope, problem.id)
        left += [] if stored else [problem]
        if stored:
            take(stored)
    seed = _seed(run, iteration)
    player = Player(run.sampler, templates(config.roles), config.generate, config.roles, seed)
    hooks = Hooks(on_outcome=on_outcome)
    going = takewhile(lambda _: not run.stopping(), left)
    await play(going, player, run.executor, config.execute, hooks)
    run.go_on()
    # Problems finish in any order; training data must not depend on it.
    data = recipes.gather([lessons[p.id] for p in problems])
    await asyncio.to_thread(run.journal.flush)
    samples = run.journal.sample_counts(scope)
    report.played |= {"problems": len(problems), "samples": samples, **counts.figures()}
    report.played["examples"] = dict(Counter(e.role for e in data.examples))
    report.played["pairs"] = dict(Counter(p.role for p in data.pairs))
    phase.end(report)
    run.journal.add_event(iteration, "judged", cells=judged)
    run.journal.add_event(iteration, "played", **report.played)
    return data


def _seed(run: Run, iteration: int) -> int:
    """Of the samples of one iteration."""
    return run.config.run.seed * 1_000_003 + iteration


# ---- train --------------------------------------------------------------------------------------


async def _train(run: Run, iteration: int, fresh: TrainingData, report: IterationReport) -> None:
    """Train on the data, unless that is done, and serve the new weights."""
    phase = Phase(run, iteration, "train", 0)
    config, data = run.config, _data(run, iteration, fresh)
    if config.run.start_from is StartFrom.BASE:
        run.weights, run.adapter = base_model(config), None
    if run.journal.checkpoint(iteration) is None:
        await _make_checkpoint(run, iteration, data, report)
    weights, adapter, report.trained = _found(run, iteration)
    run.adapter = None if weights else Path(adapter or "")
    run.weights = weights or run.weights
    await run.sampler.load_weights(Path(weights or adapter or ""))
    phase.end(report)


def _found(run: Run, iteration: int) -> tuple[str | None, str | None, dict[str, Any]]:
    found = run.journal.checkpoint(iteration)
    assert found is not None
    weights, adapter, trained = found
    place = run.folder / (weights or adapter or "")
    if not place.exists():
        raise EngineError(
            "the journal names a checkpoint that is gone",
            where=str(place),
            remedy="put it back, or start a new run",
        )
    return weights and str(place), adapter and str(place), trained


async def _make_checkpoint(
    run: Run, iteration: int, data: TrainingData, report: IterationReport
) -> None:
    """Train. The checkpoint counts from the moment its row is on disk, after its rename."""
    config, folder = run.config, run.folder / f"iteration_{iteration}"
    shutil.rmtree(folder, ignore_errors=True)  # of a training that did not end
    folder.mkdir(parents=True)
    _write_rows(run, iteration, data, folder)
    if not any(folder.iterdir()):
        raise NothingLearntError(
            f"iteration {iteration} accepted nothing to train on: {report.played['outcomes']}",
            where=str(run.journal.path),
            remedy=f"in {run.folder / CONFIG_NAME}, sample more (generate.solutions, "
            "generate.tests)"
            + ("" if iteration > 1 else " or loosen the guards of [recipe]")
            + f"; `sv-engine run --resume {run.folder}` goes on with the samples that are there",
        )
    spec = train_spec(config, iteration, run.weights, run.adapter, folder)

    def on_progress(progress: TrainProgress) -> None:
        if progress.step == 1:
            run.watcher.begin(f"iteration {iteration}: {progress.phase}", progress.total)
        run.journal.add_step(iteration, progress)
        run.watcher.advance(note=f"loss {progress.loss:.3f}")

    if config.generate.sleep_while_training:
        await run.sampler.sleep()
    try:
        result = await run.train(spec, on_progress)
    except Exception as error:
        if config.generate.sleep_while_training:  # whoever comes next finds it awake
            with contextlib.suppress(GenerationError):
                await run.sampler.wake()
        if isinstance(error, TrainerCrashedError):
            run.go_on()  # Ctrl-C ends a trainer that is just being started, too: no failure then
        raise
    if config.generate.sleep_while_training:
        await run.sampler.wake()
    run.journal.add_checkpoint(iteration, run.folder, result)
    await asyncio.to_thread(run.journal.flush)


def _write_rows(run: Run, iteration: int, data: TrainingData, folder: Path) -> None:
    """What the steps of each stage that is on consume: its file, and in the journal the names of
    its rows, in their order there."""
    files: dict[str, Sequence[Example | PreferencePair]]
    files = {
        "sft": data.examples if run.config.sft.enabled else [],
        "dpo": data.pairs if run.config.dpo.enabled else [],
    }
    for phase, rows in files.items():
        if rows:
            write_rows(folder / f"{phase}.jsonl", rows)
        for number, row in enumerate(rows):
            content = content_key(*asdict(row).values())
            values = (phase, number, row.problem_id, row.role, content)
            run.journal.add("training_row", iteration, *values)


def _data(run: Run, iteration: int, fresh: TrainingData) -> TrainingData:
    """What this iteration trains on: fresh data with replay, or all data so far."""
    config, share = run.config, run.config.recipe.replay
    earlier, run.earlier = run.earlier, recipes.gather([run.earlier, fresh])
    if share is None and config.run.start_from is StartFrom.BASE:
        return recipes.distinct(run.earlier)
    rng = Random(f"replay-{config.run.seed}-{iteration}")
    return recipes.distinct(recipes.with_replay(fresh, earlier, share or 0.0, rng))


# ---- evaluate -----------------------------------------------------------------------------------


async def _evaluate(
    run: Run, iteration: int, heldout: Sequence[Heldout], report: IterationReport
) -> None:
    """Measure both roles at every temperature, and on the benchmarks."""
    config = run.config
    temperatures = dict.fromkeys(config.evaluate.temperatures)
    phase = Phase(run, iteration, "evaluate", len(heldout) * len(temperatures))
    for temperature in temperatures:
        samples = config.evaluate.samples if temperature > 0 else 1
        setting = Setting(
            temperature=temperature,
            samples=samples,
            k=tuple(k for k in config.evaluate.k if k <= samples),
            max_tokens=config.generate.max_tokens,
            top_p=config.generate.top_p if temperature > 0 else 1.0,
            min_p=config.generate.min_p if temperature > 0 else 0.0,
        )
        bench = _bench(run, iteration, f"heldout at {temperature}", phase.advance)
        report.figures[temperature] = await evaluate(heldout, setting, bench)
    if run.benchmarks.all:
        await _benchmarks(run, iteration, report, phase)
    for temperature, figures in report.figures.items():
        for name, figure in figures.items():
            error, name_at = figure.standard_error, f"{name}@{temperature}"
            run.journal.add_metric(iteration, name_at, figure.mean, error, figure.count)
    phase.end(report)


async def _benchmarks(run: Run, iteration: int, report: IterationReport, phase: Phase) -> None:
    """A part of the evaluation."""

    def on_task() -> None:
        run.go_on()
        phase.advance()

    steps = 3 * run.benchmarks.tasks  # programs sampled, and judged, and tests sampled
    run.watcher.begin(f"iteration {iteration}: benchmarks", steps)
    run.sampler.scope = Scope(iteration, "benchmarks")
    found = await run.benchmarks.evaluate(run.sampler, run.folder, iteration, on_task)
    report.figures[run.config.evaluate.temperatures[0]] |= found


def _bench(
    run: Run, iteration: int, stage: str, on_problem: Callable[[], None] = lambda: None
) -> Bench:
    config = run.config
    run.sampler.scope = Scope(iteration, stage)

    def stored(kind: str, candidates: Candidates) -> Outcome | None:
        found = run.journal.outcome(Scope(iteration, f"{stage}: {kind}"), candidates.problem.id)
        return found if found is not None and found.candidates == candidates else None

    def on_outcome(kind: str, outcome: Outcome) -> None:
        run.journal.add_outcome(Scope(iteration, f"{stage}: {kind}"), outcome)

    return Bench(
        generator=run.sampler,
        executor=run.executor,
        templates=templates(config.roles),
        cpu_s=config.execute.cpu_s,
        reference_cpu_s=config.execute.reference_cpu_s,
        verifier_sees=config.roles.verifier_sees,
        problems_in_flight=config.generate.problems_in_flight,
        stored=stored,
        stopping=run.stopping,
        on_outcome=on_outcome,
        on_problem=on_problem,
    )
