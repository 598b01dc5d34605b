"""`custom_rm` for slime (2026): `--custom-rm-path sv_engine.integrations.slime.custom_rm`.

`sample.label` holds the ground truth. A sample that could not be judged gets reward 0.0 and is
taken out of the loss (`remove_sample`).
"""

from __future__ import annotations

import os
from typing import Any

from sv_engine.integrations.scorer import LOCAL, shared


async def custom_rm(args: Any, sample: Any, **_: Any) -> Any:
    """The reward of one sample; of each, in a list, for `--group-rm`."""
    samples = sample if isinstance(sample, list) else [sample]
    scorer = shared(target=os.environ.get("SV_TARGET", LOCAL), token=os.environ.get("SV_TOKEN"))
    scored = await scorer.score_all(
        [each.response for each in samples], [each.label for each in samples]
    )
    for each, result in zip(samples, scored, strict=True):
        if result.score is None:
            each.remove_sample = True
    rewards = [result.score or 0.0 for result in scored]
    return rewards if isinstance(sample, list) else rewards[0]
