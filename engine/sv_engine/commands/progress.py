"""How far a run is, on stderr: a live line on a terminal, a plain line every few seconds elsewhere.

The run is asked for a `Snapshot` at every tick; it is told nothing and never waits.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

LIVE_TICK_S = 0.25
PLAIN_TICK_S = 5.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Counts since the start."""

    problems_done: int
    problems_total: int
    rows_done: int
    cells_done: int


def describe(now: Snapshot, elapsed_s: float) -> str:
    """One line: problems, rows, cells, cells per second, time left."""
    rate = now.cells_done / elapsed_s if elapsed_s > 0 else 0.0
    share = now.problems_done / now.problems_total if now.problems_total else 0.0
    left = f"{_clock(elapsed_s * (1 - share) / share)} left" if share else "time left unknown"
    return (
        f"{now.problems_done:,}/{now.problems_total:,} problems · {now.rows_done:,} rows · "
        f"{now.cells_done:,} cells · {rate:,.0f} cells/s · {left}"
    )


@asynccontextmanager
async def progress_line(console: Console, snapshot: Callable[[], Snapshot]) -> AsyncIterator[None]:
    """Show `snapshot()` until the block ends."""
    start_s = time.monotonic()

    def line() -> str:
        return describe(snapshot(), time.monotonic() - start_s)

    def print_line() -> None:
        console.print(line(), highlight=False, soft_wrap=True)

    async def plain() -> None:
        while True:
            await asyncio.sleep(PLAIN_TICK_S)
            print_line()

    async def live() -> None:
        columns = (SpinnerColumn(), BarColumn(bar_width=20), TextColumn("{task.description}"))
        # no refresh thread: the tick refreshes
        with Progress(*columns, console=console, transient=True, auto_refresh=False) as progress:
            task = progress.add_task("starting", total=None)
            while True:
                now = snapshot()
                done, total = now.problems_done, now.problems_total
                progress.update(task, total=total, completed=done, description=line(), refresh=True)
                await asyncio.sleep(LIVE_TICK_S)

    ticker = asyncio.create_task(live() if console.is_terminal else plain())
    try:
        yield
    finally:
        ticker.cancel()
        with suppress(asyncio.CancelledError):
            await ticker
        print_line()


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
