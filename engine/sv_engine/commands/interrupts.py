"""Signals: SIGTERM ends a command as Ctrl-C does, with an exit code of its own; a run stops in two
steps, after what is in flight, and at once."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

INTERRUPTED = 130
TERMINATED = 143
AGAIN = "; the same command starts again"
"""What is said of a command that keeps nothing."""


def _is_news(record: logging.LogRecord) -> bool:
    kind = record.exc_info[0] if record.exc_info else None
    return kind is None or not issubclass(kind, KeyboardInterrupt)


logging.getLogger("asyncio").addFilter(_is_news)
"""A second Ctrl-C ends some task, which asyncio would tell with a traceback."""


@dataclass(slots=True)
class Interrupt:
    """What an interrupted command exits with: 128 + the signal, as shells have it."""

    exit_code: int = INTERRUPTED


@contextmanager
def sigterm_as_ctrl_c() -> Iterator[Interrupt]:
    """Inside the block SIGTERM does what Ctrl-C would: cancel what asyncio runs, or raise
    KeyboardInterrupt. For the main thread."""
    interrupt, owner = Interrupt(), os.getpid()

    def on_sigterm(number: int, frame: FrameType | None) -> None:
        if os.getpid() != owner:  # a child that was forked, as multiprocessing does
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        interrupt.exit_code = TERMINATED
        on_ctrl_c = signal.getsignal(signal.SIGINT)
        if not callable(on_ctrl_c):  # ignored, as in a background job of a script
            raise KeyboardInterrupt
        on_ctrl_c(signal.SIGINT, frame)

    before = signal.signal(signal.SIGTERM, on_sigterm)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGTERM, before)


class Signals:
    """What a run on an event loop makes of SIGINT and SIGTERM."""

    def __init__(self, console: Console) -> None:
        self.exit_code = INTERRUPTED
        self.stopping = False
        """Nothing further is to be begun."""
        self.in_flight = False
        """Whether there may be something that is worth finishing."""
        self._console = console

    @contextmanager
    def handled(self) -> Iterator[None]:
        """Inside the block Ctrl-C asks the run to stop; a second one, SIGTERM, and Ctrl-C while
        nothing is in flight, cancel the current task."""
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task is not None

        def on_ctrl_c() -> None:
            if self.stopping or not self.in_flight:
                task.cancel()
                return
            self.stopping = True
            self._console.print(
                "stopping when what is in flight is finished; Ctrl-C again stops at once"
            )

        def on_sigterm() -> None:
            self.exit_code = TERMINATED
            task.cancel()

        loop.add_signal_handler(signal.SIGINT, on_ctrl_c)
        loop.add_signal_handler(signal.SIGTERM, on_sigterm)
        try:
            yield
        finally:
            loop.remove_signal_handler(signal.SIGINT)
            loop.remove_signal_handler(signal.SIGTERM)
