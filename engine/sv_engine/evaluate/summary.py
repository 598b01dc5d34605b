"""What a set of outcomes comes to: counts, and pass@1 of each selector's choice.

Outcomes are added one by one and only numbers are kept, so that memory does not grow with their
cells. The keys of `Tally.figures` are those of summary.json (docs/formats.md).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from sv_engine.evaluate.metrics import Estimate, estimate, expected_value
from sv_engine.execute.sandbox import trust_names, verdict_names
from sv_engine.records import Outcome, Recheck, Repeat
from sv_engine.selection import SELECTORS, select

BASELINE = "random"
NAMED_HELD = 100
"""Problems with passes held back that a summary names."""
SHOWN_HELD = 5
"""And that a table names."""


class Held:
    """Passes held back for want of trust: how many, and of which problems."""

    def __init__(self) -> None:
        self.passes = 0
        self.by_problem: Counter[str] = Counter()

    def add(self, outcome: Outcome) -> None:
        """Count one problem."""
        if held := outcome.held_count:
            self.passes += held
            self.by_problem[outcome.problem.id] += held

    def figures(self) -> dict[str, Any]:
        """For a summary: those with most are named."""
        return {
            "passes": self.passes,
            "problems": len(self.by_problem),
            "most": dict(self.by_problem.most_common(NAMED_HELD)),
        }

    def line(self) -> str:
        """For a table."""
        if not self.passes:
            return "no pass held back for want of trust"
        names = [f"{name} ({n:,})" for name, n in self.by_problem.most_common(SHOWN_HELD)]
        more = len(self.by_problem) - len(names)
        rest = f" and {more:,} more" if more else ""
        return (
            f"{self.passes:,} passes of {len(self.by_problem):,} problems held back for want of "
            f"trust: {', '.join(names)}{rest}"
        )


class Tally:
    """Adds up outcomes, and judges every selector in `selectors` on each."""

    def __init__(self, selectors: Sequence[str] = tuple(SELECTORS)) -> None:
        self.selectors = tuple(selectors)
        self.problems = 0
        self.cells = 0
        self.held = Held()
        self._counts: Counter[str] = Counter()
        self._verdicts = np.zeros(len(verdict_names()), dtype=np.int64)
        self._reference_verdicts = np.zeros_like(self._verdicts)
        self._trust = np.zeros(len(trust_names()), dtype=np.int64)
        self._reference_trust = np.zeros_like(self._trust)
        self._rechecks = np.zeros(len(Recheck), dtype=np.int64)
        self._dropped: Counter[str] = Counter()
        self._pass_at_1: dict[str, list[float]] = {name: [] for name in self.selectors}

    def add(self, outcome: Outcome) -> None:
        """Count one problem and let every selector choose."""
        candidates, tests, reference = outcome.candidates, outcome.tests, outcome.reference
        self.problems += 1
        self.cells += tests.verdict_ST.size
        self.held.add(outcome)
        _add_by_kind(self._verdicts, tests.verdict_ST)
        _add_by_kind(self._trust, tests.trust_ST)
        self._counts["solutions"] += len(candidates.solutions)
        self._counts["tests"] += len(candidates.tests)
        self._counts["vacuous_tests"] += int(tests.vacuous_T.sum())
        self._counts["repeated_cells"] += int((tests.repeat_ST != Repeat.NONE).sum())
        self._counts["flipped_cells"] += int((tests.repeat_ST == Repeat.FLIPPED).sum())
        self._counts["solution_samples"] += sum(s.weight for s in candidates.solutions)
        self._counts["test_samples"] += sum(t.weight for t in candidates.tests)
        self._counts["near_limit_cells"] += int(tests.near_limit_ST.sum())
        for block in outcome.blocks():
            _add_by_kind(self._rechecks, block.verdicts.recheck_ST)
            self._counts["cpu_us"] += int(block.verdicts.cpu_us_ST.sum(dtype=np.int64))
        self._dropped.update(candidates.dropped)
        if reference is None:
            return
        self._counts["reference_cells"] += reference.verdict_ST.size
        self._counts["near_limit_reference_cells"] += int(reference.near_limit_ST.sum())
        _add_by_kind(self._reference_verdicts, reference.verdict_ST)
        _add_by_kind(self._reference_trust, reference.trust_ST)
        correct_S = reference.passed_ST[:, 0].astype(np.float64)
        correct_S[~reference.known_ST[:, 0]] = np.nan
        evidence = outcome.evidence
        for name in self.selectors:
            score_S = select(name, evidence).score_S
            self._pass_at_1[name].append(expected_value(score_S, evidence.weight_S, correct_S))

    def pass_at_1(self) -> dict[str, Estimate]:
        """pass@1 of each selector's choice, over the problems that have a reference test."""
        return {name: estimate(values) for name, values in self._pass_at_1.items()}

    def verdicts(self) -> dict[str, int]:
        """How many cells have which verdict, those that occur."""
        return {kind: n for kind, n in _named(verdict_names(), self._verdicts).items() if n}

    def dropped(self) -> str:
        """Why samples gave no solution or test, and how often; empty if all did."""
        return ", ".join(f"{n:,} x {reason}" for reason, n in self._dropped.most_common(6))

    def figures(self) -> dict[str, Any]:
        """All counts and estimates, ready for JSON: NaN is None."""
        counts = self._counts
        return {
            "problems": self.problems,
            "solutions": counts["solutions"],
            "tests": counts["tests"],
            "solution_samples": counts["solution_samples"],
            "test_samples": counts["test_samples"],
            "dropped_samples": dict(self._dropped.most_common()),
            "cells": self.cells,
            "verdicts": _named(verdict_names(), self._verdicts),
            "trust": _named(trust_names(), self._trust),
            "held_back": self.held.figures(),
            "vacuous_tests": counts["vacuous_tests"],
            "near_limit_cells": counts["near_limit_cells"],
            "reference_cells": counts["reference_cells"],
            "reference_verdicts": _named(verdict_names(), self._reference_verdicts),
            "reference_trust": _named(trust_names(), self._reference_trust),
            "near_limit_reference_cells": counts["near_limit_reference_cells"],
            "timeouts": {
                kind.name.lower(): int(self._rechecks[kind]) for kind in list(Recheck)[1:]
            },
            "confirm": {
                "cells": counts["repeated_cells"],
                "flips": counts["flipped_cells"],
                "flip_rate": self.flip_rate(),
            },
            "cpu_s": counts["cpu_us"] / 1e6,
            "selectors": {
                name: {"pass_at_1": _plain(e.mean)}
                | {k: _plain(getattr(e, k)) for k in ("standard_error", "low", "high")}
                | {"problems": e.count}
                for name, e in self.pass_at_1().items()
            },
        }

    def flip_rate(self) -> float | None:
        """Share of the cells judged twice that flipped; None if none was."""
        repeated = self._counts["repeated_cells"]
        return self._counts["flipped_cells"] / repeated if repeated else None

    def footer(self) -> str:
        """What to know about the evidence, in a few lines."""
        counts, rechecks = self._counts, self._rechecks
        lines = [
            f"trust of {self.cells:,} cells: {_counted(trust_names(), self._trust)}; "
            f"{counts['vacuous_tests']:,} of {counts['tests']:,} tests vacuous",
            "verdicts: " + _counted(verdict_names(), self._verdicts),
            self.held.line(),
        ]
        if counts["repeated_cells"]:
            lines.append(
                f"{counts['flipped_cells']:,} of {counts['repeated_cells']:,} passes flipped under "
                "another seed"
            )
        if rechecks[Recheck.ASSUMED]:
            lines.append(
                f"timeouts under a short limit, of programs that timed out under the whole one: "
                f"{rechecks[Recheck.ASSUMED]:,} (`--exact` runs each to its limit)"
            )
        if rechecks[Recheck.NONE + 1 : Recheck.ASSUMED].any():
            lines.append(
                f"timeouts run again: {rechecks[Recheck.CONFIRMED]:,} confirmed, "
                f"{rechecks[Recheck.OVERTURNED]:,} overturned, "
                f"{rechecks[Recheck.NOT_CONFIRMED]:,} not confirmed"
            )
        return "\n".join(lines)


