"""Who may use the pool now, who waits, and who is turned away at once.

A slot is one piece of work in the pool: a program, or a block of rows. Slots are given in the order
of arrival; a request with many blocks asks for a few at a time, so that it cannot hold up the
others by more than those. The wait is estimated from how fast slots have become free lately, and a
request that would wait past its deadline is refused before it waits: its client can go elsewhere.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

_MEMORY = 0.1
"""Weight of the newest interval in the running mean."""


class Overloaded(Exception):
    """There is no hope of a slot before the deadline: HTTP 504."""


@dataclass
class Admission:
    """A queue before `slots` slots; for one event loop."""

    slots: int
    max_waiting: int
    running: int = 0
    refused: int = 0
    peak_waiting: int = 0
    interval_s: float = 0.0
    """Running mean of the time from one free slot to the next, while work waits."""
    _freed_s: float | None = None
    _queue: deque[asyncio.Future[None]] = field(default_factory=deque)

    @property
    def waiting(self) -> int:
        """Pieces of work that wait."""
        return len(self._queue)

    def expected_wait_s(self) -> float:
        """How long a new arrival would wait."""
        if self.running < self.slots:
            return 0.0
        return (len(self._queue) + 1) * self.interval_s

    @asynccontextmanager
    async def slot(self, deadline_s: float | None = None) -> AsyncIterator[None]:
        """Hold a slot. `deadline_s`: the longest wait, None for work that was admitted before.

        Raises Overloaded.
        """
        await self._enter(deadline_s)
        try:
            yield
        finally:
            self._leave()

    async def _enter(self, deadline_s: float | None) -> None:
        if self.running < self.slots and not self._queue:
            self.running += 1
            return
        if deadline_s is not None and (
            len(self._queue) >= self.max_waiting or self.expected_wait_s() > deadline_s
        ):
            self.refused += 1
            raise Overloaded
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        self.peak_waiting = max(self.peak_waiting, len(self._queue))
        try:
            await asyncio.wait_for(turn, deadline_s)
        except BaseException as error:
            if turn.done() and not turn.cancelled():  # the slot came at the same moment
                self._leave()
            elif turn in self._queue:
                self._queue.remove(turn)
            if isinstance(error, TimeoutError):
                self.refused += 1
                raise Overloaded from None
            raise

    def _leave(self) -> None:
        now_s = time.monotonic()
        if self._freed_s is not None:
            self.interval_s += _MEMORY * (now_s - self._freed_s - self.interval_s)
        self._freed_s = now_s if self._queue else None
        while self._queue:
            turn = self._queue.popleft()
            if not turn.done():
                turn.set_result(None)  # the slot passes on
                return
        self.running -= 1
