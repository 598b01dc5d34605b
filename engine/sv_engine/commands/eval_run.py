"""What `sv-engine eval` does: the doors opened once, each benchmark tuned and evaluated.

In: benchmarks, each with its validation tasks where a temperature is to be found, and settings.
Out: `Found` by benchmark; in the folder of each, what `benchmarks.evaluation` leaves, and
`completions.jsonl`, every raw completion, so that the same call goes on where it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from sv_engine.benchmarks.evaluation import Evaluation, Settings, evaluate
from sv_engine.benchmarks.samples import Texts, read_samples
from sv_engine.benchmarks.tasks import Benchmark, Task
from sv_engine.benchmarks.tuning import Tuned, at, tune
from sv_engine.commands.progress import Snapshot, progress_line
from sv_engine.executors.local import LocalExecutor
from sv_engine.generate.protocol import Sampler
from sv_engine.problems.jsonl import BadRow, lines_of
from sv_engine.prompts.roles import RoleTemplates, templates

if TYPE_CHECKING:
    from sv_engine.config.sections import Config

STORE = "completions.jsonl"


@dataclass(frozen=True, slots=True)
class Found:
    """One benchmark."""

    evaluation: Evaluation
    tuned: dict[str, Tuned] = field(default_factory=dict)
    """Role -> its temperature, where that was to be found."""

    def as_json(self) -> dict[str, Any]:
        """Ready for `evaluation.json`."""
        tuned = {
            role: {"temperature": one.temperature, "validation": one.figures}
            for role, one in self.tuned.items()
        }
        return self.evaluation.as_json() | ({"tuned": tuned} if tuned else {})


@dataclass(frozen=True, slots=True)
class EvalRun:
    """One call."""

    settings: Settings
    config: Config | None
    """Of the model; None: programs are read from `samples`."""
    samples: Path | None
    temperatures: Sequence[float]
    """Those to choose from; none: that of the settings."""
    folder: Path
    workers: int | None
    errors: Console

    async def run(
        self, wanted: Sequence[Benchmark], validation: Sequence[Benchmark]
    ) -> dict[str, Found]:
        """Everything. validation: of each in `wanted`, where there are temperatures."""
        from sv_engine.config.sections import Roles
        from sv_engine.run.doors import open_generator

        found: dict[str, Found] = {}
        async with AsyncExitStack() as open_doors:
            executor = LocalExecutor(self.workers, require="basic")
            open_doors.push_async_callback(executor.close)
            generator = None
            if self.config is not None:
                self.errors.print("starting the engine")
                opening = open_generator(self.config, self.folder)
                generator = await open_doors.enter_async_context(opening)
            texts = templates(self.config.roles if self.config else Roles())
            bench = Bench(self, executor, generator, texts)
            for number, one in enumerate(wanted):
                place = self.folder / one.name if len(wanted) > 1 else self.folder
                held_back = validation[number].tasks if self.temperatures else []
                found[one.name] = await bench.one(one, held_back, place)
        return found


@dataclass(frozen=True, slots=True)
class Bench:
    """The open doors of a call."""

    call: EvalRun
    executor: LocalExecutor
    generator: Sampler | None
    templates: RoleTemplates

    async def one(self, benchmark: Benchmark, validation: list[Task], place: Path) -> Found:
        """A benchmark: tuned where there are validation tasks, then evaluated role by role."""
        call, settings = self.call, self.call.settings
        given = self._read(benchmark.tasks) if call.samples else None
        if not validation:
            return Found(
                await self._measure(benchmark.name, benchmark.tasks, settings, place, given)
            )

        async def on_validation(some: Settings) -> Evaluation:
            t = some.sampling.temperature
            name = f"{benchmark.name} validation, T={t:g}"
            return await self._measure(name, validation, some, place / f"validation_T{t:g}")

        tuned = await tune(settings, call.temperatures, on_validation)
        whole = Evaluation()
        for role, one in tuned.items():
            own = at(replace(settings, roles=(role,)), one.temperature)
            whole.add(await self._measure(benchmark.name, benchmark.tasks, own, place))
        return Found(whole, tuned)

    async def _measure(
        self,
        name: str,
        tasks: list[Task],
        settings: Settings,
        place: Path,
        given: Texts | None = None,
    ) -> Evaluation:
        _make(place)
        done = 0
        # Programs are sampled, and judged; tests are sampled.
        steps = ("solver" in settings.roles) * (1 if given else 2) + ("verifier" in settings.roles)

        def on_task() -> None:
            nonlocal done
            done += 1

        def look() -> Snapshot:
            return Snapshot(done // max(1, steps), len(given or tasks), f"tasks of {name}")

        async with progress_line(self.call.errors, look):
            return await evaluate(
                tasks,
                settings,
                self.templates,
                self.generator,
                self.executor,
                place,
                given,
                store=place / STORE,
                on_task=on_task,
            )

    def _read(self, tasks: list[Task]) -> Texts:
        assert self.call.samples is not None
        bad_rows: list[BadRow] = []
        given = read_samples(self.call.samples, tasks, bad_rows)
        for line in lines_of(bad_rows):
            self.call.errors.print(line, highlight=False, soft_wrap=True)
        return given


def _make(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
