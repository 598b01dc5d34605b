"""What an object of the test's leads to: the objects in it, and in those.

In: what a name holds. Out: whether that leads to one of some objects (`leads`), and by which
attributes; or all that may be changed there (`mutable`). What is looked into is on a list: plain
data, functions, and classes that the test's text defines. Anything else, an iterator say, leads to
anything (`OPAQUE`). Runs no code of anybody's: what objects say of themselves is not asked for.
Raises TooMuch once so many objects have been looked at.
"""

from __future__ import annotations

import contextlib
import functools
import types
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from .provenance import is_reference

ATOMS = frozenset((int, float, complex, bool, str, bytes, type(None), range, slice))
OPAQUE = object()
"""Stands for anything."""
_MOST = 300_000
_DATA = frozenset((list, tuple, set, frozenset, dict, bytearray))
_LIBRARY = frozenset(
    "_io.StringIO _io.BytesIO _thread.lock array.array builtins.ellipsis"
    " builtins.NotImplementedType builtins.getset_descriptor builtins.member_descriptor"
    " builtins.method_descriptor"
    " builtins.wrapper_descriptor datetime.date datetime.datetime datetime.time datetime.timedelta"
    " datetime.timezone decimal.Decimal fractions.Fraction pathlib.PosixPath"
    " re.Match re.Pattern uuid.UUID zoneinfo.ZoneInfo".split()
)
"""Types of the library's whose objects lead to nothing of the test's."""
_COLLECTIONS = frozenset(
    "collections.Counter collections.OrderedDict collections.deque numpy.ndarray".split()
)
_BASES = frozenset(
    "abc collections collections.abc _collections_abc enum typing unittest.case"
    " unittest.async_case unittest.mock".split()
)
"""Modules of classes that hold nothing but the attributes of their objects."""


class TooMuch(Exception):
    """More than anybody looks at."""


class Reach:
    """Of one cell's objects: what is looked at counts, all together."""

    def __init__(self) -> None:
        self._room = _MOST

    def leads(self, value: object, to: Iterable[object]) -> bool:
        """Whether a value is, or leads to, one of these."""
        wanted = {id(part) for one in to for part in _with_owners(one)}
        return any(one is OPAQUE or id(one) in wanted for one in self.all_in(value))

    def attributes(self, value: object, to: list[object]) -> Iterator[str]:
        """Names of attributes, of a value and of what it leads to, by which one of these is met."""
        changed = set(map(id, to))
        for one in [*self.all_in(value)]:
            if _is_of_text(one if issubclass(type(one), type) else type(one)):
                for name, held in attributes(one).items():
                    if id(one) in changed or self.leads(held, to):
                        yield name

    def mutable(self, value: object) -> list[object]:
        """All in a value that may be changed."""
        if type(value) in ATOMS or issubclass(type(value), types.ModuleType):
            return []
        return [one for one in self.all_in(value) if not _stays(one)]

    def is_data(self, value: object) -> bool:
        """Whether this is plain data, and nothing else."""
        return all(map(_is_data, self.all_in(value)))

    def all_in(self, value: object) -> Iterator[object]:
        """A value, and all that it leads to. Raises TooMuch."""
        waiting, seen = [value], {id(value)}
        while waiting:
            one = waiting.pop()
            yield one
            if issubclass(type(one), types.ModuleType):
                yield from _in_module(one)
                continue
            parts = _inside(one)
            self._room -= 1 + len(parts)
            if self._room < 0:
                raise TooMuch
            if ATOMS.issuperset(map(type, parts)):
                continue
            for part in parts:
                if type(part) not in ATOMS and id(part) not in seen:
                    seen.add(id(part))
                    waiting.append(part)


def attributes(owner: object) -> dict[str, object]:
    """Of an object or class of the test's: its own, and those of its classes in the text."""
    cls: Any = owner if issubclass(type(owner), type) else type(owner)
    of_text = [one for one in reversed(_mro(cls)) if _is_of_text(one)]
    found = {name: value for one in of_text for name, value in _names_of(one).items()}
    plan = None if owner is cls else _plan_of(cls)
    return found if plan is None else found | _held_by(owner, plan)


def is_iterator(value: object) -> bool:
    """Whether this is one of Python's that goes over what is there, or a generator."""
    kind = type(value)
    plain = kind.__module__ == "builtins" and kind.__name__.endswith(("iterator", "generator"))
    return plain or kind in (enumerate, reversed, zip)


def is_fixed(value: object) -> bool:
    """Whether this is plain data that never changes."""
    if type(value) in (tuple, frozenset):
        return all(map(is_fixed, value))  # type: ignore[call-overload]
    return type(value) in ATOMS


def _mro(cls: type) -> tuple[type, ...]:
    return tuple(type.__dict__["__mro__"].__get__(cls))


def _stays(value: object) -> bool:
    kind = type(value)
    if kind in ATOMS or kind in (tuple, frozenset) or is_reference(value):
        return True
    if issubclass(kind, type):
        return not _is_of_text(value)
    return issubclass(kind, _CODE) or _name_of(kind) in _LIBRARY - {"array.array", "_io.BytesIO"}


