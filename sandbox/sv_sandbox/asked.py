"""What a caller asks for, checked and as the native side wants it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from . import _native
from .jailed.source import head_of, packed
from .verdict import Limits


def checked_files(files: Mapping[str, str | bytes]) -> Mapping[str, str | bytes]:
    """Raises ValueError for a path that is none below a program's folder."""
    for path in files:
        if os.path.isabs(path) or ".." in Path(path).parts or not Path(path).name:
            raise ValueError(f"file {path!r}: must be a path below the program's folder")
        if "\0" in path or any(len(os.fsencode(part)) > 255 for part in Path(path).parts):
            raise ValueError(f"file {path!r}: not a name that a file can have")
        if any(str(parent) in files for parent in Path(path).parents):
            raise ValueError(f"file {path!r}: lies below another file")
    return files


def packed_matrix(
    solutions: Sequence[str],
    tests: Sequence[str],
    entry_point: str | None,
    files: Mapping[str, str | bytes],
) -> tuple[list[bytes], list[bytes]]:
    """A blob for each solution and one for each test. Raises ValueError for what can never run."""
    beside = {path: as_bytes(content) for path, content in checked_files(files).items()}
    head = head_of(entry_point, beside)
    rows = [packed(text, head) for text in encoded(solutions)]
    head = head_of(entry_point, dict.fromkeys(beside, b""))
    cells = [packed(text, head) for text in encoded(tests)]
    if len(cells) > _native.MAX_CELLS:
        raise ValueError(f"{len(cells)} tests in one job; at most {_native.MAX_CELLS}")
    room = _native.MAX_PAYLOAD_BYTES - 4 * (len(cells) + 1) - sum(map(len, cells))
    for index, row in enumerate(rows):
        if len(row) > room:
            raise ValueError(f"solution {index} and its tests exceed the size of a row")
    return rows, cells


def packed_program(program: str, files: Mapping[str, str | bytes]) -> tuple[bytes, list[bytes]]:
    """The program, and a path and a content in turn for each file. Raises ValueError."""
    (source,) = encoded([program])
    blobs: list[bytes] = []
    for path, content in checked_files(files).items():
        blobs += [os.fsencode(path), as_bytes(content)]
    if len(source) + sum(map(len, blobs)) > _native.MAX_PAYLOAD_BYTES - 4 * (len(blobs) + 1):
        raise ValueError(f"the program and its files exceed {_native.MAX_PAYLOAD_BYTES >> 20} MiB")
    return source, blobs


def as_bytes(text: str | bytes) -> bytes:
    """UTF-8, where it is text."""
    return text.encode() if isinstance(text, str) else text


def encoded(sources: Sequence[str]) -> list[bytes]:
    """UTF-8; a lone surrogate becomes bytes that no interpreter accepts: its cell fails alone."""
    return [source.encode("utf-8", "surrogatepass") for source in sources]


def native_limits(limits: Limits) -> tuple[int, ...]:
    """In the order of `struct sv_limits`."""
    return (
        max(1, round(limits.cpu_s * 1e6)),
        max(1, round(limits.wall_guard_s * 1e6)),
        limits.memory_bytes,
        limits.output_bytes,
        limits.file_bytes,
        limits.open_files,
        limits.threads,
        int(limits.processes),
        limits.stack_bytes,
        limits.int_digits,
    )
