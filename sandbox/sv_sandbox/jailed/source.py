"""A source with its circumstances, as one blob of a row: in the client, and in the jail.

In: a solution or a test, and what the caller says of it. Out: bytes; a source without circumstances
is itself. Pure. Raises ValueError for a blob that `packed` did not write.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from typing import NamedTuple

_MARK = b"\0"
PREPARED = b"\1"
"""What begins a test that was made ready to run (`testcode`): no blob of `packed` does."""


class Source(NamedTuple):
    """A solution, or a test."""

    text: bytes
    entry_point: str | None = None
    """The function under test: the one built-in name that a test takes from the solution."""
    files: Mapping[str, bytes] = {}
    """Modules beside the solution, by path; in a test without their content."""

    @property
    def code(self) -> str:
        """The text as `exec` would have it: in no other encoding, whatever its first lines say."""
        return self.text.decode("utf-8", "surrogatepass")


def head_of(entry_point: str | None, files: Mapping[str, bytes]) -> bytes:
    """What stands before each text with these circumstances; empty where there are none."""
    if entry_point is None and not files:
        return b""
    contents = {path: content.decode("latin-1") for path, content in files.items()}
    head = json.dumps([entry_point, contents]).encode()
    return b"%s%d\n%s" % (_MARK, len(head), head)


def packed(text: bytes, head: bytes = b"") -> bytes:
    """The blob."""
    if not head and text[:1] in (_MARK, PREPARED):
        head = _MARK + b"10\n[null, {}]"
    return head + text


def unpacked(blob: bytes) -> Source:
    """The source of a blob."""
    if blob[:1] != _MARK:
        return Source(blob)
    length, _, rest = blob[1:].partition(b"\n")
    return Source(rest[int(length) :], *_circumstances(rest[: int(length)]))


@functools.lru_cache(maxsize=1)
def _circumstances(head: bytes) -> tuple[str | None, Mapping[str, bytes]]:
    """The tests of a job have the same ones."""
    entry_point, files = json.loads(head)
    return entry_point, {path: content.encode("latin-1") for path, content in files.items()}
