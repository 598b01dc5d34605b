"""What every generator shares: the bound on completions in flight, streams, counters.

An implementation derives from `StreamingGenerator` and says how to start a stream (`_start`) and
how to stop one that is no longer wanted (`_stop`). It delivers finished completions by
`Stream.deliver`, on the event loop. A stream's queue never holds more than the request's n.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Any, Self

from sv_engine.generate.errors import GenerationError
from sv_engine.generate.protocol import GenerationRequest, GeneratorStatistics
from sv_engine.records import Completion


class Slots:
    """A counted bound, first come first served, where one taker may need several at once."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.free = size
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def take(self, count: int) -> None:
        """Wait until `count` slots are free and everybody who came earlier is served."""
        if not self._waiting and self.free >= count:
            self.free -= count
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append((count, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self.give(count)  # served and cancelled in the same instant
            else:
                self._serve()  # whoever queued behind may be served now
            raise

    def give(self, count: int) -> None:
        """Put `count` slots back."""
        self.free += count
        self._serve()

    def _serve(self) -> None:
        while self._waiting:
            count, turn = self._waiting[0]
            if not turn.cancelled():
                if self.free < count:
                    return
                self.free -= count
                turn.set_result(None)
            self._waiting.popleft()


class Stream:
    """One request on its way: finished completions in, in the order in which they finish."""

    def __init__(self, request: GenerationRequest) -> None:
        self.request = request
        self.missing = request.n
        """Completions not delivered yet."""
        self.handle: Any = None
        """Whatever the implementation needs to stop this stream; None before it has started."""
        self._queue: asyncio.Queue[Completion | BaseException | None] = asyncio.Queue()
        self._ended = False

    def deliver(self, completion: Completion) -> None:
        """Hand one finished completion over; ends the stream when it was the last."""
        if self._ended:
            return
        self.missing -= 1
        self._queue.put_nowait(completion)
        if self.missing == 0:
            self.end()

    def end(self, error: BaseException | None = None) -> None:
        """No more completions come: all are there, they were aborted, or `error` happened."""
        if not self._ended:
            self._ended = True
            self._queue.put_nowait(error)

    async def __aiter__(self) -> AsyncIterator[Completion]:
        while (item := await self._queue.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item


class StreamingGenerator(ABC):
    """Bounds, counters and the life of a stream; see the protocol for what is promised."""

    def __init__(self, max_in_flight: int) -> None:
        self._slots = Slots(max_in_flight)
        self._streams: set[Stream] = set()
        self._failure: GenerationError | None = None
        self._statistics = GeneratorStatistics()

    @property
    def statistics(self) -> GeneratorStatistics:
        """Counters since the start."""
        return self._statistics

    async def __aenter__(self) -> Self:
        await self._open()
        return self

    async def __aexit__(self, *exception: object) -> None:
        for stream in list(self._streams):
            stream.end()
        await self._close()

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[Completion, None]:
        """Yield each completion of `request` the moment it is finished."""
        held = min(request.n, self._slots.size)
        await self._slots.take(held)
        stream = Stream(request)
        counters = self._statistics
        taken = 0
        try:
            if self._failure is not None:
                raise self._failure
            self._streams.add(stream)
            counters.in_flight += request.n
            counters.peak_in_flight = max(counters.peak_in_flight, counters.in_flight)
            await self._start(stream)
            async for completion in stream:
                taken += 1
                counters.in_flight -= 1
                counters.finished += 1
                counters.completion_tokens += completion.token_count
                yield completion
                # The consumer came back for more: only now does this one's place become free.
                if request.n - taken < held:
                    held -= 1
                    self._slots.give(1)
        finally:
            if stream in self._streams:
                self._streams.discard(stream)
                counters.in_flight -= request.n - taken
                self._give_up(stream)
            self._slots.give(held)

    def room_after(self, prompt: str) -> int | None:
        """See the protocol."""
        return None

    async def load_weights(self, path: Path) -> None:
        """Let what is in flight finish, then serve the weights of `path`."""
        # Holding every slot means that nothing is in flight, and nothing starts meanwhile.
        await self._slots.take(self._slots.size)
        try:
            if self._failure is not None:
                raise self._failure
            await self._load_weights(path)
        finally:
            self._slots.give(self._slots.size)

    @abstractmethod
    async def sleep(self) -> None:
        """Give accelerator memory back."""

    @abstractmethod
    async def wake(self) -> None:
        """Undo `sleep`."""

    def _fail(self, error: GenerationError) -> None:
        """The engine is gone: every open iterator raises, and so does every later request."""
        self._failure = self._failure or error
        for stream in list(self._streams):
            stream.end(error)

    def _give_up(self, stream: Stream) -> None:
        """Stop what has started and is not delivered yet."""
        if stream.missing and stream.handle is not None:
            self._stop(stream)

    @abstractmethod
    async def _open(self) -> None:
        """Start the engine."""

    @abstractmethod
    async def _close(self) -> None:
        """Stop the engine; streams have ended."""

    @abstractmethod
    async def _start(self, stream: Stream) -> None:
        """Begin to sample; must not wait for completions."""

    @abstractmethod
    def _stop(self, stream: Stream) -> None:
        """Give up what is missing of this stream; may be called more than once."""

    @abstractmethod
    async def _load_weights(self, path: Path) -> None:
        """Swap the weights; nothing is in flight."""
