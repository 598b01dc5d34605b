"""How far a run is, on stderr: a live line on a terminal, a plain line every few seconds elsewhere.

The run is asked for a `Snapshot` at every tick; it is told nothing and never waits.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

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


class ProgressLine:
    """Shows `snapshot()` until the block ends: `async with ProgressLine(console, snapshot):`."""

    def __init__(self, console: Console, snapshot: Callable[[], Snapshot]) -> None:
        self._console = console
        self._snapshot = snapshot
        self._start_s = time.monotonic()
        self._ticker: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        tick = self._live if self._console.is_terminal else self._plain
        self._ticker = asyncio.create_task(tick())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._ticker is not None
        self._ticker.cancel()
        with suppress(asyncio.CancelledError):
            await self._ticker
        self._console.print(self._line(), highlight=False, soft_wrap=True)

    def _line(self) -> str:
        return describe(self._snapshot(), time.monotonic() - self._start_s)

    async def _plain(self) -> None:
        while True:
            await asyncio.sleep(PLAIN_TICK_S)
            self._console.print(self._line(), highlight=False, soft_wrap=True)

    async def _live(self) -> None:
        columns = (SpinnerColumn(), BarColumn(bar_width=20), TextColumn("{task.description}"))
        # no refresh thread: the tick refreshes
        with Progress(
            *columns, console=self._console, transient=True, auto_refresh=False
        ) as progress:
            task = progress.add_task("starting", total=None)
            while True:
                now = self._snapshot()
                progress.update(
                    task,
                    total=now.problems_total,
                    completed=now.problems_done,
                    description=self._line(),
                    refresh=True,
                )
                await asyncio.sleep(LIVE_TICK_S)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
