"""A run that is killed, with all its processes, at a moment that is told; for `test_resume`.

Arguments: folder, fatal moment (`LABEL:K`, the K-th of a label; `-`: never), settings. A moment is
whatever the run does that the world can see, labelled by what it is: a sample of some stage, a
matrix of the real sandbox, a row of some table, a commit, a step in the trainer's process, a
rename. At the end the script prints how many of each label there were.

Long samples arrive last, as a model delivers them. `trace.log` in the folder says in which order
samples were delivered and transactions begun and ended.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar

sys.path.insert(0, str(Path(__file__).parents[3]))

from tests.engine.loop.conftest import ScriptedGenerator
from tests.engine.loop.test_deaths import fake_model
from tests.engine.loop.test_loop import SETTINGS, Watcher, write
from tests.killing import kill_tree

from sv_engine.config.layers import load
from sv_engine.execute.executor import Executor
from sv_engine.generate import GenerationRequest
from sv_engine.generate.streams import Stream
from sv_engine.records import Completion, Verdicts
from sv_engine.run import journal as journal_module
from sv_engine.run import phase
from sv_engine.run.journal import Journal, Scope
from sv_engine.run.loop import run_loop
from sv_engine.run.packs import Samples
from sv_engine.run.state import Run
from sv_engine.run.summary import summarise, write_summary
from sv_engine.train import train

folder = Path(sys.argv[1])
fatal = sys.argv[2]
settings = sys.argv[3:]
counts: Counter[str] = Counter()
trace = (folder / "trace.log").open("a")

TRAINER = """
import json, os, pathlib, shutil, sys
sys.path.insert(0, {root!r})
from tests.killing import kill_tree
spec = json.load(open(sys.argv[-1]))
out = pathlib.Path(spec["output"])
def moment(what):
    if {fatal!r} == f"trainer of {{out.parent.name}}, {{what}}:1":
        kill_tree(os.getppid())
moment("begun")
for step in (1, 2, 3):
    told = {{"phase": "sft", "step": step, "total": 3, "loss": 0.5 / step, "learning_rate": 0.1}}
    told |= {{"metrics": {{"grad_norm": 1.0}}, "rows": [3 * step, 3 * step + 1, 3 * step + 2]}}
    print(json.dumps({{"event": "step", **told}}), flush=True)
    moment(f"step {{step}}")
part = out.with_name(f".{{out.name}}.part")
shutil.copytree({base!r}, part / "weights")
moment("written")
part.rename(out)
moment("renamed")
phase = {{"steps": 3, "rows": 9, "dropped_rows": 0, "first_loss": 0.5, "last_loss": 0.1}}
phase |= {{"wall_s": 0.1, "metrics": {{}}}}
result = {{"weights": True, "adapter": False, "import_s": 0, "load_s": 0, "save_s": 0}}
print(json.dumps({{"event": "result", "sft": phase, **result}}), flush=True)
"""
TRAINER_MOMENTS = ("begun", "step 1", "step 2", "step 3", "written", "renamed")


def moment(label: str) -> None:
    """Count one; die at the fatal one."""
    counts[label] += 1
    if fatal == f"{label}:{counts[label]}":
        kill_tree(os.getpid())


def note(what: str, *more: Any) -> None:
    """A line of the trace, written at once."""
    trace.write(json.dumps([what, *more]) + "\n")
    trace.flush()


def write_longer(request: GenerationRequest, sample: int) -> str:
    """The same answers, of very different lengths."""
    rng = random.Random(f"{request.prompt} {sample}")
    return write(request, sample) + "\n" * rng.choice((0, 0, 50, 3000))


class Generator(ScriptedGenerator):
    async def _deliver(self, stream: Stream) -> None:
        request = stream.request
        texts = {n: self.write(request, request.first + n) for n in range(request.n)}
        for number in sorted(texts, key=lambda n: len(texts[n])):
            await asyncio.sleep(0)
            text = texts[number]
            stream.deliver(Completion(request.problem_id, request.role, text, "stop", 1, number))

    async def _load_weights(self, path: Path) -> None:
        moment("weights not loaded")
        await super()._load_weights(path)
        moment("weights loaded")


class Cells(Executor):
    async def judge(self, *given: Any) -> Verdicts:
        moment("matrix begun")
        verdicts = await super().judge(*given)
        verdicts.cpu_us_ST[:] = 100  # differs from run to run
        moment("matrix judged")
        return verdicts


class Noted(list[Any]):
    """Samples of one request."""

    def __init__(self, stage: str, number: int) -> None:
        super().__init__()
        self.stage, self.number = stage, number

    def append(self, one: Any) -> None:
        super().append(one)
        if one is not None:
            note("sample", self.number, one.sample, len(one.text))
            moment(f"sample of {self.stage}")


class Counted(Journal):
    stages: ClassVar[dict[int, str]] = {}

    def number_of(self, scope: Scope, *asked: Any) -> int:
        number = super().number_of(scope, *asked)
        self.stages[number] = scope.stage.split()[0]
        return number

    def samples_of(self, number: int) -> Samples:
        samples = Noted(self.stages[number], number)
        self.add("pack", number, samples)
        return samples

    def add(self, table: str, *values: Any) -> None:
        super().add(table, *values)
        moment(f"row of {table}")

    def _ready(self, rows: Any) -> Any:
        note("begin")  # what is handed over from here on may or may not be among them
        return super()._ready(rows)

    def _commit(self, tables: Any) -> None:
        moment("before a commit")
        super()._commit(tables)
        note("end")
        moment("after a commit")


journal_module.FLUSH_S = 0.01
phase.KEEP_S = 0.0


async def main() -> None:
    base = folder.parent / "base"
    if not base.exists():
        fake_model(base)
    program = TRAINER.format(root=sys.path[0], fatal=fatal, base=str(base))
    launch = json.dumps([sys.executable, "-c", program])
    more = [f"model.path={base}", "dpo.enabled=false", f"train.launch={launch}"]
    config = load(settings=[*SETTINGS, *more, *settings])
    generator = Generator(write_longer)
    with Counted(folder) as journal, Cells(workers=1) as cells:
        async with generator:
            run = Run(config, folder, generator, cells, train, journal, Watcher())
            reports = await run_loop(run)
    moment("summary not written")
    write_summary(folder / "summary.json", summarise(config, reports, 0.0, 0))


if __name__ == "__main__":
    note("start")
    asyncio.run(main())
    for number in (1, 2):
        for what in TRAINER_MOMENTS:
            counts[f"trainer of iteration_{number}, {what}"] = 1
    print(json.dumps(counts))
