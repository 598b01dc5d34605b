"""The page: everything as one document for `report.js`, and the HTML around it.

The document is JSON in ASCII without `<`, `>` and `&`, so that no text in it can end its element
or begin another; matrices and texts lie in blocks of base64. The content security policy allows
the two scripts of this page by their digests and nothing else: no request, no handler in markup.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Sequence
from html import escape
from importlib import metadata, resources
from pathlib import Path
from typing import Any

from sv_engine.execute.sandbox import trust_names, verdict_names
from sv_engine.report.alarms import alarms
from sv_engine.report.gather import Gathered, gather
from sv_engine.report.pack import MATRIX_CHARS, TEXT_CHARS, Block
from sv_engine.report.read import Record, Timeline, read

BINS = 120
"""Points of a timeline, and of a training curve."""
FILES = resources.files("sv_engine.report")


def render(folder: Path, controls: Sequence[Path] = (), *, live: bool = False) -> str:
    """The page of a folder as HTML; raises EngineError.

    controls: runs whose held-out curves are drawn beside. live: the page asks its server whether
    there is more, and loads it.
    """
    record = read(folder)
    gathered = gather(record)
    matrices, texts = Block(MATRIX_CHARS), Block(TEXT_CHARS)
    document = _document(record, [read(path) for path in controls], gathered)
    document["problems"] = _problems(gathered, matrices, texts)
    document["left_out"] = {"matrices": matrices.left_out, "texts": texts.left_out}
    document["live"] = live
    scripts = [_file("echarts/echarts.common.min.js"), _file("report.js")]
    policy = _policy(scripts, live)
    parts = {
        "TITLE": escape(f"{record.name} · sv-engine"),
        "POLICY": escape(policy),
        "STYLE": _file("report.css"),
        "DATA": as_data(document),
        "MATRICES": matrices.text(),
        "TEXTS": texts.text(),
        "LIBRARY": scripts[0],
        "SCRIPT": scripts[1],
    }
    pieces = _file("page.html").split("@@")  # text, name, text, name, ..., text
    return "".join(parts[p] if i % 2 else p for i, p in enumerate(pieces))


def as_data(document: Any) -> str:
    """JSON that may stand in a script element, whatever its texts hold."""
    text = json.dumps(_finite(document), ensure_ascii=True, allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _finite(value: Any) -> Any:
    """The same with None for what JSON has no number for."""
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    return value


def _file(name: str) -> str:
    return (FILES / name).read_text("utf-8")


def _policy(scripts: Sequence[str], live: bool) -> str:
    digests = [base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in scripts]
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    connect = "connect-src 'self'; " if live else ""
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; "
        f"{connect}base-uri 'none'; form-action 'none'"
    )


def _document(record: Record, controls: Sequence[Record], gathered: Gathered) -> dict[str, Any]:
    return {
        "name": record.name,
        "folder": record.folder.resolve().name,
        "is_run": record.is_run,
        "version": metadata.version("sv-engine"),
        "selector": record.selector,
        "headline": record.headline,
        "verdicts": verdict_names(),
        "trusts": trust_names(),
        "facts": _facts(record, gathered),
        "alarms": [[a.level.value, a.name, a.text] for a in alarms(record, gathered.health())],
        "curves": [_curves(r, r is record) for r in (record, *controls)],
        "training": _training(record),
        "mix": _mix(gathered),
        "played": record.played,
        "phases": record.phases_s,
        "timelines": [_timeline(line) for line in record.timelines],
        "samples": [
            [s.iteration, s.stage, s.role, s.count, s.truncated, s.tokens] for s in record.samples
        ],
        "selectors": _selectors(gathered),
        "prompts": [
            [p.iteration, p.stage, p.role, p.problem, p.sampling, p.prompt, p.answer]
            for p in record.prompts
        ],
        "refusals": record.refusals[:20],
        "config": record.config,
    }


def _facts(record: Record, gathered: Gathered) -> list[list[str]]:
    """Labels and values for the head of the page."""
    cells = sum(tally.cells for tally in gathered.tallies.values())
    facts = [["problems", f"{gathered.problems:,}"], ["cells", f"{cells:,}"]]
    if record.is_run:
        iterations = {figure.iteration for figure in record.figures}
        facts.insert(0, ["iterations", str(max(iterations, default=0))])
        facts.append(["samples", f"{sum(s.count for s in record.samples):,}"])
        facts.append(["tokens", f"{sum(s.tokens for s in record.samples):,}"])
    if (rate := record.summary.get("cells_per_s")) is not None:
        facts.append(["cells/s", f"{rate:,.0f}"])
    if (wall_s := record.summary.get("wall_s")) is not None:
        facts.append(["wall time", f"{wall_s:,.0f} s"])
    if (peak := record.summary.get("peak_memory_bytes")) is not None:
        facts.append(["peak memory", f"{peak / 1e9:.1f} GB"])
    facts.append(["selector", record.selector])
    facts += _improvements(record)
    if record.summary.get("stopped_by"):
        facts.append(["stopped by", str(record.summary["stopped_by"])])
    return facts


def _improvements(record: Record) -> list[list[str]]:
    """Relative, at the headline temperature, where their paired interval is known."""
    at = str(record.summary.get("headline_temperature"))
    changes = record.summary.get("relative_improvement", {}).get(at, {})
    ranges = record.summary.get("relative_improvement_95", {}).get(at, {})
    return [
        [f"{name.replace('_', ' ')} (T={at})", f"{changes[name]:+.1%} ({low:+.0%} to {high:+.0%})"]
        for name, (low, high) in ranges.items()
    ]


def _curves(record: Record, is_subject: bool) -> dict[str, Any]:
    points: dict[str, dict[str, list[list[float]]]] = {}
    for f in record.figures:
        by_name = points.setdefault(f"{f.temperature:g}", {})
        by_name.setdefault(f.name, []).append([f.iteration, f.value, f.low, f.high, f.problems])
    name = record.name if is_subject else f"{record.name} ({record.folder.resolve().name})"
    return {"name": name, "points": points}


def _training(record: Record) -> list[dict[str, Any]]:
    """A curve per iteration and phase, thinned to means over equal stretches."""
    curves: dict[tuple[int, str], list[Any]] = {}
    for step in record.steps:
        curves.setdefault((step.iteration, step.phase), []).append(step)
    return [
        {
            "iteration": iteration,
            "phase": phase,
            "steps": len(steps),
            "loss": _thin([s.loss for s in steps]),
            "margin": _thin([s.margin for s in steps]),
            "accuracy": _thin([s.accuracy for s in steps]),
        }
        for (iteration, phase), steps in curves.items()
    ]


def _thin(values: Sequence[float | None]) -> list[list[float]]:
    """Points (step, mean), at most `BINS`; steps count from 1."""
    width = math.ceil(len(values) / BINS) or 1
    points = []
    for start in range(0, len(values), width):
        part = [v for v in values[start : start + width] if v is not None and math.isfinite(v)]
        if part:
            points.append([min(start + width, len(values)), sum(part) / len(part)])
    return points


def _timeline(line: Timeline) -> dict[str, Any]:
    """Tokens and cells per second, over at most `BINS` equal stretches."""
    last = max([*line.tokens, *line.cells], default=0)
    width = math.ceil((last + 1) / BINS)
    bins = range(0, last + 1, width)

    def rates(by_second: dict[int, int]) -> list[float]:
        sums = dict.fromkeys(bins, 0)
        for second, n in by_second.items():
            sums[second // width * width] += n
        return [n / width for n in sums.values()]

    return {
        "iteration": line.iteration,
        "seconds": list(bins),
        "tokens": rates(line.tokens),
        "cells": rates(line.cells) if line.cells else [],
        "overlap": line.overlap,
    }


def _mix(gathered: Gathered) -> list[dict[str, Any]]:
    mix = []
    for iteration, tally in sorted(gathered.tallies.items()):
        figures = tally.figures()
        mix.append(
            {
                "iteration": iteration,
                "verdicts": figures["verdicts"],
                "trust": figures["trust"],
                "uses": dict(gathered.uses[iteration].most_common()),
                "dropped": figures["dropped_samples"],
                "vacuous": [figures["vacuous_tests"], figures["tests"]],
                "held": figures["held_back"]["passes"],
            }
        )
    return mix


def _selectors(gathered: Gathered) -> list[dict[str, Any]]:
    """Each selector; pass@1 where the problems have a test of their own."""
    judged = [tally.pass_at_1() for tally in gathered.tallies.values()]
    problems = max(1, gathered.problems)
    table = []
    for name, one in gathered.compared.items():
        found = judged[0].get(name) if len(judged) == 1 else None
        known = found is not None and found.count > 0
        table.append(
            {
                "name": name,
                "pass_at_1": [found.mean, found.low, found.high] if found and known else None,
                "believing": one.believing / problems,
                "same": one.same / one.asked if one.asked else None,
                "programs": one.programs / problems,
                "tests": one.tests / problems,
            }
        )
    return table


def _problems(gathered: Gathered, matrices: Block, texts: Block) -> list[list[Any]]:
    """A row per shown problem; places in the blocks are None where there was no room."""
    return [
        [
            seen.id,
            seen.iteration,
            seen.use,
            [text for _, text in seen.suspicions],
            seen.shape,
            seen.whole,
            seen.accepted,
            matrices.add(seen.cells),
            texts.add_json(seen.texts() | {"groups": seen.group_S, "weights": seen.weight_S}),
        ]
        for seen in gathered.seen
    ]