def results_table(tally: Tally) -> Table:
    """What was found: of the selectors, or of the cells where no problem has a reference_test."""
    estimates, footer = tally.pass_at_1(), tally.footer()
    if any(estimate.count for estimate in estimates.values()):
        return selector_table(estimates, footer)
    return verdict_table(tally.verdicts(), footer)


def selector_table(estimates: Mapping[str, Estimate], footer: str) -> Table:
    """A table of pass@1 of each selector's choice beside that of a random sample, in percent."""
    table = Table(
        title="pass@1 of the chosen solution, judged by the benchmark's own test",
        caption=footer,
        caption_justify="left",
    )
    table.add_column("selector")
    table.add_column("pass@1 %", justify="right")
    table.add_column("95% interval", justify="right")
    if baseline := estimates.get(BASELINE):
        table.add_column("random sample %", justify="right")
        table.add_column("gain", justify="right")
    for name, found in estimates.items():
        row = [name, _percent(found.mean), f"{_percent(found.low)} to {_percent(found.high)}"]
        if baseline:
            row += [_percent(baseline.mean), _percent(found.mean - baseline.mean, sign="+")]
        table.add_row(*row)
    return table


def verdict_table(verdicts: Mapping[str, int], footer: str) -> Table:
    """A table of the cells by verdict, for problems without a test that tells right from wrong."""
    table = Table(
        title="cells by verdict; no problem has a reference_test",
        min_width=60,
        caption=footer,
        caption_justify="left",
    )
    table.add_column("verdict")
    table.add_column("cells", justify="right")
    table.add_column("share %", justify="right")
    total = sum(verdicts.values()) or 1
    for kind, count in verdicts.items():
        table.add_row(kind, f"{count:,}", _percent(count / total))
    return table


def _add_by_kind(totals: NDArray[np.int64], codes: NDArray[np.uint8]) -> None:
    totals += np.bincount(codes.ravel(), minlength=len(totals))


def _named(names: Sequence[str], counts: NDArray[np.int64]) -> dict[str, int]:
    return {name: int(n) for name, n in zip(names, counts, strict=True)}


def _counted(names: Sequence[str], counts: NDArray[np.int64]) -> str:
    found = [f"{n:,} {name}" for name, n in _named(names, counts).items() if n]
    return ", ".join(found) or "none"


def _percent(share: float, sign: str = "") -> str:
    return "-" if math.isnan(share) else f"{100 * share:{sign}.1f}"


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else value
