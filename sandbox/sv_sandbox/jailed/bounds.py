"""Limits that the interpreter keeps, not the kernel: digits of numbers, stacks of threads.

In: what `native.limits` says of the row.  Nothing rests on these: the kernel's limits hold whatever
a program does to them.
"""

from __future__ import annotations

import _thread
import sys
import threading

from .values import native

_LEAST = 32 << 10
_plain = _thread.stack_size


def apply() -> None:
    """Set them, in a fork that runs a row."""
    memory_bytes, stack_bytes, digits = native.limits()
    sys.set_int_max_str_digits(digits)
    most = max(_LEAST, min(stack_bytes, memory_bytes // 2) >> 16 << 16)
    asked = 0

    def stack_size(size: int = 0, /) -> int:
        """What it was; a thread gets at most what the limits allow, and nothing is said of it."""
        nonlocal asked
        before = asked
        _plain(most if isinstance(size, int) and size > most else size)
        asked = size
        return before

    _thread.stack_size = threading.stack_size = stack_size
