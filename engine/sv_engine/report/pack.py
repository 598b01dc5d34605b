"""Matrices and texts as one bounded block of base64, whose entries are opened one at a time.

A matrix of S rows and T columns becomes S x T bytes, row by row, each entry deflated by itself:

    bits 0-3  verdict code     bits 4-5  trust code
    bit 6     held back        bit 7     flipped in a second run

A block never grows beyond its size: what does not fit is not taken, and `Block.add` says so.
"""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sv_engine.records import Bools, Floats, Repeat, Selection, Verdicts
from sv_engine.selection.arrays import Groups, groups_of_equal_rows

MATRIX_CHARS = 1_200_000
"""Of base64: 1,000 matrices of 64 x 64."""
TEXT_CHARS = 900_000
NEAR = 0.9
"""Groups that agree on this share of the tests stand together."""
MOST_LEADERS = 60
LARGEST_AXIS = 256
"""Rows or columns of a matrix that are shown, the first in the order of `sorted_axes`."""

Order = NDArray[np.intp]
Place = tuple[int, int]
"""Offset and length in the block, in bytes."""


class Block:
    """Deflated entries, one after the other."""

    def __init__(self, chars: int) -> None:
        self._room = chars // 4 * 3
        self._parts: list[bytes] = []
        self._bytes = 0
        self.left_out = 0
        """Entries that did not fit."""

    def add(self, content: bytes) -> Place | None:
        """Where the entry lies; None where it does not fit."""
        pack = zlib.compressobj(9, wbits=-15)
        part = pack.compress(content) + pack.flush()
        if self._bytes + len(part) > self._room:
            self.left_out += 1
            return None
        place = self._bytes, len(part)
        self._parts.append(part)
        self._bytes += len(part)
        return place

    def add_json(self, content: Any) -> Place | None:
        """The same of a JSON document in ASCII."""
        return self.add(json.dumps(content).encode("ascii"))

    def text(self) -> str:
        """The whole block in base64."""
        return base64.b64encode(b"".join(self._parts)).decode("ascii")


def sorted_axes(
    verdicts: Verdicts, weight_S: Floats, chosen: Selection
) -> tuple[Order, Order, Order]:
    """Rows and columns in the order in which agreement shows, and the group of each sorted row.

    Rows that no test tells apart are a group; its number is its place. Accepted groups come first;
    then the heaviest other group leads, followed by those that agree with it on `NEAR` of the
    tests, then the heaviest that is left, and so on. Columns: accepted ones first, then by which
    leaders pass them, the first deciding first, so that every group shows as a block.
    """
    groups = groups_of_equal_rows(verdicts.passed_ST, verdicts.known_ST, weight_S)
    accepted_G = np.zeros(len(groups.weight_G), dtype=np.bool_)
    accepted_G[groups.group_S[chosen.accepted_S]] = True
    order_G, leaders = _led(groups, accepted_G)
    place_G = np.empty_like(order_G)
    place_G[order_G] = np.arange(len(order_G))
    rows = np.lexsort((-weight_S, place_G[groups.group_S]))
    keys = [-groups.passed_GT[leader] for leader in reversed(leaders)]  # the last decides first
    columns = np.lexsort([*keys, ~chosen.accepted_T])
    return rows, columns, place_G[groups.group_S][rows]


def _led(groups: Groups, accepted_G: Bools) -> tuple[Order, list[int]]:
    """All groups in their order, and the leaders among them."""
    waiting = np.lexsort((-groups.passed_GT.sum(axis=1), -groups.weight_G, ~accepted_G))
    order: list[int] = []
    leaders: list[int] = []
    while len(waiting) and len(leaders) < MOST_LEADERS:
        leader = int(waiting[0])
        same_GT = groups.passed_GT[waiting] == groups.passed_GT[leader]
        agree_G = same_GT.sum(axis=1) / max(1, same_GT.shape[1])
        follows_G = accepted_G[waiting] if accepted_G[leader] else agree_G >= NEAR
        follows_G[0] = True
        following = np.flatnonzero(follows_G)
        order += waiting[following[np.argsort(-agree_G[following], kind="stable")]].tolist()
        leaders.append(leader)
        waiting = waiting[~follows_G]
    return np.array([*order, *waiting.tolist()], dtype=np.intp), leaders


def cells(verdicts: Verdicts, rows: Order, columns: Order) -> bytes:
    """The bytes of a matrix in the given order, at most `LARGEST_AXIS` of each."""
    part = np.ix_(rows[:LARGEST_AXIS], columns[:LARGEST_AXIS])
    flipped_ST: Bools = verdicts.repeat_ST == Repeat.FLIPPED
    byte_ST = (
        (verdicts.verdict_ST & 15)
        | ((verdicts.trust_ST & 3) << 4)
        | ((verdicts.held_ST & 1) << 6)
        | (flipped_ST.astype(np.uint8) << 7)
    )
    return np.ascontiguousarray(byte_ST[part], dtype=np.uint8).tobytes()
