"""Which code leaves its process as it found it, so that the next cell of a row may run there.

Code can change what all in a process share: a list of a module's, a class, a cache. Nobody looks
for what was changed. By its steps and names alone, code is tidy that reaches nothing of the library
but functions, constants and classes that keep nothing (`IMPORTS`); or that imports nothing, so that
what it reaches is its own or Python's, which has no attributes to set, and either sets attributes
(`SETS`) or reaches classes by `type` (`LOOKS`). Code that may do two of these ends its process with
its cell, which costs time and no verdict; so do two that run in one process and do two together.

In: code, which is not run. Out: `tidiness`; in doubt UNTIDY. `is_untidy` of several together.
"""

from __future__ import annotations

import abc
import builtins
import importlib
import sys
import typing
from types import CodeType

from .bytecode import OF, SETTING
from .values import native

IMPORTS, SETS, LOOKS = 1, 2, 4
UNTIDY = IMPORTS | SETS | LOOKS

_KEEP_NOTHING = {
    "__future__": {"annotations"},
    "bisect": set("bisect bisect_left bisect_right insort insort_left insort_right".split()),
    "collections": set("Counter OrderedDict defaultdict deque namedtuple".split()),
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
        " KT List Mapping Optional OrderedDict Sequence Set T Tuple TypeVar Union VT".split()
    ),
}
"""Modules, and what of each keeps nothing for others."""
MODULES = frozenset(_KEEP_NOTHING)
_ALL = {name: importlib.import_module(name) for name in MODULES}
_KNOWN = {
    *(id(getattr(_ALL[name], part, None)) for name in MODULES for part in _KEEP_NOTHING[name]),
    *map(id, _ALL.values()),
}
KEEPING = frozenset(
    part
    for name, module in _ALL.items()
    for part in dir(module)
    if part not in _KEEP_NOTHING[name] and id(getattr(module, part)) not in _KNOWN
).union(dir(abc.ABCMeta), ("ExceptionGroup", "BaseExceptionGroup"))
"""What else these modules, and classes of theirs, have, and two classes of Python's with attributes
to set. Whoever speaks of none of it reaches none of it."""

_BUILTINS = frozenset(
    "abs all any ascii bin bool bytearray bytes callable chr classmethod complex dict divmod"
    " enumerate filter float format frozenset hasattr hash hex id int isinstance issubclass iter"
    " len list map max memoryview min next object oct ord pow print property range repr reversed"
    " round set slice sorted staticmethod str sum super tuple type zip NotImplemented Ellipsis"
    " True False None".split()
)
"""Not `getattr`, `compile`: they lead anywhere."""
_STRANGE_TO_ALL = KEEPING.union(
    name
    for name, value in vars(builtins).items()
    if not (isinstance(value, type) and issubclass(value, BaseException))
).difference(_BUILTINS)
_STRANGE = _STRANGE_TO_ALL | {"type"}
_SPECIAL = frozenset(
    f"__{name}__"
    for name in (
        "module qualname name init len repr str bool call iter next getitem setitem delitem"
        " contains eq ne lt le gt ge hash add radd iadd sub rsub mul rmul truediv floordiv mod pow"
        " neg abs enter exit int float index reversed missing"
    ).split()
)
"""What may stand in a class: none leads on, and none says how a class is made or looked at."""
_LEADING_NOWHERE = _SPECIAL - {"__init__"}  # by which a class of the library's is made anew
_FIXTURES = frozenset(
    "tmp_path tmp_path_factory tmpdir tmpdir_factory monkeypatch caplog capsys capfd request"
    " recwarn".split()
)
_NONE: frozenset[str] = frozenset()


def kinds_of(fine: frozenset[int]) -> bytes:
    """Of each step: what `native/sight.c` is to make of it."""
    attribute = 2 if sys.version_info < (3, 12) else 3
    special = {OF["LOAD_ATTR"]: attribute, OF["IMPORT_NAME"]: 4, OF["PUSH_EXC_INFO"]: 5}
    return bytes(special.get(one, int(one in fine)) for one in range(256))


GROUPS = {OF[name] for name in ("CHECK_EG_MATCH", "PREP_RERAISE_STAR") if name in OF}
# A pattern of a class reads attributes by a list of names.
_ALL_STEPS = frozenset(OF.values()) - {OF["MATCH_CLASS"]} - GROUPS
_STEPS, _SETTING_NOTHING = kinds_of(_ALL_STEPS), kinds_of(_ALL_STEPS - SETTING)


def tidiness(code: CodeType) -> int:
    """What it may do: nothing of these, IMPORTS, SETS, LOOKS, or more (UNTIDY). Beside that it can
    leave nothing to others but what it prints."""
    if _takes_fixtures(code):
        return UNTIDY
    if at_sight(code, _SETTING_NOTHING, _STRANGE, _LEADING_NOWHERE, modules=_NONE):
        return 0
    if at_sight(code, _SETTING_NOTHING, _STRANGE, _LEADING_NOWHERE):
        return IMPORTS
    if at_sight(code, _STEPS, _STRANGE, _SPECIAL, modules=_NONE, private=True):
        return SETS
    looks = _LEADING_NOWHERE | {"__class__"}
    found = at_sight(code, _SETTING_NOTHING, _STRANGE_TO_ALL, looks, modules=_NONE, private=True)
    return LOOKS if found else UNTIDY


def is_untidy(together: int) -> bool:
    """Of what several may do in one process."""
    return together & (together - 1) != 0


def _takes_fixtures(code: CodeType) -> bool:
    """Of pytest's, which keep files, variables and logs."""
    return not _FIXTURES.isdisjoint(code.co_varnames) or any(
        _takes_fixtures(one) for one in code.co_consts if isinstance(one, CodeType)
    )


def at_sight(
    code: CodeType,
    steps: bytes,
    strange: frozenset[str],
    special: frozenset[str] = _NONE,
    methods: frozenset[str] = _NONE,
    modules: frozenset[str] = MODULES,
    private: bool = False,
) -> bool:
    """Whether code takes fine steps alone, imports these `modules` alone, speaks of nothing
    `strange`, of no special or `private` name but these, and reads none of `methods` as a value,
    and no generator of its has anything to do at its end."""
    return native.at_sight(code, steps, strange, special, methods, modules, private)


def forget() -> None:
    """Between two cells: what tidy code can have made `typing` keep, where 1 is True."""
    for clear in typing._cleanups:  # type: ignore[attr-defined]
        clear()
