"""What 1,000 cores would do, from costs measured here, simulated block by block.

    python -m bench.thousand_cores [--cores-per-node 64] [--tests 20] [--out FILE]

Measured on this machine: CPU seconds of a row and of a cell (two kinds of tests), bytes of a row in
both directions, and what a row costs the event loops of a server and of the client. Simulated:
nodes with a pool and one event loop each, one client process (or several) with an event loop, a
link per node and one for the client, blocks as `HttpExecutor` sends them. The first bottleneck is
whatever is busy most of the time while workers are idle.
"""

from __future__ import annotations

import argparse
import heapq
import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sv_engine.execute.sandbox import trust_names
from sv_engine.executors.protocol import Row
from sv_engine.executors.servers import BLOCK_CELLS, PER_NODE, decode_row
from sv_engine.serve.matrix import encode_row
from sv_sandbox import Pool

HERE = Path(__file__).resolve().parent
LINK_BYTES_PER_S = 1.25e9  # 10 Gb/s
LATENCY_S = 0.0002
REPEATS = 9  # the fastest counts: what a core does when it is not shared
SOLUTION = (
    "def f(x):\n    total = 0\n    for y in range(x % 50):\n        total += y\n    return x + 1\n"
)
KINDS = {
    "one call compared with a literal": "assert f({n}) == {m}",
    "test code in a process of its own": "values = [f(n) for n in range({n}, {n} + 5)]\n"
    "assert sorted(values, reverse=True)[0] == {n} + 5",
}


@dataclass(frozen=True)
class Costs:
    """Seconds of one core, and bytes, per row or per cell."""

    row_s: float
    cell_s: float
    server_row_s: float
    client_row_s: float
    request_row_bytes: float
    request_test_bytes: float
    answer_cell_bytes: float


def measure(test: str, count: int) -> Costs:
    """Costs of rows of `count` tests; the wall time of one worker stands for a core's."""
    tests = [test.format(n=n, m=n + 1) for n in range(count)]
    solutions = [SOLUTION] * 40
    with Pool(1) as pool:
        pool.matrix(solutions[:4], tests)
        walls = {}
        for part in (1, count):
            taken_s = []
            for _ in range(REPEATS):
                start_s = time.perf_counter()
                pool.matrix(solutions, tests[:part])
                taken_s.append(time.perf_counter() - start_s)
            walls[part] = min(taken_s) / len(solutions)
    cell_s = max(1e-7, (walls[count] - walls[1]) / (count - 1))
    trust = trust_names().index("proven")
    row = Row(0, bytes([1]) * count, [123] * count, bytes([trust]) * count, {0: "AssertionError"})
    rounds = 2000
    start_s = time.perf_counter()
    for _ in range(rounds):
        line = json.dumps(encode_row(row), separators=(",", ":")) + "\n"
    encoded_s = (time.perf_counter() - start_s) / rounds
    start_s = time.perf_counter()
    for _ in range(rounds):
        decode_row(json.loads(line), [0])
    decoded_s = (time.perf_counter() - start_s) / rounds
    return Costs(
        row_s=max(1e-6, walls[1] - cell_s),
        cell_s=cell_s,
        server_row_s=2 * encoded_s,  # and the rest of a row's way through the loop, about as much
        client_row_s=2 * decoded_s,
        request_row_bytes=len(json.dumps(SOLUTION)),
        request_test_bytes=sum(len(json.dumps(test)) for test in tests) / count,
        answer_cell_bytes=len(line) / count,
    )


@dataclass
class Server:
    """Something that does one thing at a time; `busy_s` adds up."""

    free_s: float = 0.0
    busy_s: float = 0.0

    def take(self, at_s: float, work_s: float) -> float:
        """When work that comes at `at_s` is done."""
        self.free_s = max(self.free_s, at_s) + work_s
        self.busy_s += work_s
        return self.free_s


