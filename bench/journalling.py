"""What journalling costs: the pipeline on a recording, with and without it, in one run.

    python -m bench.journalling [--problems 300] [--rounds 3]

Prints, as medians over rounds in which a run with the journal follows one without; opening and
closing the database, some tens of milliseconds once in a run, are left out of the wall time:

    with_over_without   wall time; on a busy machine it says nothing
    cpu_over_quiet_wall CPU time spent on the journal, counted where it is spent, over the wall time
                        that the run without it takes at least: its CPU time, with that of its
                        sandbox, over the cores. Other work on the machine does not blur it: the
                        writer wakes as often as it would in that time
    cpu_over_wall       the same over the wall time that it did take
    cpu_ms              of the journal, by phase: looking requests up, taking outcomes (both on the
                        event loop), and the writer's thread. Samples are appended to a list there
    bytes_per_cell      size of the journal; the matrices are small here, ten by ten, so it is
                        mostly the texts of samples

What the meter itself takes is left out. `--json FILE` writes all figures, with the machine; stored:
bench/results/journalling.json, of a busy one.

Not counted, as it is not the journal's own: the generator in front of it, one step more for each
sample on the event loop, and what threads take from each other by sharing the interpreter.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import psutil
from bench.pipeline_overlap import CPU_S, SAMPLES, machine, record

from sv_engine.config.sections import Execute, Generate, Roles, RoleSet, TestSampling
from sv_engine.execute.executor import Executor
from sv_engine.generate import RecordedGenerator
from sv_engine.play.pipeline import Hooks, Player, play
from sv_engine.prompts.roles import POCKET
from sv_engine.records import Completion, Outcome, Problem
from sv_engine.run import journal as journals
from sv_engine.run.doors import default_workers
from sv_engine.run.journal import FLUSH_S, Journal, Scope
from sv_engine.run.journalled import JournalledGenerator
from sv_engine.run.packs import Samples


class Timed(Journal):
    """Counts the CPU seconds of its thread that each phase takes."""

    _meter_s = 0.0

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.cpu_s: defaultdict[str, float] = defaultdict(float)
        for _ in range(1000):
            self._timed("meter", lambda: None, ())
        self._meter_s = self.cpu_s.pop("meter") / 1000  # what the meter itself takes is no cost

    def _timed(self, phase: str, method: Callable[..., Any], given: Sequence[Any]) -> Any:
        start_s = time.thread_time()
        try:
            return method(*given)
        finally:
            self.cpu_s[phase] += time.thread_time() - start_s - self._meter_s

    def number_of(self, *given: Any) -> int:
        return int(self._timed("requests", super().number_of, given))

    def completions(self, *given: Any) -> list[Completion]:
        found: list[Completion] = self._timed("requests", super().completions, given)
        return found

    def samples_of(self, *given: Any) -> Samples:
        samples: Samples = self._timed("requests", super().samples_of, given)
        return samples

    def add_outcome(self, *given: Any) -> None:
        self._timed("outcomes", super().add_outcome, given)

    def _write(self) -> None:
        self._timed("writer", super()._write, ())


def least_s() -> float:
    """What this process and its sandbox have taken so far, if nothing else were on the machine: the
    CPU time of all over the cores, or that of this process, whose event loop is one thread."""
    own = psutil.Process()
    times = [process.cpu_times() for process in (own, *own.children(recursive=True))]
    cpu_s = sum(t.user + t.system + t.children_user + t.children_system for t in times)
    return max(time.process_time(), float(cpu_s) / len(os.sched_getaffinity(0)))


async def run(
    recording: Path, problems: Sequence[Problem], executor: Executor, journal: Timed | None
) -> tuple[float, float, int]:
    """Seconds that it took, and that it takes at least; cells."""
    generate = Generate(solutions=SAMPLES, tests=SAMPLES, test_sampling=TestSampling.SINGLE)
    roles, execute = Roles(templates=RoleSet.POCKET), Execute(cpu_s=CPU_S)
    kept: list[Outcome] = []  # to take them apart is nobody's cost
    with journal or nullcontext():
        async with RecordedGenerator(recording) as generator:
            start_s, start_least_s = time.perf_counter(), least_s()
            if journal is None:
                player = Player(generator, POCKET, generate, roles, 0)
                counters = await play(
                    problems, player, executor, execute, Hooks(on_outcome=kept.append)
                )
            else:
                sampler = JournalledGenerator(generator, journal)
                sampler.scope = scope = Scope(1)

                def keep(outcome: Outcome) -> None:
                    journal.add_outcome(scope, outcome)
                    kept.append(outcome)

                player = Player(sampler, POCKET, generate, roles, 0)
                counters = await play(problems, player, executor, execute, Hooks(on_outcome=keep))
                await asyncio.to_thread(journal.flush)
            wall_s = time.perf_counter() - start_s
            return wall_s, least_s() - start_least_s, counters.cells


async def measure(problems: int, rounds: int) -> dict[str, Any]:
    """All figures."""
    ratios, shares, now, sizes = [], [], [], []
    phases: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as name, Executor(workers=default_workers()) as executor:
        recording = Path(name) / "recording.jsonl"
        asked = record(recording, problems, random.Random(0))
        await run(recording, asked[:20], executor, None)  # warm
        for number in range(rounds):
            folder = Path(name) / str(number)
            folder.mkdir()
            journal = Timed(folder)
            plain_s, quiet_s, _ = await run(recording, asked, executor, None)
            journals.FLUSH_S = FLUSH_S * plain_s / quiet_s
            with_s, _, cells = await run(recording, asked, executor, journal)
            ratios.append(with_s / plain_s)
            shares.append(sum(journal.cpu_s.values()) / quiet_s)
            now.append(sum(journal.cpu_s.values()) / plain_s)
            for phase, spent_s in journal.cpu_s.items():
                phases.setdefault(phase, []).append(1e3 * spent_s)
            sizes.append(sum(file.stat().st_size for file in folder.iterdir()) / cells)
    return {
        "with_over_without": statistics.median(ratios),
        "cpu_over_quiet_wall": statistics.median(shares),
        "cpu_over_wall": statistics.median(now),
        "cpu_ms": {phase: round(statistics.median(ms), 1) for phase, ms in phases.items()},
        "bytes_per_cell": statistics.median(sizes),
        "cells": cells,
    }


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="File that gets the figures.")
    arguments = parser.parse_args()
    before = machine()
    found = asyncio.run(measure(arguments.problems, arguments.rounds))
    found |= {"problems": arguments.problems, "rounds": arguments.rounds, "machine": before}
    text = json.dumps(found, indent=2)
    print(text)
    if arguments.json:
        arguments.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
