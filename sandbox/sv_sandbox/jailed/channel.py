"""The channel between a judge and a subject: messages of encoded values over one socket.

Symmetric: either end may call the other while it waits for an answer (a test that passes a lambda
is called back). Each end keeps a table of the objects it has handed out; a handle means nothing
elsewhere. Containers passed as arguments are numbered, and what the callee did to them in place
comes back with its answer, so mutation and identity look local.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from typing import Any

from . import codec
from .codec import CodecError, Decoder, Encoder, Handle

_HEADER = struct.Struct(">I")


class Lost(BaseException):
    """The other end hung up."""


class Channel:
    """One end. `export` offers a handle for a local object; `bind` makes a remote one usable."""

    def __init__(
        self,
        fd: int,
        kind_of: Callable[[Any], str | None],
        bind: Callable[[Handle], Any],
        handle_of: Callable[[Any], int | None],
    ):
        self._fd = fd
        self._kind_of = kind_of
        self._bind = bind
        self._handle_of = handle_of
        self.objects: list[Any] = []  # what we have handed out, by handle
        self._index: dict[int, int] = {}

    def forget(self) -> None:
        """Take back every handle: a new cell begins."""
        self.objects.clear()
        self._index.clear()

    def _export(self, value: Any) -> Handle | None:
        remote = self._handle_of(value)
        if remote is not None:
            return Handle(remote, "", "", mine=True)  # it is the other end's own
        kind = self._kind_of(value)
        if kind is None:
            return None
        index = self._index.get(id(value))
        if index is None:
            index = self._index[id(value)] = len(self.objects)
            self.objects.append(value)
        name = value.__name__ if kind == "class" else type(value).__name__
        return Handle(index, kind, str(name), mine=False)

    def _import(self, handle: Handle) -> Any:
        if not handle.mine:
            return self._bind(handle)
        if handle.index >= len(self.objects):
            raise CodecError(f"no object {handle.index} was handed out")
        return self.objects[handle.index]

    def encode(self, value: Any, known: list[Any] | None = None) -> tuple[bytes, list[Any]]:
        """A message, and the containers in it by number. Raises Unencodable."""
        encoder = Encoder(self._export, known)
        return encoder.message(value), encoder.containers

    def decode(self, data: bytes, known: list[Any] | None = None) -> tuple[Any, list[Any]]:
        """The message, and the containers in it by number. Raises CodecError."""
        decoder = Decoder(data, self._import, known)
        value = decoder.get()
        decoder.end()
        return value, decoder.containers

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
    """A shallow copy to compare with later."""
    return list(container.items()) if isinstance(container, dict) else list(container)


def changed(before: list[Any], container: Any) -> bool:
    """Whether the container holds other objects, or in another order, than before."""
    now = contents(container)
    if len(now) != len(before):
        return True
    if isinstance(container, dict):
        return any(a[0] is not b[0] or a[1] is not b[1] for a, b in zip(before, now, strict=True))
    return any(a is not b for a, b in zip(before, now, strict=True))


def is_mutable(container: Any) -> bool:
    """Containers whose content can be replaced in place by `refill`."""
    return hasattr(container, "clear")


def refill(container: Any, items: Any) -> None:
    """Give a local container the content its remote copy has now."""
    if type(items) is not list:
        raise CodecError("new content that is no list")
    try:
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
