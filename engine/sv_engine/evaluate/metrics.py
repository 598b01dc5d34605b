"""Figures that are reported: pass@k, the worth of a selector's choice, means with their error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sv_engine.records import Floats
from sv_engine.selection.arrays import top

Z_95 = 1.959963984540054
"""Two-sided 95% quantile of the normal distribution."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over problems, and how sure it is."""

    mean: float
    standard_error: float
    low: float
    high: float
    count: int
    """Problems."""
    influence_P: Floats | None = field(default=None, compare=False, repr=False)
    """float64 of shape (P,), of every problem in a fixed order: what it moves the mean by, to first
    order; 0 where it has no evidence. What a paired comparison needs."""

    def plain(self) -> dict[str, float | int]:
        """Ready for JSON: all but the problems' own shares."""
        return {name: getattr(self, name) for name in self.__slots__ if name != "influence_P"}


def pass_at_k(samples_P: ArrayLike, correct_P: ArrayLike, k: int) -> NDArray[np.float64]:
    """Unbiased pass@k of each problem: 1 - C(n - c, k) / C(n, k), float64 of shape (P,).

    n samples of which c are correct; Chen et al. 2021, arXiv 2107.03374, equation 1, computed as
    there: 1 - prod_{i = n-c+1}^{n} (1 - k / i). NaN where n < k. Raises ValueError if k < 1 or
    some c is not in 0..n.
    """
    samples, correct = np.broadcast_arrays(
        np.asarray(samples_P, dtype=np.int64), np.asarray(correct_P, dtype=np.int64)
    )
    if k < 1 or np.any(correct < 0) or np.any(correct > samples):
        raise ValueError(f"expected k >= 1 and 0 <= correct <= samples, got k = {k}")
    value = np.empty(samples.shape)
    for index in np.ndindex(samples.shape):
        n, c = int(samples[index]), int(correct[index])
        if n < k:
            value[index] = np.nan
        elif n - c < k:
            value[index] = 1.0
        else:
            value[index] = 1 - np.prod(1 - k / np.arange(n - c + 1, n + 1))
    return value


def expected_value(score_S: Floats, weight_S: Floats, value_S: Floats) -> float:
    """Mean value of the solution that `score_S` chooses; all float64 of shape (S,).

    Several solutions may tie for the highest score (equal to 1e-9, relative): the choice is then a
    random sample among them, so they count by their multiplicity. A NaN value is unknown and left
    out; if it leaves nothing, so is the result. Without any solution there is no choice: 0.
    """
    if not score_S.size:
        return 0.0
    weights = weight_S * (top(score_S) & ~np.isnan(value_S))
    total = float(weights.sum())
    return float(weights @ np.nan_to_num(value_S)) / total if total > 0 else float("nan")


def estimate(value_P: ArrayLike) -> Estimate:
    """Mean of a figure in 0..1 over problems, with its 95% confidence interval.

    Standard error s / sqrt(P) of independent problems, normal interval clipped to 0..1; NaN
    values (no evidence) are left out. Of nothing the mean is NaN.
    """
    all_P = np.asarray(value_P, dtype=np.float64).ravel()
    values = all_P[~np.isnan(all_P)]
    if not values.size:
        return Estimate(np.nan, np.nan, np.nan, np.nan, 0)
    mean = float(values.mean())
    if values.size == 1:  # one problem says nothing about the next
        return Estimate(mean, np.nan, 0.0, 1.0, 1)
    error = float(values.std(ddof=1) / np.sqrt(values.size))
    low, high = max(0.0, mean - Z_95 * error), min(1.0, mean + Z_95 * error)
    influence_P = np.nan_to_num(all_P - mean) / values.size
    return Estimate(mean, error, low, high, values.size, influence_P)


def ratio_estimates(sums_P: Sequence[Mapping[str, tuple[float, float]]]) -> dict[str, Estimate]:
    """Figures by name: sum of numerators / sum of denominators over P problems, each of which gives
    (numerator, denominator) of the figures that it has evidence of. Left out where that is 0 / 0.

    The standard error is the linearised one of a ratio of sums over P independent problems,
    sqrt(P / (P - 1) * sum((y - r x)^2)) / sum(x); with x = 1 it is s / sqrt(P).
    """
    found = {}
    for name in dict.fromkeys(name for sums in sums_P for name in sums):
        pairs = np.array([sums.get(name, (0.0, 0.0)) for sums in sums_P], dtype=np.float64)
        y_P, x_P = np.where(pairs[:, 1:] > 0, pairs, 0.0).T
        count = int((x_P > 0).sum())
        if count:
            ratio = float(y_P.sum() / x_P.sum())
            influence_P = (y_P - ratio * x_P) / x_P.sum()
            error = _error(influence_P, count)
            reach = 0.0 if np.isnan(error) else Z_95 * error
            found[name] = Estimate(ratio, error, ratio - reach, ratio + reach, count, influence_P)
    return found


def relative_change(before: Estimate | None, after: Estimate | None) -> Estimate | None:
    """after / before - 1 with its 95% interval; None where there is no such quotient.

    Both are of the same P problems in the same order, so the interval is that of paired
    differences, linearised: r * sqrt(P / (P - 1) * sum((a / after - b / before)^2)) with r the
    quotient and a, b what a problem moves either mean by. NaN where that is unknown.
    """
    if before is None or after is None or before.mean == 0:
        return None
    quotient, count = after.mean / before.mean, min(before.count, after.count)
    error = float("nan")
    a_P, b_P = after.influence_P, before.influence_P
    if a_P is not None and b_P is not None and a_P.shape == b_P.shape:
        error = _error(a_P / before.mean - quotient * b_P / before.mean, count)
    reach = Z_95 * error
    return Estimate(quotient - 1, error, quotient - 1 - reach, quotient - 1 + reach, count)


def _error(influence_P: Floats, count: int) -> float:
    """Of independent problems; NaN for a single one, which says nothing of others."""
    if count < 2:
        return float("nan")
    return float(np.sqrt(count / (count - 1) * (influence_P**2).sum()))
