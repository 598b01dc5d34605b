"""What `sv-engine run` shows while it works: a bar per phase and one for the whole run.

On a terminal the bars are live; elsewhere a line is printed every few seconds. The time left is
that of `forecast`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from sv_engine.config.sections import Config
from sv_engine.problems.jsonl import SHOWN_ROWS, BadRow, lines_of
from sv_engine.run.forecast import Forecast
from sv_engine.run.report import IterationReport
from sv_engine.run.summary import table

PLAIN_TICK_S = 5.0


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
            TextColumn("{task.fields[note]}"),
            console=console,
            disable=not self._live,
            transient=True,
        )
        self._whole = self._progress.add_task("whole run", total=None, note="")
        self._phase: TaskID | None = None
        self._name, self._done, self._total, self._note = "start", 0, 0, ""
        self._forecast = Forecast(config)
        self._printed_s = self._start_s = time.monotonic()
        self._notes = 0
        self._reports: list[IterationReport] = []

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._progress.stop()

    def begin(self, phase: str, total: int, spent_s: float = 0.0) -> None:
        """A phase of `total` units starts; it ends the one before. spent_s: of earlier ones."""
        self._forecast.begin(phase, time.monotonic(), spent_s)
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
        self._forecast.advance(self._done / self._total if self._total else 0.0)
        self._progress.update(self._whole, note=self._left())
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

    def _left(self) -> str:
        left_s = self._forecast.left_s(time.monotonic())
        if left_s is None:
            return "time left not known yet"
        return f"about {timedelta(seconds=round(left_s))} left"

    def _print(self) -> None:
        if self._live:
            return
        self._printed_s = time.monotonic()
        elapsed_s = self._printed_s - self._start_s
        count = f" {self._done:,}/{self._total:,}" if self._total else ""
        line = f"{elapsed_s:6.0f} s · {self._name}{count} · {self._note} · {self._left()}"
        self._console.print(line.replace(" ·  · ", " · "), highlight=False, soft_wrap=True)
