"""The channel between a judge and a subject: messages of encoded values over one socket.

Symmetric: either end may call the other while it waits for an answer (a test that passes a lambda
is called back). Each end keeps a table of the objects it has handed out; a handle means nothing
elsewhere. Mutable containers that cross are numbered in a table which both ends extend alike, and
every message says what changed in those since the last one, so mutation and identity look local.
When a request is answered, the table shrinks to the containers that the subject still holds.
"""

from __future__ import annotations

import operator
import os
import struct
import sys
from collections.abc import Callable
from types import BuiltinMethodType, MethodType
from typing import Any

from . import codec
from .codec import CodecError, Decoder, Encoder, Handle

MAX_SHARED = 200
MAX_SHARED_ITEMS = 2_000
"""How many containers stay shared between requests, and their items: each request looks at all."""

_HEADER = struct.Struct(">I")


class Lost(BaseException):
    """The other end hung up."""


class Whole:
    """Says that a value goes out as a handle, although it extends plain data."""

    __slots__ = ("value",)

    def __init__(self, value: Any):
        self.value = value


class Channel:
    """One end. `export` offers a handle for a local object; `bind` makes a remote one usable."""

    def __init__(
        self,
        fd: int,
        kind_of: Callable[[Any], tuple[str, Any]],
        bind: Callable[..., Any],
        handle_of: Callable[[Any], int | None],
        extended: Callable[[Any], str | None] | None = None,
    ):
        self._fd = fd
        self._kind_of = kind_of
        self._bind = bind
        self._handle_of = handle_of
        self._extended = extended
        self.objects: list[Any] = []  # what we have handed out, by handle
        self._index: dict[Any, int] = {}
        self.forget()

    def forget(self) -> None:
        """Take back every handle and container: a new cell begins."""
        codec.forget()
        self.objects.clear()
        self._index.clear()
        self._table: list[Any] = []  # containers known to both ends, by number
        self._seen: list[Any] = []  # what was in them when the last message came
        self._shared = 0  # so many stay when the request is answered
        self._repeats: dict[int, int] = {}
        self._decoding = False

    def number(self, value: Any) -> int:
        """The handle's number of a local object."""
        # A bound method is another object at each look.
        bound = isinstance(value, MethodType | BuiltinMethodType)
        key = (id(value.__self__), value.__name__, type(value)) if bound else id(value)
        index = self._index.get(key)
        if index is None:
            index = self._index[key] = len(self.objects)
            self.objects.append(value)
        return index

    def _whole(self, value: Any) -> Handle:
        kind, told = self._kind_of(value)
        return Handle(self.number(value), kind, mine=False, value=told)

    def export(self, value: Any, extends: bool = False) -> Handle | None:
        """A handle; None for what has none, if it `extends` plain data and so can cross as that.
        Raises Unencodable."""
        if type(value) is Whole:
            return self._whole(value.value)
        remote = self._handle_of(value)
        if remote is not None:
            return Handle(remote, "", mine=True)  # it is the other end's own
        if not extends:
            return self._whole(value)
        if self._extended is None:
            return None
        kind = self._extended(value)
        if kind is not None:
            return Handle(self.number(value), kind, mine=False)
        # What went out whole does so again.
        return self._whole(value) if id(value) in self._index else None

    def _import(self, handle: Handle, *value: Any) -> Any:
        if not handle.mine:
            return self._bind(handle, *value)
        if handle.index >= len(self.objects):
            raise CodecError(f"no object {handle.index} was handed out")
        return self.objects[handle.index]

    def encode(self, value: Any, last: bool = False) -> bytes:
        """A message; the `last` of a request says which containers stay. Raises Unencodable."""
        changes: tuple[Any, ...] = ()
        if self._seen:
            changes = tuple(
                (number, frozen(self._table[number]))
                for number, old in enumerate(self._seen)
                if old is not None and changed(old, self._table[number])
            )
        encoder = Encoder(self.export, self._table)
        encoder.add((value, changes))
        self._seen = []
        del changes
        kept = None
        if last:
            kept = self._kept(encoder) if encoder.containers else ()
        data = encoder.message(kept)
        self._table = encoder.containers
        self._repeats.update(encoder.repeats)
        if kept is not None:
            self._shrink(kept)
        return data

    def _kept(self, encoder: Encoder) -> tuple[int, ...]:
        """Numbers of the new containers that something beside the messages refers to."""
        kept: dict[int, None] = {}
        room = MAX_SHARED_ITEMS - sum(map(len, self._table[: self._shared]))
        containers = encoder.containers
        for number in range(self._shared, len(containers)):
            container = containers[number]
            # The two tables, this name, the call's argument, and each place in the messages.
            known = 4 + (number < len(self._table))
            known += self._repeats.get(number, 0) + encoder.repeats.get(number, 0)
            if sys.getrefcount(container) > known and is_mutable(container):
                kept[number] = None
        if not kept:
            return ()
        # What lies in them stays as well; the list grows while it is walked.
        numbers = {id(container): number for number, container in enumerate(containers)}
        chosen = list(kept)
        for place, number in enumerate(chosen):
            container = containers[number]
            room -= 1 + len(container)
            if room < 0 or self._shared + place >= MAX_SHARED:
                return tuple(chosen[:place])
            if not isinstance(container, bytearray) and hasattr(container, "clear"):
                values = container.values() if isinstance(container, dict) else container
                for value in values:
                    inner = numbers.get(id(value))
                    if inner is not None and inner >= self._shared and inner not in kept:
                        kept[inner] = None
                        chosen.append(inner)
        return tuple(chosen)

    def _shrink(self, kept: tuple[int, ...]) -> None:
        self._table = self._table[: self._shared] + [self._table[number] for number in kept]
        self._shared = len(self._table)
        self._repeats.clear()

    def decode(self, data: bytes) -> Any:
        """The message, after what it says of containers was done. Raises CodecError."""
        # The hash of an object is asked for where it is a key: that is a request within this one.
        before, outer, self._seen = self._table, self._decoding, []
        self._decoding = True
        decoder = Decoder(data, self._import, before)
        message, kept = decoder.get(), decoder.get()
        decoder.end()
        if type(message) is not tuple or len(message) != 2 or type(message[1]) is not tuple:
            raise CodecError("not a message")
        value, changes = message
        for change in changes:
            if type(change) is not tuple or len(change) != 2 or type(change[0]) is not int:
                raise CodecError("not a change")
            if not 0 <= change[0] < len(before) or not is_mutable(before[change[0]]):
                raise CodecError("a change to nothing")
            refill(before[change[0]], change[1])
        self._table = decoder.containers
        self._repeats.update(decoder.repeats)
        if kept is not None:
            if type(kept) is not tuple or self._shared + len(kept) > MAX_SHARED:
                raise CodecError("not what stays")
            for number in kept:
                if type(number) is not int or not self._shared <= number < len(self._table):
                    raise CodecError("nothing that stays")
            self._shrink(kept)
        self._decoding = outer
        self._seen = [] if outer else [contents(container) for container in self._table]
        return value

    def send(self, data: bytes) -> None:
        """One message. Raises Lost."""
        view = memoryview(_HEADER.pack(len(data)) + data)
        try:
            while view:
                view = view[os.write(self._fd, view) :]
        except OSError:
            raise Lost from None

    def receive(self) -> bytes:
        """One message. Raises Lost at the end, CodecError for an impossible length."""
        (length,) = _HEADER.unpack(self._exactly(_HEADER.size))
        if length > codec.MAX_BYTES + 64:
            raise CodecError(f"a message of {length} bytes")
        return self._exactly(length)

    def _exactly(self, count: int) -> bytes:
        parts = []
        while count:
            try:
                part = os.read(self._fd, min(count, 1 << 20))
            except OSError:
                raise Lost from None
            if not part:
                raise Lost
            parts.append(part)
            count -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)


