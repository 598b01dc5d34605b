"""The temperature at which a role answers best, found on a split that is not measured.

In: a benchmark's validation tasks, and how an evaluation is made. Out: for each role the
temperature with the best figure, `code_pass_at_1` of the solver and `test_validity` of the
verifier; of equals the first. Two models are compared fairly where each has its own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from sv_engine.benchmarks.evaluation import Evaluation, Settings

TUNED_BY = {"solver": "code_pass_at_1", "verifier": "test_validity"}


@dataclass(frozen=True, slots=True)
class Tuned:
    """One role."""

    temperature: float
    figures: dict[float, float]
    """Of every temperature that was tried."""


def at(settings: Settings, temperature: float) -> Settings:
    """The same at another temperature; greedy answers are one per task."""
    n = settings.n if temperature > 0 else 1
    sampling = replace(settings.sampling, temperature=temperature)
    return replace(settings, n=n, k=[k for k in settings.k if k <= n] or [1], sampling=sampling)


async def tune(
    settings: Settings,
    temperatures: Sequence[float],
    measure: Callable[[Settings], Awaitable[Evaluation]],
) -> dict[str, Tuned]:
    """The best temperature of each role in `settings`. measure: evaluates the validation tasks."""
    found: dict[str, dict[float, float]] = {role: {} for role in settings.roles}
    for temperature in temperatures:
        figures = (await measure(at(settings, temperature))).figures
        for role, values in found.items():
            if TUNED_BY[role] in figures:
                values[temperature] = figures[TUNED_BY[role]].mean
    return {
        role: Tuned(max(values, key=values.__getitem__, default=temperatures[0]), values)
        for role, values in found.items()
    }
