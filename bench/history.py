"""Figures over time: a line of JSON per run, a baseline with a tolerance, a plot.

    python -m bench.history [--file bench/results/history.jsonl] [--plot FILE.png]
    python -m bench.history --keep     the last line becomes the baseline

In: reports of `bench.cells`. Compared are ratios by CPU time to the contender of the same case and
run, never seconds: machines differ. A case is slower where its ratio fell by more than `TOLERANCE`.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).resolve().parent / "results"
BASELINE = RESULTS / "baseline.json"
TOLERANCE = 0.15


def ratios(report: dict[str, Any]) -> dict[str, dict[str, float]]:
    """By case and contender: ours, so many times as fast by CPU time."""
    return {
        name: {
            contender: round(figures["ours_times_by_cpu"], 3)
            for contender, figures in list(case.items())[1:]
        }
        for name, case in report["cases"].items()
    }


def append(path: Path, report: dict[str, Any]) -> None:
    """One more line."""
    ours = {
        name: round(next(iter(case.values()))["cpu_us_per_row"], 1)
        for name, case in report["cases"].items()
        if case
    }
    line = {"machine": report["machine"], "cpu_us_per_row": ours, "ratios": ratios(report)}
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(json.dumps(line) + "\n")


def read(path: Path) -> list[dict[str, Any]]:
    """All lines; none where there is no file."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def slower(report: dict[str, Any], baseline: Path) -> list[str]:
    """What fell below the baseline by more than the tolerance, in words."""
    if not baseline.exists():
        return []
    before = json.loads(baseline.read_text())["ratios"]
    found = []
    for case, each in ratios(report).items():
        for contender, now in each.items():
            then = before.get(case, {}).get(contender)
            if then is not None and now < then * (1 - TOLERANCE):
                found.append(f"{case}: {now:.2f} times {contender}, was {then:.2f}")
    return found


def _pairs(lines: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Every case and contender that these runs have."""
    found = {
        (case, who) for line in lines for case in line["ratios"] for who in line["ratios"][case]
    }
    return sorted(found)


def table(lines: list[dict[str, Any]]) -> Table:
    """The newest eight runs, a row for each pair of case and contender."""
    newest = lines[-8:]
    out = Table(title="ours, so many times as fast by CPU time")
    out.add_column("case")
    out.add_column("beside")
    for line in newest:
        out.add_column(line["machine"]["taken"], justify="right")
    pairs = _pairs(newest)
    for case, who in pairs:
        shown = [line["ratios"].get(case, {}).get(who) for line in newest]
        out.add_row(case, who, *("" if x is None else f"{x:.2f}" for x in shown))
    return out


def plot(lines: list[dict[str, Any]], path: Path) -> None:
    """A line per pair of case and contender. Raises ImportError without matplotlib."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(10, 6))
    pairs = _pairs(lines)
    for case, who in pairs:
        axes.plot(
            range(len(lines)),
            [line["ratios"].get(case, {}).get(who, float("nan")) for line in lines],
            marker="o",
            label=f"{case} / {who}",
        )
    axes.set_xticks(range(len(lines)), [line["machine"]["taken"] for line in lines], rotation=45)
    axes.set_yscale("log")
    axes.set_ylabel("ours, so many times as fast by CPU time")
    axes.legend(fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
    figure.savefig(path, bbox_inches="tight")


def main() -> int:
    """Show, plot or keep."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--file", type=Path, default=RESULTS / "history.jsonl")
    parser.add_argument("--plot", type=Path, help="draw all runs (needs matplotlib)")
    parser.add_argument("--keep", action="store_true", help="the last run becomes the baseline")
    options = parser.parse_args()
    lines = read(options.file)
    if not lines:
        parser.error(f"no run in {options.file}: python -m bench.cells --history {options.file}")
    Console(width=140).print(table(lines))
    if options.keep:
        BASELINE.write_text(json.dumps(lines[-1], indent=1) + "\n")
    if options.plot:
        try:
            plot(lines, options.plot)
        except ImportError:
            parser.error("--plot needs matplotlib: pip install matplotlib")
    return 0


if __name__ == "__main__":
    sys.exit(main())
