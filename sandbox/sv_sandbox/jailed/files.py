"""The scratch folder that both ends of a link see: each has its own, and changes cross with frames.

In: a folder. Out: what changed in it since the last look, by relative path (None for a folder,
False for what is gone), and the same put in place at the other end. Bounded: `MAX_FILES`,
`MAX_BYTES`. Raises CodecError for what no other end could have found.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from itertools import islice
from typing import Any

from .values import CodecError

PRIVATE = "/tmp"
MAX_FILES = 500
MAX_BYTES = 8 << 20


class Files:
    """One end's folder."""

    def __init__(self, root: str):
        self._root = root
        # At one place for both ends where the root is private; else each has its own.
        self.own_name = b"" if root == PRIVATE else os.fsencode(root)
        self._seen: dict[str, object] = {}
        self._look()

    def changes(self) -> tuple[tuple[str, object], ...]:
        """What is new, changed or gone since the last look."""
        before = self._seen
        now = self._look()
        found: list[tuple[str, object]] = []
        room = MAX_BYTES
        for path, mark in now.items():
            if path in before and before[path] == mark:
                continue
            content = None
            if mark is not None:
                with (
                    contextlib.suppress(OSError),
                    open(os.path.join(self._root, path), "rb") as file,
                ):
                    content = file.read(room + 1)
                    room -= len(content)
            if room < 0:
                raise OSError(27, "files that test and solution share are too large")
            found.append((path, content))
        found += [(path, False) for path in before if path not in now]
        return tuple(found)

    def put(self, changes: object) -> None:
        """The other end's changes."""
        if type(changes) is not tuple:
            raise CodecError("not changes of files")
        for change in changes:
            if type(change) is not tuple or len(change) != 2 or not _is_below(change[0]):
                raise CodecError("not a change of a file")
            self._put(os.path.join(self._root, change[0]), change[1])
        self._look()

    def _put(self, path: str, content: object) -> None:
        with contextlib.suppress(OSError):
            if content is False and os.path.isdir(path):
                import shutil  # three compressors come with it: not for every zygote

                shutil.rmtree(path)
            elif content is False:
                os.unlink(path)
            elif content is None:
                os.makedirs(path, exist_ok=True)
            elif type(content) is bytes:
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "wb") as file:
                    file.write(content)

    def _look(self) -> dict[str, object]:
        """Every file and folder: when it changed and its size; None for a folder."""
        found: dict[str, object] = {}
        for path, status in islice(look(self._root), MAX_FILES):
            if stat.S_ISDIR(status.st_mode):
                found[path] = None
            elif stat.S_ISREG(status.st_mode):
                found[path] = (status.st_mtime_ns, status.st_size, status.st_ino)
        self._seen = dict(sorted(found.items()))
        return self._seen


def look(root: str) -> Iterator[tuple[str, os.stat_result]]:
    """All below a folder by relative path, in no order; but not what is mounted there, such as the
    interpreter and its packages where these lie below /tmp."""
    device = os.stat(root).st_dev
    folders = [""]
    while folders:
        folder = folders.pop()
        with contextlib.suppress(OSError):
            for entry in os.scandir(os.path.join(root, folder)):
                status = entry.stat(follow_symlinks=False)
                if status.st_dev != device:
                    continue
                path = os.path.join(folder, entry.name)
                if stat.S_ISDIR(status.st_mode):
                    folders.append(path)
                yield path, status


def _is_below(path: Any) -> bool:
    if type(path) is not str or not path or "\0" in path or path.startswith("/"):
        return False
    return all(part not in ("", ".", "..") for part in path.split("/"))
