"""Recordings: what was yielded is written, and replays as it was."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from sv_engine.generate import (
    GenerationRequest,
    RecordedGenerator,
    RecordingError,
)


def _line(problem: str, request: int, text: str, after_s: float = 0.0) -> dict[str, Any]:
    return {
        "problem_id": problem,
        "role": "solve",
        "request": request,
        "prompt_tokens": 7,
        "after_s": after_s,
        "text": text,
        "finish_reason": "length",
        "token_count": 3,
    }


def _write(path: Path, lines: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


async def _texts(generator: Any, problem: str = "p", n: int = 2) -> list[str]:
    request = GenerationRequest(problem, "solve", "prompt", n)
    return [c.text async for c in generator.generate(request)]


def test_requests_replay_in_order_and_the_last_repeats(tmp_path: Path) -> None:
    lines = [_line("p", 0, "a"), _line("p", 1, "c"), _line("p", 0, "b"), _line("q", 0, "z")]
    path = _write(tmp_path / "r.jsonl", lines)

    async def body() -> list[list[str]]:
        async with RecordedGenerator(path) as generator:
            return [await _texts(generator) for _ in range(3)] + [await _texts(generator, "q")]

    assert asyncio.run(body()) == [["a", "b"], ["c"], ["c"], ["z"]]


def test_time_scale_stretches_the_recorded_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _write(tmp_path / "r.jsonl", [_line("p", 0, "a", 2.0), _line("p", 0, "b", 10.0)])
    slept: list[float] = []
    real_sleep = asyncio.sleep

    async def sleep(delay_s: float) -> None:
        slept.append(delay_s)
        await real_sleep(0)

    async def body() -> None:
        async with RecordedGenerator(path, time_scale=3.0) as generator:
            monkeypatch.setattr(asyncio, "sleep", sleep)
            assert await _texts(generator) == ["a", "b"]

    asyncio.run(body())
    assert slept == [pytest.approx(6.0, abs=0.5), pytest.approx(30.0, abs=0.5)]


def test_unknown_problem_says_so(tmp_path: Path) -> None:
    path = _write(tmp_path / "r.jsonl", [_line("p", 0, "a")])

    async def body() -> None:
        async with RecordedGenerator(path) as generator:
            with pytest.raises(RecordingError, match="nothing was recorded for problem x"):
                await _texts(generator, "x")
            assert await _texts(generator) == ["a"]

    asyncio.run(body())


@pytest.mark.parametrize(
    ("content", "message"),
    [("{}\n", "line 1 .* broken: no after_s"), ("[1]\n", "line 1"), ("{oops\n", "line 1")],
)
def test_broken_recordings_name_the_line(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text(content, encoding="utf-8")

    async def body() -> None:
        async with RecordedGenerator(path):
            pass

    with pytest.raises(RecordingError, match=message):
        asyncio.run(body())


def test_absent_recording(tmp_path: Path) -> None:
    async def body() -> None:
        async with RecordedGenerator(tmp_path / "absent.jsonl"):
            pass

    with pytest.raises(RecordingError, match="cannot be read"):
        asyncio.run(body())
