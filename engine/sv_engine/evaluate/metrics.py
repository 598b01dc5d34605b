"""Figures that are reported: pass@k, the worth of a selector's choice, means with their error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sv_engine.selection.arrays import Floats, top

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
    values = np.asarray(value_P, dtype=np.float64).ravel()
    values = values[~np.isnan(values)]
    if not values.size:
        return Estimate(np.nan, np.nan, np.nan, np.nan, 0)
    mean = float(values.mean())
    if values.size == 1:  # one problem says nothing about the next
        return Estimate(mean, np.nan, 0.0, 1.0, 1)
    error = float(values.std(ddof=1) / np.sqrt(values.size))
    reach = Z_95 * error
    return Estimate(mean, error, max(0.0, mean - reach), min(1.0, mean + reach), values.size)
