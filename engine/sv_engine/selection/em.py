"""Two-sided Dawid-Skene EM: posteriors for solutions and tests together, from noisy, holey cells.

After Dawid and Skene (1979), with both axes latent: x_i = solution i is correct, y_j = test j is
valid, P(cell passes) = rate[x_i, y_j].
"""

from __future__ import annotations

import numpy as np

from sv_engine.records import Bools, Floats, Selection
from sv_engine.selection.agreement import codet
from sv_engine.selection.arrays import groups_of_equal_rows

PRIOR = {(1, 1): (50.0, 1.0), (1, 0): (1.0, 20.0), (0, 1): (1.0, 1.0), (0, 0): (1.0, 20.0)}
"""Beta(passes, fails) prior of rate[x, y]: correct code passes valid tests almost surely, nothing
passes invalid tests by more than chance, and wrong code may pass any share of the valid ones."""
START_BELIEF = 0.9
"""Where EM starts: how far CodeT's choice is believed."""
MAX_LOGIT = 700.0
"""Beyond it exp overflows; far beyond what decides."""


def em(
    passed_ST: Bools,
    known_ST: Bools,
    weight_S: Floats,
    weight_T: Floats,
    *,
    rounds: int = 50,
    tolerance: float = 1e-6,
) -> Selection:
    """Mean-field EM from CodeT's choice. Scores are posterior log-odds, accepted those above 0.

    E: logit q(x_i) = logit pi_x + sum_j c_j W_ij {q_y [ll(1,1) - ll(0,1)] + (1 - q_y) [ll(1,0) -
    ll(0,0)]}, where ll(x,y) is the log likelihood of the cell; the same for y_j over the rows.
    M: rate[x,y] = (passes + a) / (passes + fails + a + b), weighted by the posteriors, and pi the
    mean posterior with one sample of doubt on either side. Stops when no posterior moves by more
    than `tolerance`. Rows that are equal share one computation.
    """
    groups = groups_of_equal_rows(passed_ST, known_ST, weight_S)
    weight_T = weight_T * known_ST.any(axis=0)  # what was never judged is no evidence of anything
    weight_G, passed_GT, failed_GT = groups.weight_G, groups.passed_GT, groups.failed_GT
    start = codet(passed_ST, known_ST, weight_S, weight_T)
    accepted_G = np.zeros(len(weight_G), dtype=np.bool_)
    accepted_G[groups.group_S] = start.accepted_S
    q_G = np.where(accepted_G, START_BELIEF, 1 - START_BELIEF)
    q_T = np.where(start.accepted_T, START_BELIEF, 1 - START_BELIEF)
    logit_G, logit_T = _logit(q_G), _logit(q_T)

    done = 0
    while done < rounds:
        done += 1
        ln_pass, ln_fail = _log_rates(q_G * weight_G, (1 - q_G) * weight_G, passed_GT, failed_GT,
                                      q_T * weight_T, (1 - q_T) * weight_T)  # fmt: skip
        pass_gain_T = _mix(q_T, ln_pass[1] - ln_pass[0]) * weight_T
        fail_gain_T = _mix(q_T, ln_fail[1] - ln_fail[0]) * weight_T
        logit_G = _prior_logit(q_G, weight_G) + passed_GT @ pass_gain_T + failed_GT @ fail_gain_T
        new_q_G = _sigmoid(logit_G)

        pass_gain_G = _mix(new_q_G, ln_pass[:, 1] - ln_pass[:, 0]) * weight_G
        fail_gain_G = _mix(new_q_G, ln_fail[:, 1] - ln_fail[:, 0]) * weight_G
        logit_T = _prior_logit(q_T, weight_T) + pass_gain_G @ passed_GT + fail_gain_G @ failed_GT
        new_q_T = _sigmoid(logit_T)

        moved = max(_distance(new_q_G, q_G), _distance(new_q_T[weight_T > 0], q_T[weight_T > 0]))
        q_G, q_T = new_q_G, new_q_T
        if moved <= tolerance:
            break
    score_S = logit_G[groups.group_S]
    return Selection(
        selector="em",
        score_S=score_S,
        score_T=logit_T,
        accepted_S=score_S > 0,
        accepted_T=(logit_T > 0) & (weight_T > 0),
        diagnostics={"rounds": float(done)},
    )


def _log_rates(
    correct_G: Floats,
    wrong_G: Floats,
    passed_GT: Floats,
    failed_GT: Floats,
    valid_T: Floats,
    invalid_T: Floats,
) -> tuple[Floats, Floats]:
    """Return ln rate and ln (1 - rate), each indexed [x, y]."""
    ln_pass, ln_fail = np.empty((2, 2)), np.empty((2, 2))
    for (x, y), (a, b) in PRIOR.items():
        solutions, tests = (correct_G if x else wrong_G), (valid_T if y else invalid_T)
        passes = float(solutions @ passed_GT @ tests) + a
        fails = float(solutions @ failed_GT @ tests) + b
        ln_pass[x, y] = np.log(passes / (passes + fails))
        ln_fail[x, y] = np.log(fails / (passes + fails))
    return ln_pass, ln_fail


def _mix(q: Floats, gain: Floats) -> Floats:
    """Expected gain over the other axis' latent: gain[1] where it is true, gain[0] where not."""
    return np.asarray(q * gain[1] + (1 - q) * gain[0])


def _prior_logit(q: Floats, weight: Floats) -> float:
    yes = float(q @ weight) + 1
    no = float((1 - q) @ weight) + 1
    return float(np.log(yes / no))


def _logit(q: Floats) -> Floats:
    return np.asarray(np.log(q / (1 - q)))


def _sigmoid(logit: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(logit, -MAX_LOGIT, MAX_LOGIT))))


def _distance(a: Floats, b: Floats) -> float:
    return float(np.abs(a - b).max(initial=0.0))
