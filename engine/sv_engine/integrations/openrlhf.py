"""`reward_func` for OpenRLHF (0.11).

    --reward.remote_url <this file>     (python -m sv_engine.integrations.openrlhf prints it)

`labels` hold the ground truths. A hole raises: OpenRLHF then leaves the reward of that sample
unset.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from sv_engine.integrations.scorer import LOCAL, shared


def reward_func(
    queries: Sequence[str], prompts: Sequence[str], labels: Sequence[Any], **_: Any
) -> dict[str, Any]:
    """Rewards and scores, tensors of length n; raises NotJudgedError for a hole.

    `queries` are prompts with their answers; the prompt is cut off where it stands in front.
    """
    import torch

    scorer = shared(target=os.environ.get("SV_TARGET", LOCAL), token=os.environ.get("SV_TOKEN"))
    answers = [query.removeprefix(prompt) for query, prompt in zip(queries, prompts, strict=True)]
    scored = scorer.score_all_now(answers, labels)
    rewards = torch.tensor([each.known for each in scored])
    passed = torch.tensor([each.passed / max(1, each.total) for each in scored])
    return {"rewards": rewards, "scores": rewards.clone(), "extra_logs": {"sv_passed": passed}}


if __name__ == "__main__":
    print(__file__)
