"""A phase of an iteration: shown while it lasts, and timed over all processes that work on it.

The seconds of a phase that is over are its event in the journal. Those of one that is not are kept
there meanwhile, so that a process that goes on with it knows at which pace it came so far.
"""

from __future__ import annotations

import time

from sv_engine.run.report import IterationReport
from sv_engine.run.state import Run

KEEP_S = 5.0
"""Seconds of a phase that a kill may lose."""


class Phase:
    """See the module; it begins when it is made."""

    def __init__(self, run: Run, iteration: int, name: str, total: int) -> None:
        """name: `play`, `train` or `evaluate`. total: its units; 0 where they are not known."""
        self._run, self._iteration, self._name = run, iteration, name
        self._key = f"seconds of iteration {iteration}: {name}"
        self._earlier = run.journal.event(iteration, name)
        kept = run.journal.stored("SELECT value FROM run WHERE key = ?", self._key)
        so_far = float(kept[0][0]) if kept else 0.0
        spent_s: float = self._earlier["wall_s"] if self._earlier else so_far
        self._kept_s = time.perf_counter()
        self._start_s = self._kept_s - spent_s
        run.watcher.begin(f"iteration {iteration}: {name}", total, spent_s)

    def advance(self, note: str = "") -> None:
        """A unit is done."""
        self._run.watcher.advance(note=note)
        now_s = time.perf_counter()
        if self._earlier is None and now_s - self._kept_s >= KEEP_S:
            self._kept_s = now_s
            self._run.journal.add("run", self._key, str(now_s - self._start_s))

    def end(self, report: IterationReport) -> None:
        """It is over; one that was over before keeps its time."""
        wall_s = time.perf_counter() - self._start_s
        report.wall_s[self._name] = self._earlier["wall_s"] if self._earlier else wall_s
        if self._earlier is None:
            self._run.journal.add_event(self._iteration, self._name, wall_s=wall_s)
