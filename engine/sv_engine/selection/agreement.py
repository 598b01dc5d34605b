"""Selectors on dual agreement: a set of solutions and a set of tests that vouch for each other."""

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


def codet(passed_ST: Bools, known_ST: Bools, weight_S: Floats, weight_T: Floats) -> Selection:
    """CodeT (Chen et al. 2022, arXiv 2207.10397).

    Groups g of equal rows score sqrt(sum_{i in g} r_i) * sum_j c_j U_gj, U the tests they pass.
    A test scores as the best group that passes it. Accepted: the best group and its tests.
    """
    groups = groups_of_equal_rows(passed_ST, known_ST, weight_S)
    score_G = np.sqrt(groups.weight_G) * (groups.passed_GT @ weight_T)
    best_G = top(score_G)
    return Selection(
        selector="codet",
        score_S=score_G[groups.group_S],
        score_T=(score_G[:, None] * groups.passed_GT).max(axis=0, initial=0.0),
        accepted_S=best_G[groups.group_S],
        accepted_T=np.any(groups.passed_GT[best_G] > 0, axis=0),
        diagnostics={"groups": float(len(score_G))},
    )


def consensus(
    passed_ST: Bools,
    known_ST: Bools,
    weight_S: Floats,
    weight_T: Floats,
    *,
    tau: float = 1.0,
    min_solutions: float = 1.0,
    min_tests: float = 1.0,
    discriminating: bool = True,
    max_rounds: int = 50,
) -> Selection:
    """Iterate CodeT's choice to a fixed point: valid tests are those that all believed solutions
    pass, believed solutions those that pass at least `tau` of the valid tests.

    `score_S` is the weighted pass rate on the valid tests (CodeT's score scaled below it where no
    test is valid), `score_T` the pass rate of the believed solutions. Nothing is accepted, and
    `diagnostics["rejected"]` is 1, if fewer than `min_solutions` samples or `min_tests` samples
    are left, or if `discriminating` and no test tells any two solutions apart.
    """
    start = codet(passed_ST, known_ST, weight_S, weight_T)
    believed_S = start.accepted_S
    valid_T, score_S, score_T = start.accepted_T, start.score_S, start.score_T
    rounds = 0
    for _ in range(max_rounds):
        rounds += 1
        score_T = pass_rate_T(passed_ST[believed_S], known_ST[believed_S], weight_S[believed_S])
        valid_T = score_T >= 1 - RELATIVE_TOLERANCE
        if not valid_T.any():
            break
        judged = known_ST & valid_T
        score_S = ratio((passed_ST & judged) @ weight_T, judged @ weight_T)
        now_S = score_S >= tau - RELATIVE_TOLERANCE
        if np.array_equal(now_S, believed_S):
            break
        believed_S = now_S
    told_apart = ((passed_ST & known_ST).any(axis=0) & (~passed_ST & known_ST).any(axis=0)).any()
    rejected = (
        float(weight_S[believed_S].sum()) < min_solutions
        or float(weight_T[valid_T].sum()) < min_tests
        or (discriminating and not told_apart)
    )
    return Selection(
        selector="consensus",
        score_S=score_S,
        score_T=score_T,
        accepted_S=believed_S & (not rejected),
        accepted_T=valid_T & (not rejected),
        diagnostics={"rejected": float(rejected), "rounds": float(rounds)},
    )
