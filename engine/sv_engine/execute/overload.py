"""Is the machine so busy that a program may have been slower than it is?

Limits are CPU time, so that waiting for a core costs a program nothing; but shared caches, sibling
threads and stolen time make the same work take more CPU seconds on a machine that is too full.
"""

from __future__ import annotations

import os
from pathlib import Path

PRESSURE = Path("/proc/pressure/cpu")
MAX_PRESSURE_PERCENT = 50.0
"""Share of the last ten seconds in which a task was ready to run and had no core (`some avg10`,
Documentation/accounting/psi.rst of the kernel). It is near 0 with as many busy tasks as cores, as
a pool by itself makes them, and near 100 with twice as many."""


def overloaded() -> bool:
    """Whether CPU pressure is above its limit; without pressure figures, load above the cores."""
    try:
        text = PRESSURE.read_text()
    except OSError:  # an old kernel, or psi=0
        return os.getloadavg()[0] > (os.cpu_count() or 1)
    return some_avg10(text) > MAX_PRESSURE_PERCENT


def some_avg10(text: str) -> float:
    """The figure `avg10` of the line `some`, in percent; raises ValueError if it is not there."""
    for line in text.splitlines():
        kind, *fields = line.split()
        if kind == "some":
            return float(dict(field.split("=", 1) for field in fields)["avg10"])
    raise ValueError("no line `some` in the pressure figures")
