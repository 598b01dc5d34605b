"""Selectors that count passes: the random baseline, the paper's filter, MaxPass."""

from __future__ import annotations

import numpy as np

from sv_engine.records import Bools, Floats, Selection
from sv_engine.selection.arrays import (
    RELATIVE_TOLERANCE,
    groups_of_equal_rows,
    pass_rate_T,
    ratio,
    top,
)


def random(passed_ST: Bools, known_ST: Bools, weight_S: Floats, weight_T: Floats) -> Selection:
    """Believe everything alike: all scores tie, so that the choice is a random sample."""
    return Selection(
        selector="random",
        score_S=np.zeros(len(weight_S)),
        score_T=np.zeros(len(weight_T)),
        accepted_S=np.ones(len(weight_S), dtype=np.bool_),
        accepted_T=np.ones(len(weight_T), dtype=np.bool_),
    )


def threshold(
    passed_ST: Bools, known_ST: Bools, weight_S: Floats, weight_T: Floats, *, tau: float = 1.0
) -> Selection:
    """Accept solutions whose weighted pass rate is at least `tau` times the best one's.

    s_i = sum_j c_j E_ij W_ij / sum_j c_j W_ij; tau = 1 is the filter of Sol-Ver (Lin et al. 2025,
    arXiv 2502.14948) where some solution passes all tests. Of many tests some are wrong, and no
    right solution passes all: then it accepts those that pass most. A solution without a known
    cell, or that passes nothing, scores 0 and is not accepted. Tests score the weighted share of
    the accepted solutions that pass them (of all solutions, where none is accepted), and are
    accepted where every accepted solution passes.
    """
    score_S = ratio((passed_ST & known_ST) @ weight_T, known_ST @ weight_T)
    best = float(score_S.max(initial=0.0))
    accepted_S = (score_S >= tau * best - RELATIVE_TOLERANCE) & (score_S > 0)
    rows = accepted_S if accepted_S.any() else np.ones_like(accepted_S)
    score_T = pass_rate_T(passed_ST[rows], known_ST[rows], weight_S[rows])
    return Selection(
        selector="threshold",
        score_S=score_S,
        score_T=score_T,
        accepted_S=accepted_S,
        accepted_T=(score_T >= 1 - RELATIVE_TOLERANCE) & bool(accepted_S.any()),
    )


def maxpass(passed_ST: Bools, known_ST: Bools, weight_S: Floats, weight_T: Floats) -> Selection:
    """Prefer the solution that passes most tests, of equals the one most solutions agree with.

    sum_j c_j E_ij W_ij; the tie-break, the weight of the group of equal rows, is that of CodeRM
    (Ma et al. 2025, arXiv 2501.01054). `score_S` is the dense rank of the pair (passes, weight of
    the group), the best solution highest.
    """
    passes_S = (passed_ST & known_ST) @ weight_T
    groups = groups_of_equal_rows(passed_ST, known_ST, weight_S)
    pairs = np.stack([passes_S, groups.weight_G[groups.group_S]], axis=1)
    _, rank_S = np.unique(pairs.round(9), axis=0, return_inverse=True)
    score_S = rank_S.reshape(-1).astype(np.float64)
    accepted_S = top(score_S)
    score_T = pass_rate_T(passed_ST[accepted_S], known_ST[accepted_S], weight_S[accepted_S])
    return Selection(
        selector="maxpass",
        score_S=score_S,
        score_T=score_T,
        accepted_S=accepted_S,
        accepted_T=score_T >= 1 - RELATIVE_TOLERANCE,
        diagnostics={"passes": float(passes_S.max(initial=0.0))},
    )
