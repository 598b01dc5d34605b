"""Which code leaves its process as it found it, so that the next cell of a row may run there.

Code can change what all in a process share: a list of a module's, a class, a cache. Nobody looks
for what was changed everywhere. By its steps and names alone, code is tidy that reaches nothing of
the library but functions, constants and classes that keep nothing; so what it may have set an
attribute of is among these, and they are looked at (`has_changed`). What is not tidy ends its
process with its cell, which costs time and no verdict.

In: code, which is not run. Out: `is_tidy`; in doubt no.
"""

from __future__ import annotations

import abc
import builtins
import gc
import importlib
import sys
import typing
import unittest
from collections.abc import Iterator
from types import CodeType, FunctionType
from typing import Any

from .bytecode import OF, SETTING
from .values import native

_KEEP_NOTHING = {
    "__future__": {"annotations"},
    "bisect": set("bisect bisect_left bisect_right insort insort_left insort_right".split()),
    "collections": set("Counter OrderedDict defaultdict deque namedtuple".split()),
    "copy": {"copy"},
    "functools": set("cache cmp_to_key lru_cache partial reduce".split()),
    "heapq": set(
        "heapify heappop heappush heappushpop heapreplace merge nlargest nsmallest".split()
    ),
    "itertools": {*dir(importlib.import_module("itertools"))},
    "math": {*dir(importlib.import_module("math"))},
    "operator": {*dir(importlib.import_module("operator"))} - {"attrgetter", "methodcaller"},
    "string": set(
        "ascii_letters ascii_lowercase ascii_uppercase capwords digits hexdigits octdigits"
        " printable punctuation whitespace".split()
    ),
    "typing": set(  # what stands in brackets is kept, until it is forgotten (`forget`)
        "Any AnyStr Callable Counter DefaultDict Deque Dict FrozenSet Generator Iterable Iterator"
        " KT List Mapping Optional OrderedDict Sequence Set T Tuple Type TypeVar Union VT".split()
    ),
    "unittest": {"TestCase", "main"},
}
"""Modules, and what of each keeps nothing for others."""
_OF_TESTS = frozenset(
    "addCleanup assertAlmostEqual assertCountEqual assertDictEqual assertEqual assertFalse"
    " assertGreater assertGreaterEqual assertIn assertIs assertIsInstance assertIsNone"
    " assertIsNot assertIsNotNone assertLess assertLessEqual assertListEqual assertMultiLineEqual"
    " assertNotAlmostEqual assertNotEqual assertNotIn assertNotIsInstance assertRaises"
    " assertRaisesRegex assertRegex assertNotRegex assertSequenceEqual assertSetEqual assertTrue"
    " assertTupleEqual fail failureException id longMessage maxDiff setUp setUpClass skipTest"
    " subTest tearDown tearDownClass".split()
)
"""Of a TestCase: the others warn, log, or keep what is to be done at the end."""
MODULES = frozenset(_KEEP_NOTHING)
_ALL = {name: importlib.import_module(name) for name in MODULES}
_REACHED = [(_ALL[name], part) for name, parts in _KEEP_NOTHING.items() for part in sorted(parts)]
_KNOWN = {id(getattr(module, part, None)) for module, part in _REACHED} | {*map(id, _ALL.values())}
KEEPING = frozenset(
    part
    for name, module in _ALL.items()
    for part in dir(module)
    if part not in _KEEP_NOTHING[name] and id(getattr(module, part)) not in _KNOWN
).union(dir(abc.ABCMeta), {*dir(unittest.TestCase())} - _OF_TESTS)
"""What else these modules, and classes of theirs, have. Whoever speaks of none of it reaches none
of it."""

_BUILTINS = frozenset(
    "abs all any ascii bin bool bytearray bytes callable chr classmethod complex dict divmod"
    " enumerate filter float format frozenset hasattr hash hex id int isinstance issubclass iter"
    " len list map max memoryview min next object oct ord pow print property range repr reversed"
    " round set slice sorted staticmethod str sum super tuple type zip NotImplemented Ellipsis"
    " True False None".split()
)
"""Not `getattr`, `compile`: they lead anywhere."""
_STRANGE = KEEPING.union(
    name
    for name, value in vars(builtins).items()
    if not (isinstance(value, type) and issubclass(value, BaseException))
).difference(_BUILTINS)
_SPECIAL = frozenset(
    f"__{name}__"
    for name in (
        "module qualname name init len repr str bool call iter next getitem setitem delitem"
        " contains eq ne lt le gt ge hash add radd iadd sub rsub mul rmul truediv floordiv mod pow"
        " neg abs enter exit int float index reversed missing"
    ).split()
)
"""What may stand in a class: none leads on, and none says how a class is made or looked at."""


def kinds_of(fine: frozenset[int]) -> bytes:
    """Of each step: what `native/sight.c` is to make of it."""
    attribute = 2 if sys.version_info < (3, 12) else 3
    special = {OF["LOAD_ATTR"]: attribute, OF["IMPORT_NAME"]: 4}
    return bytes(special.get(one, int(one in fine)) for one in range(256))


_STEPS = kinds_of(frozenset(OF.values()))
_SETTING_NOTHING = kinds_of(frozenset(OF.values()) - SETTING)
_NONE: frozenset[str] = frozenset()


def is_tidy(code: CodeType) -> bool:
    """Whether it can leave nothing to others but what it prints, and what `has_changed` sees. By
    `type` and `__class__` it reaches the classes of all that it is given: then it may set nothing.
    """
    return at_sight(code, _SETTING_NOTHING, _STRANGE, _SPECIAL | {"__class__"}) or at_sight(
        code, _STEPS, _STRANGE | {"type"}, _SPECIAL
    )


def at_sight(
    code: CodeType,
    steps: bytes,
    strange: frozenset[str],
    special: frozenset[str] = _NONE,
    methods: frozenset[str] = _NONE,
) -> bool:
    """Whether code takes fine steps alone, imports and speaks of what keeps nothing, speaks of
    nothing `strange`, of no special name but these (and, where there are none, of no private one),
    and reads none of `methods` as a value."""
    return native.at_sight(code, steps, strange, special, methods, MODULES)


# ---- what tidy code can reach -----------------------------------------------------------------


def _within(value: object) -> Iterator[dict[str, object]]:
    """The attributes of what can be reached, and of what is reached by it."""
    if isinstance(value, type):
        own = gc.get_referents(vars(value))[0]  # behind its proxy
        yield own
        for method in own.values():
            if isinstance(method, FunctionType):
                yield vars(method)
    elif hasattr(value, "__dict__"):
        yield vars(value)
        yield from _within(getattr(value, "__origin__", None))  # of a type in brackets


def _reachable() -> list[dict[str, object]]:
    found = [vars(module) for module in _ALL.values()]
    for module, part in _REACHED:
        value = getattr(module, part, None)
        changeable = not isinstance(value, type) or value.__flags__ & 1 << 9  # a heap type
        found += _within(value) if changeable else []
    return found


_REACHABLE: list[object] = [*_reachable()]
_before: list[Any] = []


def look() -> None:
    """From now on it is to stay as it is."""
    _before[:] = native.snapshot(_REACHABLE)


def has_changed() -> bool:
    """Whether what tidy code can reach is not what it was when `look` was called."""
    return bool(native.changed(_REACHABLE, _before))


look()


def forget() -> None:
    """Between two cells: what tidy code can have made `typing` keep, where 1 is True."""
    for clear in typing._cleanups:  # type: ignore[attr-defined]
        clear()
