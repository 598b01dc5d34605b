"""Coroutines of one end that the other end awaits.

In: something of ours that can be awaited, and our event loop. Out: whether it is over, and how long
the loop has nothing else to do. `asyncio` is as large as all that a template has loaded, so it is
imported only where it is needed.
"""

from __future__ import annotations

import sys
from typing import Any

from .values import CodecError


def begin(awaitable: Any) -> tuple[bool, object]:
    """Begin to await: whether it is over, and its result, or what to ask (`done`) for it."""
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:  # the solution runs a loop of its own, inside a plain call
        return True, asyncio.run(awaited(awaitable))
    return False, asyncio.ensure_future(awaitable)


async def awaited(awaitable: Any) -> object:
    """What it gives, as a coroutine."""
    return await awaitable


def done(task: object) -> tuple[bool, object]:
    """Whether this task of ours is over, and its result, or the task."""
    asyncio = sys.modules.get("asyncio")
    if asyncio is None or not isinstance(task, asyncio.Future):
        raise CodecError("not a task")
    return (True, task.result()) if task.done() else (False, task)


def spare_s(loop: Any) -> float:
    """How long this loop has nothing else to do, and the subject's may run: a subject that is asked
    again and again would not count as idle, though it sleeps."""
    ready, scheduled = getattr(loop, "_ready", (None,)), getattr(loop, "_scheduled", ())
    if ready:
        return 0.005
    return max(0.005, min(0.2, scheduled[0].when() - loop.time())) if scheduled else 0.2
