"""A matrix of verdicts: S solutions on T tests, in memory that NumPy sees without copying.

Filled by the native side (`job`). Guarantees: a cell is written once, when every process of its row
is gone; what the sandbox could not judge stays `Verdict.INFRA`; a matrix outlives its pool, and
pickles as one of its own.
"""

from __future__ import annotations

from typing import Any

from . import _native
from .verdict import Below, Trust, Verdict


class Matrix:
    """Verdicts of S solutions on T tests; the arrays live in memory of their own."""

    def __init__(self, handle: _native.JobHandle | None, memory: bytearray, shape: tuple[int, int]):
        self._handle = handle
        cells = shape[0] * shape[1]
        view = memoryview(memory)
        self.shape = shape
        if cells:
            parts = [view[at * cells : end * cells] for at, end in ((0, 4), (4, 5), (5, 6))]
            vacuous = view[6 * cells : 6 * cells + shape[1]]
        else:  # a memoryview cannot have an axis of length 0
            parts, vacuous = [view[:0]] * 3, view[:0]
        self.cpu_us_ST = parts[0].cast("I", shape) if cells else parts[0].cast("I")
        """uint32 microseconds of CPU time, shape (S, T)."""
        self.verdict_ST = parts[1].cast("B", shape) if cells else parts[1]
        """uint8 codes of `Verdict`, shape (S, T)."""
        self.trust_ST = parts[2].cast("B", shape) if cells else parts[2]
        """uint8 codes of `Trust`, shape (S, T)."""
        self.vacuous_T = vacuous
        """uint8, shape (T,): 1 where a test passes with nothing behind it (split judge only)."""
        held = memoryview(bytearray(cells))
        self.held_ST = held.cast("B", shape) if cells else held
        """uint8, shape (S, T): 1 where a pass was held back for want of trust (`trust_ST` says what
        it rests on), or a test was left out because it needs one process with the solution."""
        self._memory, self._told = memory, dict[int, dict[int, str]]()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles as a matrix of its own, with every detail."""
        told = {s: self._told_of(s, 0, self.shape[1]) for s in range(self.shape[0])}
        return _unpickled, (bytes(self._memory), self.shape, self.held_ST.tobytes(), told)

    @property
    def held_back(self) -> int:
        """How many cells were held back for want of trust."""
        return sum(self.held_ST.cast("B")) if self.shape[0] * self.shape[1] else 0

    def _hold_back(self, trust: Trust, below: Below) -> None:
        verdicts, trusts = self.verdict_ST.cast("B"), bytes(self.trust_ST.cast("B"))
        held = self.held_ST.cast("B")
        for level in range(Trust.INLINE, trust):
            at = trusts.find(level)
            while at >= 0:
                if verdicts[at] == Verdict.PASS:
                    verdicts[at] = Verdict.WRONG if below is Below.FAIL else Verdict.INFRA
                    held[at] = 1
                elif verdicts[at] == Verdict.INFRA:  # left out: it says nothing of the solution
                    held[at] = 1
                at = trusts.find(level, at + 1)

    def verdict(self, s: int, t: int) -> Verdict:
        """The verdict of one cell."""
        return Verdict(self.verdict_ST[s, t])

    def detail(self, s: int, t: int) -> str:
        """Why a cell has its verdict, in at most 240 bytes; empty for a pass."""
        if not (0 <= s < self.shape[0] and 0 <= t < self.shape[1]):
            raise IndexError(f"no cell ({s}, {t}) in a matrix of shape {self.shape}")
        return self._details(s, t, t + 1).get(t, "")

    def details(self, s: int) -> dict[int, str]:
        """`detail` of every test of one solution for which there is one, by its column."""
        if not 0 <= s < self.shape[0]:
            raise IndexError(f"no row {s} in a matrix of shape {self.shape}")
        return self._details(s, 0, self.shape[1])

    def _details(self, s: int, first: int, last: int) -> dict[int, str]:
        told, start = self._told_of(s, first, last), s * self.shape[1]
        verdict_T = self.verdict_ST.cast("B")[start : start + self.shape[1]].tobytes()
        passed = int(Verdict.PASS)
        shown = {t: text for t, text in told.items() if verdict_T[t] != passed}
        part = self.held_ST.cast("B")[start + first : start + last].tobytes()
        at = part.find(1)
        while at >= 0:
            t = first + at
            trust = Trust(self.trust_ST[s, t]).name.lower()
            shown[t] = f"held back ({trust}): {told.get(t, '')}"
            at = part.find(1, at + 1)
        return shown

    def _told_of(self, s: int, first: int, last: int) -> dict[int, str]:
        if self._handle is None:
            told = self._told.get(s, {})
            return {t: text for t, text in told.items() if first <= t < last}
        return _native.job_details(self._handle, s, first, last)


def _unpickled(
    memory: bytes, shape: tuple[int, int], held: bytes, told: dict[int, dict[int, str]]
) -> Matrix:
    matrix = Matrix(None, bytearray(memory), shape)
    if held:
        matrix.held_ST.cast("B")[:] = held
    matrix._told = told
    return matrix
