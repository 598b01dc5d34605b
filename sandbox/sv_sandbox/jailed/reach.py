"""What an object of the test's leads to: the objects in it, and in those.

In: what a name holds. Out: whether that leads to one of some objects (`leads`), or all that may be
changed there (`mutable`). What cannot be looked into, an iterator say, leads to anything. Runs no
code of anybody's: what objects say of themselves is not asked for.
"""

from __future__ import annotations

import contextlib
import functools
import types
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from .provenance import is_reference

_MOST_OBJECTS = 100_000
ATOMS = frozenset((int, float, complex, bool, str, bytes, type(None), range, slice))
OPAQUE = object()
"""Stands for anything."""
_CLOSED = frozenset(
    "datetime decimal fractions re uuid zoneinfo numpy operator _operator _thread _io builtins"
    " array".split()
)
"""Modules whose objects lead to nothing of the test's; what does is in `_PARTS`, or `_OPEN`."""
_OPEN = ("iterator", "generator", "_keys", "_values", "_items", "coroutine")
"""How types of Python's end that may lead anywhere."""
_LAZY = (map, filter, zip, enumerate, reversed, types.MappingProxyType)


def leads(value: object, to: Iterable[object]) -> bool:
    """Whether a value is, or leads to, one of these."""
    wanted = {id(part) for one in to for part in _with_owners(one)}
    return any(one is OPAQUE or id(one) in wanted for one in _reached(value))


def mutable(value: object) -> Iterator[object]:
    """All in a value that may be changed."""
    if type(value) in ATOMS or isinstance(value, types.ModuleType):
        return
    yield from (one for one in _reached(value) if not _is_fixed(one))


def attributes(owner: object) -> dict[str, object]:
    """Of an object or class of the test's: its own, and those of its classes."""
    cls = owner if isinstance(owner, type) else type(owner)
    of_text = [one for one in reversed(cls.__mro__) if _is_of_text(one)]
    found = {name: value for one in of_text for name, value in _attributes(one).items()}
    return {**found, **(vars(owner) if hasattr(cls, "__dict__") and owner is not cls else {})}


def _is_fixed(value: object) -> bool:
    kind = type(value)
    if kind in ATOMS or kind in (tuple, frozenset) or is_reference(value):
        return True
    if isinstance(value, type):
        return not _is_of_text(value)
    return isinstance(value, _CODE) or kind.__module__ in ("datetime", "decimal", "re", "uuid")


def _with_owners(value: Any) -> Iterator[object]:
    """An object, and those whose memory it shows."""
    while value is not None:
        yield value
        value = value.obj if type(value) is memoryview else _base_of(value)


def _base_of(value: Any) -> object:
    return value.base if type(value).__name__ == "ndarray" else None


def _reached(value: object) -> Iterator[object]:
    waiting, seen = [value], {id(value)}
    while waiting:
        one = waiting.pop()
        yield one
        if len(seen) > _MOST_OBJECTS:
            yield OPAQUE
            return
        if isinstance(one, types.ModuleType):
            yield from _in_module(one)
            continue
        for part in _inside(one):
            if type(part) not in ATOMS and id(part) not in seen:
                seen.add(id(part))
                waiting.append(part)


def _inside(value: Any) -> list[Any]:
    """What an object holds."""
    kind = type(value)
    if kind in ATOMS or value is OPAQUE or is_reference(value):
        return []
    if isinstance(value, type):
        return [*_attributes(value).values()] if _is_of_text(value) else []
    known = [parts(value) for base, parts in _PARTS.items() if isinstance(value, base)]
    known += _in_attributes(value)
    known += [[kind]] if _is_of_text(kind) else []
    if kind.__name__ == "ndarray":
        known.append([value.base, *(value.flat if value.dtype.hasobject else ())])
    if not known and not _leads_nowhere(kind):
        return [OPAQUE]
    return [one for parts in known for one in parts]


def _in_attributes(value: Any) -> list[list[Any]]:
    """What the attributes of an object hold, where it has any."""
    found = []
    for one in type(value).__mro__:
        own = _attributes(one)
        if "__dict__" in own and isinstance(own["__dict__"], types.GetSetDescriptorType):
            found.append([*own["__dict__"].__get__(value).values()])
        slots = [part for part in own.values() if isinstance(part, types.MemberDescriptorType)]
        if "__slots__" in own:
            found.append([part.__get__(value) for part in slots if _is_set(part, value)])
    return found


def _is_set(slot: types.MemberDescriptorType, value: object) -> bool:
    try:
        slot.__get__(value)
    except AttributeError:
        return False
    return True


def _in_module(module: types.ModuleType) -> Iterator[Any]:
    """Plain data that a module holds, and modules in it."""
    for value in vars(module).values():
        if type(value) in (list, dict, set, bytearray):
            yield value
        elif isinstance(value, types.ModuleType) and value.__name__.startswith(
            f"{module.__name__}."
        ):
            yield from _in_module(value)


def _attributes(cls: type) -> Any:
    return type.__dict__["__dict__"].__get__(cls)


def _is_of_text(cls: type) -> bool:
    return bool(_attributes(cls).get("__module__") == "test")


def _leads_nowhere(kind: type) -> bool:
    is_closed = kind.__module__.partition(".")[0] in _CLOSED
    return is_closed and not kind.__name__.endswith(_OPEN) and not issubclass(kind, _LAZY)


def _of_function(value: types.FunctionType) -> list[Any]:
    found = [*(value.__defaults__ or ()), *(value.__kwdefaults__ or {}).values()]
    for cell in value.__closure__ or ():
        with contextlib.suppress(ValueError):  # nothing in it yet
            found.append(cell.cell_contents)
    return found


_CODE = (types.FunctionType, types.BuiltinFunctionType, types.MethodType, types.ModuleType)
_PARTS: dict[type, Callable[[Any], list[Any]]] = {
    list: lambda value: [*list.__iter__(value)],
    tuple: lambda value: [*tuple.__iter__(value)],
    set: lambda value: [*set.__iter__(value)],
    frozenset: lambda value: [*frozenset.__iter__(value)],
    dict: lambda value: [*dict.keys(value), *dict.values(value)],
    deque: lambda value: [*deque.__iter__(value)],
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
}
"""What lies in objects of these types."""
