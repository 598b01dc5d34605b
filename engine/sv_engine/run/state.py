"""Everything that one run holds while it goes: its doors, and what its iterations have left."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from sv_engine.config.sections import Config
from sv_engine.dataset.recipes import TrainingData
from sv_engine.errors import RunStopped
from sv_engine.generate import Generator
from sv_engine.play.pipeline import CellRunner
from sv_engine.problems.jsonl import BadRow
from sv_engine.run.benchmarks import RunBenchmarks
from sv_engine.run.journal import Journal
from sv_engine.run.journalled import JournalledGenerator
from sv_engine.run.report import IterationReport
from sv_engine.run.watcher import Watcher
from sv_engine.train import TrainProgress, TrainResult, TrainSpec

Trainer = Callable[[TrainSpec, Callable[[TrainProgress], None]], Awaitable[TrainResult]]


@dataclass(slots=True)
class Run:
    """Everything one run holds."""

    config: Config
    folder: Path
    generator: Generator
    executor: CellRunner
    train: Trainer
    journal: Journal
    watcher: Watcher
    on_report: Callable[[list[IterationReport]], None] = lambda _: None
    """Called after every iteration with all reports so far: who writes the summary."""
    stopping: Callable[[], bool] = lambda: False
    """Whether nothing further is to be begun."""
    reports: list[IterationReport] = field(default_factory=list)
    bad_rows: list[BadRow] = field(default_factory=list)
    """Rows of the run's files that cannot be used."""
    played: list[str] = field(default_factory=list)
    """Prompts of the iterations before."""
    earlier: TrainingData = field(default_factory=TrainingData)
    """Accepted data of the iterations before."""
    weights: str = ""
    """Whole weights to go on from."""
    adapter: Path | None = None
    sampler: JournalledGenerator = field(init=False)
    benchmarks: RunBenchmarks = field(init=False)

    def __post_init__(self) -> None:
        self.benchmarks = RunBenchmarks(self.config, self.bad_rows)
        self.sampler = JournalledGenerator(self.generator, self.journal, self.watcher.note)

    def go_on(self) -> None:
        """Raises RunStopped where somebody asked for it."""
        if self.stopping():
            raise RunStopped
