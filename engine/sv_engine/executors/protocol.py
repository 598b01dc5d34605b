"""What every executor takes and gives: solutions and tests in, rows out as they are finished.

A row is one solution on all T tests. Every row comes exactly once, in the order in which rows are
finished; a cell that nobody could judge is a hole (`INFRA_CODE`) and never an answer. Codes of
verdicts and trust are those of `sv_sandbox`, one byte each.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from sv_engine.records import INFRA_CODE, PASS_CODE


@dataclass(frozen=True, slots=True)
class Io:
    """A test of a whole program: what it reads, and what it should print."""

    stdin: str
    expected: str
    check: str = "lines"
    """How output is compared: exact, lines, tokens, floats (`sv_sandbox.check`), decimals."""


Test = str | Io
"""Source of assertions, or standard input with the output that should come."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a cell may use, and what its pass must rest on."""

    cpu_s: float = 1.0
    wall_s: float | None = None
    """Guard for programs that wait; None: what the sandbox sets for `cpu_s`."""
    memory_bytes: int = 512 << 20
    output_bytes: int = 1 << 20
    processes: bool = False
    """Whether children may be started."""
    trust: str = "proven"
    """The least trust that a pass needs: proven, vouched, inline."""
    below: str = "hole"
    """What a pass with less trust becomes: a hole, or a failure (`fail`)."""
    entry_point: str | None = None
    """Name of the function that tests call, where it is known."""


@dataclass(frozen=True, slots=True)
class Row:
    """One solution on T tests; each array has length T."""

    index: int
    verdict_T: bytes
    cpu_us_T: Sequence[int]
    """Microseconds of CPU time."""
    trust_T: bytes
    detail_T: dict[int, str] = field(default_factory=dict)
    """Why a cell did not pass, where that is known."""
    vacuous_T: bytes = b""
    """1 where a test passes with nothing behind it; empty: none does."""
    held_T: bytes = b""
    """1 where a pass was held back for want of trust; empty: none was."""

    @property
    def passed(self) -> int:
        """Number of tests passed."""
        return self.verdict_T.count(PASS_CODE)

    @property
    def holes(self) -> int:
        """Number of cells that were not judged."""
        return self.verdict_T.count(INFRA_CODE)


def lost_row(index: int, tests: int, reason: str) -> Row:
    """A row of holes: nobody could judge it, for this reason."""
    holes = bytes([INFRA_CODE]) * tests
    return Row(index, holes, [0] * tests, bytes(tests), dict.fromkeys(range(tests), reason))


class RowExecutor(Protocol):
    """Something that judges rows: this machine, servers, a Ray cluster."""

    def submit(
        self, solutions: Sequence[str], tests: Sequence[Test], terms: Terms
    ) -> AsyncIterator[Row]:
        """Judge every solution on every test; rows come as they are finished."""

    async def close(self) -> None:
        """End what the executor started."""


async def collect(
    executor: RowExecutor, solutions: Sequence[str], tests: Sequence[Test], terms: Terms
) -> list[Row]:
    """All rows, in the order of the solutions."""
    rows = [row async for row in executor.submit(solutions, tests, terms)]
    return sorted(rows, key=lambda row: row.index)
