"""Who may use the pool now, who waits, and who is turned away.

A piece of work is a program, or a block of rows, and holds a slot while it runs; there are as many
slots as workers, so that all waiting is done here. Two rules keep those who ask for much from those
who ask for little:

- Clients take turns (a client is an address; within one, the order of arrival counts), and a
  request has a few pieces here at a time.
- Most slots, not all, may be held for longer than a turn. Who would hold one more while others wait
  is ended, and begins anew when one of these is free. So a program that ends soon is not kept
  waiting by any number that do not. What is soon depends on how busy the machine is.

A request that waits past its deadline is refused, at once where there is no hope: its client can go
elsewhere.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TypeVar

TURN_S = 0.25
"""How long a piece may hold any slot while others wait, at least; `TURNS` times as long as pieces
take that end by themselves, and `LONGEST_TURN_S` at most."""
TURNS = 5.0
LONGEST_TURN_S = 2.0
HOPELESS = 2.0
"""A wait is hopeless that is expected to take so many times what is left."""
REFUSED_S = 5.0
"""How long after a refusal the queue counts as overloaded, while work still waits."""
_MEMORY = 0.03
"""Weight of the newest interval in the running mean."""

T = TypeVar("T")

client: ContextVar[str] = ContextVar("client", default="")
"""Whose request is being answered."""


class Overloaded(Exception):
    """No slot came before the deadline, or none will: HTTP 504."""


@dataclass
class Admission:
    """A queue before `slots` slots; for one event loop."""

    slots: int
    max_waiting: int
    running: int = 0
    refused: int = 0
    begun_anew: int = 0
    """Pieces that were ended and put back."""
    peak_waiting: int = 0
    interval_s: float = 0.0
    """Running mean of the time from one free slot to the next, while work waits."""
    waiting: int = 0
    """Pieces that wait for a slot."""
    piece_s: float = 0.0
    """Running mean of what pieces take that end within a turn."""
    _freed_s: float | None = None
    _refused_s: float = -math.inf
    """When work was refused last."""
    _queues: dict[str, deque[asyncio.Future[None]]] = field(default_factory=dict)
    """For each client that waits, in the order of their turns."""
    _long: int = 0
    """Slots that are held for longer than a turn."""
    _long_queue: deque[asyncio.Future[None]] = field(default_factory=deque)

    @property
    def long_slots(self) -> int:
        """How many slots may be held for longer than a turn while others wait."""
        return self.slots - self.slots // 4 if self.slots > 3 else max(1, self.slots - 1)

    @property
    def turn_s(self) -> float:
        """How long a piece may hold any slot while others wait."""
        return max(TURN_S, min(TURNS * self.piece_s, LONGEST_TURN_S))

    def expected_wait_s(self) -> float:
        """How long a new arrival would wait."""
        return 0.0 if self.running < self.slots else (self.waiting + 1) * self.interval_s

    def is_hopeless(self, deadline_s: float) -> bool:
        """Whether a new arrival would be refused at once."""
        full = self.running >= self.slots and self.waiting >= self.max_waiting
        return full or self.expected_wait_s() > HOPELESS * deadline_s

    def is_overloaded(self, deadline_s: float) -> bool:
        """Whether work waits of which some was refused just now, or a new arrival would be."""
        was_refused = self.waiting > 0 and time.monotonic() - self._refused_s < REFUSED_S
        return was_refused or self.is_hopeless(deadline_s)

    async def run(self, work: Callable[[], Awaitable[T]], deadline_s: float | None = None) -> T:
        """What `work` gives, done in a slot; it may be begun twice. deadline_s: the longest wait,
        None for what belongs to a request that was admitted before.

        Raises Overloaded.
        """
        await self._enter(deadline_s)
        start_s = time.monotonic()
        piece = asyncio.ensure_future(work())
        try:
            while True:
                await asyncio.wait({piece}, timeout=self.turn_s)
                if piece.done():
                    self.piece_s += _MEMORY * (time.monotonic() - start_s - self.piece_s)
                    return piece.result()
                if self._long < self.long_slots:
                    return await self._held_long(piece)
                if self.waiting:
                    break
        finally:
            await _ended(piece)
            self._leave()
        self.begun_anew += 1
        await self._turn(self._long_queue)
        try:
            await self._enter(None)
        except BaseException:
            self._leave_long()
            raise
        piece = asyncio.ensure_future(work())
        try:
            return await piece
        finally:
            await _ended(piece)
            self._leave()
            self._leave_long()

    # -- inside

    async def _held_long(self, piece: asyncio.Future[T]) -> T:
        self._long += 1
        try:
            return await piece
        finally:
            self._leave_long()

    async def _turn(self, queue: deque[asyncio.Future[None]]) -> None:
        """Wait for a long slot."""
        if self._long < self.long_slots and not queue:
            self._long += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(turn)
        try:
            await turn
        except BaseException:
            if turn.done() and not turn.cancelled():
                self._leave_long()
            elif turn in queue:
                queue.remove(turn)
            raise

    def _leave_long(self) -> None:
        while self._long_queue:
            turn = self._long_queue.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._long -= 1

    async def _enter(self, deadline_s: float | None) -> None:
        if self.running < self.slots and not self.waiting:
            self.running += 1
            return
        if deadline_s is not None and self.is_hopeless(deadline_s):
            raise self._refuse()
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queues.setdefault(client.get(), deque()).append(turn)
        self.waiting += 1
        self.peak_waiting = max(self.peak_waiting, self.waiting)
        try:
            async with asyncio.timeout(deadline_s):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():  # the slot came at the same moment
                self._leave()
            else:
                self.waiting -= 1
                turn.cancel()
            if isinstance(error, TimeoutError):
                raise self._refuse() from None
            raise

    def _refuse(self) -> Overloaded:
        self.refused += 1
        self._refused_s = time.monotonic()
        return Overloaded()

    def _leave(self) -> None:
        now_s = time.monotonic()
        if self._freed_s is not None:
            self.interval_s += _MEMORY * (now_s - self._freed_s - self.interval_s)
        turn = self._next()
        self._freed_s = now_s if turn is not None else None
        if turn is None:
            self.running -= 1
            return
        self.waiting -= 1
        turn.set_result(None)  # the slot passes on

    def _next(self) -> asyncio.Future[None] | None:
        """Whose turn it is: the first that still waits of the client whose turn it is."""
        while self._queues:
            name = next(iter(self._queues))
            queue = self._queues.pop(name)
            while queue:
                turn = queue.popleft()
                if not turn.done():
                    if queue:
                        self._queues[name] = queue  # at the end
                    return turn
        return None


async def _ended(piece: asyncio.Future[T]) -> None:
    piece.cancel()
    with suppress(asyncio.CancelledError, Exception):
        await piece
