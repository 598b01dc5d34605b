"""Does generation wait for execution? Wall time of the pipeline beside its floor and its peers.

A recording of noisy pocket samples is replayed in real time through the pipeline and the real
sandbox. In the same run, on the same samples:

    generation   the pipeline with an executor that answers at once
    execution    all matrices given to the sandbox at once, everything known beforehand
    floor        the slower of the two: no schedule can be faster
    pipeline     both, overlapped; target: at most 1.05 x floor
    by problem   both, but a problem runs only once all its samples are there
    sequential   generation, then execution

The replay's speed is set so that generation alone takes 0.5, 1 and 2 times as long as execution
alone; 1 is the hardest. Recorded generation costs no CPU, as on a machine whose model runs on an
accelerator; one core is left to this process, which reads the samples. Prints a table; `--json
FILE` writes the figures too.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import uvloop
from numpy.typing import NDArray

from sv_engine.board import Played
from sv_engine.config import Execute, Generate, Roles, RoleSet, TestSampling
from sv_engine.doors import default_workers
from sv_engine.execute import Executor
from sv_engine.generate import RecordedGenerator
from sv_engine.pipeline import CellRunner, Hooks, PipelineStatistics, Player, play
from sv_engine.pocket.tasks import (
    UNDEFINED,
    Split,
    Task,
    describe,
    evaluate,
    mutate,
    sample_input,
    sample_task,
    write_body,
)
from sv_engine.records import Problem
from sv_engine.roles import POCKET

CPU_S = 0.3
SAMPLES = 16
NEVER = 1 << 30
RATIOS = (0.5, 1.0, 2.0)
"""Generation alone over execution alone."""


class Instant:
    """An executor that costs nothing."""

    async def matrix(
        self, solutions: Sequence[str], tests: Sequence[str], cpu_s: float
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint32]]:
        shape = (len(solutions), len(tests))
        return np.ones(shape, np.uint8), np.zeros(shape, np.uint32)


def record(path: Path, problems: int, rng: random.Random) -> list[Problem]:
    """Write the samples of a noisy player, a second per request, lengths spread as a model's."""
    result = []
    with path.open("w") as file:
        for number in range(problems):
            task = sample_task(rng, Split.SELFPLAY)
            problem = Problem(f"p{number}", describe(rng, task), "f")
            result.append(problem)
            for role in ("solve", "verify"):
                times = sorted(min(1.0, rng.gauss(0.6, 0.15)) for _ in range(SAMPLES))
                for after_s in times:
                    text = _solution(rng, task) if role == "solve" else _test(rng, task)
                    line = {
                        "problem_id": problem.id,
                        "role": role,
                        "request": 0,
                        "prompt_tokens": 20,
                        "after_s": after_s,
                        "text": text,
                        "finish_reason": "stop",
                        "token_count": 20,
                    }
                    file.write(json.dumps(line) + "\n")
    return result


def _noisy(rng: random.Random, task: Task) -> Task:
    return task if rng.random() < 0.5 else mutate(rng, task)


def _solution(rng: random.Random, task: Task) -> str:
    return write_body(rng, _noisy(rng, task))


def _test(rng: random.Random, task: Task) -> str:
    while True:
        xs = sample_input(rng, task)
        try:
            return f"{xs}) == ({evaluate(_noisy(rng, task), xs)[-1]})"
        except UNDEFINED:
            continue


async def run(
    path: Path, problems: Sequence[Problem], executor: CellRunner, scale: float, min_cells: int
) -> tuple[float, list[Played], PipelineStatistics]:
    """Seconds, matrices and counters of one run of the pipeline."""
    generate = Generate(
        solutions=SAMPLES,
        tests=SAMPLES,
        test_sampling=TestSampling.SINGLE,
        problems_in_flight=8,
        max_in_flight=8 * 2 * SAMPLES,
    )
    played: list[Played] = []
    generator = RecordedGenerator(path, time_scale=scale, max_in_flight=generate.max_in_flight)
    async with generator:
        player = Player(generator, POCKET, generate, Roles(templates=RoleSet.POCKET), 0)
        execute = Execute(cpu_s=CPU_S, min_cells=min_cells)
        hooks = Hooks(on_played=played.append)
        start_s = time.perf_counter()
        counters = await play(problems, player, executor, execute, hooks)
        return time.perf_counter() - start_s, played, counters


async def execute_all(executor: Executor, played: Sequence[Played]) -> float:
    """Seconds to run all matrices, everything submitted at once."""
    start_s = time.perf_counter()
    await asyncio.gather(
        *(
            executor.matrix(
                [s.source for s in p.rollout.solutions], [t.source for t in p.rollout.tests], CPU_S
            )
            for p in played
        )
    )
    return time.perf_counter() - start_s


async def measure(problems: int, repeats: int) -> list[dict[str, float]]:
    """The figures of each ratio; medians over the repeats."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recording.jsonl"
        asked = record(path, problems, random.Random(0))
        _, played, _ = await run(path, asked, Instant(), 0.0, NEVER)
        one_second, _, _ = await run(path, asked, Instant(), 1.0, NEVER)
        with Executor(workers=max(1, default_workers() - 1)) as executor:
            await execute_all(executor, played)  # warm
            execution = statistics.median([await execute_all(executor, played) for _ in range(3)])
            for ratio in RATIOS:
                scale = ratio * execution / one_second
                seen: dict[str, list[float]] = {}
                for _ in range(repeats):
                    generation, _, _ = await run(path, asked, Instant(), scale, NEVER)
                    alone = await execute_all(executor, played)
                    overlapped, result, counters = await run(path, asked, executor, scale, 64)
                    by_problem, _, _ = await run(path, asked, executor, scale, NEVER)
                    cells = sum(p.matrix.verdict_ST.size for p in result)
                    assert cells == counters.cells == sum(p.matrix.verdict_ST.size for p in played)
                    figures = {
                        "generation_s": generation,
                        "execution_s": alone,
                        "floor_s": max(generation, alone),
                        "pipeline_s": overlapped,
                        "by_problem_s": by_problem,
                        "sequential_s": generation + alone,
                    }
                    for name, value in figures.items():
                        seen.setdefault(name, []).append(value)
                row = {name: statistics.median(values) for name, values in seen.items()}
                row |= {"ratio": ratio, "cells": cells}
                row["pipeline_over_floor"] = row["pipeline_s"] / row["floor_s"]
                rows.append(row)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--problems", type=int, default=300)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        rows = runner.run(measure(arguments.problems, arguments.repeats))
    names = [name for name in rows[0] if name.endswith("_s")]
    print("ratio  " + "".join(f"{name.removesuffix('_s'):>12}" for name in names) + "  / floor")
    for row in rows:
        walls = "".join(f"{row[name]:11.2f}s" for name in names)
        print(f"{row['ratio']:5.1f}  {walls}  {row['pipeline_over_floor']:7.3f}")
    print(
        f"{rows[0]['cells']:.0f} cells of {arguments.problems} problems, medians of "
        f"{arguments.repeats}; target: pipeline at most 1.05 x floor"
    )
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
