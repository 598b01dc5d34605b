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
alone. Recorded generation costs no CPU, as on a machine whose model runs on an accelerator. All
this on three sandboxes:

    simulated    sleeps instead of running, so that there is nothing to share: what is lost is lost
                 by waiting alone, whatever else the machine does
    real         on all cores but one, which is left to this process, the reader of the samples
    unpinned     the same, but the kernel puts threads where it likes: what this costs on two cores
                 is the difference between this and the one before

Prints a table each, in about a quarter of an hour; `--json FILE` writes the figures and the machine
too. Stored: bench/results/pipeline_overlap.json, two cores, one worker, load about 1 (simulated:
4). Pipeline / floor, with generation half as long, as long and twice as long as execution:

    simulated    1.011  1.027  1.001
    real         1.009  1.021  1.000
    unpinned     1.135  1.136  1.001
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
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import uvloop

from sv_engine.config.sections import Execute, Generate, Roles, RoleSet, TestSampling
from sv_engine.execute.executor import Executor, Judged
from sv_engine.generate import GenerationRequest, RecordedGenerator
from sv_engine.play.board import Played
from sv_engine.play.pipeline import CellRunner, Hooks, PipelineStatistics, Player, play
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
from sv_engine.prompts.roles import POCKET
from sv_engine.records import Completion, Problem
from sv_engine.run.doors import default_workers

CPU_S = 0.3
SAMPLES = 16
ROW_S = 0.0029
CELL_S = 0.00007
RATIOS = (0.5, 1.0, 2.0)
"""Generation alone over execution alone."""


class Instant:
    """An executor that costs nothing."""

    workers = 1
    idle = False

    async def judge(self, solutions: Sequence[str], tests: Sequence[str], cpu_s: float) -> Judged:
        return Judged.holes(len(solutions), len(tests))


class Simulated:
    """A sandbox that only sleeps, as long as the real one takes for a row and for a cell."""

    workers = 2

    def __init__(self) -> None:
        self._free_s = [0.0] * self.workers
        """When each worker will have nothing to do, on the clock of the event loop."""

    @property
    def idle(self) -> bool:
        return min(self._free_s) <= asyncio.get_running_loop().time()

    async def judge(self, solutions: Sequence[str], tests: Sequence[str], cpu_s: float) -> Judged:
        now_s = end_s = asyncio.get_running_loop().time()
        for _ in solutions:
            worker = self._free_s.index(min(self._free_s))
            start_s = max(now_s, self._free_s[worker])
            self._free_s[worker] = start_s + ROW_S + CELL_S * len(tests)
            end_s = max(end_s, self._free_s[worker])
        await asyncio.sleep(end_s - now_s)
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


async def execute_all(executor: CellRunner, played: Sequence[Played]) -> float:
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


async def one_round(
    path: Path,
    asked: Sequence[Problem],
    played: Sequence[Played],
    executor: CellRunner,
    scale: float,
) -> dict[str, float]:
    """All figures of one ratio, measured one after the other."""
    before_s = await execute_all(executor, played)
    both = await run(path, asked, executor, scale)
    start_s = time.perf_counter()
    await asyncio.gather(run(path, asked, Instant(), scale), execute_all(executor, played))
    together_s = time.perf_counter() - start_s
    execution_s = (before_s + await execute_all(executor, played)) / 2
    generation = await run(path, asked, Instant(), scale)
    assert both.counters.cells == sum(p.matrix.verdict_ST.size for p in played)
    floor_s = max(generation.wall_s, execution_s)
    bound_s = max(floor_s, soonest_s(generation.arrival_s, execution_s))
    return {
        "generation_s": generation.wall_s,
        "execution_s": execution_s,
        "floor_s": floor_s,
        "bound_s": bound_s,
        "together_s": together_s,
        "pipeline_s": both.wall_s,
        "pipeline_over_floor": both.wall_s / floor_s,
        "pipeline_over_bound": both.wall_s / bound_s,
        "pipeline_over_together": both.wall_s / together_s,
        "rows_over_programs": both.counters.rows / sum(len(p.rollout.solutions) for p in played),
    }


