"""What `sv-engine run` shows while it works: a bar per phase and one for the whole run.

On a terminal the bars are live; elsewhere a line is printed every few seconds. The time left of
the whole run is its share of an estimate of work that the configuration implies, in sampled
completions; training counts as its measured part of a default run.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from sv_engine.config.sections import Config, TestSampling
from sv_engine.problems.jsonl import SHOWN_ROWS, BadRow, lines_of
from sv_engine.run.report import IterationReport
from sv_engine.run.summary import table

PLAIN_TICK_S = 5.0
TRAIN_SHARE = 0.4
"""Wall time of training in the default run, as a share of that of playing."""


class Display:
    """The loop's `Watcher`; a context manager."""

    def __init__(self, console: Console, config: Config) -> None:
        self._console = console
        self._config = config
        self._live = console.is_terminal
        self._progress = Progress(
            TextColumn("{task.description:<24}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(elapsed_when_finished=False),
            TextColumn("{task.fields[note]}"),
            console=console,
            disable=not self._live,
            transient=True,
        )
        self._whole = self._progress.add_task("whole run", total=total_work(config), note="")
        self._phase: TaskID | None = None
        self._name, self._done, self._total, self._note = "start", 0, 0, ""
        self._phase_work = 0.0
        self._work_before = 0.0
        self._printed_s = self._start_s = time.monotonic()
        self._notes = 0
        self._reports: list[IterationReport] = []

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def begin(self, phase: str, total: int) -> None:
        """A phase of `total` units starts; it ends the one before."""
        self._work_before += self._phase_work
        self._phase_work = phase_work(self._config, phase)
        self._name, self._done, self._total, self._note = phase, 0, total, ""
        if self._phase is not None:
            self._progress.remove_task(self._phase)
        self._phase = self._progress.add_task(phase, total=total or None, note="")
        self._print()

    def advance(self, units: int = 1, note: str = "") -> None:
        """Units of the current phase are done."""
        self._done += units
        self._note = note or self._note
        if self._phase is not None:
            self._progress.update(self._phase, completed=self._done, note=self._note)
        self._progress.update(self._whole, completed=self._work_done())
        if time.monotonic() - self._printed_s >= PLAIN_TICK_S:
            self._print()

    def iteration(self, report: IterationReport) -> None:
        """An iteration is measured."""
        self._reports.append(report)
        self._console.print(table(self._config, self._reports))

    def note(self, text: str) -> None:
        """Something was dropped, and the run goes on; the first are shown."""
        self._notes += 1
        if self._notes <= SHOWN_ROWS:
            self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def skipped(self, bad_rows: Sequence[BadRow]) -> None:
        """Some rows of the run's files cannot be used."""
        for line in lines_of(bad_rows):
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def _work_done(self) -> float:
        share = min(1.0, self._done / self._total) if self._total else 0.0
        return self._work_before + share * self._phase_work

    def _print(self) -> None:
        if self._live:
            return
        self._printed_s = time.monotonic()
        elapsed_s = self._printed_s - self._start_s
        share = self._work_done() / total_work(self._config)
        left = f"about {elapsed_s * (1 - share) / share:,.0f} s left" if share else "starting"
        count = f" {self._done:,}/{self._total:,}" if self._total else ""
        line = f"{elapsed_s:6.0f} s · {self._name}{count} · {self._note} · {left}"
        self._console.print(line.replace(" ·  · ", " · "), highlight=False, soft_wrap=True)


def total_work(config: Config) -> float:
    """Work of the whole run, in completions."""
    names = ["iteration 0: evaluate"]
    for iteration in range(1, config.run.iterations + 1):
        names += [f"iteration {iteration}: {phase}" for phase in PHASES]
    return sum(phase_work(config, name) for name in names)


PHASES: Sequence[str] = ("play", "sft", "dpo", "evaluate")


def phase_work(config: Config, name: str) -> float:
    """Work of one phase, in completions; 0 for phases that take no time to speak of."""
    generate, evaluate = config.generate, config.evaluate
    tests = generate.tests
    if generate.test_sampling is TestSampling.TWO_STAGE:
        tests *= 1 + generate.derivations
    play = config.problems.count * (generate.solutions + tests)
    per_problem = sum(evaluate.samples if t > 0 else 1 for t in evaluate.temperatures)
    match name.rpartition(": ")[2]:
        case "play":
            return float(play)
        case "sft" | "dpo":
            return TRAIN_SHARE * play / 2
        case "evaluate":
            return 2.0 * evaluate.problems * per_problem
        case _:
            return 0.0
