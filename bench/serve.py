"""The server's rates: `/run_code` beside SandboxFusion's, `/v1/matrix` beside the local pool, and
many connections at once.

    python -m bench.serve [--fusion DIR --fusion-python PYTHON] [--seconds 10] [--connections 512]
                          [--soak-seconds 60] [--rounds 3] [--out bench/results/serve.json]

SandboxFusion is a checkout (github.com/bytedance/SandboxFusion) with an interpreter that has its
dependencies; only its router of `/run_code` is mounted, which spares it the rest of its start, and
its programs run under that interpreter where it would look for an environment of conda's.
Both servers run at the same time and are loaded in turns, on the same cores. Every answer is
checked. Rates per core are rates over the number of cores; what other programs of the machine take
lowers them, so the CPU time that a server and its programs take for an answer is told as well, and
the ratio to SandboxFusion is of that.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
from bench.http_load import Load, load, request

HERE = Path(__file__).resolve().parent
HOST = "127.0.0.1"
PEER = "SandboxFusion"
FUSION = """\
import os
import sys
import uvicorn
from fastapi import FastAPI
from sandbox.runners import major
from sandbox.server.sandbox_api import sandbox_router
here = {"PATH": os.path.dirname(sys.executable) + ":" + os.environ["PATH"]}
major.get_python_rt_env = lambda name: here
app = FastAPI()
app.include_router(sandbox_router)
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
"""
PLAIN = ("print(sum(map(int, input().split())))", "1 2 3", "6\n")
HONEST = "def f(x):\n    return x + 1\n\n\nassert f(1) == 2"
LIAR = "class E:\n    def __eq__(s, o): return True\ndef f(x): return E()\n\n\nassert f(1) == 2"
HOSTILE = "while True: pass"


@contextmanager
def _process(command: list[str], **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(command, **options) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.wait()


@contextmanager
def ours(*options: str) -> Iterator[tuple[int, int]]:
    """Port and pid of `sv-engine serve`."""
    main = "from sv_engine.cli import main; main()"
    command = [sys.executable, "-c", main, "serve", "--port", "0", *options]
    with _process(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        line = process.stdout.readline().decode()
        yield int(line.rpartition(":")[2]), process.pid


@contextmanager
def _fusion(checkout: Path, python: str) -> Iterator[tuple[int, int]]:
    """Port and pid of the peer."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    command = [python, "-c", FUSION, str(port)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with _process(command, cwd=checkout, **quiet) as process:
        for _ in range(600):
            with socket.socket() as probe:
                if probe.connect_ex((HOST, port)) == 0:
                    break
            time.sleep(0.1)
        yield port, process.pid


def _body(code: str, stdin: str = "", run_timeout: float = 10) -> bytes:
    body = {"code": code, "language": "python", "stdin": stdin, "run_timeout": run_timeout}
    return request(HOST, "/run_code", body)


def _plain() -> tuple[bytes, Any]:
    code, stdin, expected = PLAIN
    return (
        _body(code, stdin),
        lambda status, body: (body.get("run_result") or {}).get("stdout") == expected,
    )


def _judged(code: str, wanted: str, run_timeout: float = 10) -> tuple[bytes, Any]:
    return (
        _body(code, run_timeout=run_timeout),
        lambda status, body: status == 200 and body["status"] == wanted,
    )


def _shown(result: Load) -> dict[str, Any]:
    cuts = statistics.quantiles(result.latency_s, n=100) if result.answers > 1 else [0.0] * 99
    return {
        "answers": result.answers,
        "refused": result.refused,
        "errors": len(result.errors),
        "first_errors": result.errors[:3],
        "per_s": result.rate,
        "p50_s": cuts[49],
        "p99_s": cuts[98],
    }


def run_code(arguments: argparse.Namespace) -> dict[str, Any]:
    """`/run_code` of a small program: ours, with and without an assertion, and the peer's."""
    cores = len(os.sched_getaffinity(0))
    rates: dict[str, list[float]] = {}
    costs: dict[str, list[float]] = {}
    with ExitStack() as stack:
        here = stack.enter_context(ours())
        loads = {
            "ours": (here, _plain()),
            "ours, an assertion at the end": (here, _judged(HONEST, "Success")),
        }
        if arguments.fusion:
            peer = stack.enter_context(_fusion(arguments.fusion, arguments.fusion_python))
            loads[PEER] = (peer, _plain())
        for _ in range(arguments.rounds):
            for name, ((port, pid), one) in loads.items():
                before_s = _cpu_s(pid)
                result = asyncio.run(load(HOST, port, [one], 4 * cores, arguments.seconds))
                if result.errors and name != PEER:
                    raise SystemExit(f"{name}: {result.errors[:3]}")
                right = result.answers - len(result.errors)  # the peer's time-outs are none
                if not right:
                    raise SystemExit(f"{name} gave no right answer: {result.errors[:3]}")
                rates.setdefault(name, []).append(right / result.wall_s / cores)
                costs.setdefault(name, []).append(1000 * (_cpu_s(pid) - before_s) / right)
    report: dict[str, Any] = {
        "cpu_ms_per_answer": {name: statistics.median(each) for name, each in costs.items()},
        "per_s_and_core": {name: statistics.median(each) for name, each in rates.items()},
        "rounds": {"cpu_ms_per_answer": costs, "per_s_and_core": rates},
    }
    if PEER in costs:
        pairs = zip(costs[PEER], costs["ours"], strict=True)
        report["times_sandboxfusion"] = statistics.median(theirs / ours for theirs, ours in pairs)
    return report


