"""The default run over three seeds, beside its controls: docs/pocket_three_seeds.{md,json}.

    python bench/pocket_three_seeds.py

Runs `sv-engine run` (about five minutes each on two idle cores) for every seed and selector, one
after another, each into its own folder under `--runs`; a run whose summary is complete is not run
again. `random` believes one sampled program; `mbr` believes the largest group of programs that
behave alike on the sampled inputs, whatever the tests expect: a majority without tests; `b4` is
the engine's general default. Everything else is the same in all of them.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

SEEDS = (0, 1, 2)
SELECTORS = {
    "maxpass": "the default run",
    "b4": "B4 instead",
    "mbr": "majority without tests",
    "random": "random selection",
}
DEFAULT = "maxpass"
ITERATIONS = 2
COLUMNS = (
    ("code T=1", "1.0", "code_pass_at_1"),
    ("code T=0.6", "0.6", "code_pass_at_1"),
    ("code greedy", "0.0", "code_pass_at_1"),
    ("tests T=1", "1.0", "test_validity"),
    ("tests T=0.6", "0.6", "test_validity"),
    ("tests greedy", "0.0", "test_validity"),
    ("kill rate T=1", "1.0", "test_kill_rate"),
    ("kill rate T=0.6", "0.6", "test_kill_rate"),
    ("input size T=1", "1.0", "test_input_size"),
    ("input size T=0.6", "0.6", "test_input_size"),
)

Summary = dict[str, Any]
Runs = dict[str, dict[int, Summary]]
"""Selector -> seed -> summary."""


def run(selector: str, seed: int, folder: Path) -> Summary:
    """One run's summary, from its folder if it is complete."""
    path = folder / f"{selector}-{seed}"
    summary = path / "summary.json"
    if not summary.exists() or len(json.loads(summary.read_text())["iterations"]) <= ITERATIONS:
        shutil.rmtree(path, ignore_errors=True)  # it was interrupted
        command = [
            str(Path(sys.executable).with_name("sv-engine")),
            "run",
            "pocket",
            "--out",
            str(path),
        ]
        settings = (f"select.selector={selector}", f"run.seed={seed}")
        for setting in (*settings, f"run.iterations={ITERATIONS}"):
            command += ["--set", setting]
        subprocess.run(command, check=True)
    loaded: Summary = json.loads(summary.read_text())
    return loaded


def figure(summary: Summary, iteration: int, temperature: str, name: str) -> dict[str, float]:
    """One figure with value, se and n."""
    found: dict[str, float] = summary["iterations"][iteration]["heldout_at"][temperature][name]
    return found


def relative(summary: Summary, temperature: str, name: str) -> float:
    """Last iteration over the base model, minus 1."""
    before = figure(summary, 0, temperature, name)["value"]
    return figure(summary, ITERATIONS, temperature, name)["value"] / before - 1


def table(summaries: Runs) -> list[str]:
    """Rows of a Markdown table: every run, then means of the relative changes."""
    header = ["run", "seed", "iteration", *(title for title, _, _ in COLUMNS)]
    rows = [header, ["---"] * len(header)]
    base = next(iter(next(iter(summaries.values())).values()))
    rows.append(["base", "", "0", *_cells(base, 0)])
    for selector, runs in summaries.items():
        for seed, summary in runs.items():
            for iteration in range(1, ITERATIONS + 1):
                rows.append([selector, str(seed), str(iteration), *_cells(summary, iteration)])
    return ["| " + " | ".join(row) + " |" for row in rows]


def changes(summaries: Runs) -> list[str]:
    """Rows of a Markdown table: relative change after the last iteration, mean and each seed."""
    header = ["run", *(title for title, _, _ in COLUMNS)]
    rows = [header, ["---"] * len(header)]
    for selector, runs in summaries.items():
        row = [f"{selector}: {SELECTORS[selector]}"]
        for _, temperature, name in COLUMNS:
            each = [relative(summary, temperature, name) for summary in runs.values()]
            listed = ", ".join(f"{change:+.0%}" for change in each)
            row.append(f"**{statistics.mean(each):+.1%}** ({listed})")
        rows.append(row)
    return ["| " + " | ".join(row) + " |" for row in rows]


def _cells(summary: Summary, iteration: int) -> list[str]:
    cells = []
    for _, temperature, name in COLUMNS:
        found = figure(summary, iteration, temperature, name)
        se = found["se"]
        error = "" if se is None or math.isnan(se) else f" ± {se:.3f}"
        cells.append(f"{found['value']:.3f}{error}")
    return cells


def report(summaries: Runs) -> str:
    """The whole page."""
    every = [summary for runs in summaries.values() for summary in runs.values()]
    first = every[0]["iterations"][0]["heldout"]["code_pass_at_1"]
    minutes = [summary["wall_s"] / 60 for summary in every]
    memory = max(summary["peak_memory_bytes"] for summary in every) / (1 << 30)
    lines = [
        "# The default run over three seeds",
        "",
        "Written by `python bench/pocket_three_seeds.py`. Held-out problems, whose compositions "
        "of operations were seen neither in pre-training nor in self-play: "
        f"{first['n']}; values with their standard error over problems. What the demonstration "
        "shows and what it does not: [self_play.md](self_play.md).",
        "",
        "## Change after the last iteration, relative to the base model",
        "",
        "Mean over the seeds, and each seed.",
        "",
        *changes(summaries),
        "",
        "## Every run",
        "",
        *table(summaries),
        "",
        f"Wall time of a run: {min(minutes):.1f} to {max(minutes):.1f} minutes; peak memory, "
        f"all processes: {memory:.1f} GiB.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--runs", type=Path, default=Path("runs/three_seeds"))
    parser.add_argument("--docs", type=Path, default=Path("docs"))
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument(
        "--control-seeds", type=int, nargs="+", help="seeds of the controls; default: all"
    )
    parser.add_argument("--selectors", nargs="+", choices=SELECTORS, default=list(SELECTORS))
    arguments = parser.parse_args()
    # The default first, so that what matters most is there even if the rest is interrupted.
    summaries = {
        selector: {
            seed: run(selector, seed, arguments.runs)
            for seed in (
                arguments.seeds
                if selector == DEFAULT
                else arguments.control_seeds or arguments.seeds
            )
        }
        for selector in arguments.selectors
    }
    (arguments.docs / "pocket_three_seeds.json").write_text(json.dumps(summaries, indent=1) + "\n")
    (arguments.docs / "pocket_three_seeds.md").write_text(report(summaries))
    print("\n".join(changes(summaries)))


if __name__ == "__main__":
    main()
