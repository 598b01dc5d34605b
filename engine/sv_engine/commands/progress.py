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

    done: int
    total: int
    what: str
    """What is counted."""
    rows_done: int | None = None
    """With `cells_done` where cells are run."""
    cells_done: int = 0


def describe(now: Snapshot, elapsed_s: float) -> str:
    """One line: how many are done, rows, cells, cells per second, time left."""
    parts = [f"{now.done:,}/{now.total:,} {now.what}"]
    if now.rows_done is not None:
        rate = now.cells_done / elapsed_s if elapsed_s > 0 else 0.0
        parts += [f"{now.rows_done:,} rows", f"{now.cells_done:,} cells", f"{rate:,.0f} cells/s"]
    share = now.done / now.total if now.total else 0.0
    left = f"{_clock(elapsed_s * (1 - share) / share)} left" if share else "time left unknown"
    return " · ".join([*parts, left])


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
                progress.update(
                    task, total=now.total, completed=now.done, description=line(), refresh=True
                )
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