def _cpu_s(pid: int) -> float:
    """CPU seconds so far of a process, its descendants, and those of them that have ended."""
    process = psutil.Process(pid)
    total = 0.0
    for each in [process, *process.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            total += sum(each.cpu_times()[:4])
    return total


BODIES = {  # and how many solutions
    "nothing to compute": ("def f(x):\n    return x + {n}", 2000),
    "half a millisecond": ("def f(x):\n    sum(range(20_000))\n    return x + {n}", 200),
}


def matrix(arguments: argparse.Namespace) -> dict[str, Any]:
    """Cells per second of `/v1/matrix`, and of the pool in this process; a pair per round.

    A cell's cost is CPU time: of the pool with its client's; of the server with its programs; of
    the client that asks it. `share` is of rates; `cpu_share` of costs, without the client, which
    is elsewhere as a rule. What a killed process used (a keeper that is replaced) is lost to the
    clock of the one above it, so a round may be far off; the medians are not.
    """
    from sv_sandbox import Pool

    report = {}
    with ours() as (port, server), Pool() as pool:
        for name, (body, count) in BODIES.items():
            solutions = [body.format(n=n % 3) for n in range(count)]
            tests = [f"assert f({n}) == {n + 1}" for n in range(50)]
            pool.matrix(solutions[:8], tests)
            cells = len(solutions) * len(tests)
            rounds: dict[str, list[float]] = {}

            def local() -> float:
                below = sum(map(_cpu_s, pool.zygotes().values()))
                return time.process_time() + below

            for _ in range(arguments.rounds):
                start_s, before_s = time.monotonic(), local()
                pool.matrix(solutions, tests)
                wall_s, pool_s = time.monotonic() - start_s, local() - before_s
                before_s, client_s = _cpu_s(server), time.process_time()
                served_s = asyncio.run(_served_s(port, solutions, tests))
                server_s, client_s = _cpu_s(server) - before_s, time.process_time() - client_s
                for key, value in (
                    ("pool_cells_per_s", cells / wall_s),
                    ("share", wall_s / served_s),
                    ("cpu_share", pool_s / server_s),
                    ("cpu_us_per_cell_pool", 1e6 * pool_s / cells),
                    ("cpu_us_per_cell_server", 1e6 * server_s / cells),
                    ("cpu_us_per_cell_client", 1e6 * client_s / cells),
                ):
                    rounds.setdefault(key, []).append(value)
            medians = {key: statistics.median(each) for key, each in rounds.items()}
            report[name] = {**medians, "rounds": rounds}
    return report


async def _served_s(port: int, solutions: list[str], tests: list[str]) -> float:
    """Seconds for the whole over HTTP."""
    from sv_engine.executors import Terms, collect
    from sv_engine.executors.servers import HttpExecutor

    executor = HttpExecutor([f"http://{HOST}:{port}"])
    await collect(executor, solutions[:8], tests, Terms())
    start_s = time.monotonic()
    rows = await collect(executor, solutions, tests, Terms())
    wall_s = time.monotonic() - start_s
    assert sum(row.passed for row in rows) == len(tests) * sum(
        n % 3 == 1 for n in range(len(solutions))
    )
    await executor.close()
    return wall_s


def soak(arguments: argparse.Namespace) -> dict[str, Any]:
    """Many connections at once: every verdict right, no error, and memory that does not grow."""
    requests = [
        _plain(),
        _judged(HONEST, "Success"),
        _judged(LIAR, "Failed"),
        _judged("import os; os._exit(0)\n\nassert f(1) == 2", "Failed"),
    ]
    with ours() as (port, pid):
        count, third_s = arguments.connections, arguments.soak_seconds / 3
        sizes, results = [], []
        for _ in range(3):
            results.append(asyncio.run(load(HOST, port, requests, count, third_s)))
            sizes.append(_memory(pid))
        alone = asyncio.run(load(HOST, port, [_plain()], 1, third_s))
        hostile = _judged(HOSTILE, "Failed", run_timeout=1)

        async def beside() -> Load:
            bad = asyncio.create_task(load(HOST, port, [hostile], 1, third_s))
            good = await load(HOST, port, [_plain()], 1, third_s)
            await bad
            return good

        shared = asyncio.run(beside())
    return {
        "connections": count,
        "thirds": [_shown(result) for result in results],
        "memory_bytes_after_each": sizes,
        "one_client_alone": _shown(alone),
        "one_client_beside_a_hostile_one": _shown(shared),
    }


def _memory(pid: int) -> int:
    """Resident bytes of a process and its descendants."""
    process = psutil.Process(pid)
    total = 0
    for each in [process, *process.children(recursive=True)]:
        try:
            total += each.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


PARTS = {"run_code": run_code, "matrix": matrix, "soak": soak}


def main() -> None:
    """Run the parts and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--fusion", type=Path)
    parser.add_argument("--fusion-python", default=sys.executable)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=512)
    parser.add_argument("--soak-seconds", type=float, default=60.0)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--out", type=Path, default=HERE / "results" / "serve.json")
    arguments = parser.parse_args()
    report: dict[str, Any] = {}
    if arguments.out.exists():  # parts that are not run now stay
        report = json.loads(arguments.out.read_text())
    cores, python = len(os.sched_getaffinity(0)), platform.python_version()
    for part in arguments.parts:
        machine = {"cores": cores, "python": python, "load_before": round(os.getloadavg()[0], 1)}
        report[part] = {"machine": machine, **PARTS[part](arguments)}
        print(json.dumps({part: report[part]}, indent=2), flush=True)
    arguments.out.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
