"""What the solution has changed of the test's in place, and whether a pass after that still rests
on the test's own word. One `Changes` per cell, made when something may be changed first: before
that it costs nothing.

In: each object of the test's that the solution changes (`made`), and code of the test's that it has
run (`watched`), which may change whatever it can reach. Out: words for `provenance`. The rule: what
the solution has changed is the solution's. So every name that leads to it by then is one, and the
test's text is read again (`parts`) with that. Only a name that is bound once, and held its value
before the change, holds the test's own word still. What a name leads to is looked at object by
object (`reach`); what cannot be looked at may lead anywhere.
"""

from __future__ import annotations

import ast
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from . import once, reach
from .levels import OWN, Changed
from .parts import Parts
from .testcode import TestCode

TEXT = "<test>"
"""The file name of a test's code."""
_MOST_EVENTS = 2_000
_GENERATED = frozenset("__eq__ __lt__ __le__ __gt__ __ge__ __repr__ __hash__ __new__".split())
_TOO_MUCH = "more changes in place than anybody looks at"


class Changes:
    """Of one cell. `word`: told where the solution may decide."""

    def __init__(self, test: TestCode, word: Callable[[str], object]):
        self._test = test
        self._word = word
        self._named: dict[int, object] = {}
        """Changed objects that names lead to: they have been seen to."""
        self._run: set[object] = set()
        """Code of the test's that the solution has had run."""
        self._theirs: set[str] = set()
        self._settled: set[str] = set()
        self._events = 0
        self._parts = self._read()
        self._once = once.bound(ast.parse(test.text))

    def made(self, *changed: object) -> None:
        """The solution has changed, or may have changed, these."""
        if all(id(one) in self._named for one in changed):
            return
        self._events += 1
        if threading.current_thread() is not threading.main_thread():
            self._word("what the solution changed in a thread")
        elif self._events > _MOST_EVENTS or any(one is reach.OPAQUE for one in changed):
            self._word(_TOO_MUCH)
        else:
            self._reread(changed)

    def watched(self) -> _Watch:
        """What runs here is asked for by the solution: code of the test's may change anything that
        it can reach."""
        return _Watch(self._called)

    def _called(self, frame: FrameType, event: str, arg: object) -> None:
        code = frame.f_code
        if event != "call" or code.co_filename[:1] != "<" or code.co_filename[:7] == "<frozen":
            return
        if code.co_filename != TEXT and code.co_name in _GENERATED:
            return  # written by the library for the test, as by `dataclass`
        for name in (*code.co_names, *code.co_freevars):
            if name in self._parts.rebound:
                self._add({name})
        reached: list[object] = []
        for value in _seen_by(frame):
            reached += reach.mutable(value)
        self.made(*reached)

    # ---- what is the solution's ------------------------------------------------------------------

    def _reread(self, changed: tuple[object, ...]) -> None:
        """The test's text, now that these are the solution's."""
        found, settled = set(), set()
        for name, value in _names(self._test.names):
            if reach.leads(value, changed):
                found |= {name} - self._parts.heads
            elif name in self._once and self._parts.levels.get(name, OWN) == OWN:
                settled.add(name)
        if found:
            self._named.update((id(one), one) for one in changed)
        self._settled = (self._settled | settled) - found
        self._add(found)

    def _add(self, names: set[str]) -> None:
        """These are the solution's from now on."""
        if names <= self._theirs:
            return
        self._theirs |= names
        self._parts = self._read()
        if self._parts.mixed:
            self._word(f"what the solution changed in place, in {self._parts.mixed}")

    def _read(self) -> Parts:
        test, tree = self._test, ast.parse(self._test.text)
        nodes = [*ast.walk(tree)]
        changed = Changed(self._theirs, self._settled, once.heads(tree))
        return Parts(test.text, tree, nodes, test.entry_point, test.modules, changed)


class _Watch:
    """Sees each function that is called meanwhile."""

    __slots__ = ("_before", "_seen")

    def __init__(self, seen: Callable[[FrameType, str, object], None]):
        self._seen = seen

    def __enter__(self) -> None:
        self._before = sys.getprofile()
        sys.setprofile(self._seen)

    def __exit__(self, *_: object) -> None:
        sys.setprofile(self._before)


def _names(spoken_of: set[str]) -> Iterator[tuple[str, object]]:
    """What names of the test's hold by now, in each function that runs, and attributes (`.name`)
    of the object whose method that is."""
    frame: FrameType | None = sys._getframe()
    seen: set[int] = set()
    while frame is not None:
        if frame.f_code.co_filename == TEXT:
            for scope in (frame.f_locals, frame.f_globals):
                if id(scope) in seen:
                    continue
                seen.add(id(scope))
                for name, value in list(dict.items(scope)):  # which asks the solution for nothing
                    if name in ("self", "cls"):
                        held = reach.attributes(value).items()
                        yield from ((f".{one}", found) for one, found in held if one in spoken_of)
                    elif not name.startswith("__"):
                        yield name, value
        frame = frame.f_back


def _seen_by(frame: FrameType) -> Iterator[Any]:
    """What a function of the test's is given, and reads by the names of others."""
    code = frame.f_code
    yield from (frame.f_locals.get(name) for name in (*code.co_varnames, *code.co_freevars))
    for name in code.co_names:
        if dict.__contains__(frame.f_globals, name):
            yield dict.__getitem__(frame.f_globals, name)
