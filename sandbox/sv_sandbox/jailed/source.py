"""A source with its circumstances, as one blob of a row: in the client, and in the jail.

In: a solution or a test, and what the caller says of it. Out: bytes; a source without circumstances
is itself. Pure. Raises ValueError for a blob that `packed` did not write.
"""

from __future__ import annotations

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


def packed(source: Source) -> bytes:
    """The blob."""
    if source.entry_point is None and not source.files and source.text[:1] not in (_MARK, PREPARED):
        return source.text
    files = {path: content.decode("latin-1") for path, content in source.files.items()}
    head = json.dumps([source.entry_point, files]).encode()
    return b"%s%d\n%s%s" % (_MARK, len(head), head, source.text)


def unpacked(blob: bytes) -> Source:
    """The source of a blob."""
    if blob[:1] != _MARK:
        return Source(blob)
    length, _, rest = blob[1:].partition(b"\n")
    entry_point, files = json.loads(rest[: int(length)])
    contents = {path: content.encode("latin-1") for path, content in files.items()}
    return Source(rest[int(length) :], entry_point, contents)
