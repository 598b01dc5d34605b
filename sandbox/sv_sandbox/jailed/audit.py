"""What test code does that no proxy sees: running text or bytes as code, in the judge's process.

An answer of the solution that is evaluated, unpickled or compiled would run in the judge. So
whoever does that in a test needs one process: `watch` is told before anything runs. The library's
own use (classes that `dataclasses` and `namedtuple` make, imports) goes on.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

_RUNS = frozenset(
    ("exec", "compile", "marshal.loads", "pickle.find_class", "code.__new__", "function.__new__")
)
_OWN = ("importlib", "jailed", "zipimport")
_MAKERS = frozenset(("collections", "dataclasses", "enum", "functools", "abc", "types"))
"""Modules that run code which they write themselves, from names that they have checked."""


def watch(found: Callable[[str], object]) -> None:
    """From now on `found` is called, and may raise, before test code runs text or bytes as code. It
    cannot be taken back: for a process that runs one row."""

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event not in _RUNS:
            return
        frame = sys._getframe(1)
        caller = str(frame.f_globals.get("__name__", ""))
        top = caller.partition(".")[0]
        if top in _OWN or caller.startswith("_frozen_importlib") or caller in _MAKERS:
            return
        if event == "compile" and caller in ("typing", "ast", "re"):
            return
        found(f"the test may run an answer as code ({event} by {caller or 'code of its own'})")

    sys.addaudithook(hook)
