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

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import numpy as np

from sv_engine.records import INFRA_CODE, TIMEOUT_CODE, Block, Recheck, Verdicts, near_limit

RECHECK_CPU_S = 30.0
"""CPU seconds that one run may spend on cells run again, each counted as its limit."""


class Doubt(Enum):
    """Kinds of timeouts, those first that are likeliest to be overturned."""

    NEAR_LIMIT = "near its limit"
    ENDLESS = "cut without an end in sight"


class Judge(Protocol):
    """The part of `execute.Executor` that is used here."""

    async def judge(
        self,
        solutions: Sequence[str],
        tests: Sequence[str],
        cpu_s: float,
        entry_point: str | None = None,
    ) -> Verdicts:
        """Run every cell."""


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


async def recheck(
    blocks: Sequence[Block],
    judge: Judge,
    allowance: Allowance | None = None,
    doubts: Sequence[Doubt] = tuple(Doubt),
) -> None:
    """Run doubtful timeouts of all blocks again, those likeliest to be overturned first; returns
    early when the allowance is spent."""
    allowance = allowance or Allowance()
    for doubt in doubts:
        for block in blocks:
            await _recheck(block, doubt, judge, allowance)


async def _recheck(block: Block, doubt: Doubt, judge: Judge, allowance: Allowance) -> None:
    verdicts = block.verdicts
    is_near = doubt is Doubt.NEAR_LIMIT
    near_ST = near_limit(verdicts.cpu_us_ST, verdicts.cpu_s)
    open_ST = (verdicts.recheck_ST == Recheck.NOT_CONFIRMED) & (near_ST == is_near)
    for s, open_T in enumerate(open_ST):
        columns = np.flatnonzero(open_T)
        for done, t in enumerate(columns.tolist(), start=1):
            if not allowance.take(verdicts.cpu_s):
                return
            found = await _run(block, s, t, judge)
            if doubt is Doubt.ENDLESS and found is Recheck.CONFIRMED:
                verdicts.recheck_ST[s, columns[done:]] = Recheck.CONFIRMED
                break


async def _run(block: Block, s: int, t: int, judge: Judge) -> Recheck:
    """Run one cell; a hole changes nothing."""
    problem, solutions, tests, verdicts = block
    again = await judge.judge([solutions[s]], [tests[t]], verdicts.cpu_s, problem.entry_point)
    verdict = int(again.verdict_ST[0, 0])
    if verdict == INFRA_CODE and not again.held_ST[0, 0]:
        return Recheck.NOT_CONFIRMED
    found = Recheck.CONFIRMED if verdict == TIMEOUT_CODE else Recheck.OVERTURNED
    verdicts.put(again, s, t)
    verdicts.recheck_ST[s, t] = found
    return found
