"""What a call over the link costs: test code in one process, the solution in another.

    python -m bench.link [--calls 3000] [--rounds 5] [--out FILE]

Each case is a test that makes so many calls in a loop, beside the same test with none: what is left
is CPU time of both processes per call. Beside it, in the same rounds: the same calls in one process
(`judge="inline"`), and the floor, a byte there and back between two processes over two pipes.
Medians over rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
from pathlib import Path

from bench import machine
from rich.console import Console
from rich.table import Table

from sv_sandbox import Limits, Pool, Verdict

SOLUTION = """
def double(x): return 2 * x
def same(xs): return xs
def apply(f, x): return f(x)
class Stack:
    def __init__(self): self.xs = []
    def push(self, x): self.xs.append(x)
    def top(self): return self.xs[-1]
"""
CASES = {
    "f(1)": ("pass", "double(3)"),
    "a list of 100, and back": ("xs = list(range(100))", "same(xs)"),
    "a method of an object": ("s = Stack(); s.push(1)", "s.top()"),
    "a function of the test's": ("g = lambda x: x + 1", "apply(g, 3)"),
}
"""What comes before the loop, and what is done in it."""


def test_of(before: str, call: str, calls: int) -> str:
    """A test that makes so many calls, and passes."""
    return f"{before}\nfor _ in range({calls}):\n    {call}\nassert double(2) == 4"


def cpu_us(pool: Pool, test: str, judge: str) -> int:
    """CPU time of both processes, without what follows in one process."""
    matrix = pool.matrix([SOLUTION], [test], judge=judge)
    if matrix.verdict(0, 0) is not Verdict.PASS:
        raise SystemExit(f"{judge}: {matrix.verdict(0, 0).name} {matrix.detail(0, 0)}\n{test}")
    return int(matrix.cpu_us_ST[0, 0])


def pipes_us(calls: int) -> float:
    """CPU time of a byte there and back, both processes together."""
    (there, to), (back, fro) = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        for _ in range(calls):
            os.write(fro, os.read(there, 1))
        os._exit(0)
    before = spent_s(resource.RUSAGE_SELF)
    for _ in range(calls):
        os.write(to, b"x")
        os.read(back, 1)
    own_s = spent_s(resource.RUSAGE_SELF) - before
    _, _, usage = os.wait4(pid, 0)
    for fd in (there, to, back, fro):
        os.close(fd)
    return 1e6 * (own_s + usage.ru_utime + usage.ru_stime) / calls


def spent_s(who: int) -> float:
    """CPU seconds so far."""
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


def main() -> int:
    """Print a table, and store it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--calls", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if options.calls < 1 or options.rounds < 1:
        parser.error("--calls and --rounds: at least 1")
    found: dict[str, dict[str, list[float]]] = {}
    with Pool(1, limits=Limits(cpu_s=60), trust="vouched") as pool:
        for _ in range(options.rounds):
            floor = pipes_us(options.calls)
            for name, (before, call) in CASES.items():
                told = found.setdefault(name, {"split": [], "inline": [], "pipes": []})
                told["pipes"].append(floor)
                for judge in ("split", "inline"):
                    many, none = (
                        cpu_us(pool, test_of(before, call, n), judge) for n in (options.calls, 0)
                    )
                    told[judge].append((many - none) / options.calls)
    medians = {
        name: {who: statistics.median(values) for who, values in told.items()}
        for name, told in found.items()
    }
    table = Table("a call", "over the link", "in one process", "two pipes", title="CPU us per call")
    for name, median in medians.items():
        table.add_row(name, *(f"{median[who]:.1f}" for who in ("split", "inline", "pipes")))
    Console().print(table)
    if options.out:
        report = {"machine": machine.describe(), "unit": "CPU us per call", "calls": medians}
        options.out.write_text(json.dumps(report, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
