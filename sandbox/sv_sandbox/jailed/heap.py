"""Where small objects of a row will lie: side by side on pages that hold nothing else.

In: nothing. Out: an interpreter whose heap has no holes between the objects that are there, and
free room behind them. A row then writes few pages, whether they are a fork's own copies or are put
back after it; and what it does not write stays shared with the zygote. A recycled subject's heap
cannot grow at all: the room is what it has.
"""

from __future__ import annotations

_ROOM_BYTES, _PIECE_BYTES = 2 << 20, 440
_PIN_EVERY = 1000  # pieces: at least one stays in each arena, which then is never given back
_POOL_BYTES, _POOL_HEAD_BYTES, _BYTES_HEAD = 16384, 48, 33
_kept: list[bytes] = []


def make_room() -> None:
    """Free room for small objects, which stays the interpreter's."""
    pieces = [bytes(_PIECE_BYTES) for _ in range(_ROOM_BYTES // _PIECE_BYTES)]
    _kept.extend(pieces[::_PIN_EVERY])


def fill() -> None:
    """Fill the holes between small objects."""
    for size in range(48, 513, 16):
        pieces: list[bytes] = []
        beside, last, pool = 0, 0, (_POOL_BYTES - _POOL_HEAD_BYTES) // size
        while beside < pool - 1:  # until a whole pool is ours
            pieces.append(bytes(size - _BYTES_HEAD))
            beside = beside + 1 if id(pieces[-1]) - last == size else 0
            last = id(pieces[-1])
        _kept.extend(pieces[:-pool])
