"""Jobs: matrices that are being filled while Python does something else.

Guarantees: a job always completes; no Python runs per row or per cell in this process.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from . import _native
from .matrix import Matrix
from .verdict import Below, SandboxError, Trust


class Job:
    """A matrix being filled. Wait for it (`wait()`, or `await job`), or watch `rows_done`."""

    def __init__(
        self,
        handle: _native.JobHandle | None,
        matrix: Matrix,
        trust: Trust = Trust.INLINE,
        below: Below = Below.HOLE,
    ):
        self._handle = handle
        self._matrix = matrix
        self._trust, self._below = trust, below
        self._cancelled = False

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
        if self._handle is not None:
            try:
                ended = _native.job_wait(self._handle, -1.0 if timeout_s is None else timeout_s)
            except BaseException:
                self.cancel()
                raise
            if not ended:
                raise TimeoutError(f"{self.rows - self.rows_done} rows are not finished")
        return self._checked()

    def __await__(self) -> Generator[Any, None, Matrix]:
        """Wait without blocking the event loop; cancelling the task cancels the job."""
        if self._handle is not None and not self.done:
            from .bells import until_ended

            yield from until_ended(self, self._handle).__await__()
        return self._checked()

    def _checked(self) -> Matrix:
        matrix = self._matrix
        if self._handle is not None and not self._cancelled:
            if not any(matrix.verdict_ST.cast("B")) and not any(matrix.trust_ST.cast("B")):
                raise SandboxError(f"no cell could be judged: {matrix.detail(0, 0)}")
            matrix._hold_back(self._trust, self._below)
        return matrix
