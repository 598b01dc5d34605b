"""What a pool costs in memory: a share per idle template, and the client's slope over many cells.

    python -m bench.memory [--cells 1000000] [--seconds 120] [--out FILE]

The share is PSS from /proc/PID/smaps_rollup, which for a template only root may read. The slope is
a least-squares line through the client's unshared memory, in bytes per thousand cells.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np
from bench.endings import children
from rich.console import Console

from sv_sandbox import Limits, Pool

CELLS_PER_JOB = 20 * 50


def kib(pid: int | str, name: str) -> int | None:
    """One line of smaps_rollup; None where it may not be read."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return None
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith(name + ":"))


def own_kib() -> int:
    """Unshared memory of this process."""
    return (kib("self", "Private_Dirty") or 0) + (kib("self", "Private_Clean") or 0)


def main() -> int:
    """Measure shares, then run cells until there are enough or time is up."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    console = Console(width=110)
    solutions = [f"def f(x):\n    return x + {n}\n" for n in range(20)]
    tests = [f"assert f(0) == {n}" for n in range(50)]
    report: dict[str, object] = {}
    with Pool(options.workers, limits=Limits(cpu_s=1)) as pool:
        for _ in range(3):
            pool.matrix(solutions, tests)
        zygotes = list(pool.zygotes().values())
        shares = [kib(pid, "Pss") for zygote in zygotes for pid in children(zygote)]
        known = [share for share in shares if share is not None]
        if known:
            report["pss_mib_per_template"] = round(statistics.mean(known) / 1024, 2)
            report["pss_mib_worst_template"] = round(max(known) / 1024, 2)
            report["templates"] = len(known)
        report["pss_mib_zygotes"] = [round((kib(pid, "Pss") or 0) / 1024, 2) for pid in zygotes]
        began, cells, points = time.monotonic(), 0, []
        while cells < options.cells and time.monotonic() - began < options.seconds:
            pool.matrix(solutions, tests)
            cells += CELLS_PER_JOB
            points.append((cells, own_kib()))
        half = points[len(points) // 5 :]  # the first fifth warms allocators up
        xs, ys = np.array(half, dtype=float).T
        slope = float(np.polyfit(xs, ys, 1)[0]) * 1024 * 1000 if len(half) > 2 else 0.0
        after = [kib(pid, "Pss") for zygote in zygotes for pid in children(zygote)]
        report |= {
            "cells": cells,
            "seconds": round(time.monotonic() - began, 1),
            "client_kib_first": points[0][1],
            "client_kib_last": points[-1][1],
            "client_bytes_per_1000_cells": round(slope, 1),
            "pss_mib_worst_template_after": round(
                max((s for s in after if s), default=0) / 1024, 2
            ),
        }
    console.print_json(json.dumps(report))
    if options.out:
        options.out.write_text(json.dumps(report, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
