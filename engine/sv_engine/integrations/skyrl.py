"""An environment for SkyRL-gym (0.4): one answer, one reward.

    from skyrl_gym.envs import register
    register(id="sv", entry_point="sv_engine.integrations.skyrl:SvEnv")

`extras["reward_spec"]["ground_truth"]` holds the tests. SkyRL's reward is a float and has no word
for a hole: it raises, which ends the trajectory with an error.
"""

from __future__ import annotations

import os
from typing import Any

from skyrl_gym.envs.base_text_env import BaseTextEnv, BaseTextEnvStepOutput

from sv_engine.integrations.scorer import LOCAL, Scored, shared


class SvEnv(BaseTextEnv):  # type: ignore[misc]
    """Judges the program in the first action, and is done."""

    def __init__(self, env_config: Any = None, extras: dict[str, Any] | None = None) -> None:
        super().__init__()
        spec = (extras or {}).get("reward_spec") or {}
        if "ground_truth" not in spec:
            raise ValueError("extras['reward_spec']['ground_truth'] with the tests is needed")
        self.truth = spec["ground_truth"]
        self.scored = Scored(None)

    def step(self, action: str) -> Any:
        """The reward of an answer; raises NotJudgedError for a hole."""
        scorer = shared(target=os.environ.get("SV_TARGET", LOCAL), token=os.environ.get("SV_TOKEN"))
        self.scored = scorer.score_now(action, self.truth)
        return BaseTextEnvStepOutput(
            observations=[],
            reward=self.scored.known,
            done=True,
            metadata={"passed": self.scored.passed, "total": self.scored.total},
        )

    def get_metrics(self) -> dict[str, Any]:
        """Share of the tests passed."""
        return {"sv_passed": self.scored.passed / max(1, self.scored.total)}
