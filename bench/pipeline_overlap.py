"""Does generation wait for execution? Wall time of the pipeline beside what no schedule can beat.

A recording of noisy pocket samples is replayed in real time through the pipeline and the real
sandbox. In every round, one after the other, on the same samples:

    generation   the pipeline with an executor that answers at once
    execution    all matrices given to the sandbox at once, whole problems, everything known
                 beforehand: every program is run once, which is the cheapest way to run these cells
    pipeline     both, overlapped
    side by side generation and execution as above, at the same time, neither knowing of the other:
                 what they cost each other by sharing cores and caches, without any waiting
    execution    once more, so that a change of the machine's load hits all alike; their mean counts

and from them, the median over the rounds of

    / floor      pipeline / the slower of generation and execution; target: at most 1.05
    / bound      pipeline / the soonest end of any schedule, which is later than the floor: cells
                 cannot run before their program and their test are sampled. It is the maximum over
                 t of t + execution x (share of cells that exist only from t on), taking cells as
                 equally dear
    / together   pipeline / side by side: what is left of the first figure when the machine has no
                 core to spare
    rows         programs run by the pipeline / by execution alone; above 1 where an idle worker
                 ran programs before all tests of their problem were there

The replay's speed is set so that generation alone takes 0.5, 1 and 2 times as long as execution
alone. Recorded generation costs no CPU, as on a machine whose model runs on an accelerator; one
core is left to this process, which reads the samples. Prints a table; `--json FILE` writes the
figures and the machine too (stored: bench/results/pipeline_overlap.json).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import uvloop

from sv_engine.board import Played
from sv_engine.config import Execute, Generate, Roles, RoleSet, TestSampling
from sv_engine.doors import default_workers
from sv_engine.execute import Executor, Judged
from sv_engine.generate import GenerationRequest, RecordedGenerator
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
from sv_engine.records import Completion, Problem
from sv_engine.roles import POCKET

CPU_S = 0.3
SAMPLES = 16
RATIOS = (0.5, 1.0, 2.0)
"""Generation alone over execution alone."""


class Instant:
    """An executor that costs nothing."""

    workers = 1
    idle = False

    async def judge(self, solutions: Sequence[str], tests: Sequence[str], cpu_s: float) -> Judged:
        return Judged.holes(len(solutions), len(tests))


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


@dataclass
class Outcome:
    """One run of the pipeline."""

    wall_s: float
    played: list[Played]
    counters: PipelineStatistics
    arrival_s: dict[str, dict[str, list[float]]]
    """Problem -> role -> when each distinct text arrived, since the start."""


async def run(
    path: Path, problems: Sequence[Problem], executor: CellRunner, scale: float
) -> Outcome:
    """Play the recording, a second of which takes `scale` seconds."""
    generate = Generate(
        solutions=SAMPLES,
        tests=SAMPLES,
        test_sampling=TestSampling.SINGLE,
        problems_in_flight=8,
        max_in_flight=8 * 2 * SAMPLES,
    )
    played: list[Played] = []
    seen: set[tuple[str, str, str]] = set()
    arrival_s: dict[str, dict[str, list[float]]] = {
        problem.id: {"solve": [], "verify": []} for problem in problems
    }
    generator = RecordedGenerator(path, time_scale=scale, max_in_flight=generate.max_in_flight)
    async with generator:
        start_s = time.perf_counter()

        def on_completion(request: GenerationRequest, index: int, completion: Completion) -> None:
            text = (request.problem_id, request.role, completion.text)
            if text not in seen:
                seen.add(text)
                times = arrival_s[request.problem_id][request.role]
                times.append(time.perf_counter() - start_s)

        player = Player(generator, POCKET, generate, Roles(templates=RoleSet.POCKET), 0)
        hooks = Hooks(on_completion=on_completion, on_played=played.append)
        counters = await play(problems, player, executor, Execute(cpu_s=CPU_S), hooks)
        return Outcome(time.perf_counter() - start_s, played, counters, arrival_s)


async def execute_all(executor: Executor, played: Sequence[Played]) -> float:
    """Seconds to run all matrices, everything submitted at once."""
    start_s = time.perf_counter()
    await asyncio.gather(*(executor.judge(*p.rollout.sources(), CPU_S) for p in played))
    return time.perf_counter() - start_s


def soonest_s(arrival_s: dict[str, dict[str, list[float]]], execution_s: float) -> float:
    """The end that no schedule can beat, with cells that are equally dear."""
    exists_s = np.sort(
        np.concatenate(
            [
                np.maximum.outer(times["solve"], times["verify"]).ravel()
                for times in arrival_s.values()
            ]
        )
    )
    left = np.arange(len(exists_s), 0, -1) / len(exists_s)
    return float((exists_s + execution_s * left).max())


async def measure(problems: int, rounds: int) -> list[dict[str, Any]]:
    """The figures of each ratio: all rounds, and the medians."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recording.jsonl"
        asked = record(path, problems, random.Random(0))
        one_second = await run(path, asked, Instant(), 1.0)
        played = one_second.played
        cells = sum(p.matrix.verdict_ST.size for p in played)
        programs = sum(len(p.rollout.solutions) for p in played)
        with Executor(workers=max(1, default_workers() - 1)) as executor:
            await execute_all(executor, played)  # warm
            execution_s = min([await execute_all(executor, played) for _ in range(2)])
            for ratio in RATIOS:
                scale = ratio * execution_s / one_second.wall_s
                seen: list[dict[str, float]] = []
                for _ in range(rounds):
                    before_s = await execute_all(executor, played)
                    both = await run(path, asked, executor, scale)
                    start_s = time.perf_counter()
                    await asyncio.gather(
                        run(path, asked, Instant(), scale), execute_all(executor, played)
                    )
                    together_s = time.perf_counter() - start_s
                    alone_s = (before_s + await execute_all(executor, played)) / 2
                    generation = await run(path, asked, Instant(), scale)
                    assert cells == both.counters.cells
                    floor_s = max(generation.wall_s, alone_s)
                    bound_s = max(floor_s, soonest_s(generation.arrival_s, alone_s))
                    seen.append(
                        {
                            "generation_s": generation.wall_s,
                            "execution_s": alone_s,
                            "floor_s": floor_s,
                            "bound_s": bound_s,
                            "together_s": together_s,
                            "pipeline_s": both.wall_s,
                            "pipeline_over_floor": both.wall_s / floor_s,
                            "pipeline_over_bound": both.wall_s / bound_s,
                            "pipeline_over_together": both.wall_s / together_s,
                            "rows_over_programs": both.counters.rows / programs,
                            "jobs": both.counters.jobs,
                        }
                    )
                medians = {k: statistics.median(r[k] for r in seen) for k in seen[0]}
                rows.append({"ratio": ratio, "cells": cells, **medians, "rounds": seen})
    return rows


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    pressure = Path("/proc/pressure/cpu")
    return {
        "cores": len(os.sched_getaffinity(0)),
        "workers": max(1, default_workers() - 1),
        "load_average": os.getloadavg(),
        "cpu_pressure_some_avg60_percent": (
            float(pressure.read_text().split()[2].partition("=")[2]) if pressure.exists() else None
        ),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--problems", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    before = machine()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        rows = runner.run(measure(arguments.problems, arguments.rounds))
    after = machine()
    names = [name for name in rows[0] if name.endswith("_s")]
    print("ratio  " + "".join(f"{name.removesuffix('_s'):>12}" for name in names), end="")
    print("   / floor  / bound  / together   rows")
    for row in rows:
        print(f"{row['ratio']:5.1f}  " + "".join(f"{row[name]:11.2f}s" for name in names), end="")
        print(f"{row['pipeline_over_floor']:10.3f}{row['pipeline_over_bound']:9.3f}", end="")
        print(f"{row['pipeline_over_together']:12.3f}{row['rows_over_programs']:7.2f}")
    print(
        f"{rows[0]['cells']} cells of {arguments.problems} problems, medians of "
        f"{arguments.rounds} rounds; load {before['load_average'][0]:.1f} before, "
        f"{after['load_average'][0]:.1f} after, on {before['cores']} cores"
    )
    if arguments.json:
        document = {
            "problems": arguments.problems,
            "machine": before,
            "machine_after": after,
            "ratios": rows,
        }
        arguments.json.write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main()
