"""`reward_fn` for AReaL (1.0): picklable, and back before AReaL gives up on its worker.

AReaL runs it in a pool of processes with 15 s, never ends one that hangs, pays 0 for a time-out; a
reward that raises is tried again and then raises. So a hole raises, well before that.
"""

from __future__ import annotations

import os
from typing import Any

from sv_engine.integrations.scorer import LOCAL, shared

DEADLINE_S = 10.0
COLUMNS = ("tests", "ground_truth", "answer", "verification_info")


def reward_fn(
    prompt: str, completions: str, prompt_ids: Any, completion_ids: Any, **row: Any
) -> float:
    """1.0 if every test of the row passes; raises NotJudgedError for a hole."""
    truth = next((row[name] for name in COLUMNS if row.get(name) is not None), None)
    if truth is None:
        raise ValueError(f"the row has none of the columns {', '.join(COLUMNS)}")
    scorer = shared(
        target=os.environ.get("SV_TARGET", LOCAL),
        token=os.environ.get("SV_TOKEN"),
        deadline_s=DEADLINE_S,
        cpu_s=2.0,
        workers=1,
    )
    return scorer.score_now(completions, truth).known
