"""The queue before the pool: order, turns, refusal, and slots that are never lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any

import pytest

from sv_engine.serve import admission
from sv_engine.serve.admission import Admission, Overloaded, client


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 60))


def piece(done: list[Any], name: Any, until: asyncio.Event | None = None) -> Callable[[], Any]:
    """Work that notes its name, after an event."""

    async def work() -> None:
        if until is not None:
            await until.wait()
        done.append(name)
        await asyncio.sleep(0)

    return work


async def asked(queue: Admission, work: Callable[[], Awaitable[Any]], of: str = "") -> Any:
    client.set(of)
    return await queue.run(work, 60)


def test_slots_are_given_in_the_order_of_arrival() -> None:
    async def work() -> None:
        queue, order = Admission(slots=2, max_waiting=10), list[int]()

        async def one(n: int) -> None:
            order.append(n)
            assert queue.running <= 2
            await asyncio.sleep(0)

        await asyncio.gather(*(queue.run(partial(one, n), 60) for n in range(8)))
        assert order == list(range(8))
        assert (queue.running, queue.waiting, queue.peak_waiting) == (0, 0, 6)

    run(work())


@pytest.mark.parametrize(
    ("arrivals", "order"),
    [
        ("aaaab", "aabaa"),
        ("aaabbb", "aababb"),
        ("aaabc", "aabca"),
        ("aabbcc", "aabcbc"),
        ("aaaabcb", "aabcaba"),
    ],
)
def test_clients_take_turns(arrivals: str, order: str) -> None:
    """One slot: the first that comes has it, and whoever waits then is asked in turn."""

    async def work() -> None:
        queue, done, go = Admission(slots=1, max_waiting=10), list[str](), asyncio.Event()
        tasks = [
            asyncio.create_task(asked(queue, piece(done, name, go), name)) for name in arrivals
        ]
        await asyncio.sleep(0)
        go.set()
        await asyncio.gather(*tasks)
        assert "".join(done) == order
        assert queue._queues == {}

    run(work())


@pytest.mark.parametrize("how", ["full", "hopeless", "late"])
def test_what_would_come_too_late_is_refused(how: str) -> None:
    async def work() -> None:
        queue = Admission(slots=1, max_waiting=0 if how == "full" else 10)
        queue.interval_s = 1000.0 if how == "hopeless" else 0.0
        go = asyncio.Event()
        held = asyncio.create_task(queue.run(go.wait, 60))
        await asyncio.sleep(0)
        assert queue.is_hopeless(60) == (how != "late")
        with pytest.raises(Overloaded):
            await queue.run(go.wait, 0.01 if how == "late" else 60)
        assert queue.refused == 1
        assert queue.is_overloaded(60) == (how != "late")  # none waits any more
        go.set()
        await held
        assert (queue.running, queue.waiting) == (0, 0)
        assert not queue.is_hopeless(60)

    run(work())


def test_a_queue_that_refuses_is_overloaded_while_work_waits() -> None:
    async def work() -> None:
        queue, go = Admission(slots=1, max_waiting=10), asyncio.Event()
        tasks = [asyncio.create_task(queue.run(go.wait, 60)) for _ in range(2)]
        await asyncio.sleep(0)
        assert not queue.is_overloaded(60)
        with pytest.raises(Overloaded):
            await queue.run(go.wait, 0.01)
        assert queue.is_overloaded(60)
        go.set()
        await asyncio.gather(*tasks)
        assert not queue.is_overloaded(60)

    run(work())


def test_a_busy_queue_is_no_reason_to_refuse() -> None:
    async def work() -> None:
        queue, done = Admission(slots=1, max_waiting=1000), list[int]()
        queue.interval_s = 0.1  # so many that the last would come a little late
        await asyncio.gather(*(queue.run(piece(done, n), 20.0) for n in range(300)))
        assert done == list(range(300))
        assert queue.refused == 0

    run(work())


def test_work_that_was_admitted_waits_without_end() -> None:
    async def work() -> None:
        queue, done, go = Admission(slots=1, max_waiting=0), list[str](), asyncio.Event()
        queue.interval_s = 1e9
        first = asyncio.create_task(queue.run(go.wait, 1))
        waiting = asyncio.create_task(queue.run(piece(done, "later"), None))
        await asyncio.sleep(0.01)
        go.set()
        await asyncio.gather(first, waiting)
        assert done == ["later"]

    run(work())


@pytest.mark.parametrize("slots", [2, 3, 4, 8, 16])
def test_what_ends_soon_is_not_kept_waiting(slots: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """By any number of pieces that do not end; and those all end when they may."""
    monkeypatch.setattr(admission, "TURN_S", 0.02)

    async def work() -> None:
        queue, go = Admission(slots=slots, max_waiting=1000), asyncio.Event()
        done, ended = list[int](), list[int]()
        held = [asyncio.create_task(queue.run(piece(ended, n, go), 60)) for n in range(3 * slots)]
        await asyncio.gather(*(queue.run(piece(done, n), 60) for n in range(5)))
        assert len(done) == 5
        assert ended == []
        assert queue.begun_anew > 0
        assert queue._long <= queue.long_slots < slots
        go.set()
        await asyncio.gather(*held)
        assert sorted(ended) == list(range(3 * slots))
        assert (queue.running, queue.waiting, queue._long) == (0, 0, 0)

    run(work())


@pytest.mark.parametrize(
    ("piece_s", "turn_s"), [(0.0, 0.25), (0.01, 0.25), (0.1, 0.5), (0.3, 1.5), (9.0, 2.0)]
)
def test_a_busy_machine_has_longer_turns(piece_s: float, turn_s: float) -> None:
    queue = Admission(slots=1, max_waiting=1)
    queue.piece_s = piece_s
    assert queue.turn_s == pytest.approx(turn_s)


def test_nothing_is_begun_anew_while_nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "TURN_S", 0.01)

    async def work() -> None:
        queue, go, done = Admission(slots=4, max_waiting=10), asyncio.Event(), list[int]()
        held = [asyncio.create_task(queue.run(piece(done, n, go), 60)) for n in range(4)]
        await asyncio.sleep(0.1)
        go.set()
        await asyncio.gather(*held)
        assert (queue.begun_anew, queue._long, len(done)) == (0, 0, 4)

    run(work())


def test_what_work_raises_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "TURN_S", 0.01)

    async def work() -> None:
        queue, go = Admission(slots=2, max_waiting=10), asyncio.Event()

        async def fails(at_once: bool) -> None:
            if not at_once:
                await go.wait()
            raise KeyError("mine")

        tasks = [asyncio.create_task(queue.run(partial(fails, n == 3), 60)) for n in range(6)]
        await asyncio.sleep(0.2)
        go.set()
        raised = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(each) for each in raised] == [KeyError] * 6
        assert (queue.running, queue.waiting, queue._long) == (0, 0, 0)

    run(work())


@pytest.mark.parametrize("slots", [1, 3])
@pytest.mark.parametrize("wait_s", [0.0, 0.005, 0.05, 0.2])
def test_cancelling_loses_no_slot(
    slots: int, wait_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "TURN_S", 0.02)

    async def work() -> None:
        queue, go, done = Admission(slots=slots, max_waiting=100), asyncio.Event(), list[int]()
        tasks = [asyncio.create_task(queue.run(piece(done, n, go), 60)) for n in range(12)]
        await asyncio.sleep(wait_s)
        for task in tasks[::2]:
            task.cancel()
        await asyncio.sleep(wait_s)
        go.set()
        for task in tasks[1::4]:
            task.cancel()
        told = await asyncio.gather(*tasks, return_exceptions=True)
        assert told[3::4] == [None] * 3
        assert {3, 7, 11} <= set(done)
        assert (queue.running, queue.waiting, queue._long) == (0, 0, 0)
        await queue.run(piece(done, 99), 60)
        assert done[-1] == 99

    run(work())


@pytest.mark.parametrize("turns", range(6))
def test_a_slot_that_comes_as_its_piece_is_cancelled_passes_on(turns: int) -> None:
    async def work() -> None:
        queue, done = Admission(slots=1, max_waiting=10), list[int]()
        tasks = [asyncio.create_task(queue.run(piece(done, n), 60)) for n in range(5)]
        for _ in range(turns):
            await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert all(task.cancelled() or task.result() is None for task in tasks)
        assert (queue.running, queue.waiting) == (0, 0)
        await queue.run(piece(done, 99), 60)

    run(work())
