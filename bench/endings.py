"""How long a hostile program lives beyond its limit, and whether anything is left of it.

    python -m bench.endings [--times 20] [--cpu 0.3] [--out FILE]

Programs that compute in C, ignore signals, stop themselves, fork, flood or sleep run one after
another in a pool of one; the overshoot is the wall time of `run` minus the limit that applies
(CPU time for those that compute, the idle guard for those that wait). On a busy machine the wall
says more about the machine, so the CPU time used beyond its limit stands beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from sv_sandbox import Limits, Pool, Verdict

PROGRAMS = {
    "loop in C": ("sum(range(10**15))", False),
    "loop": ("while True: pass", False),
    "ignores signals": (
        "import signal\nfor n in range(1, 65):\n    try: signal.signal(n, signal.SIG_IGN)\n"
        "    except (OSError, ValueError): pass\nwhile True: pass",
        False,
    ),
    "threads": (
        "import threading\ndef burn():\n    while True: pass\n"
        "for _ in range(8): threading.Thread(target=burn).start()",
        False,
    ),
    "forks": (
        "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
        False,
    ),
    "stops itself": ("import os\nos.kill(os.getpid(), 19)", True),
    "sleeps": ("import time\ntime.sleep(1000)", True),
    "waits for input that never comes": ("import os\nr, w = os.pipe()\nos.read(r, 1)", True),
    "floods": ("import os\nwhile True: os.write(1, b'x' * 65536)", None),
    "memory": ("x = []\nwhile True: x.append(bytearray(1 << 20))", None),
}
"""Source; what limits it: CPU time (False), idle time (True), or neither (None)."""


def overshoot_ms(
    pool: Pool, source: str, limits: Limits, waits: bool | None
) -> tuple[float, float, str]:
    """Milliseconds beyond the limit, by the wall and by its CPU time, and the verdict."""
    began = time.perf_counter()
    result = pool.run(source, limits=limits)
    took = time.perf_counter() - began
    if result.verdict is Verdict.PASS:
        raise SystemExit(f"a hostile program passed: {source!r}")
    limit = 0.0 if waits is None else limits.wall_guard_s if waits else limits.cpu_s
    return 1000 * (took - limit), 1000 * (result.cpu_s - limits.cpu_s), result.verdict.name


def left_behind(pool: Pool) -> int:
    """Processes below the pool's templates, when no row runs."""
    found = 0
    for zygote in pool.zygotes().values():
        for template in children(zygote):
            found += len(children(template))
    return found


def children(pid: int) -> list[int]:
    """Living children of a process."""
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    return [
        child
        for child in map(int, text.split())
        if Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    ]


def main() -> int:
    """Run every program `--times` times."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--cpu", type=float, default=0.3)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    limits = Limits(cpu_s=options.cpu, wall_s=2 * options.cpu)
    rows: dict[str, dict[str, Any]] = {}
    left = 0
    with Pool(1, limits=limits) as pool:
        for name, (source, waits) in PROGRAMS.items():
            given = Limits(cpu_s=options.cpu, wall_s=2 * options.cpu, processes=name == "forks")
            times, cpu_times, verdicts = [], [], set()
            for _ in range(options.times):
                ms, cpu_ms, verdict = overshoot_ms(pool, source, given, waits)
                times.append(ms)
                cpu_times.append(cpu_ms)
                verdicts.add(verdict)
                left += left_behind(pool)
            rows[name] = {
                "median_ms": statistics.median(times),
                "p95_ms": sorted(times)[int(0.95 * (len(times) - 1))],
                "worst_ms": max(times),
                "worst_cpu_ms": max(cpu_times),
                "verdicts": sorted(verdicts),
            }
    table = Table(title=f"beyond the limit ({options.cpu} s CPU, {2 * options.cpu} s idle)")
    for title in ("program", "median ms", "p95 ms", "worst ms", "worst CPU ms", "verdict"):
        table.add_column(title, justify="right" if title.endswith("ms") else "left")
    for name, row in rows.items():
        figures = [f"{row[key]:.0f}" for key in ("median_ms", "p95_ms", "worst_ms", "worst_cpu_ms")]
        table.add_row(name, *figures, ", ".join(row["verdicts"]))
    console = Console(width=110)
    console.print(table)
    console.print(f"processes left behind: {left}; load {os.getloadavg()[0]:.1f}")
    if options.out:
        report = {"programs": rows, "left_behind": left, "times": options.times}
        options.out.write_text(json.dumps(report, indent=1) + "\n")
    return int(left > 0)


if __name__ == "__main__":
    sys.exit(main())
