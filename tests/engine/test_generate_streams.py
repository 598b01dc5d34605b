"""The bound on completions in flight: first come first served, nothing lost on cancellation."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from sv_engine.generate.streams import Slots


def test_small_taker_does_not_overtake_a_large_one() -> None:
    async def body() -> list[str]:
        slots = Slots(4)
        order: list[str] = []

        async def taker(name: str, count: int) -> None:
            await slots.take(count)
            order.append(name)

        await slots.take(3)
        tasks = [asyncio.create_task(taker("large", 4)), asyncio.create_task(taker("small", 1))]
        await asyncio.sleep(0)
        assert order == []  # one is free, but the large one came first
        slots.give(3)
        await asyncio.sleep(0)
        assert order == ["large"]
        slots.give(4)
        await asyncio.gather(*tasks)
        return order

    assert asyncio.run(body()) == ["large", "small"]


@given(
    size=st.integers(1, 6),
    takers=st.lists(
        st.tuples(st.integers(1, 6), st.booleans(), st.integers(0, 3)), min_size=1, max_size=12
    ),
)
def test_never_over_the_bound_and_all_slots_come_back(
    size: int, takers: list[tuple[int, bool, int]]
) -> None:
    async def body() -> None:
        slots = Slots(size)
        held = 0

        async def taker(count: int, turns: int) -> None:
            nonlocal held
            count = min(count, size)
            await slots.take(count)
            held += count
            assert held <= size
            try:
                for _ in range(turns):
                    await asyncio.sleep(0)
            finally:
                held -= count
                slots.give(count)

        tasks = [asyncio.create_task(taker(count, turns)) for count, _, turns in takers]
        for task, (_, cancel, turns) in zip(tasks, takers, strict=True):
            if cancel:
                for _ in range(turns):
                    await asyncio.sleep(0)
                task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert not [r for r in results if isinstance(r, Exception)]
        assert slots.free == size

    asyncio.run(body())
