"""Lines of a JSONL file as dictionaries, whatever is in the file.

In: a path. Out: `(line number, row)` for each usable line, and a `BadRow` for each other one.
Nothing in the file costs more than its own line: bytes that are not UTF-8, text that is not JSON,
JSON that is not an object, nesting without end. Memory is bounded by `MAX_LINE_BYTES`; longer
lines are skipped unread. Empty lines are no rows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

MAX_LINE_BYTES = 64 << 20
"""Far above a row of 200 samples (0.1 MB), so that one huge sample costs itself, not its row."""


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that could not be used: where it is, and what is wrong with it."""

    path: str
    line: int
    """Counted from 1; 0 where the file as a whole is meant."""
    field: str
    """Name of the offending field, `''` where the whole line is meant."""
    message: str

    def __str__(self) -> str:
        field = f"field `{self.field}`: " if self.field else ""
        return f"{self.path}:{self.line}: {field}{self.message}"


class FieldError(ValueError):
    """A row does not have what its format asks for."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.message = message


def count_lines(path: Path) -> int:
    """Number of lines that are not blank: an upper bound of the rows, for progress."""
    with path.open("rb") as file:
        return sum(1 for _, line in _lines(file) if line is None or line.strip())


def read_rows(path: Path, bad_rows: list[BadRow]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield `(line number from 1, row)`; append to `bad_rows` what is not a row.

    Raises OSError if the file cannot be read.
    """
    with path.open("rb") as file:
        for number, line in _lines(file):
            if line is not None and not line.strip():
                continue
            try:
                yield number, _parse(line)
            except FieldError as error:
                bad_rows.append(BadRow(str(path), number, error.field, error.message))


def _lines(file: IO[bytes]) -> Iterator[tuple[int, bytes | None]]:
    """Yield `(line number, line)`, None in place of a line that is too long to be read."""
    number = 0
    while line := file.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(line) <= MAX_LINE_BYTES:
            yield number, line
            continue
        while line and not line.endswith(b"\n"):
            line = file.readline(MAX_LINE_BYTES)
        yield number, None


def _parse(line: bytes | None) -> dict[str, Any]:
    """Return the object that `line` holds; raises FieldError."""
    if line is None:
        raise FieldError("", f"longer than {MAX_LINE_BYTES >> 20} MiB, skipped unread")
    try:
        row = json.loads(line.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        byte = f"0x{line[error.start]:02x} at byte {error.start + 1}"
        raise FieldError("", f"not UTF-8 ({byte})") from None
    except json.JSONDecodeError as error:
        raise FieldError("", f"not JSON: {error.msg} at column {error.colno}") from None
    except (RecursionError, ValueError) as error:  # endless nesting; an int of 5,000 digits
        raise FieldError("", f"not usable JSON: {error}") from None
    if not isinstance(row, dict):
        raise FieldError("", f"expected a JSON object, got {type(row).__name__}")
    return row
