"""Timeouts that fell into an overload of the machine are run again, alone, before they count.

In: cells with timeouts marked `Recheck.NOT_CONFIRMED`, and an executor with nothing else in flight.
Out: the same arrays, changed in place: each such cell CONFIRMED, or OVERTURNED with the verdict of
the quiet run, as far as the CPU time set aside reaches. One cell runs at a time.

There are two kinds of timeouts, and `Doubt` is their order. What ended just past its limit may
well end before it on a quiet machine: every such cell is run. What was cut at the very end of its
grace, or waited until it was ended, is nearly always an endless program and costs most to run:
one cell of a row is run, and if it times out again the row's other cells of this kind are
confirmed with it, because they are the same program, cut at the same time under the same load. If
it does not, the load did decide in this row, and its next cell is run too.

A cell that is left NOT_CONFIRMED keeps its timeout: as a hole it would make a program that never
ends look like one that fails nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sv_engine.execute.executor import Budget, Judged, near_limit
from sv_engine.records import INFRA_CODE, TIMEOUT_CODE, Executed, Recheck

RECHECK_CPU_S = 30.0
"""CPU seconds that one run may spend on cells run again, each counted as its limit."""


class Doubt(Enum):
    """Kinds of timeouts, those first that are likeliest to be overturned."""

    NEAR_LIMIT = "near its limit"
    ENDLESS = "cut without an end in sight"


class Judge(Protocol):
    """The part of `execute.Executor` that is used here."""

    async def judge(
        self, solutions: Sequence[str], tests: Sequence[str], cpu_s: float
    ) -> Judged: ...


@dataclass(slots=True)
class Allowance:
    """CPU seconds that may still be spent."""

    left_s: float = RECHECK_CPU_S
    spent: bool = False
    """Something was refused."""

    def take(self, cpu_s: float) -> bool:
        """Set `cpu_s` aside; False if so much is not left, and from then on."""
        self.spent = self.spent or cpu_s > self.left_s
        if not self.spent:
            self.left_s -= cpu_s
        return not self.spent


@dataclass(frozen=True, slots=True)
class Grid:
    """Views of cells that share a limit; dtypes as in `Executed`."""

    solutions: Sequence[str]
    tests: Sequence[str]
    cpu_s: float
    verdict_ST: NDArray[np.uint8]
    cpu_us_ST: NDArray[np.uint32]
    trust_ST: NDArray[np.uint8]
    near_limit_ST: NDArray[np.bool_]
    recheck_ST: NDArray[np.uint8]

    @classmethod
    def of(
        cls, solutions: Sequence[str], tests: Sequence[str], cpu_s: float, judged: Judged
    ) -> Grid:
        """The cells of `judged`, S solutions on T tests."""
        return cls(
            solutions,
            tests,
            cpu_s,
            judged.verdict_ST,
            judged.cpu_us_ST,
            judged.trust_ST,
            near_limit(judged.cpu_us_ST, cpu_s),
            judged.recheck_ST,
        )

    def open_ST(self, doubt: Doubt) -> NDArray[np.bool_]:
        """True where a timeout of this kind is still to be run again."""
        is_near = doubt is Doubt.NEAR_LIMIT
        open_ST = self.recheck_ST == Recheck.NOT_CONFIRMED
        return np.asarray(open_ST & (self.near_limit_ST == is_near))

    async def run(self, s: int, t: int, judge: Judge) -> Recheck:
        """Run one cell; a hole changes nothing."""
        again = await judge.judge([self.solutions[s]], [self.tests[t]], self.cpu_s)
        verdict = int(again.verdict_ST[0, 0])
        if verdict == INFRA_CODE:
            return Recheck.NOT_CONFIRMED
        self.verdict_ST[s, t] = verdict
        self.cpu_us_ST[s, t] = again.cpu_us_ST[0, 0]
        self.trust_ST[s, t] = again.trust_ST[0, 0]
        self.near_limit_ST[s, t] |= near_limit(again.cpu_us_ST, self.cpu_s)[0, 0]
        timed_out = verdict == TIMEOUT_CODE
        self.recheck_ST[s, t] = Recheck.CONFIRMED if timed_out else Recheck.OVERTURNED
        return Recheck(self.recheck_ST[s, t])


async def settle(grids: Sequence[Grid], judge: Judge) -> None:
    """Run doubtful timeouts of all grids again, those likeliest to be overturned first."""
    allowance = Allowance()
    for doubt in Doubt:
        for grid in grids:
            await _recheck(grid, doubt, judge, allowance)


async def recheck(
    executed: Executed, doubt: Doubt, judge: Judge, budget: Budget, allowance: Allowance
) -> None:
    """Run timeouts of one kind again; returns early when the allowance is spent."""
    for grid in _grids(executed, budget):
        await _recheck(grid, doubt, judge, allowance)


async def _recheck(grid: Grid, doubt: Doubt, judge: Judge, allowance: Allowance) -> None:
    for s, open_T in enumerate(grid.open_ST(doubt)):
        columns = np.flatnonzero(open_T)
        for done, t in enumerate(columns, start=1):
            if not allowance.take(grid.cpu_s):
                return
            found = await grid.run(s, int(t), judge)
            if doubt is Doubt.ENDLESS and found is Recheck.CONFIRMED:
                grid.recheck_ST[s, columns[done:]] = Recheck.CONFIRMED
                break


def _grids(executed: Executed, budget: Budget) -> Iterator[Grid]:
    rollout, matrix = executed.rollout, executed.matrix
    solutions, tests = rollout.sources()
    yield Grid(
        solutions,
        tests,
        budget.cpu_s,
        matrix.verdict_ST,
        matrix.cpu_us_ST,
        executed.trust_ST,
        executed.near_limit_ST,
        executed.recheck_ST,
    )
    if rollout.problem.reference_test is not None:
        yield Grid(
            solutions,
            [rollout.problem.reference_test],
            budget.reference_cpu_s,
            executed.reference_S[:, None],
            executed.reference_cpu_us_S[:, None],
            executed.reference_trust_S[:, None],
            executed.reference_near_limit_S[:, None],
            executed.reference_recheck_S[:, None],
        )
