"""Minimum Bayes risk selectors: the solution that behaves as most others do.

MBR-exec (Shi et al. 2022, arXiv 2204.11454), on pass patterns instead of output values.
"""

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


def mbr(passed_ST: Bools, known_ST: Bools, weight_S: Floats, weight_T: Floats) -> Selection:
    """Hard loss: score a solution by the samples with exactly its row."""
    groups = groups_of_equal_rows(passed_ST, known_ST, weight_S)
    return _selection("mbr", groups.weight_G[groups.group_S], passed_ST, known_ST, weight_S)


def mbr_soft(passed_ST: Bools, known_ST: Bools, weight_S: Floats, weight_T: Floats) -> Selection:
    """Soft loss: score a solution by its mean agreement with the other samples.

    s_i = (sum_k r_k A_ik - A_ii) / (N - 1) with N = sum r and A_ik the weighted share of tests, of
    those known for both, on which i and k agree: X X' + (1-X)(1-X)', the copies of i among the
    others.
    """
    groups = groups_of_equal_rows(passed_ST, known_ST, weight_S)
    passed_GT, failed_GT = groups.passed_GT, groups.failed_GT
    judged_GT = passed_GT + failed_GT
    agree_GG = (passed_GT * weight_T) @ passed_GT.T + (failed_GT * weight_T) @ failed_GT.T
    agreement_GG = ratio(agree_GG, (judged_GT * weight_T) @ judged_GT.T)
    others = max(float(weight_S.sum()) - 1, 1.0)
    score_G = (agreement_GG @ groups.weight_G - np.diag(agreement_GG)) / others
    return _selection("mbr_soft", score_G[groups.group_S], passed_ST, known_ST, weight_S)


def _selection(
    name: str, score_S: Floats, passed_ST: Bools, known_ST: Bools, weight_S: Floats
) -> Selection:
    accepted_S = top(score_S)
    score_T = pass_rate_T(passed_ST[accepted_S], known_ST[accepted_S], weight_S[accepted_S])
    return Selection(
        selector=name,
        score_S=score_S,
        score_T=score_T,
        accepted_S=accepted_S,
        accepted_T=score_T >= 1 - RELATIVE_TOLERANCE,
    )
