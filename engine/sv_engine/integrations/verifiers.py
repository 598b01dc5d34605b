"""A reward for verifiers 0.4 and prime-rl, plugged in by configuration.

    --env.taskset.task.rewards.sv.fn sv_engine.integrations.verifiers:solved

The tests are a field of the task's data: `tests`, or one of `FIELDS`. A hole raises
`vf.SandboxError`: the trace then has an error, and prime-rl leaves it out. Options come from the
environment: SV_TARGET (URLs of servers), SV_TOKEN, SV_CPU_S.
"""

from __future__ import annotations

import os
from typing import Any

from sv_engine.integrations.scorer import LOCAL, Scored, shared

FIELDS = ("tests", "ground_truth", "verification_info", "answer", "row", "info")


async def solved(task: Any, trace: Any) -> float:
    """1.0 if the program in the last reply passes every test of the task."""
    return _known(await _scored(task, trace, partial=False))


async def passed(task: Any, trace: Any) -> float:
    """The share of the task's tests that the program in the last reply passes."""
    return _known(await _scored(task, trace, partial=True))


async def _scored(task: Any, trace: Any, partial: bool) -> Scored:
    scorer = shared(
        target=os.environ.get("SV_TARGET", LOCAL),
        token=os.environ.get("SV_TOKEN"),
        cpu_s=float(os.environ.get("SV_CPU_S", "5")),
        partial=partial,
    )
    return await scorer.score(trace.last_reply or "", _tests(task))


def _tests(task: Any) -> Any:
    for name in FIELDS:
        value = getattr(task, name, None)
        if isinstance(value, dict) and "verifier_metadata" in value:  # a row of NeMo-Gym's
            return value["verifier_metadata"]
        if value is not None:
            return value
    raise ValueError(f"the task has none of the fields {', '.join(FIELDS)}")


def _known(scored: Scored) -> float:
    if scored.score is None:
        from verifiers.v1.errors import SandboxError

        raise SandboxError(f"not judged: {scored.detail}")
    return scored.score
