"""How a pool begins and ends: options, what its zygotes are told, its cgroup, a first look."""

from __future__ import annotations

import errno
import os
import re
import sys
from dataclasses import dataclass
from importlib.util import cache_from_source
from pathlib import Path

from . import _native, cgroup
from .levels import Layer, Level
from .libraries import Libraries, why_not
from .spec import zygote_command
from .verdict import NO_DESCRIPTORS, Limits, SandboxError

PLAIN, WITH_LIBRARIES = 0, 1
_OUT_OF_REACH = (
    ". Without namespaces and without Landlock, root needs an interpreter that every user can read"
    f" (this one lies in {sys.base_prefix}), so that programs can run under another uid"
)
_TEMPLATE_BYTES = 64 << 20  # what a warm interpreter with NumPy may hold itself
_LIBRARY_BYTES = 512 << 20  # and what it may hold more where packages are preloaded


@dataclass(frozen=True, slots=True)
class Probe:
    """What one template reported when it was locked in."""

    layers: Layer
    landlock_errno: int
    """Why Landlock is off; 0: it is on."""
    userns_errno: int
    """Why there are no namespaces; 0: there are, or none were asked for."""


def check_options(policy: str, workers: int | None, seed: int, time_zone: str) -> None:
    """Raises ValueError."""
    if policy not in ("errno", "kill"):
        raise ValueError(f"unknown policy {policy!r}: one of errno, kill")
    if workers is not None and workers < 1:
        raise ValueError(f"workers must be at least 1, not {workers}")
    if not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise ValueError(f"seed must be a whole number from 0 to 2**32 - 1, not {seed!r}")
    _check_zone(time_zone)


def _check_zone(name: str) -> None:
    """Raises ValueError for a time zone that this machine does not know: programs would see UTC."""
    if name == "UTC":
        return
    import zoneinfo

    known = any((Path(folder) / name).is_file() for folder in zoneinfo.TZPATH)
    if not known and not re.match(r"[A-Za-z]{3,}[+-]?\d", name):  # `EST5EDT`
        raise ValueError(f"time_zone {name!r} is not known on this machine (see `zoneinfo`)")


def group_of(limits: Limits, workers: int, preloaded: bool) -> cgroup.Group:
    """The cgroup of a pool, with room for all its workers at their limits."""
    template_bytes = _TEMPLATE_BYTES + _LIBRARY_BYTES * preloaded
    each = limits.memory_bytes + limits.file_bytes + template_bytes
    return cgroup.create(
        memory_bytes=template_bytes + workers * each, tasks=8 + workers * (limits.threads + 12)
    )


def new_scratch() -> str:
    """The folder of a pool's scratch folders, where `TMPDIR` says (as `tempfile` would, for a tenth
    of the time that all our imports take)."""
    place = os.path.abspath(os.environ.get("TMPDIR") or "/tmp")
    folder = os.path.join(place, f"sv-sandbox-{os.getpid()}-{os.urandom(4).hex()}")
    os.mkdir(folder, 0o700)
    os.chmod(folder, 0o711)
    return folder


def recycling(recycle: bool, checked: bool) -> int:
    """`enum sv_recycle`; checked: from the first row on, and all is compared after each (tests)."""
    return 2 if checked else int(recycle)


def open_standard_streams() -> None:
    """A service may have closed its descriptors 0 to 2. What a pool opens must not land there,
    where whatever prints would write to it; so they lead nowhere from now on."""
    fd = os.open(os.devnull, os.O_RDWR)
    while fd <= 2:
        os.set_inheritable(fd, True)
        fd = os.open(os.devnull, os.O_RDWR)
    os.close(fd)


def commands(
    libraries: Libraries,
    workers: int,
    scratch: str,
    scratch_bytes: int,
    level: Level,
    policy: str,
    seed: int,
) -> list[list[bytes]]:
    """Of each zygote, by its number."""
    return [
        zygote_command(
            libraries,
            sock=_native.ZYGOTE_SOCK,
            workers=workers,
            scratch=scratch,
            level=level,
            kill_unknown=policy == "kill",
            scratch_bytes=scratch_bytes,
            with_libraries=number == WITH_LIBRARIES,
            seed=seed,
        )
        for number in (PLAIN, WITH_LIBRARIES)
    ]


def keep_compiled(folder: Path = Path(__file__).parent / "jailed") -> None:
    """Python's own cache of what runs in the jail, where it may be written: installers may not have
    made it, and a zygote, which must find the same in every run, writes none."""
    if sys.dont_write_bytecode or not os.access(folder, os.W_OK):
        return
    for source in folder.glob("*.py"):
        cache = Path(cache_from_source(source))
        if not cache.exists() or cache.stat().st_mtime < source.stat().st_mtime:
            import compileall

            compileall.compile_dir(folder, maxlevels=0, quiet=2)
            return


def probe(pool: _native.PoolHandle, template: int, libraries: Libraries) -> Probe:
    """Starts one template, and ends it. Raises SandboxError that says what failed."""
    stage, error, layers, landlock_errno, userns_errno = _native.pool_probe(pool, template)
    if stage:
        if template == WITH_LIBRARIES and (fault := why_not(libraries)):
            raise SandboxError(f"preload: {fault}")
        raise SandboxError(
            f"no template could be started: {_native.STAGES[stage]}: {os.strerror(error)}"
            + (_OUT_OF_REACH if _native.STAGES[stage] == "identity" else "")
            + (NO_DESCRIPTORS if error == errno.EMFILE else "")
        )
    return Probe(Layer(layers), landlock_errno, userns_errno)


def remove(scratch: str, group: cgroup.Group) -> None:
    """What is left when every process is gone."""
    _native.remove_tree(os.fsencode(scratch))  # not shutil's, which recurses
    group.remove()
