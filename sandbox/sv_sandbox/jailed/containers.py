"""What shared containers hold: noticed when it changes, and put in place at the other end.

Built-in containers are looked at in C (`_native.snapshot`, `_native.changed`), item by item by
identity; an object that extends one likewise, whatever its methods say; other mutable values of the
codec's table by their parts, encoded. Raises CodecError for new content of the wrong kind.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from . import shapes, values
from .values import CodecError, Unencodable, native


class Snapshot(NamedTuple):
    """What containers held: built-in ones, and the others by number."""

    builtin: list[Any]
    others: dict[int, object]


def snapshot(containers: list[object]) -> Snapshot:
    """What they hold now."""
    seen = native.snapshot(containers)
    others = {
        number: _fingerprint(containers[number]) for number, one in enumerate(seen) if one is None
    }
    return Snapshot(seen, others)


def changed(containers: list[object], seen: Snapshot) -> list[int]:
    """The numbers of those that hold something else now."""
    found: list[int] = native.changed(containers, seen.builtin)
    for number, before in seen.others.items():
        now = _fingerprint(containers[number])
        if now is None or before is None:
            continue
        if type(now) is tuple and type(before) is tuple:
            if len(now) == len(before) and all(a is b for a, b in zip(now, before, strict=True)):
                continue
        elif now == before:
            continue
        found.append(number)
    return found


def size(container: Any) -> int:
    """How many items it counts for."""
    base = shapes.content_of(type(container))
    if base in shapes.MUTABLE:
        return int(base.__len__(container))
    return 16


def _fingerprint(container: object) -> object:
    """Flat items of what extends a container; the encoded parts of others; None for neither."""
    base = shapes.content_of(type(container))
    if base in shapes.MUTABLE:
        return _flat(container, base)
    try:
        return values.encode(container, _by_identity)
    except Unencodable:
        return None


def _by_identity(value: object) -> tuple[bool, tuple[int]]:
    return False, (id(value),)


def _flat(container: Any, base: Any) -> object:
    if base is dict:
        keys = tuple(dict.__iter__(container))
        return (*keys, *(dict.__getitem__(container, key) for key in keys))
    return bytes(container) if base is bytearray else tuple(base.__iter__(container))


def content(container: Any) -> object:
    """What it holds, as it crosses."""
    base = shapes.content_of(type(container))
    if base is dict:
        return tuple((key, dict.__getitem__(container, key)) for key in dict.__iter__(container))
    if base in shapes.MUTABLE:
        return _flat(container, base)
    row = values.row_of(container)
    return (row.parts(container),) if row is not None else ()


def refill(container: Any, new: Any) -> None:
    """Give a container the content that its copy at the other end has now."""
    base: Any = shapes.content_of(type(container))
    try:
        if base is list:
            list.__setitem__(container, slice(None), new)
        elif base is bytearray:
            bytearray.__setitem__(container, slice(None), new)
        elif base is set:
            set.clear(container)
            set.update(container, new)
        elif base is dict:
            dict.clear(container)
            dict.update(container, new)
        else:
            _rebuild(container, new)
    except (TypeError, ValueError, AttributeError, IndexError) as error:
        raise CodecError(f"new content of the wrong kind: {error}") from None


def _rebuild(container: Any, new: Any) -> None:
    row = values.row_of(container)
    if row is None or not row.mutable or not row.fits(new[0]):
        raise CodecError("new content of the wrong kind")
    built: Any = row.build(*new[0])
    if hasattr(container, "dtype"):
        container[...] = built
    elif hasattr(container, "maxlen"):
        container.clear()
        container.extend(built)
    elif hasattr(container, "setstate"):
        container.setstate(built.getstate())
    elif isinstance(container, dict):
        container.clear()
        container.update(built)
    elif hasattr(container, "typecode"):
        container[:] = built
    elif hasattr(container, "__dict__"):
        vars(container).clear()
        vars(container).update(vars(built))
