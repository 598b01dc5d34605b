"""What the tests of a row could leave to the next one in the interpreter: noticed, or put back.

In: the names that the row's code speaks of; a module that it never names is not looked into.
`begin` puts back random numbers as they were before the solution was loaded; `changed` tells
whether the rest is as it was after that (`loaded`). A process where it is not ends, and the next
cell begins in a fresh one.
"""

from __future__ import annotations

import _locale
import _signal  # type: ignore[import-not-found]  # answers without enumeration
import decimal
import gc
import os
import random
import signal
import sys
import threading
import time
import warnings
from types import CodeType, ModuleType
from typing import Any

from .values import native

PROCESS = frozenset(
    "_getframe inspect currentframe extract_stack print_stack format_stack getcontext setcontext"
    " localcontext setrecursionlimit set_int_max_str_digits setlocale chdir seterr errstate tzset"
    " setswitchinterval settrace setprofile".split()
)
"""Names by which a solution sees, or changes, what belongs to the process that it is in."""


def names_of(code: CodeType) -> set[str]:
    """All names that a code object speaks of, and those in it."""
    found = set(code.co_names)
    for const in code.co_consts:
        if isinstance(const, CodeType):
            found |= names_of(const)
    return found


class State:
    """The interpreter as it is now, before anything foreign has run."""

    def __init__(self, names: set[str]):
        self._names = names
        modules = [sys.modules.get(name) for name in names - {"test", "solution"}]
        self._modules = [vars(module) for module in modules if type(module) is ModuleType]
        self._random = random.getstate() if "random" in names else None
        numbers = sys.modules.get("numpy.random") if "random" in names else None
        self._numpy_random: Any = numbers
        self._numpy_state = numbers.get_state() if numbers is not None else None
        self._numbers: Any = None
        self._first: object = None

    def loaded(self) -> None:
        """The solution was loaded for the first time."""
        self._numbers = decimal.Context.copy(decimal.getcontext())
        self._first = self._now()

    def begin(self) -> None:
        """Another cell begins; the solution will be loaded for it."""
        if self._random is not None:
            random.setstate(self._random)
        if self._numpy_state is not None:
            self._numpy_random.set_state(self._numpy_state)

    def changed(self) -> bool:
        """Whether a cell has left something."""
        return bool(self._now() != self._first)

    def _now(self) -> tuple[object, ...]:
        return (
            native.checksum(self._modules),
            sys.getrecursionlimit(),
            sys.get_int_max_str_digits(),
            sys.gettrace() is None,
            sys.getprofile() is None,
            _signal.getsignal(signal.SIGALRM),
            _signal.getsignal(signal.SIGINT),
            list(map(id, warnings.filters)),
            _environment(),
            sys.argv[:],
            sys.path[:],
            _loop(),
            _numpy(),
            gc.isenabled(),
            gc.get_threshold(),
            time.tzname,
            "modules" in self._names and None in sys.modules.values(),
            self._numbers is not None and decimal.getcontext().traps == self._numbers.traps,
            *_of_libraries(),
            # In a recycled subject no call gets through that could change what the kernel holds.
            () if native.recycled() else _of_kernel("umask" in self._names),
        )


def _loop() -> object:
    """Which event loop this thread has, if any was ever made or closed."""
    events = sys.modules.get("asyncio.events")
    if events is None:  # as when it is there and has none
        return 0, id(None), False
    policy = getattr(events, "_event_loop_policy", None)
    local = getattr(policy, "_local", None)
    return (id(policy) if policy else 0, id(getattr(local, "_loop", None)), _set_called(local))


def _set_called(local: object) -> bool:
    return bool(getattr(local, "_set_called", False))


def _of_kernel(umask: bool) -> tuple[object, ...]:
    timer = signal.getitimer(signal.ITIMER_REAL)[0] > 0
    return threading.active_count(), timer, os.getcwd(), umask and _umask(), _files()


def _environment() -> dict[Any, Any]:
    """As bytes, which is what it holds: decoding all of it would take as long as the rest."""
    return dict(getattr(os.environ, "_data", os.environ))


def _umask() -> int:
    mask = os.umask(0o22)
    os.umask(mask)
    return mask


def _files() -> list[str]:
    return os.listdir(".")  # no more: to ask for the temporary folder writes a file


def _of_libraries() -> tuple[object, ...]:
    """What C code and objects hold, which no module's names show. An import alone is no change."""
    language = _locale.setlocale(_locale.LC_ALL)
    context: Any = decimal.getcontext()
    numbers = (context.prec, context.rounding, context.Emin, context.Emax, context.clamp)
    logging: Any = sys.modules.get("logging")
    root = logging and logging.root
    logs = (root.manager.disable, root.level, root.handlers[:]) if root else (0, 30, [])
    return language, numbers, logs


def _numpy() -> object:
    numpy = sys.modules.get("numpy")
    if numpy is None or not hasattr(numpy, "geterr"):
        return None
    return sorted(numpy.geterr().items())
