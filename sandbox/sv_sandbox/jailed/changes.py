"""What the solution has changed of the test's in place, and whether a pass after that still rests
on the test's own word. One `Changes` per cell, made when something may be changed first: before
that it costs nothing.

In: that the solution changes something of the test's, or makes code of the test's run (`made`,
`watched`), and each assertion that held (`left`). Out: words for `provenance`. The rule: from the
first change on the test must be straight (`straight`), and each assertion must compare with what is
written in it, or is as it was before the change, one single thing of the solution's: an answer, or
what it changed. A list that was made for one call, and that nothing names, may be changed: nobody
sees it again.
"""

from __future__ import annotations

import ast
import builtins
import functools
import sys
from collections.abc import Callable, Iterator
from types import FrameType, ModuleType
from typing import Any

from . import values
from .levels import ONE
from .nodes import called
from .provenance import is_reference
from .straight import Straight, asserted

TEXT = "<test>"
"""The file name of a test's code."""
_MOST_NAMES, _MOST_BYTES, _MOST_OBJECTS = 200, 1 << 20, 100_000
_ATOMS = (int, float, complex, bool, str, bytes, type(None), range)
_UNKNOWN = object()
_GENERATED = frozenset("__eq__ __lt__ __le__ __gt__ __ge__ __repr__ __hash__ __new__".split())


class Changes:
    """Of one cell. `source`: the test's text; `word`: told where the solution may decide."""

    def __init__(self, source: str, word: Callable[[str], object]):
        self._word = word
        self._source = source
        self.is_made = False
        self._objects: dict[int, object] = {}
        """What was changed; `_UNKNOWN` stands for anything."""
        self._held: dict[int, tuple[FrameType, dict[str, bytes | None]]] = {}
        """What names of the test's frames held before the first change, encoded."""

    @functools.cached_property
    def _straight(self) -> Straight:
        return Straight(self._source)

    # ---- what happens ----------------------------------------------------------------------------

    def made(self, container: object = _UNKNOWN, is_given: bool = False) -> None:
        """The solution changes something: this container, which the call at hand `is_given`, or
        whatever else there is."""
        self._objects.setdefault(id(container), container)
        if self.is_made or (is_given and self._is_temporary()):
            return
        self.is_made = True
        if not self._straight.is_straight:
            self._word("what the solution changed in place, in a test that is not straight")
            return
        frame: FrameType | None = sys._getframe()
        while frame is not None:
            if frame.f_code.co_filename == TEXT:
                self._held[id(frame)] = frame, _held(frame.f_locals)
                self._held[id(frame.f_globals)] = frame, _held(frame.f_globals)
            frame = frame.f_back

    def watched(self) -> _Watch:
        """What runs here is asked for by the solution: code of the test's may change anything."""
        return _Watch(None if self.is_made else self._called)

    def _called(self, frame: FrameType, event: str, arg: object) -> None:
        code = frame.f_code
        if event != "call" or self.is_made or code.co_filename[:1] != "<":
            return
        if code.co_filename != TEXT:  # written by the library for the test, as by `dataclass`
            is_pure = code.co_name in _GENERATED or code.co_filename.startswith("<frozen")
        else:
            is_pure = self._straight.is_pure_code(code.co_name, code.co_firstlineno)
            is_pure = is_pure and all(map(_is_harmless, _seen_by(frame)))
        if not is_pure:
            self.made()

    def left(self, frame: FrameType | None) -> None:
        """An assertion held in the function of the test's that this frame belongs to."""
        frame = _of_test(frame)
        if not self.is_made or not self._straight.is_straight:
            return
        statements = self._straight.statements.get(frame.f_lineno, []) if frame else []
        found = [one for statement in statements for one in asserted(statement)]
        if not found or frame is None:
            self._word("an assertion that is not found")
            return
        receivers = self._straight.receivers()
        if any(not is_reference(_value(name, frame)) for name in receivers if _has(name, frame)):
            self._word("an answer that the test may have changed")
        if any(
            self._straight.level(one, lambda name: self._is_own(name, frame)) > ONE for one in found
        ):
            self._word("what the solution changed in place, on the side that should know")

    # ---- what names hold -------------------------------------------------------------------------

    def _is_own(self, name: str, frame: FrameType) -> bool | None:
        """Whether a name holds what it held before the first change, or what is written there."""
        is_local = frame.f_locals is not frame.f_globals and name in frame.f_locals
        scope, key = (frame.f_locals, frame) if is_local else (frame.f_globals, frame.f_globals)
        value = dict.get(scope, name)  # which asks the solution for nothing
        held = self._held[id(key)][1] if id(key) in self._held else {}
        if name in held and self._straight.is_bound_once(name):
            return self._is_kept(name, value) and _encoded(value) == held[name] is not None
        if self._straight.is_listed(name):
            return self._is_kept(name, value)
        if self._straight.is_imported(name):
            return _is_fixed(value) or _is_apart(value)
        return None

    def _is_kept(self, name: str, value: object) -> bool:
        """Whether this is nothing that the solution has changed, nor leads to such a thing."""
        if _is_fixed(value):
            return True
        is_open = id(_UNKNOWN) in self._objects and self._straight.is_given(name)
        return not is_open and not any(id(one) in self._objects for one in _reached(value))

    def _is_temporary(self) -> bool:
        """Whether all that the statement at hand gives the solution is made there, for it alone."""
        frame = _of_test(sys._getframe())
        if frame is None:
            return False
        statements = self._straight.statements.get(frame.f_lineno, [])
        nodes = [one for each in statements for head in _heads(each) for one in ast.walk(head)]
        methods = [one.func for one in nodes if isinstance(one, ast.Call)]
        return bool(nodes) and all(self._is_harmless(one, one in methods, frame) for one in nodes)

    def _is_harmless(self, node: ast.AST, is_called: bool, frame: FrameType) -> bool:
        if isinstance(node, ast.Name):
            value = _value(node.id, frame)
            return type(value) in _ATOMS or _is_apart(value) or self._straight.is_theirs(node.id)
        if isinstance(node, ast.Attribute):
            base = _value(node.value.id, frame) if isinstance(node.value, ast.Name) else _UNKNOWN
            if isinstance(base, ModuleType):
                found = vars(base).get(node.attr)
                return type(found) in _ATOMS or _is_apart(found)
            return (
                is_reference(base)
                or (is_called and node.attr[:6] == "assert")
                or (is_called and isinstance(node.value, ast.Constant))
            )
        if isinstance(node, ast.Call):
            is_assertion = called(node).startswith("assert")
            return is_assertion or self._straight.makes(node) or self._straight.asks(node)
        return not isinstance(node, ast.NamedExpr | ast.Lambda | ast.Yield | ast.YieldFrom)