def simulate(
    costs: Costs, tests: int, nodes: int, cores: int, clients: int, seconds: float
) -> dict[str, float]:
    """Rows per second, and how busy each part is (0 to 1).

    A block goes through six stages, each an event, so that every part serves in order of arrival.
    """
    rows = max(1, BLOCK_CELLS // tests)
    row_s = costs.row_s + tests * costs.cell_s
    sent = rows * costs.request_row_bytes + tests * costs.request_test_bytes
    back = rows * tests * costs.answer_cell_bytes
    loops, links = [[Server() for _ in range(clients)] for _ in range(2)]
    node_loops = [Server() for _ in range(nodes)]
    workers = [[0.0] * cores for _ in range(nodes)]
    outstanding = max(PER_NODE, 2 * cores // rows + 1)
    blocks = [
        (node, (node + place) % clients) for node in range(nodes) for place in range(outstanding)
    ]
    events = [(0.0, 0, at) for at in range(len(blocks))]
    busy_s, done, now_s = 0.0, 0, 0.0
    while events[0][0] < seconds:
        now_s, stage, at = heapq.heappop(events)
        node, client = blocks[at]
        match stage:
            case 0:  # the client puts a block together
                next_s = loops[client].take(now_s, rows * costs.client_row_s / 4)
            case 1:
                next_s = links[client].take(now_s, sent / LINK_BYTES_PER_S) + LATENCY_S
            case 2:
                next_s = node_loops[node].take(now_s, rows * costs.server_row_s / 4)
            case 3:  # its rows run on whichever cores are free
                ends_s = []
                for _ in range(rows):
                    ends_s.append(max(heapq.heappop(workers[node]), now_s) + row_s)
                    heapq.heappush(workers[node], ends_s[-1])
                next_s = max(ends_s)
                busy_s += rows * row_s
            case 4:
                next_s = node_loops[node].take(now_s, rows * costs.server_row_s) + LATENCY_S
            case _:
                next_s = links[client].take(now_s, back / LINK_BYTES_PER_S)
                next_s = loops[client].take(next_s, rows * costs.client_row_s)
                done += rows
        heapq.heappush(events, (next_s, (stage + 1) % 6, at))
    return {
        "rows_per_s": done / now_s,
        "cells_per_s": done * tests / now_s,
        "workers": min(1.0, busy_s / now_s / (nodes * cores)),
        "client loop": min(1.0, max(loop.busy_s for loop in loops) / now_s),
        "server loop": min(1.0, max(loop.busy_s for loop in node_loops) / now_s),
        "client link": min(1.0, max(link.busy_s for link in links) / now_s),
    }


def bottleneck(result: dict[str, float]) -> str:
    """What is busiest."""
    return max(("workers", "client loop", "server loop", "client link"), key=result.__getitem__)


def main() -> None:
    """Measure, simulate, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--cores-per-node", type=int, default=64)
    parser.add_argument("--tests", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--out", type=Path, default=HERE.parent / "docs" / "thousand_cores.json")
    arguments = parser.parse_args()
    report: dict[str, Any] = {"cores_here": os.cpu_count(), "tests": arguments.tests, "kinds": {}}
    for kind, test in KINDS.items():
        costs = measure(test, arguments.tests)
        print(kind, json.dumps(asdict(costs)))
        runs = []
        for nodes in (1, 4, 16):
            for clients in (1, 4, 16):
                result = simulate(
                    costs,
                    arguments.tests,
                    nodes,
                    arguments.cores_per_node,
                    clients,
                    arguments.seconds,
                )
                cores = nodes * arguments.cores_per_node
                runs.append({"cores": cores, "clients": clients, **result})
                print(
                    f"  {cores:5} cores {clients:3} clients {result['cells_per_s']:12,.0f} cells/s"
                    f"  workers {result['workers']:.0%}  first: {bottleneck(result)}"
                )
        report["kinds"][kind] = {"costs": asdict(costs), "runs": runs}
    arguments.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
