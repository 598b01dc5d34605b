"""What the solution has changed in place, and whether an assertion after that still rests on the
test's own word. One `Changes` per cell, made when something changes first: before that it costs
nothing.

In: each object of the test's that the solution changed (`made`), and each assertion that is left
(`left`). Out: words for `provenance`. From the first change on the lines of the test are followed
as they run (`sys.settrace`). A value is CHANGED if the object that it is, or one that it leads to,
was changed, or if it was made by a statement that read such a value; ANSWER if it is the
solution's; CLEAN otherwise: written down by the test, before the change or after it. Names carry
this from statement to statement, and a function that reads something changed gives it to what its
callers make of it. An assertion that reads something changed must compare it with something CLEAN.
What is changed must not decide whether an assertion is reached.

What cannot be told (a name that is not found, a structure too large to follow, other threads) is
taken for changed.
"""

from __future__ import annotations

import ast
import contextlib
import gc
import sys
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from types import CodeType, FrameType, GeneratorType, ModuleType
from typing import Any

from .link import Link
from .provenance import Provenance, is_reference
from .shapes import names_in
from .statements import BLOCKS, TEXT, Statements, is_site, names_stored, sites
from .views import ANSWER, APART, ATOMS, CHANGED, CLEAN, SPACES, View

_COMPARISONS = frozenset("__eq__ __ne__ __lt__ __le__ __gt__ __ge__".split())
_INLINE = frozenset(("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"))
"""Frames that belong to a statement of another one."""
_ITERATORS: tuple[type, ...] = (
    weakref.ref,
    GeneratorType,
    map,
    filter,
    zip,
    type(iter([])),
    type(iter(())),
    enumerate,
)
_OPEN_MODULES = frozenset(("sys", "gc", "inspect", "builtins", "importlib"))
_RUNNERS = frozenset(("unittest.case", "unittest.result", "unittest.suite", "unittest.loader"))
"""Modules whose objects know of other tests, not of what they test."""
_OURS = 2  # the table, and who counts
_OPTIMIZED = 0x1
FEW = 500
MOST_OBJECTS = 300_000
MOST_LINES = 15_000
"""How many objects and lines are looked at for one cell: after that it costs no more."""
_FEW_LINES = 8  # what a change or an assertion costs


class _TooMuch(Exception):
    """This would take too long."""


class _Code:
    """Whose the names of a function are."""

    def __init__(self, code: CodeType):
        self.shared = frozenset((*code.co_freevars, *code.co_cellvars))
        self.own = frozenset(code.co_varnames)
        self.outermost = code.co_qualname.split(".<locals>")[0]
        self.is_function = bool(code.co_flags & _OPTIMIZED)


class _Followed:
    """What is known of one frame of the test's; called by Python as it runs."""

    def __init__(self, changes: Changes, frame: FrameType):
        self._changes = changes
        self.now = changes.statements.at(frame.f_lineno)
        self.names: dict[str, int] = {}
        """Names of its own that hold something CHANGED, or an ANSWER."""
        self.has_read = False
        """Whether what the statement at hand calls has read something changed."""
        self.blocks: set[ast.stmt] = set()
        """Blocks whose head has read something changed: it decides what is done in them."""
        self.is_lambda = False
        self.is_lost = False
        """Whether something changed decided that this frame is there at all."""

    def decided(self, statement: ast.stmt) -> bool:
        """Whether something changed decided that this statement runs."""
        return not self.blocks.isdisjoint(self._changes.statements.around[statement])

    def __call__(self, frame: FrameType, event: str, arg: object) -> _Followed:
        try:
            if event == "line" and not self.is_lambda:
                self._changes.line(self, frame)
            elif event == "return" and arg is not None:
                self._changes.returned(frame)
            elif event == "exception":
                self._changes.raised(self, arg)
        except Exception:
            self._changes.give_up()
        return self


