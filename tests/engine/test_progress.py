"""The progress line: what it says, and where it is shown."""

from __future__ import annotations

import asyncio
import io

import pytest
from rich.console import Console

from sv_engine.commands import progress
from sv_engine.commands.progress import Snapshot, describe, progress_line


def test_describe_says_rate_and_time_left() -> None:
    line = describe(Snapshot(25, 100, "problems", 1200, 60_000), 30.0)
    assert line == "25/100 problems · 1,200 rows · 60,000 cells · 2,000 cells/s · 1:30 left"
    assert describe(Snapshot(1, 201, "tasks"), 60.0).endswith("3:20:00 left")
    assert describe(Snapshot(0, 0, "tasks"), 0.0).endswith("time left unknown")


@pytest.mark.parametrize("terminal", [True, False])
def test_the_line_is_shown_and_ends_with_the_last_state(
    terminal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "PLAIN_TICK_S", 0.001)
    monkeypatch.setattr(progress, "LIVE_TICK_S", 0.001)
    out, done = io.StringIO(), 0

    async def work() -> None:
        nonlocal done
        console = Console(file=out, force_terminal=terminal, width=200)
        async with progress_line(console, lambda: Snapshot(done, 3, "problems", done, done)):
            for _ in range(3):
                await asyncio.sleep(0.01)
                done += 1

    asyncio.run(work())
    assert "0/3 problems" in out.getvalue()
    assert "3/3 problems" in out.getvalue().splitlines()[-1]
