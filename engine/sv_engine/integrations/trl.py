"""A reward for TRL's GRPO trainers (TRL 1.16; `AsyncGRPOTrainer` too: it can be pickled).

    GRPOTrainer(..., reward_funcs=[Reward(column="tests")])
    trl grpo --reward_funcs sv_engine.integrations.trl.reward ...

A hole is None, which TRL leaves out. `sv/holes` and `sv/passed` are logged as metrics, and what
happened to each answer as the column `sv_verdict`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sv_engine.integrations.scorer import Scored, Scorer


class Reward:
    """An asynchronous reward function. `column`: of the dataset, with each row's tests."""

    def __init__(self, column: str = "tests", **options: Any) -> None:
        """`options` are those of `Scorer`."""
        self.column = column
        self.scorer = Scorer(**options)
        self.__name__ = "sv_reward"

    async def __call__(
        self,
        prompts: Sequence[Any],
        completions: Sequence[Any],
        log_extra: Callable[..., Any] | None = None,
        log_metric: Callable[..., Any] | None = None,
        **columns: Any,
    ) -> list[float | None]:
        """One reward per completion; None: not judged. Raises KeyError without the column."""
        scored = await self.scorer.score_all(completions, self._tests(columns))
        return _told(scored, log_extra, log_metric)

    def _tests(self, columns: dict[str, Any]) -> Sequence[Any]:
        if self.column not in columns:
            raise KeyError(
                f"the dataset has no column {self.column!r} with tests; it has"
                f" {', '.join(sorted(columns)) or 'none'}"
            )
        tests: Sequence[Any] = columns[self.column]
        return tests


class SyncReward(Reward):
    """The same for callers that await nothing."""

    def __call__(  # type: ignore[override]
        self,
        prompts: Sequence[Any],
        completions: Sequence[Any],
        log_extra: Callable[..., Any] | None = None,
        log_metric: Callable[..., Any] | None = None,
        **columns: Any,
    ) -> list[float | None]:
        """One reward per completion; None: not judged. Raises KeyError without the column."""
        scored = self.scorer.score_all_now(completions, self._tests(columns))
        return _told(scored, log_extra, log_metric)


def _told(
    scored: Sequence[Scored],
    log_extra: Callable[..., Any] | None,
    log_metric: Callable[..., Any] | None,
) -> list[float | None]:
    holes = sum(each.score is None for each in scored)
    if log_extra is not None:
        log_extra("sv_verdict", [_word(each) for each in scored])
    if log_metric is not None and scored:
        log_metric("sv/holes", holes / len(scored))
        log_metric("sv/passed", sum(each.score == 1.0 for each in scored) / len(scored))
    return [each.score for each in scored]


def _word(scored: Scored) -> str:
    if scored.score is None:
        return f"hole: {scored.detail}"
    return f"{scored.passed}/{scored.total} {scored.detail}".rstrip()


reward = Reward()
"""All tests of the column `tests`, in a pool of the trainer's process."""
