"""What the solution has changed of the test's in place, and whether a pass after that still rests
on the test's own word. One `Changes` per cell, made when something may be changed first: before
that it costs nothing.

In: each object of the test's that the solution changes (`made`), and code of the test's that it has
run (`watched`), which may change whatever it can reach. Out: words for `provenance`. The rule: what
the solution has changed is the solution's. So every name that leads to it by then is one, and the
test's text is read again (`parts`) with that. Only plain data by a name that is bound once, and
held it before the change, is the test's own word still. What a name leads to is looked at object by
object (`reach`); what cannot be looked at may lead anywhere, and so may functions that wait, and
other threads.
"""

from __future__ import annotations

import ast
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from . import once, reach
from .levels import Changed
from .parts import Parts
from .reach import ATOMS, OPAQUE, Reach, TooMuch, is_fixed
from .testcode import TestCode

TEXT = "<test>"
"""The file name of a test's code."""
_MOST_EVENTS = 2_000
_MOST_READINGS = 12
"""At once; after them, one at the end."""
_SUSPENDED = (ast.AsyncFunctionDef, ast.Yield, ast.YieldFrom)
_GENERATED = frozenset("__eq__ __lt__ __le__ __gt__ __ge__ __repr__ __hash__ __new__".split())


class Changes:
    """Of one cell. `word`: told where the solution may decide."""

    def __init__(self, test: TestCode, word: Callable[[str], object]):
        self._test = test
        self._word = word
        self._tree = ast.parse(test.text)
        self._nodes = [*ast.walk(self._tree)]
        self._heads = once.heads(self._tree)
        self._once = once.bound(self._tree)
        self._reach = Reach()
        self._named: dict[int, object] = {}
        """Changed objects that names lead to: they have been seen to."""
        self._run: dict[object, object] = {}
        """Code of the test's that the solution has had run, and what it could reach."""
        self._theirs: set[str] = set()
        self._settled: set[str] = set()
        self._fixed: set[str] = set()
        self._events = self._readings = 0
        self._is_read = True
        self._parts = self._read()
        self._suspends = any(isinstance(one, _SUSPENDED) for one in self._nodes)

    @property
    def steps(self) -> bool:
        """Whether the test looks at items of what the solution made one by one."""
        return self._parts.steps

    def made(self, *changed: object, is_new: bool = False) -> None:
        """The solution has changed, or may have changed, these; `is_new`: which the question at
        hand gave it first."""
        if all(id(one) in self._named for one in changed):
            return
        self._events += 1
        if threading.current_thread() is not threading.main_thread():
            self._word("what the solution changed in a thread")
        elif self._suspends:
            self._word("what the solution changed while a function may wait")
        elif self._events > _MOST_EVENTS or any(one is OPAQUE for one in changed):
            self._word("more changes in place than anybody looks at")
        else:
            self._looked(self._reread, [*changed])
            if not is_new and not all(id(one) in self._named for one in changed):
                self._word("a change of what no name leads to")

    def asked(self, target: Any) -> None:
        """An object of the library's does something for the solution, and may change what it leads
        to; a plain iterator changes only itself."""
        if reach.is_iterator(target):
            self.made(target)
        else:
            self._looked(lambda one: self.made(*self._reach.mutable(one)), target)

    def watched(self) -> _Watch:
        """What runs here is asked for by the solution: code of the test's may change anything that
        it can reach."""
        return _Watch(self._called)

    def _looked(self, look: Callable[[Any], object], at: object) -> None:
        try:
            look(at)
        except TooMuch:
            self._word("more objects than anybody looks at")
        except Exception as error:  # whatever is odd about an object fails no right solution
            self._word(f"an object that cannot be looked at ({type(error).__name__})")

    def _called(self, frame: FrameType, event: str, arg: object) -> None:
        code = frame.f_code
        if event != "call" or code.co_filename[:1] != "<" or code.co_filename[:7] == "<frozen":
            return
        if code.co_filename != TEXT and code.co_name in _GENERATED:
            return  # written by the library for the test, as by `dataclass`
        self._add({*code.co_names, *code.co_freevars} & self._parts.rebound)
        self._looked(self._ran, frame)

    def _ran(self, frame: FrameType) -> None:
        values = [one for one in _seen_by(frame) if type(one) not in ATOMS]
        key = (frame.f_code, *map(id, values))
        if key not in self._run:
            self._run[key] = values  # which keeps them, and so their numbers
            self.made(*(one for value in values for one in self._reach.mutable(value)))

    # ---- what is the solution's ------------------------------------------------------------------

    def _reread(self, changed: list[object]) -> None:
        """The test's text, now that these are the solution's."""
        found: set[str] = set()
        settled: set[str] = set()
        for name, value in _names():
            if self._reach.leads(value, changed):
                words = self._reach.attributes(value, changed)
                found |= {name, f".{name}", *(f".{one}" for one in words)} - self._heads
            elif name in self._once and self._is_read and not self._parts.levels.get(name):
                settled |= {name} if self._reach.is_data(value) else set()
                self._fixed |= {name} if is_fixed(value) else set()
        if not found.isdisjoint(self._parts.imported):
            self._word("what the solution changed of the library's")
        if found:
            self._named.update((id(one), one) for one in changed)
        self._settled = (self._settled | settled) - found
        self._fixed &= self._settled
        self._add(found)

    def _add(self, names: set[str]) -> None:
        """These are the solution's from now on."""
        if names <= self._theirs:
            return
        self._theirs |= names
        self._is_read = False
        self._readings += 1
        if self._readings <= _MOST_READINGS:
            self.finish()

    def finish(self) -> None:
        """Reads the text, if there is more of the solution's than when it was read."""
        if not self._is_read:
            self._is_read = True
            self._parts = self._read()
            if self._parts.mixed:
                self._word(f"what the solution changed in place, in {self._parts.mixed}")

    def _read(self) -> Parts:
        test = self._test
        changed = Changed(self._theirs, self._settled, self._fixed, self._heads)
        nodes = self._nodes
        return Parts(test.text, self._tree, nodes, test.entry_point, test.modules, changed)


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


def _names() -> Iterator[tuple[str, object]]:
    """What names of the test's hold by now, in each function that runs."""
    frame: FrameType | None = sys._getframe()
    seen: set[int] = set()
    while frame is not None:
        if frame.f_code.co_filename == TEXT:
            for scope in (frame.f_locals, frame.f_globals):
                if id(scope) not in seen:
                    seen.add(id(scope))
                    known = scope if isinstance(scope, dict) else dict(scope)
                    yield from [*dict.items(known)]  # which asks the solution for nothing
        frame = frame.f_back


def _seen_by(frame: FrameType) -> Iterator[Any]:
    """What a function of the test's is given, and reads by the names of others."""
    code = frame.f_code
    yield from (frame.f_locals.get(name) for name in (*code.co_varnames, *code.co_freevars))
    for name in code.co_names:
        if dict.__contains__(frame.f_globals, name):
            yield dict.__getitem__(frame.f_globals, name)