def contents(container: Any) -> Any:
    """A shallow copy to compare with later; None for what cannot change in place."""
    if isinstance(container, dict):
        return list(container.items())
    if hasattr(container, "clear"):
        return list(container)
    return container.tobytes() if is_mutable(container) else None


def changed(before: Any, container: Any) -> bool:
    """Whether the container holds other objects, or in another order, than before."""
    now = contents(container)
    if type(before) is bytes:
        return bool(now != before)
    if len(now) != len(before):
        return True
    if isinstance(container, dict):
        return any(a[0] is not b[0] or a[1] is not b[1] for a, b in zip(before, now, strict=True))
    return not all(map(operator.is_, before, now))


def frozen(container: Any) -> Any:
    """The content as it crosses: of values that are not themselves numbered."""
    now = contents(container)
    return now if type(now) is bytes else tuple(now)


def is_mutable(container: Any) -> bool:
    """Containers whose content can be replaced in place by `refill`."""
    if hasattr(container, "clear"):
        return True
    return bool(container.flags.writeable and container.ndim)  # an array


def refill(container: Any, items: Any) -> None:
    """Give a local container the content its remote copy has now."""
    array = not hasattr(container, "clear")
    wrong = not isinstance(items, bytes if array else tuple)
    if wrong:
        raise CodecError("new content of the wrong kind")
    try:
        if array:
            numpy = sys.modules["numpy"]
            new = numpy.frombuffer(items, dtype=container.dtype)
            container[...] = new.reshape(container.shape)
            return
        container.clear()
        if isinstance(container, dict):
            for key, value in items:
                container[key] = value
        elif isinstance(container, set):
            container.update(items)
        else:
            container.extend(items)
    except (TypeError, ValueError) as error:
        raise CodecError(str(error)) from None
