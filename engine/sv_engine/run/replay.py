"""Executes the programs and tests of a run again: do its matrices and selections come out again?

In: a run directory. Out: counts. Nothing is generated, and nothing is written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import aclosing
from pathlib import Path

import numpy as np

from sv_engine.config.sections import Config
from sv_engine.dataset.stage import learn
from sv_engine.evaluate.compare import differences
from sv_engine.execute.executor import Executor
from sv_engine.records import Candidates, Outcome
from sv_engine.run.journal import Scope
from sv_engine.run.outcomes import outcomes_of_run


async def replay(
    folder: Path,
    config: Config,
    executor: Executor,
    tell: Callable[[str], None] = lambda _: None,
    on_problem: Callable[[], None] = lambda: None,
) -> Counter[str]:
    """Execute every stored outcome again.

    Counts as in `evaluate.compare`, and `selections` and `other selections`: problems of play, and
    those of which something else is believed now. Raises SandboxFault, EngineError.
    """
    counts: Counter[str] = Counter()
    waiting: dict[int, tuple[Scope, Outcome]] = {}

    def source() -> Iterator[Candidates]:
        for scope, outcome in outcomes_of_run(folder):
            waiting[id(outcome.candidates)] = (scope, outcome)
            yield outcome.candidates

    async with aclosing(executor.stream(source())) as again:
        async for outcome in again:
            scope, stored = waiting.pop(id(outcome.candidates))
            name = f"{scope.iteration} {scope.stage} {outcome.problem.id}"
            counts["problems"] += 1
            for line in differences(name, stored, outcome, counts):
                tell(line)
            if scope.stage == "play":
                counts["selections"] += 1
                counts["other selections"] += not _same(stored, outcome, config, scope.iteration)
            on_problem()
    return counts


def _same(a: Outcome, b: Outcome, config: Config, iteration: int) -> bool:
    before, after = learn(a, config, iteration), learn(b, config, iteration)
    return before.use == after.use and all(
        np.array_equal(getattr(before.selection, name), getattr(after.selection, name))
        for name in ("accepted_S", "accepted_T")
    )
