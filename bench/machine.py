"""What figures were taken on: processor, kernel, what a page fault costs here, level of the jail.

In: nothing. Out: a JSON-able dict that every result carries. A ratio between two programs moves
with the price of a page fault (nested virtualisation pays three to five times bare metal), so it is
measured.
"""

from __future__ import annotations

import mmap
import os
import platform
import resource
import time
from typing import Any

from sv_sandbox.doctor import report


def describe() -> dict[str, Any]:
    """The machine, as stored with every result."""
    doctor = report()
    return {
        "cpu": processor(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_before": os.getloadavg()[0],
        "fault_us": fault_us(),
        "level": doctor.level,
        "layers_off": [layer.name for layer in doctor.layers if not layer.active],
        "taken": time.strftime("%Y-%m-%d"),
    }


def processor() -> str:
    """The model as the kernel names it."""
    with open("/proc/cpuinfo") as file:
        models = {line.split(":")[1].strip() for line in file if line.startswith("model name")}
    return ", ".join(sorted(models)) or platform.machine()


def fault_us(pages: int = 4096) -> float:
    """CPU microseconds of one page fault that fills a page with zeros; the least of five."""
    least = float("inf")
    for _ in range(5):
        with mmap.mmap(-1, pages * mmap.PAGESIZE) as memory:
            before = resource.getrusage(resource.RUSAGE_SELF)
            for at in range(0, len(memory), mmap.PAGESIZE):
                memory[at] = 1
            after = resource.getrusage(resource.RUSAGE_SELF)
        used = after.ru_stime - before.ru_stime + after.ru_utime - before.ru_utime
        least = min(least, 1e6 * used / max(1, after.ru_minflt - before.ru_minflt))
    return least
