"""The queue before the pool: order, refusal, and slots that are never lost."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from sv_engine.serve.admission import Admission, Overloaded


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


def test_slots_are_given_in_the_order_of_arrival() -> None:
    async def work() -> None:
        queue, order = Admission(slots=2, max_waiting=10), []

        async def piece(n: int) -> None:
            async with queue.slot(60):
                order.append(n)
                assert queue.running <= 2
                await asyncio.sleep(0)

        await asyncio.gather(*map(piece, range(8)))
        assert order == list(range(8))
        assert (queue.running, queue.waiting, queue.peak_waiting) == (0, 0, 6)

    run(work())


@pytest.mark.parametrize("how", ["full", "slow", "late"])
def test_what_would_come_too_late_is_refused(how: str) -> None:
    async def work() -> None:
        queue = Admission(slots=1, max_waiting=0 if how == "full" else 10)
        queue.interval_s = 100.0 if how == "slow" else 0.0
        async with queue.slot(60):
            with pytest.raises(Overloaded):
                async with queue.slot(0.01 if how == "late" else 60):
                    raise AssertionError("never")
            assert queue.refused == 1
        assert (queue.running, queue.waiting) == (0, 0)

    run(work())


def test_work_that_was_admitted_waits_without_end() -> None:
    async def work() -> None:
        queue = Admission(slots=1, max_waiting=0)
        queue.interval_s = 1e9

        async def later() -> str:
            async with queue.slot(None):
                return "done"

        async with queue.slot(1):
            waiting = asyncio.create_task(later())
            await asyncio.sleep(0.01)
        assert await waiting == "done"

    run(work())


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_cancelling_loses_no_slot(turns: int) -> None:
    async def work() -> None:
        queue = Admission(slots=1, max_waiting=10)

        async def piece() -> None:
            async with queue.slot(60):
                await asyncio.sleep(0)

        tasks = [asyncio.create_task(piece()) for _ in range(5)]
        for _ in range(turns):
            await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert (queue.running, queue.waiting) == (0, 0)
        await asyncio.wait_for(piece(), 10)

    run(work())
