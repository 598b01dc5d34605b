"""Jobs and what they come to: matrices of verdicts, and the result of one program.

A job is filled by the native side while Python does something else; its arrays are shared memory
that NumPy sees without copying. Guarantees: a job always completes; a cell is written once, when
every process of its row is gone; what the sandbox could not judge stays `Verdict.INFRA`.
"""

from __future__ import annotations

import asyncio
import mmap
import os
import select
import weakref
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from . import _native
from .verdict import Below, SandboxError, Trust, Verdict


class Matrix:
    """Verdicts of S solutions on T tests; the arrays live in shared memory of their own."""

    def __init__(self, handle: _native.JobHandle | None, memory: mmap.mmap, shape: tuple[int, int]):
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
        told = "" if self._handle is None else _native.job_detail(self._handle, s, t)
        if self.held_ST[s, t]:
            trust = Trust(self.trust_ST[s, t]).name.lower()
            return f"held back: {told}" if told else f"held back: a pass that is {trust} only"
        return told


class Job:
    """A matrix being filled. Wait for it (`wait()`, or `await job`), or watch `rows_done`."""

    def __init__(
        self,
        handle: _native.JobHandle | None,
        matrix: Matrix,
        done_fd: int,
        trust: Trust = Trust.INLINE,
        below: Below = Below.HOLE,
    ):
        self._handle = handle
        self._matrix = matrix
        self._done_fd = done_fd
        self._trust, self._below = trust, below
        self._cancelled = False
        self._close_fd = weakref.finalize(self, os.close, done_fd) if done_fd >= 0 else None

    @property
    def rows(self) -> int:
        """How many rows (solutions) the job has."""
        return self._matrix.shape[0]

    @property
    def rows_done(self) -> int:
        """How many rows are finished."""
        return self.rows if self._handle is None else _native.job_rows_done(self._handle)

    @property
    def done(self) -> bool:
        """Whether every row is finished."""
        return self.rows_done == self.rows

    def cancel(self) -> None:
        """Stop soon: what has no verdict yet stays a hole, and `wait` returns."""
        self._cancelled = True
        if self._handle is not None:
            _native.job_cancel(self._handle)

    def wait(self, timeout_s: float | None = None) -> Matrix:
        """Block until done. Raises TimeoutError, or SandboxError if nothing could be judged.

        An interrupt (Ctrl-C) cancels the job and is raised.
        """
        if not self.done:
            poll = select.poll()
            poll.register(self._done_fd, select.POLLIN)
            try:
                if not poll.poll(None if timeout_s is None else timeout_s * 1000):
                    raise TimeoutError(f"{self.rows - self.rows_done} rows are not finished")
            except BaseException as error:
                if not isinstance(error, TimeoutError):
                    self.cancel()
                raise
        return self._checked()

    def __await__(self) -> Generator[Any, None, Matrix]:
        """Wait without blocking the event loop; cancelling the task cancels the job."""
        if not self.done:
            yield from self._readable().__await__()
        return self._checked()

    async def _readable(self) -> None:
        loop = asyncio.get_running_loop()
        ready = loop.create_future()

        def set_ready() -> None:
            if not ready.done():
                ready.set_result(None)

        loop.add_reader(self._done_fd, set_ready)
        try:
            await ready
        except asyncio.CancelledError:
            self.cancel()
            raise
        finally:
            loop.remove_reader(self._done_fd)

    def _checked(self) -> Matrix:
        matrix = self._matrix
        if self._handle is not None and not self._cancelled:
            if not any(matrix.verdict_ST.cast("B")) and not any(matrix.trust_ST.cast("B")):
                raise SandboxError(f"no cell could be judged: {matrix.detail(0, 0)}")
            matrix._hold_back(self._trust, self._below)
        return matrix


@dataclass(frozen=True, slots=True)
class RunResult:
    """What one program did."""

    verdict: Verdict
    """PASS means: it ran to its end and left with exit code 0, and its output was accepted if one
    was expected."""
    exit_code: int | None
    """None when a signal ended it."""
    stdout: bytes
    stderr: bytes
    cpu_s: float
    wall_s: float
    max_rss_bytes: int
    detail: str