class Changes:
    """Of one cell. `word`: what is told where the solution may decide."""

    def __init__(self, source: str, word: Callable[[str], object]):
        self.statements = Statements(source)
        self._word = word
        self._changed: dict[int, object] = {}
        self._derived: set[int] = set()
        """Of these, those that the test itself made of what was changed."""
        self._arrays: set[int] = set()
        self._most = FEW
        self._globals: dict[str, int] = {}
        self._cells: dict[str, dict[str, int]] = {}
        """As `_Followed.names`: of the module, and what functions share, by the outermost one."""
        self._readers: set[CodeType] = set()
        """Functions that have read something changed."""
        self._has_escaped = False
        """Whether one has given what it read to a runner, as a fixture does."""
        self._codes: dict[CodeType, _Code] = {}
        self._known: dict[int, tuple[object, int]] = {}
        """Levels of objects; nothing makes them CHANGED but `_add`."""
        self._is_on = True
        self._objects_left, self._lines_left = MOST_OBJECTS, MOST_LINES

    def end(self) -> None:
        """Nothing is followed any more."""
        self._is_on = False
        sys.settrace(None)
        threading.settrace(None)

    @contextlib.contextmanager
    def _apart(self) -> Iterator[None]:
        """What we do here is not followed; what goes wrong is taken for changed."""
        sys.settrace(None)
        try:
            yield
        except Exception:
            self.give_up()
        finally:
            if self._is_on:
                sys.settrace(self._called)

    def give_up(self) -> None:
        """It cannot be followed any further."""
        self._word("too much that the solution changed")
        self.end()

    # ---- what happens ----------------------------------------------------------------------------

    def made(self, value: object, wide: bool) -> None:
        """The solution changes this object; `wide`: by a method of it, which may change whatever
        the object leads to."""
        if not self._is_on:
            return
        with self._apart():
            self._tick(_FEW_LINES)
            for one in [value, *(self.reached(value) if wide else ())]:
                self._add(one)
            is_asked = False
            frame: FrameType | None = sys._getframe()
            while frame is not None:
                if frame.f_code.co_filename == TEXT:
                    is_asked = True
                    self._follow(frame)
                    for statement in self._waiting(frame):
                        level = max(ANSWER, View(self, frame).read_by(statement))
                        self._store(frame, self.statements.stores(statement), level)
                frame = frame.f_back
            if threading.active_count() > 1:
                self._word("a change while other threads run")
            if is_asked:
                threading.settrace(self._called)
            else:  # by nothing that the test does
                self.give_up()

    def left(self, frame: FrameType | None) -> None:
        """An assertion held in the function of the test's that this frame belongs to."""
        while frame is not None and frame.f_code.co_filename != TEXT:
            frame = frame.f_back
        if frame is None or not self._is_on:
            return
        if sys.gettrace() != self._called:
            self._word("a change while the test follows its own lines")
        with self._apart():
            self._tick(_FEW_LINES)
            outer: FrameType | None = frame
            while outer is not None and outer.f_code.co_name in _INLINE:
                outer = outer.f_back
            followed = outer.f_trace if outer is not None else None
            has_read = type(followed) is _Followed and followed.has_read
            self._known.clear()  # what is asserted may have put something anywhere
            view = View(self, frame)
            for statement in self.statements.at(frame.f_lineno):
                if not all(view.decides(one, has_read) for one in sites(statement)):
                    self._word("what the solution changed in place, on the side that should know")

    def _add(self, value: object) -> None:
        self._known.clear()
        self._changed[id(value)] = value
        if type(value).__name__ == "ndarray":
            self._arrays.add(id(value))
        if len(self._changed) > self._most:
            self._forget()

    def _forget(self) -> None:
        """Objects that only we hold, nobody can read any more."""
        alone = [key for key in self._changed if sys.getrefcount(self._changed[key]) <= _OURS]
        for key in alone:
            del self._changed[key]
        self._derived -= {*alone}
        self._arrays -= {*alone}
        self._most = 2 * len(self._changed) + FEW

    def _follow(self, frame: FrameType) -> _Followed:
        followed = frame.f_trace
        if type(followed) is not _Followed:
            followed = frame.f_trace = _Followed(self, frame)
        return followed

    def _called(self, frame: FrameType, event: str, arg: object) -> _Followed | None:
        """A function is called, or goes on: who reads nothing changed need not be followed."""
        code = frame.f_code
        if not _is_whole(code):
            return None
        if type(frame.f_trace) is _Followed:
            return frame.f_trace
        try:
            self._tick()
            is_lost = self._is_within(frame.f_back)
            given = self._given(frame)
            if not (is_lost or given or View(self, frame).at_entry() == CHANGED):
                return None
            followed = self._follow(frame)
            followed.is_lost |= is_lost
            followed.is_lambda = code.co_name == "<lambda>"
            self._store(frame, given, CHANGED)
            if followed.is_lambda or _compares(code):
                self._has_read(frame)
            return followed
        except Exception:
            self.give_up()
        return None

    def _given(self, frame: FrameType) -> list[str]:
        """Parameters of a function that get something made of what was changed."""
        back, code = frame.f_back, frame.f_code
        while back is not None and not _is_whole(back.f_code):
            back = back.f_back
        if back is None:
            return [*code.co_varnames[: code.co_argcount]] if self._has_escaped else []
        view, statements = View(self, back), self._waiting(back)
        has_read = type(back.f_trace) is _Followed and back.f_trace.has_read
        if not has_read and max(map(view.read_by, statements), default=CLEAN) < CHANGED:
            return []
        names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        heads = [head for one in statements for head in self.statements.heads(one)]
        nodes = [node for head in heads for node in ast.walk(head)]
        calls = [one for one in nodes if isinstance(one, ast.Call) and view.calls(one, code)]
        if len(calls) != 1 or back is not frame.f_back:
            return [*code.co_varnames[: len(names) + 2]]
        return view.given(calls[0], code, has_read)

    def _is_within(self, frame: FrameType | None) -> bool:
        """Whether something changed has decided that this frame of the test's does what it does."""
        while frame is not None and frame.f_code.co_filename != TEXT:
            frame = frame.f_back
        followed = frame.f_trace if frame is not None else None
        if type(followed) is not _Followed:
            return False
        return followed.is_lost or any(map(followed.decided, followed.now))

    def _tick(self, lines: int = 1) -> None:
        self._lines_left -= lines
        if self._lines_left < 0:
            raise _TooMuch

    def line(self, followed: _Followed, frame: FrameType) -> None:
        """A line of the test's is about to run."""
        self._tick()
        statements = self.statements.at(frame.f_lineno)
        is_new = statements is not followed.now
        followed.now = statements
        followed.has_read &= not is_new
        view = View(self, frame)
        for statement in statements:
            level = view.read_by(statement)
            followed.blocks.discard(statement)
            if followed.is_lost or followed.decided(statement):
                level = CHANGED
            if level == CHANGED and not _is_assertion(statement):
                self._read(followed, frame, statement)
                self._has_read(frame)
            elif level or is_new:
                self._store(frame, self.statements.stores(statement), level)

    def returned(self, frame: FrameType) -> None:
        """A function that may have read something changed gives this, or yields it."""
        if frame.f_code not in self._readers:
            return
        back = frame.f_back
        while back is not None and back.f_code.co_filename != TEXT:
            back = back.f_back
        if back is None:
            self._has_escaped = True
            if threading.current_thread() is not threading.main_thread():
                self.lose()

    def lose(self) -> None:
        """Something changed goes where it is not followed."""
        self._word("what the solution changed, kept where nobody follows it")

    def raised(self, followed: _Followed, what: Any) -> None:
        """An exception leaves a line of the test's; who catches it, and what is not reached?"""
        is_end = issubclass(what[0], StopIteration | StopAsyncIteration | GeneratorExit)
        if followed.has_read and not is_end and not any(map(_is_assertion, followed.now)):
            self._word("an exception that may come of what the solution changed")

    def _has_read(self, reader: FrameType) -> None:
        """This frame has read something changed for all that wait for it; but what a comparison
        reads of its operands was read where they are compared."""
        by_arguments = True
        frame: FrameType | None = reader
        while frame is not None:
            code = frame.f_code
            if _is_whole(code):
                self._keeps(frame)
                if frame is not reader:
                    followed = self._follow(frame)
                    followed.has_read = True
                    for statement in self._waiting(frame):
                        if not _is_assertion(statement):
                            self._read(followed, frame, statement)
                by_arguments &= View(self, frame).at_entry(code.co_varnames) < CHANGED
                if by_arguments and _compares(code):
                    break
            frame = frame.f_back

    def _keeps(self, frame: FrameType) -> None:
        """What this function gives may be kept: by `lru_cache`, by `cached_property`."""
        code, back = frame.f_code, frame.f_back
        if code not in self._readers:
            self._readers.add(code)
            self._known.clear()
        if back is not None and back.f_globals.get("__name__") == "functools" and code.co_argcount:
            self._make(frame.f_locals.get(code.co_varnames[0]))

    def _make(self, value: object) -> None:
        self._add(value)
        self._derived.add(id(value))

    def _read(self, followed: _Followed, frame: FrameType, statement: ast.stmt) -> None:
        """This statement reads something changed: so is what it makes of it."""
        followed.has_read = True
        view = View(self, frame)
        if self.statements.guards(statement):
            self._word("an assertion that is reached as the solution changed something")
        if isinstance(statement, BLOCKS):
            followed.blocks.add(statement)
            parts = self.statements.effects(statement)
            self._store(frame, names_stored(*parts), CHANGED)
        else:
            parts = [statement]
            self._store(frame, self.statements.stores(statement), CHANGED)
        for value in (one for part in parts for one in view.may_change(part)):
            self._make(value)

    def _waiting(self, frame: FrameType) -> list[ast.stmt]:
        """The statement in which a frame waits for what it has called."""
        line, _, column, _ = next(islice(frame.f_code.co_positions(), frame.f_lasti // 2, None))
        statements = self.statements.at(frame.f_lineno)
        if line is None or column is None:
            return statements
        inside = [one for one in statements if _spans(one, line, column)]
        return inside[-1:] or statements

    def _store(self, frame: FrameType, names: Iterable[str], level: int) -> None:
        for name in names:
            known = self.names_of(frame, name)
            if level:
                known[name] = level
            else:
                known.pop(name, None)

    def names_of(self, frame: FrameType, name: str) -> dict[str, int]:
        """Where it is kept what a name holds."""
        known = self._codes.get(frame.f_code)
        if known is None:
            known = self._codes[frame.f_code] = _Code(frame.f_code)
        if name in known.shared:
            return self._cells.setdefault(known.outermost, {})
        is_own = name in known.own
        if not known.is_function:  # the module, or the body of a class
            is_own = frame.f_locals is not frame.f_globals and name in frame.f_locals
        if not is_own:
            return self._globals
        return frame.f_trace.names if type(frame.f_trace) is _Followed else {}

    def is_lost(self, frame: FrameType) -> bool:
        """Whether something changed decided that a frame is there."""
        return type(frame.f_trace) is _Followed and frame.f_trace.is_lost

    # ---- what values are -------------------------------------------------------------------------

    def is_changed(self, value: object) -> bool:
        """Whether the solution changed this very object."""
        if id(value) in self._changed:
            return True
        if self._arrays and type(value).__name__ == "ndarray":
            shares: Callable[..., bool] = sys.modules["numpy"].may_share_memory
            return any(shares(value, self._changed[one]) for one in self._arrays)
        return False

    def is_derived(self, value: object) -> bool:
        """Whether this leads to what the test itself made of something changed."""
        return any(id(one) in self._derived for one in (value, *self.reached(value)))

    def level(self, value: object) -> int:
        """Of a value, and all that it leads to."""
        if type(value) in ATOMS:
            return CLEAN
        known = self._known.get(id(value))
        if known is None:
            known = self._known[id(value)] = value, self._level(value)
        return known[1]

    def _level(self, value: object) -> int:
        if self.is_changed(value) or self._leads_anywhere(value):
            return CHANGED
        found = ANSWER if is_reference(value) else CLEAN
        if isinstance(value, _ITERATORS) or (hasattr(type(value), "__next__") and not found):
            return CHANGED  # when it has been read, it does not tell of what
        for one in self.reached(value):
            if self.is_changed(one) or isinstance(one, _ITERATORS):
                return CHANGED
            if is_reference(one):
                found = ANSWER
        return found

    def _leads_anywhere(self, value: Any) -> bool:
        """Whether something changed may be read by this without being named."""
        if isinstance(value, ModuleType):
            return type(value) is not ModuleType or value.__name__ in _OPEN_MODULES
        if type(value).__name__ == "_lru_cache_wrapper":
            return getattr(value.__wrapped__, "__code__", None) in self._readers
        return value is sys.modules or any(value is one for one in SPACES)

    def reached(self, value: object) -> Iterator[object]:
        """The objects that a value leads to, but not what functions read."""
        seen: set[int] = set()
        waiting = [value]
        while waiting := [one for one in waiting if self._leads_on(one)]:
            more = [one for one in gc.get_referents(*waiting) if type(one) not in ATOMS]
            self._objects_left -= len(more)
            if self._objects_left < 0:
                raise _TooMuch
            waiting = [one for one in more if id(one) not in seen]
            seen.update(map(id, waiting))
            yield from waiting

    def _leads_on(self, value: object) -> bool:
        if isinstance(value, type) and not is_reference(value):
            return bool(names_in(value).get("__module__") == "test")
        kind = type(value)
        apart = issubclass(kind, (*APART, Provenance, Changes, Link))
        apart = apart or names_in(kind).get("__module__") in _RUNNERS
        return gc.is_tracked(value) and not apart and not is_reference(value)


def _is_whole(code: CodeType) -> bool:
    """Whether this is the test's, and no part of another function's statement."""
    return code.co_filename == TEXT and code.co_name not in _INLINE


def _compares(code: CodeType) -> bool:
    """Whether this is a comparison that the test has written for its objects."""
    return code.co_filename == TEXT and code.co_name in _COMPARISONS


def _spans(statement: ast.stmt, line: int, column: int) -> bool:
    first = (statement.lineno, statement.col_offset)
    return first <= (line, column) < (statement.end_lineno or 0, statement.end_col_offset or 0)


def _is_assertion(statement: ast.stmt) -> bool:
    return type(statement) is ast.Assert or (
        type(statement) is ast.Expr and is_site(statement.value)
    )