async def measure(executor: CellRunner, problems: int, rounds: int) -> list[dict[str, Any]]:
    """Per ratio: the medians, and all rounds."""
    seen: dict[float, list[dict[str, float]]] = {ratio: [] for ratio in RATIOS}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recording.jsonl"
        asked = record(path, problems, random.Random(0))
        one_second = await run(path, asked, Instant(), 1.0)
        played = one_second.played
        await execute_all(executor, played)  # warm
        for _ in range(rounds):
            execution_s = await execute_all(executor, played)
            for ratio, figures in seen.items():
                scale = ratio * execution_s / one_second.wall_s
                figures.append(await one_round(path, asked, played, executor, scale))
    cells = sum(p.matrix.verdict_ST.size for p in played)
    rows = []
    for ratio, figures in seen.items():
        medians = {name: statistics.median(r[name] for r in figures) for name in figures[0]}
        rows.append({"ratio": ratio, "cells": cells, **medians, "rounds": figures})
    return rows


def keep_apart() -> None:
    """Give this thread one core, and the sandbox (its threads here, its processes) the others."""
    own, *others = sorted(os.sched_getaffinity(0))
    process = psutil.Process()
    for thread in process.threads():
        cores = [own] if thread.id == process.pid else others
        os.sched_setaffinity(thread.id, cores or [own])
    for child in process.children(recursive=True):
        os.sched_setaffinity(child.pid, others or [own])


@contextmanager
def real(*, pinned: bool) -> Iterator[Executor]:
    """The sandbox, on all cores but one."""
    everything = os.sched_getaffinity(0)
    with Executor(workers=machine()["workers"]) as executor:
        if pinned:
            keep_apart()
        try:
            yield executor
        finally:
            os.sched_setaffinity(0, everything)


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
    parser.add_argument(
        "--only", choices=("simulated", "real", "unpinned"), help="One of the three sandboxes."
    )
    parser.add_argument("--json", type=Path, help="File that gets the figures; others in it stay.")
    arguments = parser.parse_args()
    executors: dict[str, Callable[[], AbstractContextManager[CellRunner]]] = {
        "simulated": lambda: nullcontext(Simulated()),
        "real": lambda: real(pinned=True),
        "unpinned": lambda: real(pinned=False),
    }
    for name in [arguments.only] if arguments.only else list(executors):
        before = machine()
        with (
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
            executors[name]() as executor,
        ):
            rows = runner.run(measure(executor, arguments.problems, arguments.rounds))
        after = machine()
        print(
            f"{name} sandbox: {rows[0]['cells']} cells of {arguments.problems} problems, medians "
            f"of {arguments.rounds} rounds; load {before['load_average'][0]:.1f} before, "
            f"{after['load_average'][0]:.1f} after, on {before['cores']} cores"
        )
        show(rows)
        if arguments.json:
            stored = json.loads(arguments.json.read_text()) if arguments.json.exists() else {}
            stored[name] = {
                "problems": arguments.problems,
                "machine": before,
                "machine_after": after,
                "ratios": rows,
            }
            arguments.json.write_text(json.dumps(stored, indent=2) + "\n")


def show(rows: Sequence[dict[str, Any]]) -> None:
    """Print a table."""
    names = [name for name in rows[0] if name.endswith("_s")]
    print("ratio  " + "".join(f"{name.removesuffix('_s'):>12}" for name in names), end="")
    print("   / floor  / bound  / together   rows")
    for row in rows:
        print(f"{row['ratio']:5.1f}  " + "".join(f"{row[name]:11.2f}s" for name in names), end="")
        print(f"{row['pipeline_over_floor']:10.3f}{row['pipeline_over_bound']:9.3f}", end="")
        print(f"{row['pipeline_over_together']:12.3f}{row['rows_over_programs']:7.2f}")


if __name__ == "__main__":
    main()
