"""Lines of a JSONL file as dictionaries, whatever is in the file.

In: a path, of a file that may be compressed with gzip. Out: `(line number, row)` for each usable
line, and a `BadRow` for each other one. Nothing in the file costs more than its own line: bytes
that are not UTF-8, text that is not JSON, JSON that is not an object, nesting without end. Memory
is bounded by `MAX_LINE_BYTES`; longer lines are skipped unread. Empty lines are no rows.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import shutil
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path
from typing import IO, Any

MAX_LINE_BYTES = 64 << 20
"""Far above a row of 200 samples (0.1 MB), so that one huge sample costs itself, not its row."""

NAMED_ROWS = 100
"""How many of the rows that cannot be used a summary names."""
SHOWN_ROWS = 20
"""And the terminal."""
_BROKEN = (EOFError, zlib.error, gzip.BadGzipFile)
"""What reading a damaged gzip file raises."""


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


def lines_of(bad_rows: Sequence[BadRow]) -> Iterator[str]:
    """What the terminal says of them."""
    for row in bad_rows[:SHOWN_ROWS]:
        yield f"skipped {row}"
    if len(bad_rows) > SHOWN_ROWS:
        more = len(bad_rows) - SHOWN_ROWS
        yield f"skipped {more} more; summary.json names the first {NAMED_ROWS}"


def named(names: Sequence[str]) -> str:
    """What the terminal says of problems."""
    return ", ".join(names[:SHOWN_ROWS]) + (", ..." if len(names) > SHOWN_ROWS else "")


def figures_of(bad_rows: Sequence[BadRow]) -> dict[str, Any]:
    """For a summary."""
    return {"count": len(bad_rows), "first": [str(row) for row in bad_rows[:NAMED_ROWS]]}


class FieldError(ValueError):
    """A row does not have what its format asks for."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.message = message


def count_lines(path: Path) -> int:
    """Number of lines that are not blank: an upper bound of the rows, for progress."""
    count = 0
    with _opened(path) as file, contextlib.suppress(*_BROKEN):
        for _, line in _lines(file):
            count += line is None or bool(line.strip())
    return count


def read_rows(
    path: Path, bad_rows: list[BadRow], name: str = ""
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield `(line number from 1, row)`; append to `bad_rows` what is not a row, under `name`.

    Raises OSError if the file cannot be read.
    """
    name = name or str(path)
    number = 0
    with _opened(path) as file:
        try:
            for number, line in _lines(file):
                if line is not None and not line.strip():
                    continue
                try:
                    row = _parse(line)
                except FieldError as error:
                    bad_rows.append(BadRow(name, number, error.field, error.message))
                else:
                    yield number, row
        except _BROKEN as error:
            message = f"the compressed data is broken, the rest is lost: {error}"
            bad_rows.append(BadRow(name, number + 1, "", message))


@contextlib.contextmanager
def spooled(stream: IO[bytes]) -> Iterator[Path]:
    """What comes from a pipe as a temporary file, for those who read it more than once."""
    with tempfile.NamedTemporaryFile(prefix="sv-", suffix=".jsonl") as file:
        shutil.copyfileobj(stream, file)
        file.flush()
        yield Path(file.name)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[BufferedIOBase]:
    """The bytes of a file, decompressed if it begins as gzip files do."""
    with path.open("rb") as file:
        if file.peek(2)[:2] == b"\x1f\x8b":
            with gzip.open(file) as unpacked:
                yield unpacked
        else:
            yield file


def _lines(file: BufferedIOBase) -> Iterator[tuple[int, bytes | None]]:
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
