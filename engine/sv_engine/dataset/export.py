"""Training data as rows that TRL, verl and `datasets` read.

    sft   prompt, completion
    dpo   prompt, chosen, rejected
    kto   prompt, completion, label
    grpo  prompt, and what a reward needs: entry_point, tests; verl's data_source, ability,
          reward_model and extra_info beside them

With `chat`, prompts and completions are lists of messages ({"role", "content"}). Every row says
where it comes from: run, iteration, problem_id, role, selector.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np

from sv_engine.config.sections import Config
from sv_engine.dataset.stage import Lesson
from sv_engine.errors import EngineError
from sv_engine.prompts.roles import templates
from sv_engine.prompts.template import plain_text, turns_of
from sv_engine.records import Outcome

Row = dict[str, Any]
"""Column name -> value; the same columns in every row of a file."""


class Layout(StrEnum):
    """Columns of an export."""

    SFT = "sft"
    DPO = "dpo"
    KTO = "kto"
    GRPO = "grpo"


def rows(
    outcome: Outcome, lesson: Lesson, config: Config, iteration: int, layout: Layout, chat: bool
) -> Iterator[Row]:
    """The rows of one problem; none where it teaches nothing."""
    origin = {
        "run": config.run.name,
        "iteration": iteration,
        "problem_id": outcome.problem.id,
        "selector": lesson.selection.selector,
    }
    data = lesson.data

    def asked(prompt: str) -> Any:
        return turns_of(prompt)[0] if chat else plain_text(prompt)

    def said(prompt: str, text: str) -> Any:
        whole = turns_of(prompt)[1] + text  # the template writes the whole answer
        return [{"role": "assistant", "content": whole}] if chat else text

    match layout:
        case Layout.SFT:
            for e in data.examples:
                row = {"prompt": asked(e.prompt), "completion": said(e.prompt, e.completion)}
                yield {**row, **origin, "role": e.role}
        case Layout.DPO:
            for p in data.pairs:
                row = {"prompt": asked(p.prompt), "chosen": said(p.prompt, p.chosen)}
                row |= {"rejected": said(p.prompt, p.rejected)}
                yield {**row, **origin, "role": p.role}
        case Layout.KTO:
            for role, prompt, text, label in _judged(lesson):
                row = {"prompt": asked(prompt), "completion": said(prompt, text), "label": label}
                yield {**row, **origin, "role": role}
        case Layout.GRPO:
            yield from _reward_row(outcome, lesson, config, asked, origin)


def write(path: Path, found: Iterable[Row]) -> int:
    """Write `.jsonl` or `.parquet`, whole or not at all; the number of rows."""
    part = path.with_name(f".{path.name}.part")
    try:
        count = _write(path, part, found)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return count


def _write(path: Path, part: Path, found: Iterable[Row]) -> int:
    count = 0
    if path.suffix == ".jsonl":
        with part.open("w", encoding="utf-8") as file:
            for row in found:
                file.write(json.dumps(row, ensure_ascii=True) + "\n")
                count += 1
    elif path.suffix == ".parquet":
        try:
            import pyarrow as pa
            import pyarrow.parquet as pq
        except ImportError:
            raise EngineError(
                "Parquet needs pyarrow, which is not installed", remedy="pip install pyarrow"
            ) from None
        everything = list(found)
        count = len(everything)
        pq.write_table(pa.Table.from_pylist(everything), part)
    else:
        raise EngineError(
            f"no such file format: {path.suffix or 'none'}",
            where=str(path),
            remedy="end its name in .jsonl or .parquet",
        )
    return count


def _judged(lesson: Lesson) -> Iterator[tuple[str, str, str, bool]]:
    """Role, prompt, text and whether it was accepted; each once."""
    data = lesson.data
    found: dict[tuple[str, str, str, bool], None] = {}
    for e in data.examples:
        found[e.role, e.prompt, e.completion, True] = None
    for p in data.pairs:
        found[p.role, p.prompt, p.chosen, True] = None
        found[p.role, p.prompt, p.rejected, False] = None
    yield from found


def _reward_row(
    outcome: Outcome, lesson: Lesson, config: Config, asked: Any, origin: Row
) -> Iterator[Row]:
    accepted = np.flatnonzero(lesson.selection.accepted_T).tolist()
    if lesson.refusal is not None or not accepted:
        return
    problem, tests = outcome.problem, [outcome.candidates.tests[t].source for t in accepted]
    yield {
        "prompt": asked(templates(config.roles).solve.fill(problem)),
        "entry_point": problem.entry_point,
        "tests": tests,
        "data_source": "sv-engine",
        "ability": "code",
        "reward_model": {"style": "rule", "ground_truth": json.dumps(tests)},
        "extra_info": {**origin, "role": "solve"},
        **origin,
        "role": "solve",
    }
