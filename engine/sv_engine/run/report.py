"""What one iteration came to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from sv_engine.evaluate.metrics import Estimate
from sv_engine.evaluate.summary import Held
from sv_engine.records import Outcome, Recheck

Figures = dict[float, dict[str, Estimate]]
"""Temperature -> figure -> estimate."""


@dataclass(slots=True)
class IterationReport:
    """What one iteration came to; 0 is the base model."""

    iteration: int
    figures: Figures = field(default_factory=dict)
    played: dict[str, Any] = field(default_factory=dict)
    """Problems, samples, cells, timeouts run again, refusals, examples and pairs."""
    trained: dict[str, Any] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    """Requests that the model could not be asked, and why."""
    wall_s: dict[str, float] = field(default_factory=dict)
    """Seconds of each phase."""


@dataclass(slots=True)
class PlayCounts:
    """What the outcomes of an iteration add up to."""

    uses: Counter[str] = field(default_factory=Counter)
    cells: int = 0
    rechecks: Counter[Recheck] = field(default_factory=Counter)
    held: Held = field(default_factory=Held)

    def add(self, outcome: Outcome, use: str) -> None:
        """Count one problem."""
        self.uses[use] += 1
        self.cells += outcome.tests.verdict_ST.size
        self.held.add(outcome)
        self.rechecks.update(map(Recheck, outcome.tests.recheck_ST.ravel().tolist()))

    def figures(self) -> dict[str, Any]:
        """For the summary."""
        return {
            "outcomes": dict(sorted(self.uses.items())),
            "cells": self.cells,
            "timeouts": {kind.name.lower(): self.rechecks[kind] for kind in list(Recheck)[1:]},
            "held_back": self.held.figures(),
        }
