"""What shared containers hold: noticed when it changes, and put in place at the other end.

Built-in containers are looked at in C (`_native.snapshot`, `_native.changed`), item by item by
identity; an object that extends one likewise, whatever its methods say; other mutable values of the
codec's table by their parts, encoded. Raises CodecError for new content of the wrong kind.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from . import shapes, values
from .values import CodecError, Unencodable, native

_KINDS = frozenset((*shapes.MUTABLE, OrderedDict))
_value: Callable[..., object] = dict.__getitem__


class Known:
    """What the containers of a list hold, as the other end knows it.

    Each frame looks at all of them, and copies what they hold only where that is new."""

    def __init__(self, containers: list[object]):
        self._containers = containers
        self._held: list[object] = []
        self._others: list[int] = []
        """The numbers of those that are not built in."""

    def changed(self) -> dict[int, object]:
        """The numbers of those that hold something else now, and what."""
        found: list[int] = native.changed(self._containers, self._held)
        now = {number: _held(self._containers[number]) for number in found}
        for number in self._others:
            held = _fingerprint(self._containers[number])
            if _differs(held, self._held[number]):
                now[number] = held
        return now

    def tell(self, changed: Mapping[int, object]) -> None:
        """The other end knows of these; and those that came last, it has as they are."""
        for number, held in changed.items():
            self._held[number] = held
        first = len(self._held)
        self._held += native.snapshot(self._containers[first:])
        for number in range(first, len(self._held)):
            if self._held[number] is None:
                self._held[number] = _fingerprint(self._containers[number])
                self._others.append(number)

    def hear(self, numbers: Iterable[int]) -> None:
        """These have been given what they hold by the other end."""
        self.tell({number: _held(self._containers[number]) for number in numbers})

    def keep(self, numbers: Sequence[int]) -> None:
        """The others are shared no longer."""
        self._containers[:] = [self._containers[number] for number in numbers]
        self._held = [self._held[number] for number in numbers]
        others = set(self._others)
        self._others = [now for now, number in enumerate(numbers) if number in others]


def _held(container: object) -> object:
    held = native.snapshot([container])[0]
    return _fingerprint(container) if held is None else held


def _differs(now: object, before: object) -> bool:
    if now is None or before is None:
        return False
    if type(now) is tuple and type(before) is tuple:
        same = len(now) == len(before)
        return not (same and all(a is b for a, b in zip(now, before, strict=True)))
    return now != before


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
