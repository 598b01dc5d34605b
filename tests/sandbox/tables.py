"""Tables of a matrix as lists, as the checker of types knows memoryviews of one axis alone."""

from __future__ import annotations

from typing import Any


def rows(table: memoryview) -> list[list[int]]:
    """The rows of a table with two axes."""
    found: Any = table.tolist()
    return list(found)
