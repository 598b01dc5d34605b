"""Watches the memory of a run: this process and all its children.

Resident sets are added up, so pages that children share are counted more than once: the figure is
an upper bound. Before the machine runs out, a warning names the knobs.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Self

import psutil

TICK_S = 2.0
LOW_SHARE = 0.05
"""Share of the machine's memory below which a run is warned, once."""


class MemoryWatch:
    """`async with MemoryWatch(warn) as watch: ...; watch.peak_bytes`."""

    def __init__(self, warn: Callable[[str], None]) -> None:
        self.peak_bytes = 0
        self._warn = warn
        self._warned = False
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *exception: object) -> None:
        assert self._task is not None
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _watch(self) -> None:
        while True:
            self.peak_bytes = max(self.peak_bytes, await asyncio.to_thread(resident_bytes))
            machine = psutil.virtual_memory()
            if machine.available < LOW_SHARE * machine.total and not self._warned:
                self._warned = True
                self._warn(
                    f"only {machine.available >> 20} MiB of memory are left; lower "
                    "generate.max_in_flight, generate.kv_cache_mib or execute.workers"
                )
            await asyncio.sleep(TICK_S)


def resident_bytes() -> int:
    """Resident memory of this process and its descendants."""
    total = 0
    own = psutil.Process()
    for process in [own, *own.children(recursive=True)]:
        with contextlib.suppress(psutil.Error):  # it ended meanwhile
            total += process.memory_info().rss
    return total
