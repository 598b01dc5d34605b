"""A run that kills itself at a moment that is told: a script of `test_resume`.

Arguments: folder, number of the moment (0: never), settings. A moment is whatever the run does that
the world can see: a delivered sample, a judged matrix, a step of training, a rename, a commit. It
prints how many there were.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[3]))

from tests.engine.loop.conftest import InProcessCells, ScriptedGenerator
from tests.engine.loop.test_loop import SETTINGS, Watcher, write

from sv_engine.config.layers import load
from sv_engine.records import Verdicts
from sv_engine.run import journal as journal_module
from sv_engine.run.journal import Journal
from sv_engine.run.loop import Run, run_loop
from sv_engine.run.summary import summarise, write_summary
from sv_engine.train import PhaseResult, TrainProgress, TrainResult, TrainSpec

moments = 0
fatal = int(sys.argv[2])


def moment() -> None:
    """Count one; die at the fatal one."""
    global moments
    moments += 1
    if moments == fatal:
        os.killpg(os.getpgid(0), signal.SIGKILL)


class Generator(ScriptedGenerator):
    async def generate(self, request: Any) -> Any:
        async for completion in super().generate(request):
            moment()
            yield completion


class Cells(InProcessCells):
    async def judge(self, solutions: Sequence[str], tests: Sequence[str], *rest: Any) -> Verdicts:
        verdicts = await super().judge(solutions, tests, *rest)
        moment()
        return verdicts


async def train(spec: TrainSpec, on_progress: Callable[[TrainProgress], None]) -> TrainResult:
    """Writes what a trainer writes: aside, then renamed."""
    assert not spec.output.exists()
    for step in (1, 2, 3):
        rows = [3 * step, 3 * step + 1, 3 * step + 2]
        on_progress(TrainProgress("sft", step, 3, 0.5 / step, 1e-4, {"grad_norm": 1.0}, rows))
        moment()
    part = spec.output.with_name("part")
    (part / "weights").mkdir(parents=True)
    moment()
    (part / "weights" / "file").write_text("weights")
    part.rename(spec.output)
    moment()
    phase = PhaseResult(3, 9, 0, 0.5, 0.1, 0.1, {})
    return TrainResult(spec.output / "weights", None, phase, None, 0, 0, 0, 0)


commit = Journal._commit


def commit_and_count(self: Journal, rows: Any) -> None:
    moment()
    commit(self, rows)
    moment()


Journal._commit = commit_and_count  # type: ignore[method-assign]
journal_module.FLUSH_S = 0.002


async def main(folder: Path, settings: Sequence[str]) -> None:
    config = load(settings=[*SETTINGS, *settings])
    generator = Generator(write)
    with Journal(folder) as journal:
        async with generator:
            run = Run(config, folder, generator, Cells(), train, journal, Watcher())
            reports = await run_loop(run)
    write_summary(folder / "summary.json", summarise(config, reports, 0.0, 0))


asyncio.run(main(Path(sys.argv[1]), sys.argv[3:]))
print(moments)
