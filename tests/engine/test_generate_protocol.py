"""The protocol's promises, kept by every implementation.

The asynchronous vLLM takes half a minute to start, so it has one long test in test_generate_vllm.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from sv_engine.generate import (
    EngineKind,
    GenerationRequest,
    OpenAIGenerator,
    OpenAIOptions,
    RecordedGenerator,
    Sampling,
    VllmOptions,
    open_vllm,
)
from sv_engine.generate.streams import StreamingGenerator

Make = Callable[..., StreamingGenerator]
"""max_in_flight -> a generator that is not started yet."""

LONG = Sampling(max_tokens=200, seed=1)
"""Samples that do not end before a test is done with them."""


@pytest.fixture(
    params=[
        "recorded",
        "openai",
        pytest.param("in_process", marks=pytest.mark.heavy),
    ]
)
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """How to make the implementation under test."""
    kind = request.param
    if kind == "recorded":
        path = tmp_path / "recording.jsonl"
        path.write_text("".join(_recorded_lines()), encoding="utf-8")
        return lambda max_in_flight=64: RecordedGenerator(
            path, time_scale=1.0, max_in_flight=max_in_flight
        )
    if kind == "openai":
        pytest.importorskip("openai")
        server = request.getfixturevalue("openai_server")
        return lambda max_in_flight=64: OpenAIGenerator(
            OpenAIOptions(urls=(server.url,), path="m", max_in_flight=max_in_flight)
        )
    pytest.importorskip("vllm", reason="needs the cpu or cuda extra")
    model = str(request.getfixturevalue("tiny_model"))
    return lambda max_in_flight=64: open_vllm(
        VllmOptions(
            path=model,
            engine=EngineKind(kind),
            dtype="float32",
            max_in_flight=max_in_flight,
            kv_cache_mib=64,
        )
    )


def _recorded_lines() -> list[str]:
    """Problems p0 ... p9 end at once; `slow` ends after an hour."""
    samples = [(f"p{p}", i, 0.001 * i) for p in range(10) for i in range(8)]
    samples += [("slow", i, 3600.0) for i in range(8)]
    return [
        json.dumps(
            {
                "problem_id": problem,
                "role": "solve",
                "request": 0,
                "prompt_tokens": 3,
                "after_s": after_s,
                "text": f"text {i}",
                "finish_reason": "stop",
                "token_count": 5,
            }
        )
        + "\n"
        for problem, i, after_s in samples
    ]


def _run(make: Make, body: Callable[[Any], Awaitable[None]], **options: Any) -> None:
    async def whole() -> None:
        async with make(**options) as generator:
            await body(generator)

    asyncio.run(whole())


async def _in_flight(generator: Any) -> None:
    """Wait until a request has started."""
    while not generator.statistics.in_flight:  # noqa: ASYNC110
        await asyncio.sleep(0)


def _request(problem: str = "p0", n: int = 4, sampling: Sampling | None = None) -> Any:
    return GenerationRequest(
        problem, "solve", f"prompt of {problem}", n, sampling or Sampling(max_tokens=8, seed=1)
    )


pytestmark = pytest.mark.filterwarnings("default")  # vllm's own imports warn


def test_every_sample_arrives_once_and_is_counted(make: Make) -> None:
    async def body(generator: StreamingGenerator) -> None:
        async def one(p: int) -> list[Any]:
            return [c async for c in generator.generate(_request(f"p{p}"))]

        results = await asyncio.gather(*(one(p) for p in range(5)))
        for p, completions in enumerate(results):
            assert len(completions) == 4
            assert {(c.problem_id, c.role) for c in completions} == {(f"p{p}", "solve")}
            assert {c.finish_reason for c in completions} <= {"stop", "length"}
        counters = generator.statistics
        assert (counters.finished, counters.in_flight) == (20, 0)
        tokens = sum(c.token_count for completions in results for c in completions)
        assert counters.completion_tokens == tokens > 0
        assert counters.prompt_tokens > 0

    _run(make, body)


def test_never_more_in_flight_than_allowed(make: Make) -> None:
    async def body(generator: StreamingGenerator) -> None:
        async def one(p: int) -> int:
            return len([c async for c in generator.generate(_request(f"p{p}", n=2))])

        assert await asyncio.gather(*(one(p) for p in range(6))) == [2] * 6
        assert generator.statistics.peak_in_flight <= 4

    _run(make, body, max_in_flight=4)


def test_a_request_larger_than_the_bound_is_served(make: Make) -> None:
    async def body(generator: StreamingGenerator) -> None:
        assert len([c async for c in generator.generate(_request(n=4))]) == 4
        assert len([c async for c in generator.generate(_request("p1", n=4))]) == 4

    _run(make, body, max_in_flight=2)


def test_leaving_early_gives_the_rest_up(make: Make) -> None:
    async def body(generator: StreamingGenerator) -> None:
        async with aclosing(generator.generate(_request(n=8))) as completions:
            await anext(completions)
        counters = generator.statistics
        assert (counters.finished, counters.in_flight) == (1, 0)
        # All places are free again: a request that needs every one of them is served.
        assert len([c async for c in generator.generate(_request("p1", n=8))]) == 8

    _run(make, body, max_in_flight=8)


def test_cancelling_the_consumer_gives_the_rest_up(make: Make) -> None:
    async def body(generator: StreamingGenerator) -> None:
        async def slow() -> None:
            request = _request("slow", n=8, sampling=LONG)
            async with aclosing(generator.generate(request)) as completions:
                async for _ in completions:
                    pass

        task = asyncio.create_task(slow())
        await _in_flight(generator)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert generator.statistics.in_flight == 0
        assert len([c async for c in generator.generate(_request("p1", n=8))]) == 8

    _run(make, body, max_in_flight=8)


def test_closing_ends_open_iterators(make: Make) -> None:
    async def whole() -> list[Any]:
        async def slow(generator: Any) -> list[Any]:
            request = _request("slow", n=8, sampling=LONG)
            return [c async for c in generator.generate(request)]

        async with make() as generator:
            task = asyncio.create_task(slow(generator))
            await _in_flight(generator)
        return await asyncio.wait_for(task, 60)

    assert len(asyncio.run(whole())) < 8


def test_same_seed_same_samples(make: Make) -> None:
    async def body(generator: StreamingGenerator) -> None:
        first = sorted([c.text async for c in generator.generate(_request(n=3))])
        again = sorted([c.text async for c in generator.generate(_request(n=3))])
        assert first == again
        assert len(set(first)) == 3  # sample i draws with seed + i

    _run(make, body)
