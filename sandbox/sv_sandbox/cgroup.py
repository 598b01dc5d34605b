"""A cgroup v2 for the whole pool, where one is delegated to us: a bound that no arithmetic evades.

The address-space limit holds each process; the group holds their sum, tmpfs pages included. It is
used only when our own cgroup hands the memory and pids controllers to its children already: moving
the caller's process out of the way would not be ours to do.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

NEEDED = frozenset(("memory", "pids"))


@dataclass(frozen=True, slots=True)
class Group:
    """A group that was made, or why there is none."""

    path: Path | None
    reason: str

    @property
    def file(self) -> str:
        """Where a process is written to that is to be, with all its future children, in the group;
        empty: there is none."""
        return "" if self.path is None else str(self.path / "cgroup.procs")

    def remove(self) -> None:
        """Take the group away once it is empty."""
        if self.path is not None:
            with contextlib.suppress(OSError):
                self.path.rmdir()


def own_group(proc: Path = Path("/proc/self/cgroup"), mounts: Path = Path("/proc/mounts")) -> Path:
    """The folder of the cgroup v2 we are in. Raises LookupError that says why there is none."""
    try:
        lines = proc.read_text().splitlines()
        mount = next(
            parts[1]
            for parts in map(str.split, mounts.read_text().splitlines())
            if parts[2] == "cgroup2"
        )
        inside = next(line[3:] for line in lines if line.startswith("0::"))
    except (OSError, StopIteration):
        raise LookupError("this machine mounts no cgroup v2") from None
    return Path(mount + inside)


def create(memory_bytes: int, tasks: int, parent: Path | None = None) -> Group:
    """A new group below ours with these bounds, or a Group without a path and the reason."""
    try:
        parent = parent or own_group()
        given = set((parent / "cgroup.subtree_control").read_text().split())
    except (LookupError, OSError) as error:
        return Group(None, str(error))
    missing = sorted(NEEDED - given)
    if missing:
        return Group(
            None,
            f"our cgroup ({parent}) does not delegate {' and '.join(missing)};"
            " run below one that does (systemd-run --user -p Delegate=yes, with the caller in a"
            " child group)",
        )
    path = parent / f"sv-sandbox-{os.getpid()}-{os.urandom(4).hex()}"
    try:
        path.mkdir()
        (path / "memory.max").write_text(str(memory_bytes))
        (path / "pids.max").write_text(str(tasks))
    except OSError as error:
        with contextlib.suppress(OSError):
            path.rmdir()
        return Group(None, f"the group could not be made: {error}")
    return Group(path, "")
