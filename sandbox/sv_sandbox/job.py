"""Jobs and what they come to: matrices of verdicts, and the result of one program.

A job is filled by the native side while Python does something else; its arrays are shared memory
that NumPy sees without copying. Guarantees: a job always completes; a cell is written once, when
every process of its row is gone; what the sandbox could not judge stays `Verdict.INFRA`.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import itertools
import mmap
import weakref
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

from . import _native
from .verdict import Below, SandboxError, Trust, Verdict

NO_DESCRIPTORS = " (this process has no descriptor left: RLIMIT_NOFILE, `ulimit -n`)"


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
        self._memory, self._told = memory, dict[int, dict[int, str]]()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles as a matrix of its own, with every detail."""
        told = {s: self._told_of(s, 0, self.shape[1]) for s in range(self.shape[0])}
        return _unpickled, (self._memory[:], self.shape, self.held_ST.tobytes(), told)

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
        verdicts, held = self.verdict_ST.cast("B"), self.held_ST.cast("B")
        shown = {t: text for t, text in told.items() if verdicts[start + t] != Verdict.PASS}
        part = held[start + first : start + last].tobytes()
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
    area = mmap.mmap(-1, max(1, len(memory)))
    area[: len(memory)] = memory
    matrix = Matrix(None, area, shape)
    if held:
        matrix.held_ST.cast("B")[:] = held
    matrix._told = told
    return matrix


_bells: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Bell] = weakref.WeakKeyDictionary()
_tokens = itertools.count()


class _Bell:
    """What an event loop listens to while jobs are awaited in it: one descriptor for them all."""

    def __init__(self, loop: asyncio.AbstractEventLoop):
        self._bell = _native.bell_new()
        self._waiting: dict[int, asyncio.Future[None]] = {}
        loop.add_reader(_native.bell_fd(self._bell), self._rung)

    @classmethod
    def here(cls) -> _Bell:
        """That of the running loop. Raises OSError when there is no descriptor for one."""
        loop = asyncio.get_running_loop()
        bell = _bells.get(loop)
        if bell is None:
            bell = _bells[loop] = cls(loop)
        return bell

    @contextlib.contextmanager
    def expecting(self, handle: _native.JobHandle) -> Iterator[asyncio.Future[None]]:
        """A future that is done when the job has ended; the last one takes the bell away."""
        loop, token = asyncio.get_running_loop(), next(_tokens)
        ended = self._waiting[token] = loop.create_future()
        try:
            if not _native.job_ring(handle, self._bell, token):
                ended.set_result(None)
            yield ended
        finally:
            del self._waiting[token]
            if not self._waiting:
                loop.remove_reader(_native.bell_fd(self._bell))
                _bells.pop(loop, None)

    def _rung(self) -> None:
        for token in _native.bell_take(self._bell):
            ended = self._waiting.get(token)
            if ended is not None and not ended.done():
                ended.set_result(None)


def hint(error: OSError) -> str:
    """What to do about it, where an errno does not say so."""
    return NO_DESCRIPTORS if error.errno == errno.EMFILE else ""


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
            yield from self._ended(self._handle).__await__()
        return self._checked()

    async def _ended(self, handle: _native.JobHandle) -> None:
        try:
            bell = _Bell.here()
            with bell.expecting(handle) as ended:
                await ended
        except asyncio.CancelledError:
            self.cancel()
            raise
        except OSError as error:
            self.cancel()
            raise SandboxError(f"cannot wait for a job: {error.strerror}{hint(error)}") from None

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
