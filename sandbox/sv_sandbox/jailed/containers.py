"""What shared containers hold: noticed when it changes, and put in place at the other end.

Built-in containers are looked at in C (`_native.snapshot`, `_native.changed`), item by item by
identity; an object that extends one likewise, whatever its methods say; other mutable values of the
codec's table by their parts, encoded. Raises CodecError for new content of the wrong kind.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

from . import shapes, values
from .values import CodecError, Unencodable, native

_KINDS = frozenset((*shapes.MUTABLE, OrderedDict))
_value: Callable[..., object] = dict.__getitem__


class Snapshot(NamedTuple):
    """What containers held: built-in ones, and the others by number."""

    builtin: list[tuple[object, ...] | bytes | None]
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


def _content_of(container: object) -> Any:
    """Whose items it has: of an OrderedDict not dict's, which know nothing of its order."""
    kind = type(container)
    return OrderedDict if OrderedDict in shapes.mro(kind) else shapes.content_of(kind)


def size(container: object) -> int:
    """How many items it counts for."""
    base = _content_of(container)
    return int(base.__len__(container)) if base in _KINDS else 16


def _fingerprint(container: object) -> object:
    """Flat items of what extends a container; the encoded parts of others; None for neither."""
    base = _content_of(container)
    if base in _KINDS:
        keys = tuple(base.__iter__(container))
        if base not in (dict, OrderedDict):
            return keys
        return (*keys, *(_value(container, key) for key in keys))
    try:
        return values.encode(container, _by_identity)
    except Unencodable:
        return None


def _by_identity(value: object) -> tuple[bool, tuple[int]]:
    return False, (id(value),)


def content(container: object) -> object:
    """What it holds, as it crosses."""
    base = _content_of(container)
    if base in _KINDS:
        items = base.__iter__(container)
        if base in (dict, OrderedDict):
            return tuple((key, _value(container, key)) for key in items)
        return bytes(items) if base is bytearray else tuple(items)
    row = values.row_of(container)
    return (row.parts(container),) if row is not None else ()


def refill(container: object, new: object) -> None:
    """Give a container the content that its copy at the other end has now."""
    base = _content_of(container)
    try:
        if base in (list, bytearray):
            base.__setitem__(container, slice(None), new)
        elif base in _KINDS:
            base.clear(container)
            base.update(container, new)
        else:
            _rebuild(container, new)
    except (TypeError, ValueError, AttributeError, IndexError) as error:
        raise CodecError(f"new content of the wrong kind: {error}") from None


def _rebuild(container: Any, new: object) -> None:
    row = values.row_of(container)
    parts = new[0] if type(new) is tuple and len(new) == 1 else None
    if row is None or not row.mutable or type(parts) is not tuple or not row.fits(parts):
        raise CodecError("new content of the wrong kind")
    built: Any = row.build(*parts)
    if hasattr(container, "dtype"):
        if container.size == built.size:
            container.shape = built.shape
        container[...] = built
    elif hasattr(container, "maxlen"):
        container.clear()
        container.extend(built)
    elif hasattr(container, "setstate"):
        container.setstate(built.getstate())
    elif hasattr(container, "typecode"):
        container[:] = built
    elif hasattr(container, "__dict__"):
        vars(container).clear()
        vars(container).update(vars(built))
