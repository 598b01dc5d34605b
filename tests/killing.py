"""SIGKILL for a process with all that it has started."""

from __future__ import annotations

import contextlib
import os
import signal
import time

import psutil


def kill_tree(root: int) -> None:
    """Kill the process `root`, its children, and theirs; the caller last, where it is one of them.

    Stopped first, so that nothing is started meanwhile and nobody sees another die.
    """
    tree = [psutil.Process(root), *psutil.Process(root).children(recursive=True)]
    others = [process.pid for process in tree if process.pid != os.getpid()]
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in others:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
    if len(others) < len(tree):
        os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(60)  # the signal is on its way: nothing further may happen
