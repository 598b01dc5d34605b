"""What a run comes to: `summary.json`, and the table on the terminal.

summary.json:
    name, seed, selector, wall_s, peak_memory_bytes
    bad_rows.{count, first}       rows of the run's files that cannot be used
    verdict_cache.{cells, hits}   cells asked for by this process, and those that were there (with
                                  `execute.cache`)
    headline_temperature          where `heldout` was measured
    iterations[i]                 0 is the base model
        heldout.{code_pass_at_1, test_validity, test_kill_rate, ...}.{value, se, n}
        heldout_at.<temperature>  the same figures at every temperature; "0.0" is greedy
        played, trained, wall_s   counts and seconds of the phases
        refused.{count, first}    requests that the model could not be asked (too long a prompt)
    relative_improvement.<temperature>.{code_pass_at_1, test_validity, ...}
                                  last iteration over the base model, minus 1
    relative_improvement_95       its paired 95% intervals, where known: [low, high]
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from sv_engine.config.sections import Config
from sv_engine.evaluate.metrics import Estimate, relative_change
from sv_engine.problems.jsonl import NAMED_ROWS, BadRow, figures_of
from sv_engine.run.report import IterationReport

LABELS = {
    "code pass@1": "code_pass_at_1",
    "test validity": "test_validity",
    "test kill rate": "test_kill_rate",
    "test input size": "test_input_size",
}
"""What the table shows and the relative improvement is computed of, of held-out problems and, with
its name before it (`mbpp/code_pass_at_1`), of each benchmark."""


def summarise(
    config: Config,
    reports: Sequence[IterationReport],
    wall_s: float,
    peak_memory_bytes: int,
    bad_rows: Sequence[BadRow] = (),
    verdict_cache: dict[str, int] | None = None,
) -> dict[str, Any]:
    """The content of summary.json."""
    headline = config.evaluate.temperatures[0]
    return {
        "name": config.run.name,
        "seed": config.run.seed,
        "selector": config.select.selector,
        "wall_s": round(wall_s, 1),
        "peak_memory_bytes": peak_memory_bytes,
        "bad_rows": figures_of(bad_rows),
        "verdict_cache": verdict_cache,
        "headline_temperature": headline,
        "iterations": [
            {
                "iteration": report.iteration,
                "heldout": _plain(report.figures[headline]),
                "heldout_at": {str(t): _plain(f) for t, f in report.figures.items()},
                "played": report.played,
                "trained": report.trained,
                "refused": {
                    "count": len(report.refused),
                    "first": report.refused[:NAMED_ROWS],
                },
                "wall_s": {phase: round(seconds, 1) for phase, seconds in report.wall_s.items()},
            }
            for report in reports
        ],
        "relative_improvement": {
            str(temperature): {
                name: change.mean for name, change in _changes(reports, temperature).items()
            }
            for temperature in reports[0].figures
        },
        "relative_improvement_95": {
            str(temperature): {
                name: [change.low, change.high]
                for name, change in _changes(reports, temperature).items()
                if not math.isnan(change.low)
            }
            for temperature in reports[0].figures
        },
    }


def write_summary(path: Path, summary: dict[str, Any]) -> None:
    """Write all or nothing: a reader never sees half a file."""
    part = path.with_name(f".{path.name}.part")
    part.write_text(json.dumps(summary, indent=2) + "\n", "utf-8")
    os.replace(part, path)


def _changes(reports: Sequence[IterationReport], temperature: float) -> dict[str, Estimate]:
    """From the base to the last iteration, of the figures that have such a quotient."""
    first, last = reports[0].figures[temperature], reports[-1].figures[temperature]
    names = _labels(first).values()
    changes = {name: relative_change(first.get(name), last.get(name)) for name in names}
    return {name: change for name, change in changes.items() if change is not None}


def table(config: Config, reports: Sequence[IterationReport]) -> Table:
    """A row per held-out figure, a column per iteration and one of relative improvement."""
    selector = config.select.selector
    result = Table(title=f"{config.run.name}: held-out problems, selector {selector}")
    result.add_column("")
    for report in reports:
        name = f"iteration {report.iteration}" if report.iteration else "base"
        result.add_column(name, justify="right", no_wrap=True)
    if len(reports) > 1:
        result.add_column("relative", justify="right", no_wrap=True)
    temperatures = list(dict.fromkeys(config.evaluate.temperatures))
    for label, name in _labels(reports[0].figures[temperatures[0]]).items():
        measured = temperatures[:1] if "/" in name else temperatures
        for t in measured:
            cells = [_cell(report.figures[t].get(name)) for report in reports]
            if len(reports) > 1:
                cells.append(_change(_changes(reports, t).get(name)))
            at = "greedy" if t == 0 else f"T={t:g}"
            result.add_row(f"{label}, {at}", *cells, end_section=t == measured[-1])
    return result


def _labels(figures: Mapping[str, Estimate]) -> dict[str, str]:
    """Label -> figure, of the held-out problems and of each benchmark there."""
    labels = dict(LABELS)
    for benchmark in dict.fromkeys(name.rpartition("/")[0] for name in figures):
        if benchmark:
            labels |= {f"{benchmark} {label}": f"{benchmark}/{LABELS[label]}" for label in LABELS}
    return {label: name for label, name in labels.items() if name in figures or "/" not in name}


def _change(change: Estimate | None) -> str:
    if change is None:
        return "-"
    known = "" if math.isnan(change.low) else f" ({change.low:+.0%} to {change.high:+.0%})"
    return f"{change.mean:+.1%}{known}"


def _cell(figure: Estimate | None) -> str:
    if figure is None:
        return "-"
    error = "" if math.isnan(figure.standard_error) else f" ±{figure.standard_error:.3f}"
    return f"{figure.mean:.3f}{error}"


def _plain(figures: dict[str, Estimate]) -> dict[str, dict[str, float | int | None]]:
    return {
        name: {
            "value": figure.mean,
            "se": None if math.isnan(figure.standard_error) else figure.standard_error,
            "n": figure.count,
        }
        for name, figure in figures.items()
    }