def _seen_by(frame: FrameType) -> Iterator[object]:
    """What a function of the test's is given, and reads by the names of others."""
    code = frame.f_code
    yield from (frame.f_locals.get(name) for name in (*code.co_varnames, *code.co_freevars))
    for name in code.co_names:
        if dict.__contains__(frame.f_globals, name):
            yield dict.__getitem__(frame.f_globals, name)


def _is_harmless(value: object) -> bool:
    """Whether reading this changes nothing."""
    plain = type(value) in (list, dict, tuple, set, frozenset)
    return plain or _is_fixed(value) or _is_apart(value) or type(value).__module__ == "test"


class _Watch:
    """Sees each function that is called meanwhile."""

    __slots__ = ("_before", "_seen")

    def __init__(self, seen: Callable[[FrameType, str, object], None] | None):
        self._seen = seen

    def __enter__(self) -> None:
        if self._seen is not None:
            self._before = sys.getprofile()
            sys.setprofile(self._seen)

    def __exit__(self, *_: object) -> None:
        if self._seen is not None:
            sys.setprofile(self._before)


def _heads(statement: ast.stmt) -> Iterator[ast.AST]:
    """The parts of a statement that stand on its own lines."""
    for part in ast.iter_child_nodes(statement):
        if not isinstance(part, ast.stmt | ast.excepthandler | ast.match_case):
            yield part


def _of_test(frame: FrameType | None) -> FrameType | None:
    while frame is not None and frame.f_code.co_filename != TEXT:
        frame = frame.f_back
    return frame


def _value(name: str, frame: FrameType) -> object:
    for scope in (frame.f_locals, frame.f_globals, vars(builtins)):
        if dict.__contains__(scope, name):
            return dict.__getitem__(scope, name)
    return _UNKNOWN


def _has(name: str, frame: FrameType) -> bool:
    return any(dict.__contains__(scope, name) for scope in (frame.f_locals, frame.f_globals))


def _is_apart(value: Any) -> bool:
    """Whether nothing of what a name holds crosses with a request, but a reference to it."""
    if is_reference(value) or isinstance(value, type | ModuleType):
        return True
    return callable(value) or any(one.__name__ == "TestCase" for one in type(value).__mro__)


def _reached(value: object) -> Iterator[object]:
    """A value, and what lies in it as far as it is plain data."""
    waiting, seen = [value], 0
    while waiting and seen < _MOST_OBJECTS:
        one: Any = waiting.pop()
        seen += 1
        yield one
        if isinstance(one, dict):
            waiting += [*one, *one.values()]
        elif isinstance(one, list | tuple | set | frozenset):
            waiting += one
    if waiting:
        yield _UNKNOWN  # too much to look at


def _is_fixed(value: object) -> bool:
    if type(value) in (tuple, frozenset):
        return all(map(_is_fixed, value))  # type: ignore[call-overload]
    return type(value) in _ATOMS


def _held(names: dict[str, Any]) -> dict[str, bytes | None]:
    return {
        name: _encoded(value)
        for name, value in list(dict.items(names))[:_MOST_NAMES]
        if not name.startswith("__")
    }


def _encoded(value: object) -> bytes | None:
    """Plain data as bytes; None for what is none, or too much."""
    try:
        written = bytes(values.encode(value))
    except Exception:
        return None
    return written if len(written) <= _MOST_BYTES else None
