"""Jobs awaited in an event loop: one descriptor for all of a loop, and one future for each.

Imported when a job is first awaited: asyncio takes as long to import as all the rest.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING

from . import _native
from .verdict import SandboxError, hint

if TYPE_CHECKING:
    from .job import Job

_bells: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Bell] = weakref.WeakKeyDictionary()
_tokens = itertools.count()


class _Bell:
    """What an event loop listens to while jobs are awaited in it: one descriptor for them all."""

    def __init__(self, loop: asyncio.AbstractEventLoop):
        self._bell = _native.bell_new()
        self._waiting: dict[int, asyncio.Future[None]] = {}
        loop.add_reader(_native.bell_fd(self._bell), self._rung)

    @classmethod
    def here(cls) -> _Bell:
        """That of the running loop. Raises OSError when there is no descriptor for one."""
        loop = asyncio.get_running_loop()
        bell = _bells.get(loop)
        if bell is None:
            bell = _bells[loop] = cls(loop)
        return bell

    @contextlib.contextmanager
    def expecting(self, handle: _native.JobHandle) -> Iterator[asyncio.Future[None]]:
        """A future that is done when the job has ended; the last one takes the bell away."""
        loop, token = asyncio.get_running_loop(), next(_tokens)
        ended = self._waiting[token] = loop.create_future()
        try:
            if not _native.job_ring(handle, self._bell, token):
                ended.set_result(None)
            yield ended
        finally:
            del self._waiting[token]
            if not self._waiting:
                loop.remove_reader(_native.bell_fd(self._bell))
                _bells.pop(loop, None)

    def _rung(self) -> None:
        for token in _native.bell_take(self._bell):
            ended = self._waiting.get(token)
            if ended is not None and not ended.done():
                ended.set_result(None)


async def until_ended(job: Job, handle: _native.JobHandle) -> None:
    """Wait for a job without blocking the loop; when that is cancelled, the job is. Raises
    SandboxError where there is no descriptor to wait with."""
    try:
        bell = _Bell.here()
        with bell.expecting(handle) as ended:
            await ended
    except asyncio.CancelledError:
        job.cancel()
        raise
    except OSError as error:
        job.cancel()
        raise SandboxError(f"cannot wait for a job: {error.strerror}{hint(error)}") from None
