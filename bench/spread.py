"""How the rate of rows grows from one worker to two: Ray actors, and servers.

    python -m bench.spread [--kinds ray http] [--rounds 3] [--out bench/results/spread.json]

Two loads. *waiting*: a cell sleeps 20 ms, so what is measured is the spreading itself, on whatever
machine. *computing*: a cell takes 5 ms of CPU time, so two workers, the client and whatever else
runs share the cores, and on two of them the ratio cannot reach 2. A pair (one worker, two workers)
per round, in turns; the ratio is the median of the pairs'. Every verdict is checked.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from bench.serve import HOST, ours

from sv_engine.executors import RowExecutor, Terms, collect
from sv_engine.executors.servers import HttpExecutor

HERE = Path(__file__).resolve().parent
BODIES = {
    "waiting": "import time\ndef f(x):\n    time.sleep(0.02)\n    return x + {n}",
    "computing": (
        "import time\ndef f(x):\n    end = time.process_time() + 0.005\n"
        "    while time.process_time() < end: pass\n    return x + {n}"
    ),
}
TESTS = [f"assert f({x}) == {x + 1}" for x in range(4)]
ROWS = 60


@contextmanager
def _on_ray() -> Iterator[list[RowExecutor]]:
    """Executors of one actor and of two, on a cluster of two nodes with a core each."""
    import ray
    from ray.cluster_utils import Cluster

    from sv_engine.executors.ray_actors import RayExecutor

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    for _ in range(2):
        cluster.add_node(num_cpus=2)
    ray.init(address=cluster.address, log_to_driver=False)
    try:
        yield [RayExecutor(cpus=1, nodes=nodes) for nodes in (1, 2)]
    finally:
        ray.shutdown()
        cluster.shutdown()


@contextmanager
def _on_servers() -> Iterator[list[RowExecutor]]:
    """Executors on one server with one worker, and on two."""
    with ExitStack() as stack:
        ports = [stack.enter_context(ours("--workers", "1"))[0] for _ in range(3)]
        urls = [f"http://{HOST}:{port}" for port in ports]
        yield [HttpExecutor(urls[:1]), HttpExecutor(urls[1:])]


async def _rate(executor: RowExecutor, body: str, rows: int = ROWS) -> float:
    """Rows per second."""
    solutions = [body.format(n=n % 2) for n in range(rows)]
    start_s = time.monotonic()
    found = await collect(executor, solutions, TESTS, Terms(cpu_s=5))
    wall_s = time.monotonic() - start_s
    assert [row.passed for row in found] == [len(TESTS) * (n % 2) for n in range(rows)]
    return rows / wall_s


async def _pairs(executors: list[RowExecutor], rounds: int) -> dict[str, Any]:
    report = {}
    for name, body in BODIES.items():
        for executor in executors:
            await _rate(executor, body, 16)
        pairs = [[await _rate(each, body) for each in executors] for _ in range(rounds)]
        ratio = statistics.median(two / one for one, two in pairs)
        report[name] = {"times_with_two": ratio, "rows_per_s": pairs}
    for executor in executors:
        await executor.close()
    return report


KINDS = {"ray": _on_ray, "http": _on_servers}


def main() -> None:
    """Measure the kinds and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=HERE / "results" / "spread.json")
    arguments = parser.parse_args()
    report: dict[str, Any] = {}
    if arguments.out.exists():  # kinds that are not measured now stay
        report = json.loads(arguments.out.read_text())
    cores, python = len(os.sched_getaffinity(0)), platform.python_version()
    for kind in arguments.kinds:
        machine = {"cores": cores, "python": python, "load_before": round(os.getloadavg()[0], 1)}
        with KINDS[kind]() as executors:
            report[kind] = {"machine": machine, **asyncio.run(_pairs(executors, arguments.rounds))}
        print(json.dumps({kind: report[kind]}, indent=2), flush=True)
    arguments.out.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
