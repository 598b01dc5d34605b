"""Two outcomes of the same candidates, verdict by verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from sv_engine.errors import EngineError
from sv_engine.execute.sandbox import verdict_names
from sv_engine.records import Outcome

SHOWN = 10
"""Differing cells that are put in words."""


def differences(name: str, a: Outcome, b: Outcome, counts: Counter[str]) -> Iterator[str]:
    """Count the cells of one problem, and say which differ while few have been shown.

    counts: `cells`, `differing`, `near` (excused: near their limit in either), `held before`,
    `held after`. Raises EngineError where the texts are not the same.
    """
    if a.candidates.sources() != b.candidates.sources() or (a.reference is None) != (
        b.reference is None
    ):
        raise EngineError(f"{name}: the solutions or tests are not the same")
    kinds = verdict_names()
    counts["held before"] += a.held_count
    counts["held after"] += b.held_count
    for number, (before, after) in enumerate(zip(a.blocks(), b.blocks(), strict=True)):
        was, now = before.verdicts, after.verdicts
        unequal_ST = was.verdict_ST != now.verdict_ST
        excused_ST = was.near_limit_ST | now.near_limit_ST
        counts["cells"] += unequal_ST.size
        counts["near"] += int((unequal_ST & excused_ST).sum())
        for s, t in np.argwhere(unequal_ST & ~excused_ST).tolist():
            counts["differing"] += 1
            if counts["differing"] <= SHOWN:
                test = "own test" if number else f"test {t}"
                first, second = kinds[was.verdict_ST[s, t]], kinds[now.verdict_ST[s, t]]
                yield f"{name}: solution {s}, {test}: {first}, then {second}"
