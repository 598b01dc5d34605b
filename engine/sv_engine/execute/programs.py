"""Programs that read and write, on tests of inputs and outputs (`problems.programs_io`).

In: S programs, T tests. Out: their verdicts, as of a matrix. A cell is one run per input, as
`__main__` with the input on stdin; what it prints is compared outside the jail, so a pass is always
`PROVEN`. The test never enters the jail. A test of several pairs passes if each does, and its
verdict is that of the first that does not. What is no such test is a hole.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from sv_engine.execute.sandbox import run_program
from sv_engine.problems.programs_io import io_pairs
from sv_engine.records import INFRA_CODE, PASS_CODE, Verdicts

Cell = tuple[int, int]
"""Verdict code and CPU microseconds."""


async def run_programs(
    pool: Any, solutions: Sequence[str], tests: Sequence[str], cpu_s: float, in_flight: int
) -> Verdicts:
    """Run every cell, `in_flight` at a time. pool: of `sandbox.open_pool`, or a `RowPool`."""
    verdicts = Verdicts.unknown(len(solutions), len(tests), cpu_s)
    room = asyncio.Semaphore(in_flight)

    async def cell(program: str, pairs: list[tuple[str, str]]) -> Cell:
        verdict, cpu_us = PASS_CODE, 0
        for stdin, expected in pairs:
            async with room:
                verdict, more_us = await run_program(pool, program, stdin, expected, cpu_s)
            cpu_us += more_us
            if verdict != PASS_CODE:
                break
        return verdict, cpu_us

    asked = [io_pairs(test) for test in tests]
    places = [
        (s, t, pairs) for s in range(len(solutions)) for t, pairs in enumerate(asked) if pairs
    ]
    cells = await asyncio.gather(*(cell(solutions[s], pairs) for s, _, pairs in places))
    for (s, t, _), (verdict, cpu_us) in zip(places, cells, strict=True):
        verdicts.verdict_ST[s, t] = verdict
        verdicts.cpu_us_ST[s, t] = cpu_us
        verdicts.trust_ST[s, t] = PROVEN if verdict != INFRA_CODE else 0
    return verdicts


PROVEN = 3
"""`sv_sandbox.Trust`: plain data decided."""
