"""B4 (Chen et al. 2024, "B4: Towards Optimal Assessment of Plausible Code Solutions with Plausible
Tests", arXiv 2409.08692): the posterior of each consensus set being the correct one."""

from __future__ import annotations

import math

import numpy as np

from sv_engine.records import Bools, Floats, Selection
from sv_engine.selection.arrays import groups_of_equal_rows, top

BETA_0 = 1e5
"""Prior belief that wrong solutions fail invalid tests; the published range for real models'
samples is 1e4 to 1e6, this its middle."""
ALPHA_XY = 1e3
"""Prior belief that correct solutions and valid tests are many; as published for real samples."""

_log_gamma = np.vectorize(math.lgamma, otypes=[np.float64])


def log_beta(a: Floats, b: Floats) -> Floats:
    """ln B(a, b) for a, b > 0: ln Gamma(a) + ln Gamma(b) - ln Gamma(a + b)."""
    return np.asarray(_log_gamma(a) + _log_gamma(b) - _log_gamma(a + b))


def b4(
    passed_ST: Bools,
    known_ST: Bools,
    weight_S: Floats,
    weight_T: Floats,
    *,
    beta_0: float = BETA_0,
    alpha_xy: float = ALPHA_XY,
) -> Selection:
    """Score a group of equal rows by its log posterior (up to a constant)

        lnB(n1 + alpha_xy, n0 + 1) + lnB(k + alpha_xy, N - k + 1)
        + lnB(S1 + 1, F1 + 1) + lnB(S0 + 1, F0 + beta_0),

    where n1 (n0) is the weight of tests that the group passes (fails), k the weight of the group,
    N of all solutions, and S1, F1 (S0, F0) the weighted passes and fails of all other solutions
    on the tests that the group passes (fails). Holes count on neither side. Assumes that correct
    solutions pass all valid tests and fail all invalid ones. A test scores the posterior mass of
    the groups that pass it. Accepted: the best group and the tests it passes.
    """
    groups = groups_of_equal_rows(passed_ST, known_ST, weight_S)
    valid_GT = groups.passed_GT * weight_T
    invalid_GT = groups.failed_GT * weight_T
    k_G, total = groups.weight_G, float(weight_S.sum())
    passes_T = weight_S @ (passed_ST & known_ST)
    fails_T = weight_S @ (~passed_ST & known_ST)

    n1_G, n0_G = valid_GT.sum(axis=1), invalid_GT.sum(axis=1)
    s1_G = valid_GT @ passes_T - k_G * n1_G
    f1_G = valid_GT @ fails_T
    s0_G = invalid_GT @ passes_T
    f0_G = invalid_GT @ fails_T - k_G * n0_G
    score_G = (
        log_beta(n1_G + alpha_xy, n0_G + 1)
        + log_beta(k_G + alpha_xy, total - k_G + 1)
        + log_beta(s1_G + 1, f1_G + 1)
        + log_beta(s0_G + 1, f0_G + beta_0)
    )
    best_G = top(score_G)
    posterior_G = np.exp(score_G - score_G.max(initial=-np.inf))
    posterior_G /= max(float(posterior_G.sum()), 1.0)
    return Selection(
        selector="b4",
        score_S=score_G[groups.group_S],
        score_T=posterior_G @ groups.passed_GT,
        accepted_S=best_G[groups.group_S],
        accepted_T=np.any(groups.passed_GT[best_G] > 0, axis=0),
        diagnostics={"groups": float(len(score_G)), "posterior": float(posterior_G.max(initial=0))},
    )
