"""Walks over all stored outcomes of a folder once: counts by iteration, selectors, what to show.

Memory holds the shown problems only: the most suspicious `KEPT` of them.
"""

from __future__ import annotations

import heapq
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from sv_engine.evaluate.summary import Tally
from sv_engine.records import Outcome, Selection
from sv_engine.report.alarms import Health
from sv_engine.report.problems import Seen, see
from sv_engine.report.read import Record
from sv_engine.run.folder import reading
from sv_engine.run.outcomes import all_outcomes, outcomes_of_run
from sv_engine.selection import SELECTORS, select
from sv_engine.selection.arrays import top

KEPT = 3_000
"""Problems that are shown."""


@dataclass(slots=True)
class Compared:
    """What a selector believes, beside what the folder's own selector believes."""

    believing: int = 0
    """Problems of which it accepts anything."""
    asked: int = 0
    """Problems of which the folder's own selector accepts anything."""
    same: float = 0.0
    """Of those, how many times its best program is accepted there too; ties count in part."""
    programs: float = 0.0
    """Mean share of the sampled programs that it accepts."""
    tests: float = 0.0


@dataclass(slots=True)
class Gathered:
    """Everything about the matrices."""

    tallies: dict[int, Tally] = field(default_factory=dict)
    """By iteration; an `exec` has one, 0."""
    uses: dict[int, Counter[str]] = field(default_factory=dict)
    """Iteration -> `used`, or why not -> problems."""
    compared: dict[str, Compared] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    """The most suspicious first."""
    problems: int = 0

    def health(self) -> Health:
        """For the alarms."""
        health = Health()
        for figures in (tally.figures() for tally in self.tallies.values()):
            health.cells += figures["cells"]
            health.holes += figures["verdicts"]["infra"]
            health.held += figures["held_back"]["passes"]
            health.repeated += figures["confirm"]["cells"]
            health.flipped += figures["confirm"]["flips"]
            health.dropped += sum(figures["dropped_samples"].values())
            health.samples += figures["solution_samples"] + figures["test_samples"]
        health.samples += health.dropped
        return health


def gather(record: Record) -> Gathered:
    """All outcomes of play of a run, or all of an exec; raises EngineError."""
    found = Gathered(compared={name: Compared() for name in SELECTORS})
    kept: list[tuple[int, int, Seen]] = []
    order = count(0, -1)
    for iteration, outcome, chosen, use in _believed(record):
        found.problems += 1
        names = () if record.is_run else tuple(SELECTORS)
        found.tallies.setdefault(iteration, Tally(names)).add(outcome)
        found.uses.setdefault(iteration, Counter())[use] += 1
        _compare(outcome, chosen, found.compared)
        seen = see(outcome, chosen, use, iteration)
        entry = (seen.suspicion, next(order), seen)
        push = heapq.heappush if len(kept) < KEPT else heapq.heappushpop
        push(kept, entry)
    found.seen = [seen for *_, seen in sorted(kept, key=lambda x: (-x[0], -x[1]))]
    return found


def _believed(record: Record) -> Iterator[tuple[int, Outcome, Selection, str]]:
    """Iteration, outcome, what was believed, and what became of the problem."""
    if not record.is_run:
        for outcome in all_outcomes([record.folder]):
            chosen = select(record.selector, outcome.evidence)
            yield 0, outcome, chosen, "accepted" if chosen.accepted_S.any() else "nothing accepted"
        return
    selections = _selections(record.folder)
    for scope, outcome in outcomes_of_run(record.folder, "play"):
        stored = selections.get((scope.iteration, outcome.problem.id))
        if stored is not None:  # a run that is still going may be a row ahead
            yield (
                scope.iteration,
                outcome,
                _selection(outcome, record.selector, stored[1]),
                stored[0],
            )


def _selections(folder: Path) -> dict[tuple[int, str], tuple[str, dict[str, Any]]]:
    with reading(folder) as connection:
        rows = connection.execute("SELECT iteration, problem_id, outcome, detail FROM selection")
        return {(i, name): (use, json.loads(detail)) for i, name, use, detail in rows}


def _selection(outcome: Outcome, selector: str, detail: dict[str, Any]) -> Selection:
    solutions, tests = outcome.tests.verdict_ST.shape
    accepted_S, accepted_T = np.zeros(solutions, np.bool_), np.zeros(tests, np.bool_)
    accepted_S[detail["accepted_S"]] = True
    accepted_T[detail["accepted_T"]] = True
    return Selection(
        selector, accepted_S.astype(float), accepted_T.astype(float), accepted_S, accepted_T
    )


def _compare(outcome: Outcome, chosen: Selection, compared: dict[str, Compared]) -> None:
    """Let every selector choose."""
    evidence = outcome.evidence
    weight_S, weight_T = evidence.weight_S, evidence.weight_T
    for name, so_far in compared.items():
        other = select(name, evidence)
        so_far.believing += bool(other.accepted_S.any())
        so_far.programs += float(weight_S[other.accepted_S].sum() / max(1.0, weight_S.sum()))
        so_far.tests += float(weight_T[other.accepted_T].sum() / max(1.0, weight_T.sum()))
        if chosen.accepted_S.any():
            best_S = top(other.score_S) * weight_S
            so_far.asked += 1
            so_far.same += float(best_S[chosen.accepted_S].sum()) / max(1.0, float(best_S.sum()))
