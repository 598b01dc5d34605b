"""What journalling costs: the pipeline on a recording, with and without it, in one run.

    python -m bench.journalling [--problems 60] [--rounds 5]

Prints the wall time with the journal over that without, the median of pairs of runs that follow
each other; the CPU time that this process spends more, over the wall time without, which other
work on the machine does not blur; and the size of the journal per million cells.
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

from bench.pipeline_overlap import CPU_S, SAMPLES, record

from sv_engine.config.sections import Execute, Generate, Roles, RoleSet, TestSampling
from sv_engine.execute.executor import Executor
from sv_engine.execute.sandbox import Budget
from sv_engine.generate import RecordedGenerator
from sv_engine.play.pipeline import Hooks, Player, play
from sv_engine.prompts.roles import POCKET
from sv_engine.records import Outcome, Problem
from sv_engine.run.doors import default_workers
from sv_engine.run.journal import Journal, Scope
from sv_engine.run.journalled import JournalledGenerator


async def run(
    recording: Path, problems: Sequence[Problem], executor: Executor, folder: Path | None
) -> tuple[float, float, int]:
    """Wall and CPU seconds of this process, cells; journalled into `folder` if there is one."""
    generate = Generate(solutions=SAMPLES, tests=SAMPLES, test_sampling=TestSampling.SINGLE)
    hooks = Hooks()
    async with RecordedGenerator(recording) as generator:
        start_s, start_cpu_s = time.perf_counter(), time.process_time()
        if folder is None:
            player = Player(generator, POCKET, generate, Roles(templates=RoleSet.POCKET), 0)
            counters = await play(problems, player, executor, Execute(cpu_s=CPU_S), hooks)
        else:
            with Journal(folder) as journal:
                sampler = JournalledGenerator(generator, journal)
                sampler.scope = scope = Scope(1)

                def keep(outcome: Outcome) -> None:
                    journal.add_outcome(scope, outcome, Budget(cpu_s=CPU_S))

                player = Player(sampler, POCKET, generate, Roles(templates=RoleSet.POCKET), 0)
                hooks = Hooks(on_outcome=keep)
                counters = await play(problems, player, executor, Execute(cpu_s=CPU_S), hooks)
        spent_s = time.process_time() - start_cpu_s
    return time.perf_counter() - start_s, spent_s, counters.cells


async def measure(problems: int, rounds: int) -> dict[str, float]:
    """All figures."""
    ratios, extra, sizes = [], [], []
    with tempfile.TemporaryDirectory() as name, Executor(workers=default_workers()) as executor:
        recording = Path(name) / "recording.jsonl"
        asked = record(recording, problems, random.Random(0))
        await run(recording, asked, executor, None)  # warm
        for number in range(rounds):
            folder = Path(name) / str(number)
            folder.mkdir()
            plain_s, plain_cpu_s, _ = await run(recording, asked, executor, None)
            with_s, with_cpu_s, cells = await run(recording, asked, executor, folder)
            ratios.append(with_s / plain_s)
            extra.append((with_cpu_s - plain_cpu_s) / plain_s)
            size = sum(file.stat().st_size for file in folder.iterdir())
            sizes.append(size / cells)
    return {
        "journalled_over_plain": statistics.median(ratios),
        "extra_cpu_over_plain_wall": statistics.median(extra),
        "lowest": min(ratios),
        "highest": max(ratios),
        "megabytes_per_million_cells": statistics.median(sizes),
        "cells": cells,
    }


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    print(json.dumps(asyncio.run(measure(arguments.problems, arguments.rounds)), indent=2))


if __name__ == "__main__":
    main()
