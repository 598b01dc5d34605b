"""SIGTERM ends a command as Ctrl-C does, with an exit code of its own."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

INTERRUPTED = 130
TERMINATED = 143


@dataclass(slots=True)
class Interrupt:
    """What an interrupted command exits with: 128 + the signal, as shells have it."""

    exit_code: int = INTERRUPTED


@contextmanager
def sigterm_as_ctrl_c() -> Iterator[Interrupt]:
    """Inside the block SIGTERM does what Ctrl-C would: cancel what asyncio runs, or raise
    KeyboardInterrupt. For the main thread."""
    interrupt = Interrupt()

    def on_sigterm(number: int, frame: FrameType | None) -> None:
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
