"""A run's figures as Prometheus text: counted in its journal whenever somebody asks.

Format: https://prometheus.io/docs/instrumenting/exposition_formats/, version 0.0.4. The run itself
counts nothing for it. A journal that is not there yet gives no figure.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from sv_engine.run.folder import FILE_NAME, reading

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Row = tuple[dict[str, str], float]
"""Labels and value."""

SAMPLES = "SELECT role, finish_reason, count(*), sum(token_count) FROM completion GROUP BY 1, 2"
LAST_STEPS = """
SELECT iteration, phase, max(step), loss, detail FROM training_step GROUP BY iteration, phase"""
PHASES = "SELECT iteration, kind, detail FROM event WHERE kind IN ('play', 'train', 'evaluate')"


def exposition(folder: Path) -> str:
    """The text for one scrape."""
    lines: list[str] = []
    if not (folder / FILE_NAME).exists():
        return ""
    with reading(folder) as connection:
        try:
            for name, kind, told, rows in _metrics(connection):
                lines += [f"# HELP {name} {told}", f"# TYPE {name} {kind}"]
                lines += [f"{name}{_labels(labels)} {value!r}" for labels, value in rows]
        except sqlite3.OperationalError:  # the tables are being made
            return ""
    return "\n".join([*lines, ""])


def _metrics(connection: sqlite3.Connection) -> Iterator[tuple[str, str, str, list[Row]]]:
    """Name, type, help and rows of each metric."""
    ask = connection.execute
    samples = ask(SAMPLES).fetchall()
    rows: list[Row] = [({"role": r, "finish_reason": f}, float(n)) for r, f, n, _ in samples]
    yield "sv_engine_samples_total", "counter", "Completions in the journal.", rows
    tokens = sum(row[3] or 0 for row in samples)
    yield "sv_engine_tokens_total", "counter", "Sampled tokens.", [({}, float(tokens))]
    judged = ask("SELECT stage, count(*) FROM outcome GROUP BY 1").fetchall()
    rows = [({"stage": stage}, float(n)) for stage, n in judged]
    yield "sv_engine_problems_judged_total", "counter", "Problems with all verdicts.", rows
    uses = ask("SELECT iteration, outcome, count(*) FROM selection GROUP BY 1, 2").fetchall()
    rows = [({"iteration": str(i), "use": use}, float(n)) for i, use, n in uses]
    yield "sv_engine_problems_selected_total", "counter", "Problems by what became of them.", rows
    steps = ask(LAST_STEPS).fetchall()
    rows = [({"iteration": str(i), "phase": p}, float(n)) for i, p, n, *_ in steps]
    yield "sv_engine_training_steps_total", "counter", "Optimiser steps.", rows
    rows = [({"iteration": str(s[0]), "phase": s[1]}, float(s[3])) for s in steps]
    yield "sv_engine_training_loss", "gauge", "Loss of the last step.", rows
    rows = []
    for iteration, name, value in ask("SELECT iteration, name, value FROM metric"):
        figure, _, temperature = name.rpartition("@")
        labels = {"iteration": str(iteration), "figure": figure, "temperature": temperature}
        rows.append((labels, float(value)))
    yield "sv_engine_heldout", "gauge", "Held-out figures.", rows
    phases = ask(PHASES).fetchall()
    rows = [
        ({"iteration": str(i), "phase": k}, float(json.loads(d)["wall_s"])) for i, k, d in phases
    ]
    yield "sv_engine_phase_seconds", "gauge", "Wall time of a phase that ended.", rows


def _labels(labels: dict[str, str]) -> str:
    pairs = [f'{name}="{_escaped(value)}"' for name, value in labels.items()]
    return "{" + ",".join(pairs) + "}" if pairs else ""


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
