"""Which code leaves its process as it found it, so that the next cell of a row may run there.

Code can change what all in a process share: a list of a module's, a class, a cache. Nobody looks
for what was changed. By its steps and names alone, code is tidy that reaches nothing of the library
but functions, constants and classes which keep nothing, and that sets no attributes. What is not
tidy ends its process with its cell, which costs time and no verdict.

In: code, which is not run. Out: `is_tidy`; in doubt no.
"""

from __future__ import annotations

import builtins
import importlib
import sys
import typing
from types import CodeType

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
        "Any Callable DefaultDict Deque Dict FrozenSet Generator Iterable Iterator List Mapping"
        " Optional Sequence Set Tuple Type TypeVar Union".split()
    ),
}
"""Modules, and what of each keeps nothing for others and cannot be changed itself."""
MODULES = frozenset(_KEEP_NOTHING)
KEEPING = (
    frozenset()
    .union(*(dir(importlib.import_module(name)) for name in MODULES))
    .difference(MODULES, *_KEEP_NOTHING.values())
)
"""What else these modules have. Whoever speaks of none of it reaches none of it."""

_BUILTINS = frozenset(
    "abs all any ascii bin bool bytearray bytes callable chr classmethod complex dict divmod"
    " enumerate filter float format frozenset hasattr hash hex id int isinstance issubclass iter"
    " len list map max memoryview min next object oct ord pow print property range repr reversed"
    " round set slice sorted staticmethod str sum super tuple type zip NotImplemented Ellipsis"
    " True False None".split()
)
"""Not `getattr`, `compile`: they lead anywhere."""
_STRANGE = (
    KEEPING.union(
        name
        for name, value in vars(builtins).items()
        if not (isinstance(value, type) and issubclass(value, BaseException))
    )
    - _BUILTINS
)


def kinds_of(fine: frozenset[int]) -> bytes:
    """Of each step: what `native/sight.c` is to make of it."""
    attribute = 2 if sys.version_info < (3, 12) else 3
    special = {OF["LOAD_ATTR"]: attribute, OF["IMPORT_NAME"]: 4}
    return bytes(special.get(one, int(one in fine)) for one in range(256))


_STEPS = kinds_of(frozenset(OF.values()) - SETTING)
_NONE: frozenset[str] = frozenset()


def is_tidy(code: CodeType) -> bool:
    """Whether it can leave nothing to others but what it prints."""
    return at_sight(code, _STEPS, _STRANGE, _NONE)


def at_sight(
    code: CodeType, steps: bytes, strange: frozenset[str], methods: frozenset[str]
) -> bool:
    """Whether code takes fine steps alone, imports and speaks of what keeps nothing, speaks of
    nothing `strange`, and reads none of `methods` as a value."""
    return native.at_sight(code, steps, strange, methods, MODULES)


def forget() -> None:
    """Between two cells: what tidy code can have made `typing` keep, where 1 is True."""
    for clear in typing._cleanups:  # type: ignore[attr-defined]
        clear()
