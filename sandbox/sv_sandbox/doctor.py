"""The doctor: which layers of the jail are on here, and why the others are not.

`report()` starts a pool of one and asks its template, so what it says is what programs get.
"""

from __future__ import annotations

import errno
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from . import cgroup
from .built import stale
from .levels import PURPOSE, Layer, Level
from .libraries import libraries
from .opening import Probe
from .pool import Pool
from .spec import own_uids
from .verdict import Limits, SandboxError, Verdict

PACKAGES = ("numpy", "pandas", "scipy", "sympy", "sklearn", "matplotlib")
"""Those that datasets of programs ask for."""
IMPORT_CPU_S = 30.0


@dataclass(frozen=True, slots=True)
class LayerReport:
    """One layer: is it on, what is it for, and if it is off, why and what helps."""

    name: str
    active: bool
    purpose: str
    reason: str


@dataclass(frozen=True, slots=True)
class LibraryReport:
    """One package: can a program import it, what is it, is it warm, and if not importable, why."""

    name: str
    importable: bool
    preloaded: bool
    version: str
    reason: str


@dataclass(frozen=True, slots=True)
class Report:
    """What this machine gives."""

    level: str
    layers: list[LayerReport]
    kernel: str
    python: str
    user: str
    cores: int
    recycling: str
    """Why planned tests and programs do not run in recycled subjects (faster); empty: they do."""
    libraries: list[LibraryReport]
    template_bytes: dict[str, int]
    """Resident memory of each warm interpreter, which its forks share."""
    error: str
    """Why no template could be started at all; empty when one could."""
    stale: str = ""
    """Why nothing here may be believed: the native module is not that of this checkout."""

    def to_dict(self) -> dict[str, Any]:
        """JSON-able, keys as the fields."""
        return asdict(self)

    def text(self) -> str:
        """For people."""
        lines = [
            f"level: {self.level}   (kernel {self.kernel}, Python {self.python}, {self.user},"
            f" {self.cores} cores)"
        ]
        if self.stale:
            lines.insert(0, f"WARNING: {self.stale}; until then verdicts may be wrong")
        if self.error:
            lines.append(f"the sandbox does not start: {self.error}")
        width = max((len(layer.name) for layer in self.layers), default=0)
        said = ""
        for layer in self.layers:
            mark = "on " if layer.active else "OFF"
            lines.append(f"  {mark} {layer.name:<{width}}  {layer.purpose}")
            if layer.reason:
                again = "as above" if layer.reason == said else layer.reason
                lines.append(f"      {'':<{width}}  {again}")
                said = layer.reason
        lines += [f"package: {_shown(library)}" for library in self.libraries]
        for name, size in self.template_bytes.items():
            lines.append(f"template: {name}, {size / 2**20:.0f} MB that its programs share")
        lines.append(
            "recycled subjects: " + (f"off ({self.recycling})" if self.recycling else "on")
        )
        return "\n".join(lines)


def _shown(library: LibraryReport) -> str:
    if not library.importable:
        return f"{library.name} cannot be imported: {library.reason}"
    warm = "preloaded for programs that import it" if library.preloaded else "importable, not warm"
    return f"{library.name} {library.version}, {warm}".replace(" ,", ",")


def report(
    level: Level | str = Level.ISOLATED,
    *,
    python: str | Path | None = None,
    preload: Sequence[str] = (),
) -> Report:
    """Start a pool of one worker, ask its templates, and explain. Never raises SandboxError.

    Raises ValueError for an interpreter or a preload that is none.
    """
    error, probe, group = "", Probe(Layer(0), 0, 0), cgroup.Group(None, "the sandbox did not start")
    recycling = "the sandbox did not start"
    packages: list[LibraryReport] = []
    sizes: dict[str, int] = {}
    try:
        with Pool(1, require=Level.NONE, level=level, python=python, preload=preload) as pool:
            probe, group, recycling = pool.probe, pool.cgroup, pool.why_not_recycled
            packages = [_tried(pool, name) for name in dict.fromkeys((*PACKAGES, *preload))]
            sizes = pool.template_bytes()
    except SandboxError as failure:
        error = str(failure)
    layers = [
        LayerReport(
            name=(layer.name or "").lower().replace("_", "-"),
            active=layer in probe.layers,
            purpose=PURPOSE[layer],
            reason="" if layer in probe.layers else _reason(layer, probe),
        )
        for layer in Layer
    ]
    layers.append(
        LayerReport(
            name="cgroup-v2",
            active=group.path is not None,
            purpose="memory and number of processes of the whole pool bounded by the kernel",
            reason=group.reason,
        )
    )
    return Report(
        level=Level.of(probe.layers).name.lower(),
        layers=layers,
        kernel=platform.release(),
        python=libraries(python).version,
        user="root" if os.geteuid() == 0 else f"uid {os.geteuid()}",
        cores=len(os.sched_getaffinity(0)),
        recycling=recycling,
        libraries=packages,
        template_bytes=sizes,
        error=error,
        stale=stale(),
    )


def _tried(pool: Pool, name: str) -> LibraryReport:
    """Import a package in the jail."""
    program = f"import {name}\nprint(getattr({name}, '__version__', ''))"
    result = pool.run(program, limits=Limits(cpu_s=IMPORT_CPU_S))
    found = result.verdict is Verdict.PASS
    warm = found and name in pool.libraries.preload
    version, reason = result.stdout.decode().strip(), "" if found else result.detail
    return LibraryReport(name, found, warm, version if found else "", reason)


def _reason(layer: Layer, probe: Probe) -> str:
    if layer is Layer.LANDLOCK:
        if probe.landlock_errno == errno.ECANCELED:
            return "not asked for at this level"
        if probe.landlock_errno in (errno.ENOSYS, errno.EOPNOTSUPP):
            return "the kernel has no Landlock (5.13 or newer, with landlock in its lsm= list)"
        return f"Landlock failed: {os.strerror(probe.landlock_errno)}"
    if layer is Layer.OWN_UID:
        if os.geteuid() != 0:
            return "needs root (CAP_SETUID); as an ordinary user programs run under your own uid"
        if own_uids(1) is None:
            return "this user namespace maps too few uids for that (/proc/self/uid_map)"
        return "the identity could not be changed, or no other uid can read the interpreter"
    if layer.name and layer.name.endswith("_NAMESPACE"):
        if probe.userns_errno:
            return (
                f"the kernel refused namespaces: {os.strerror(probe.userns_errno)}. Look at"
                " /proc/sys/user/max_user_namespaces and"
                " /proc/sys/kernel/apparmor_restrict_unprivileged_userns; in a container, allow"
                " user namespaces in its seccomp profile"
            )
        return "not asked for at this level"
    return "the sandbox does not run without it"
