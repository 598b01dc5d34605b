"""Who is told how far a run is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from sv_engine.problems.jsonl import BadRow
from sv_engine.run.report import IterationReport


class Watcher(Protocol):
    """Who is told how far the run is."""

    def begin(self, phase: str, total: int, spent_s: float = 0.0) -> None:
        """A phase of `total` units starts; it ends the one before. spent_s: what earlier processes
        took for its first units, which are found now, or for all of it."""

    def advance(self, units: int = 1, note: str = "") -> None:
        """Units of the current phase are done."""

    def iteration(self, report: IterationReport) -> None:
        """An iteration is measured."""

    def note(self, text: str) -> None:
        """Something was dropped, and the run goes on."""

    def skipped(self, bad_rows: Sequence[BadRow]) -> None:
        """Some rows of the run's files cannot be used."""
