"""Where `sv-engine` begins and ends: Ctrl-C is one sentence while modules are still imported, and
nothing when all is done and only the interpreter is left to end."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager


def main() -> None:
    """The command line."""
    try:
        with importing():
            from sv_engine.cli import main as command_line
        command_line()
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def importing() -> Iterator[None]:
    """Inside the block Ctrl-C and SIGTERM end the process at once: an exception may be lost there,
    as importlib has callbacks in which it counts for nothing."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield  # ignored, as in a background job of a script
        return
    before = {number: signal.signal(number, _leave) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave(number: int, _: object) -> None:
    os.write(2, b"interrupted; nothing was begun\n")
    os._exit(128 + number)
