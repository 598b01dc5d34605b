"""De-duplication: samples in, distinct texts with their multiplicities out.

Invariant: the weights add up to the number of samples, and order is that of first appearance,
so the same samples always give the same matrix.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from sv_engine.records import Solution, Test


def distinct_solutions(sources: Iterable[str] | Mapping[str, int]) -> tuple[Solution, ...]:
    """One `Solution` per distinct text, its weight the number of samples (or the given count)."""
    return tuple(Solution(source, weight) for source, weight in Counter(sources).items())


def distinct_tests(sources: Iterable[str] | Mapping[str, int]) -> tuple[Test, ...]:
    """One `Test` per distinct text, its weight the number of samples (or the given count)."""
    return tuple(Test(source, weight) for source, weight in Counter(sources).items())
