"""What the tests of a row could leave to the next one in the interpreter: noticed, or put back.

In: the names that the row's code speaks of; a module that it never names is not looked into.
`begin` puts back random numbers as they were before the solution was loaded; `changed` tells
whether the rest is as it was after that (`loaded`). A process where it is not ends, and the next
cell begins in a fresh one.
"""

from __future__ import annotations

import _locale
import _signal  # type: ignore[import-not-found]  # answers without enumeration
import contextlib
import decimal
import gc
import os
import random
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any

from .bytecode import KEEPING
from .files import look
from .shared import levels
from .values import native

_MOST_FILES = 1_000


class State:
    """The interpreter as it is now, before anything foreign has run."""

    def __init__(self, names: set[str], leaves: bool = False):
        self._names = names
        self._modules: list[dict[str, Any]] = []
        self._random = random.getstate() if "random" in names else None
        numbers = sys.modules.get("numpy.random") if "random" in names else None
        self._numpy_random: Any = numbers
        self._numpy_state = numbers.get_state() if numbers is not None else None
        self._numbers: Any = None
        self.leaves = leaves or not names.isdisjoint(KEEPING)
        """Whether a cell may have left something that `changed` does not see."""
        self._holds = self._before = self._as_it_is(_held)
        self._after: object = None
        self._first: object = None

    def loaded(self) -> None:
        """The solution was loaded for the first time."""
        names = {"builtins", *self._names} - {"test", "solution"}
        modules = (sys.modules.get(name) for name in names)
        self._modules = [vars(module) for module in modules if type(module) is ModuleType]
        self._numbers = decimal.Context.copy(decimal.getcontext())
        self._after = self._as_it_is(_held)
        self._first = self._as_it_is(self._now)

    def begin(self) -> None:
        """Another cell begins; the solution will be loaded for it."""
        if self._random is not None:
            random.setstate(self._random)
        if self._numpy_state is not None:
            self._numpy_random.set_state(self._numpy_state)

    @staticmethod
    def let_go(namespace: dict[str, Any]) -> None:
        """A cell is over: what it held is not to be missing in the next one. (A recycled subject
        holds little, and loses all of it.)"""
        namespace.clear()
        if not native.recycled():
            gc.collect()

    def changed(self) -> bool:
        """Whether a cell has left something."""
        self._holds = self._as_it_is(_held)
        return self._holds != self._after or self._as_it_is(self._now) != self._first

    def loads_otherwise(self) -> bool:
        """Whether a solution that is loaded again would not find what it found at first, as it was
        when `changed` was asked."""
        return self.leaves or self._holds != self._before

    @staticmethod
    def _as_it_is(look: Callable[[], object]) -> object:
        """What there is to see; where what we call is no longer what it was, nothing known."""
        try:
            return look()
        except BaseException:  # a stream of the test's, when the link is gone
            return object()

    def _now(self) -> tuple[object, ...]:
        return (
            native.checksum(self._modules),
            sys.getrecursionlimit(),
            sys.getswitchinterval(),
            sys.get_int_max_str_digits(),
            sys.gettrace() is None,
            sys.getprofile() is None,
            _signal.getsignal(signal.SIGALRM),
            _signal.getsignal(signal.SIGINT),
            list(map(id, warnings.filters)),
            [getattr(one, "closed", True) for one in (sys.stdin, sys.stdout, sys.stderr)],
            sys.path[:],
            _loop(),
            _numpy(),
            gc.isenabled(),
            gc.get_threshold(),
            time.tzname,
            "modules" in self._names and None in sys.modules.values(),
            self._numbers is not None and decimal.getcontext().traps == self._numbers.traps,
            dict(decimal.getcontext().flags) if "getcontext" in self._names else None,
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


def _held() -> tuple[object, ...]:
    """What a solution that is loaded again should find as it was before the first time."""
    # In a recycled subject no call gets through that could change what the kernel holds.
    kept = () if native.recycled() else (_files(), _streams())
    return _environment(), sys.argv[:], *kept


def _of_kernel(umask: bool) -> tuple[object, ...]:
    timer = signal.getitimer(signal.ITIMER_REAL)[0] > 0
    return threading.active_count(), timer, os.getcwd(), umask and _umask()


def _environment() -> dict[Any, Any]:
    """As bytes, which is what it holds: decoding all of it would take as long as the rest."""
    return dict(getattr(os.environ, "_data", os.environ))


def _umask() -> int:
    mask = os.umask(0o22)
    os.umask(mask)
    return mask


def _files() -> list[tuple[object, ...]]:
    """All in the scratch folder, and when it was last changed."""
    found: list[tuple[object, ...]] = []
    for path, told in look("."):  # no more: to ask for the temporary folder writes a file
        if len(found) > _MOST_FILES:
            return [(object(),)]  # equal to nothing
        found.append((path, told.st_ino, told.st_size, told.st_mtime_ns, told.st_ctime_ns))
    return found  # in no order: another one is a change


def _streams() -> list[int]:
    """What stands behind standard input, output and errors, as far as it is open."""
    found = []
    for descriptor in (0, 1, 2):
        with contextlib.suppress(OSError):
            found.append(os.fstat(descriptor).st_ino)
    return found


def _of_libraries() -> tuple[object, ...]:
    """What C code and objects hold, which no module's names show. An import alone is no change."""
    language = _locale.setlocale(_locale.LC_ALL)
    context: Any = decimal.getcontext()
    numbers = (
        context.prec,
        context.rounding,
        context.Emin,
        context.Emax,
        context.clamp,
        context.capitals,
    )
    logging: Any = sys.modules.get("logging")
    root = logging and logging.root
    logs = (root.manager.disable, root.handlers[:]) if root else (0, [])
    return language, numbers, logs, levels()


def _numpy() -> object:
    numpy = sys.modules.get("numpy")
    if numpy is None or not hasattr(numpy, "geterr"):
        return None
    return sorted(numpy.geterr().items())
