"""What the selectors share: array types, groups of equal rows, safe division, the top.

Axes: S distinct solutions, T distinct tests, G groups of solutions with equal rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sv_engine.records import Bools, Floats

RELATIVE_TOLERANCE = 1e-9
"""Scores closer than this are one score: sums of floats depend on their order."""


@dataclass(frozen=True, slots=True)
class Groups:
    """Solutions that no test tells apart. A hole is a symbol of its own: unknown is not equal."""

    group_S: NDArray[np.intp]
    """Index of the group of each solution."""
    passed_GT: Floats
    """1.0 where the group passes."""
    failed_GT: Floats
    """1.0 where the group is known to fail; holes are 0 in both."""
    weight_G: Floats
    """Samples in the group."""


def groups_of_equal_rows(passed_ST: Bools, known_ST: Bools, weight_S: Floats) -> Groups:
    """Group the rows by (passed, known); O(S T / 8) bytes are compared."""
    pattern = np.concatenate([passed_ST & known_ST, known_ST], axis=1)
    packed = np.packbits(pattern, axis=1)
    rows = np.ascontiguousarray(packed).view(np.dtype((np.void, max(packed.shape[1], 1))))
    if packed.shape[1] == 0:  # no tests: nothing tells the rows apart
        rows = np.zeros((len(packed), 1), dtype="V1")
    _, first, group_S = np.unique(rows.reshape(-1), return_index=True, return_inverse=True)
    group_S = group_S.reshape(-1)
    passed_GT = (passed_ST & known_ST)[first].astype(np.float64)
    return Groups(
        group_S=group_S,
        passed_GT=passed_GT,
        failed_GT=known_ST[first].astype(np.float64) - passed_GT,
        weight_G=np.bincount(group_S, weights=weight_S, minlength=len(first)).astype(np.float64),
    )


def ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Element-wise quotient, 0 where the denominator is 0: no evidence, no credit."""
    quotient = np.zeros(np.broadcast(numerator, denominator).shape)
    np.divide(numerator, denominator, out=quotient, where=denominator > 0)
    return quotient


def top(score: Floats) -> Bools:
    """True at the highest score and its ties."""
    if not score.size:
        return np.zeros(score.shape, dtype=np.bool_)
    best = float(score.max())
    return np.asarray(score >= best - RELATIVE_TOLERANCE * max(1.0, abs(best)))


def pass_rate_T(passed_ST: Bools, known_ST: Bools, weight_S: Floats) -> Floats:
    """Weighted share of the solutions that pass each test, over the known cells."""
    return ratio(weight_S @ (passed_ST & known_ST), weight_S @ known_ST)
