"""`compute_score` for verl's reward loop (verl 0.9).

    reward.custom_reward_function.path=<what python -m sv_engine.integrations.verl prints>
    reward.custom_reward_function.name=compute_score
    reward.custom_reward_function.reward_kwargs.target=http://node1:8080,http://node2:8080

The same keys come back for every sample, as verl builds the batch from those of the first. It has
no word for a hole: one is asked for again until the deadline, and what is left is a score of 0.0
with `sv_hole` 1.0, to be masked or watched.
"""

from __future__ import annotations

from typing import Any

from sv_engine.integrations.scorer import shared

DEADLINE_S = 60.0
"""verl waits without end; a reward that hangs would hang the step."""


async def compute_score(
    data_source: str,
    solution_str: str,
    ground_truth: Any,
    extra_info: Any = None,
    **options: Any,
) -> dict[str, float]:
    """Score one answer; `options` (`reward_kwargs`) are those of `Scorer`."""
    known = {key: value for key, value in options.items() if key in _OPTIONS}
    scorer = shared(**{"deadline_s": DEADLINE_S, "tries": 4, **known})
    scored = await scorer.score(solution_str, ground_truth)
    return {
        "score": scored.score or 0.0,
        "sv_hole": float(scored.score is None),
        "sv_passed": float(scored.passed),
        "sv_total": float(scored.total),
    }


_OPTIONS = frozenset(
    "target partial cpu_s memory_bytes deadline_s tries trust token check workers".split()
)
"""verl passes more than that: `reward_router_address` and others."""

if __name__ == "__main__":
    print(__file__)