def _is_data(value: object) -> bool:
    kind = type(value)
    return kind in ATOMS or kind in _DATA or _name_of(kind) in _LIBRARY | _COLLECTIONS


def _with_owners(value: Any) -> Iterator[object]:
    """An object, and those whose memory it shows."""
    while value is not None:
        yield value
        is_array = any(_name_of(one) == "numpy.ndarray" for one in _mro(type(value)))
        value = value.obj if type(value) is memoryview else value.base if is_array else None


def _inside(value: Any) -> list[Any]:
    """What an object holds."""
    kind = type(value)
    if kind in _DATA:
        return _PARTS[kind](value)
    if kind in ATOMS or value is OPAQUE or is_reference(value) or _name_of(kind) in _LIBRARY:
        return []
    if issubclass(kind, type):
        known = [one for one in _mro(value) if _is_of_text(one)]
        return [part for one in known for part in _names_of(one).values()]
    if _name_of(kind) == "numpy.ndarray":
        return [value.base, *(value.flat if value.dtype.hasobject else ())]
    if any(_name_of(one) == "numpy.generic" for one in _mro(kind)):
        return []
    plan = _plan_of(kind)
    if plan is None:
        return [OPAQUE]
    found = [part for parts in plan.parts for part in parts(value)]
    return [*found, *plan.classes, *_held_by(value, plan).values()]


class _Plan(NamedTuple):
    """How objects of a class are looked into."""

    parts: list[Callable[[Any], list[Any]]]
    classes: list[type]
    """Those of the text among its classes."""
    dicts: list[types.GetSetDescriptorType]
    slots: list[tuple[str, types.MemberDescriptorType]]


_plans: dict[type, _Plan | None] = {}


def _plan_of(kind: type) -> _Plan | None:
    """None: they may lead anywhere."""
    if kind not in _plans:
        _plans[kind] = _new_plan(kind)
    return _plans[kind]


def _new_plan(kind: type) -> _Plan | None:
    plan = _Plan([], [], [], [])
    for one in _mro(kind):
        if one in _PARTS:
            plan.parts.append(_PARTS[one])
        elif _is_of_text(one):
            plan.classes.append(one)
        elif one is not object and one.__module__ not in _BASES and one not in _ERRORS:
            return None
        names = _names_of(one)
        for name, member in names.items():
            if name == "__dict__" and type(member) is types.GetSetDescriptorType:
                plan.dicts.append(member)
            elif type(member) is types.MemberDescriptorType and "__slots__" in names:
                plan.slots.append((name, member))
    return plan


def _held_by(value: Any, plan: _Plan) -> dict[str, object]:
    """The attributes of an object itself."""
    found: dict[str, object] = {}
    for member in plan.dicts:
        found |= member.__get__(value)
    for name, slot in plan.slots:
        with contextlib.suppress(AttributeError):  # not set
            found[name] = slot.__get__(value)
    return found


def _in_module(module: Any) -> Iterator[object]:
    """Plain data that a module holds, and modules in it."""
    for value in vars(module).values():
        if type(value) in _DATA:
            yield value
        elif type(value) is types.ModuleType and value.__name__.startswith(f"{module.__name__}."):
            yield from _in_module(value)


def _names_of(cls: Any) -> dict[str, object]:
    return dict(type.__dict__["__dict__"].__get__(cls))


def _is_of_text(cls: Any) -> bool:
    return bool(type.__dict__["__dict__"].__get__(cls).get("__module__") == "test")


def _name_of(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _of_function(value: types.FunctionType) -> list[Any]:
    found = [*(value.__defaults__ or ()), *(value.__kwdefaults__ or {}).values()]
    for cell in value.__closure__ or ():
        with contextlib.suppress(ValueError):  # nothing in it yet
            found.append(cell.cell_contents)
    return found


_CODE = (types.FunctionType, types.BuiltinFunctionType, types.MethodType, types.ModuleType)
_ERRORS = frozenset(
    one
    for one in vars(__import__("builtins")).values()
    if isinstance(one, type)
    if issubclass(one, BaseException)
)
_PARTS: dict[type, Callable[[Any], list[Any]]] = {
    list: lambda value: [*list.__iter__(value)],
    tuple: lambda value: [*tuple.__iter__(value)],
    set: lambda value: [*set.__iter__(value)],
    frozenset: lambda value: [*frozenset.__iter__(value)],
    dict: lambda value: [*dict.keys(value), *dict.values(value)],
    bytearray: lambda value: [],
    deque: lambda value: [*deque.__iter__(value)],
    OrderedDict: lambda value: [],
    defaultdict: lambda value: [value.default_factory],
    types.FunctionType: _of_function,
    types.MethodType: lambda value: [value.__self__, value.__func__],
    types.BuiltinFunctionType: lambda value: [value.__self__],
    functools.partial: lambda value: [value.func, value.args, value.keywords],
    property: lambda value: [value.fget, value.fset, value.fdel],
    staticmethod: lambda value: [value.__func__],
    classmethod: lambda value: [value.__func__],
    memoryview: lambda value: [value.obj],
    BaseException: lambda value: [value.args, value.__cause__, value.__context__],
    **dict.fromkeys((int, str, float, bytes, complex), lambda value: []),
}
"""What lies in objects of these types."""
