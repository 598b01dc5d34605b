"""Public benchmarks in a run: both roles on each, after every iteration, at the headline setting.

In: the files that `evaluate.benchmarks` names, and the run's own sampler, whose samples are
journalled. Out: figures named `<benchmark>/<figure>`, those of `sv-engine eval`, each task judged
by its benchmark's own rule; in `benchmarks/<benchmark>/iteration_<n>` of the run directory the
programs, for other graders, and the bank of mutants. What is journalled is not sampled again by a
run that goes on; it is judged again, which is quick beside it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

from sv_engine.benchmarks.evaluation import Settings, evaluate
from sv_engine.benchmarks.score import Bank
from sv_engine.benchmarks.tasks import Benchmark, load_all
from sv_engine.config.sections import Config
from sv_engine.evaluate.metrics import Estimate
from sv_engine.executors.local import LocalExecutor
from sv_engine.executors.protocol import RowExecutor, Terms
from sv_engine.executors.row_pool import open_rows
from sv_engine.generate.protocol import Sampler, Sampling
from sv_engine.problems.jsonl import BadRow
from sv_engine.prompts.roles import templates

OUTPUT_BYTES = 64 << 20
"""What a program of a benchmark may print."""


class RunBenchmarks:
    """The benchmarks of one run; raises EngineError for a file that is not there."""

    def __init__(self, config: Config, bad_rows: list[BadRow]) -> None:
        """bad_rows: gets the rows that cannot be used."""
        self._config = config
        wanted = config.evaluate
        self.all: list[Benchmark] = load_all(wanted.benchmarks, wanted.data, bad_rows)
        self._banks: dict[str, Bank] = {}

    @property
    def tasks(self) -> int:
        """Of all of them."""
        return sum(len(one.tasks) for one in self.all)

    def texts(self) -> list[str]:
        """What no problem that is played may share a run of words with."""
        problems = (task.problem for one in self.all for task in one.tasks)
        return [text for p in problems for text in (p.prompt, p.reference_solution) if text]

    async def evaluate(
        self, sampler: Sampler, folder: Path, iteration: int, on_task: Callable[[], None]
    ) -> dict[str, Estimate]:
        """The figures of one iteration. folder: of the run. on_task: a task was answered or judged;
        what it raises ends the evaluation."""
        found: dict[str, Estimate] = {}
        async with AsyncExitStack() as opened:
            executor = _open(self._config)
            opened.push_async_callback(executor.close)
            for one in self.all:
                place = folder / "benchmarks" / one.name / f"iteration_{iteration}"
                place.mkdir(parents=True, exist_ok=True)
                result = await evaluate(
                    one.tasks,
                    self._settings(),
                    templates(self._config.roles),
                    sampler,
                    executor,
                    place,
                    store=None,
                    bank=self._banks.get(one.name),
                    on_task=on_task,
                )
                self._banks[one.name] = result.bank
                found |= {f"{one.name}/{name}": e for name, e in result.figures.items()}
        return found

    def _settings(self) -> Settings:
        config = self._config
        generate, wanted, execute = config.generate, config.evaluate, config.execute
        temperature = wanted.temperatures[0]
        samples = wanted.samples if temperature > 0 else 1
        sampling = Sampling(
            temperature,
            generate.top_p if temperature > 0 else 1.0,
            generate.max_tokens,
            min_p=generate.min_p if temperature > 0 else 0.0,
        )
        terms = Terms(
            cpu_s=execute.reference_cpu_s,
            output_bytes=OUTPUT_BYTES,
            trust=execute.trust,
            below=execute.below,
        )
        ks = [k for k in wanted.k if k <= samples]
        return Settings(("solver", "verifier"), samples, ks, sampling, terms)


def _open(config: Config) -> RowExecutor:
    """Where the run's own cells run, too."""
    execute = config.execute
    if execute.executor == "local":
        return LocalExecutor(execute.workers, require=execute.require)
    return open_rows(execute.executor, execute.servers, os.environ.get("SV_TOKEN"))
