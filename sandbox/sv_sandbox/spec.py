"""What a zygote is told: which paths its templates may see, what it imports, which namespaces.

Pure functions of an interpreter (`Libraries`) and this machine.
"""

from __future__ import annotations

import json
import mimetypes
import os
from pathlib import Path

from . import _native
from .levels import Level
from .libraries import Libraries

PRELOAD = (
    "abc array base64 bisect cmath collections contextlib copy csv dataclasses datetime decimal"
    " enum fractions functools heapq inspect io itertools json math numbers operator os"
    " pprint queue random re statistics string struct textwrap time types typing"
    " unicodedata"
).split()
"""Imported before any program asks: common in solutions, and few pages for a fork to copy (hashlib
and tempfile would bring libcrypto and three compressors)."""

SYSTEM_PATHS = (
    *("/usr", "/bin", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/localtime"),
    *map(str, mimetypes.knownfiles),  # which that module reads wherever it sees them
)

_OPTIONS = ("-S", "-s", "-P", "-B")
_CLONE_NEWNS, _CLONE_NEWUTS, _CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
_CLONE_NEWUSER, _CLONE_NEWPID, _CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000

_UID_BASE, _UIDS_PER_POOL, _UID_POOLS = 2_000_000, 6144, 512
_UIDS_OF_A_CONTAINER = range(20_000, 60_000)
_UIDS_PER_WORKER = 6  # subject and judge, with NumPy and without, and recycled


def uids(workers: int, pid: int, uid_map: str, gid_map: str) -> range | None:
    """The uids (and gids) outside that root's templates get, a block for each pool: far above those
    that anybody has, or where the user namespace maps fewer (a rootless container: 65,536), above
    those that people and services have. None: too few are mapped, and all keep the caller's.

    uid_map, gid_map: what `/proc/self/uid_map` and `gid_map` say.
    """
    needed = _UIDS_PER_WORKER * (workers + 1)  # the doctor's probe is one more
    for base, size, pools in (
        (_UID_BASE, _UIDS_PER_POOL, _UID_POOLS),
        (_UIDS_OF_A_CONTAINER.start, needed, len(_UIDS_OF_A_CONTAINER) // needed),
    ):
        all_of_them = range(base, base + size * pools)
        if needed <= size and pools and _mapped(all_of_them, uid_map, gid_map):
            first = base + (pid % pools) * size
            return range(first, first + size)
    return None


def _mapped(wanted: range, *maps: str) -> bool:
    return all(
        any(
            first <= wanted.start and wanted.stop <= first + count
            for first, _, count in (map(int, line.split()) for line in text.splitlines())
        )
        for text in maps
    )


def own_uids(workers: int) -> range | None:
    """`uids` for a pool of this process; None where it is not root."""
    if os.geteuid() != 0:
        return None
    maps = (Path(f"/proc/self/{kind}_map").read_text() for kind in ("uid", "gid"))
    return uids(workers, os.getpid(), *maps)


def clone_flags(level: Level) -> int:
    """The namespaces a pool asks for."""
    if level < Level.ISOLATED:
        return 0
    return (
        _CLONE_NEWUSER
        | _CLONE_NEWPID
        | _CLONE_NEWNS
        | _CLONE_NEWNET
        | _CLONE_NEWIPC
        | _CLONE_NEWUTS
    )


def environment(*, seed: int, time_zone: str, locale: str) -> list[bytes]:
    """The zygote's whole environment: nothing of the caller's, everything fixed."""
    fixed = {
        "PATH": "/usr/bin:/bin",
        "HOME": "/tmp",
        "USER": "sandbox",
        "LOGNAME": "sandbox",
        "LANG": locale,
        "LC_ALL": locale,
        "TZ": time_zone,
        "PYTHONHASHSEED": str(seed),
        "PYTHONUTF8": "1",
        "LD_BIND_NOW": "1",  # else every subject resolves, and copies pages for, the same symbols
        "MALLOC_ARENA_MAX": "1",  # an arena per thread would eat the address-space limit
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
    }
    return [os.fsencode(f"{name}={value}") for name, value in fixed.items()]


def readable_by_all(path: str) -> bool:
    """Whether every uid can read the folder `path`, if it exists."""
    resolved = Path(path).resolve()
    if not resolved.is_dir():
        return True
    through = all(parent.stat().st_mode & 0o001 for parent in resolved.parents)
    return through and resolved.stat().st_mode & 0o005 == 0o005


def read_only_paths(chosen: Libraries) -> list[str]:
    """Absolute paths that a template sees, shorter before longer."""
    wanted: set[str] = {*SYSTEM_PATHS, *chosen.packages}
    for path in (*chosen.roots, *chosen.stdlib):
        wanted.add(os.path.realpath(path))
        wanted.add(path)
    return sorted(wanted, key=lambda path: (len(path), path))


def zygote_command(
    chosen: Libraries,
    *,
    sock: int,
    workers: int,
    scratch: str,
    level: Level,
    kill_unknown: bool,
    scratch_bytes: int,
    with_libraries: bool,
    seed: int,
) -> list[bytes]:
    """The interpreter, `jailed/zygote.py`, and as JSON everything that it needs."""
    here = Path(__file__).resolve().parent
    own = own_uids(workers)
    told = {
        "native": _native.__file__,
        "folder": str(here),
        "sock": sock,
        "read_only": read_only_paths(chosen),
        "scratch": scratch,
        "clone_flags": clone_flags(level),
        "uid_outer": -1 if own is None else own.start,
        "host_in_reach": int(all(map(readable_by_all, chosen.stdlib))),
        "landlock": int(level >= Level.CONFINED),
        "kill_unknown": int(kill_unknown),
        "scratch_bytes": scratch_bytes,
        "fixed_addresses": True,
        "seed": seed,
        "sys_path": [*chosen.stdlib, *chosen.packages],
        "preload": [*PRELOAD, *chosen.preload] if with_libraries else PRELOAD,
    }
    script = str(here / "jailed" / "zygote.py")
    return list(map(os.fsencode, (chosen.executable, *_OPTIONS, script, json.dumps(told))))
