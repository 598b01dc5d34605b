"""Short limits first: what a program that never ends costs, many tests long.

In: solutions, many tests, their CPU limit, and a way to run cells under any limit. Out: verdicts
under the whole limit, or marked. Every cell runs under a share of the limit first. Of each row the
first cell that ran out of it runs again under the whole limit. If it runs out of that as well, the
program does not end: the row's other cells that ran out of the short limit keep a timeout, marked
`Recheck.ASSUMED`. If it ends, they all run again. So no cell passes below its limit, and a
row of T endless cells costs about `SHARE` * T + 1 limits.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence

import numpy as np

from sv_engine.records import TIMEOUT_CODE, Bools, Recheck, Verdicts

SHARE = 1 / 16
"""Of the limit, in the first pass. (60 problems of CodeGen-16B, 30 by 30 cells, limit 0.3 s: no
verdict differs from the exact ones at a sixth, a sixteenth or a thirtieth.)"""
FEWEST_TESTS = 8
"""With fewer tests in a row the first pass costs what it saves."""

Run = Callable[[Sequence[str], Sequence[str], float], Awaitable[Verdicts]]
"""Solutions, tests, CPU seconds of a cell -> verdicts."""


async def escalating(
    run: Run, solutions: Sequence[str], tests: Sequence[str], cpu_s: float
) -> Verdicts:
    """Verdicts of S solutions on T tests. Raises what `run` raises."""
    if len(tests) < FEWEST_TESTS:
        return await run(solutions, tests, cpu_s)
    short = await run(solutions, tests, cpu_s * SHARE)
    verdicts = Verdicts.unknown(len(solutions), len(tests), cpu_s)
    verdicts.put(short)
    late_ST = verdicts.verdict_ST == TIMEOUT_CODE
    first_ST = late_ST & (np.cumsum(late_ST, axis=1) == 1)
    await _again(run, solutions, tests, verdicts, first_ST)
    endless_S = (first_ST & (verdicts.verdict_ST == TIMEOUT_CODE)).any(axis=1)
    others_ST = late_ST & ~first_ST
    await _again(run, solutions, tests, verdicts, others_ST & ~endless_S[:, None])
    assumed_ST = others_ST & endless_S[:, None] & (verdicts.recheck_ST == Recheck.NONE)
    verdicts.recheck_ST[assumed_ST] = Recheck.ASSUMED
    return verdicts


async def _again(
    run: Run, solutions: Sequence[str], tests: Sequence[str], verdicts: Verdicts, cells_ST: Bools
) -> None:
    """Run these cells under the whole limit, and put what comes of it in their place."""
    for rows, columns in rectangles(cells_ST):
        part = [solutions[s] for s in rows], [tests[t] for t in columns]
        verdicts.place(await run(*part, verdicts.cpu_s), rows, columns)


def rectangles(cells_ST: Bools) -> Iterator[tuple[list[int], list[int]]]:
    """The cells that are True, as (rows, columns): rows with the same columns make one."""
    patterns, pattern_S = np.unique(cells_ST, axis=0, return_inverse=True)
    for index, cells_T in enumerate(patterns):
        if cells_T.any():
            rows = np.flatnonzero(pattern_S.reshape(-1) == index)
            yield rows.tolist(), np.flatnonzero(cells_T).tolist()
