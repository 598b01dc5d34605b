"""pass@k, expected value of a choice, estimates, ln Gamma, and the quality of tests."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sv_engine.evaluate.metrics import estimate, expected_value, pass_at_k
from sv_engine.selection.b4 import log_beta
from sv_engine.selection.quality import Degeneracy, degeneracy


@pytest.mark.parametrize("n", [1, 4, 6])
def test_pass_at_k_is_the_share_of_draws_that_hold_a_correct_sample(n: int) -> None:
    for c in range(n + 1):
        for k in range(1, n + 1):
            draws = list(combinations([1] * c + [0] * (n - c), k))
            share = sum(map(any, draws)) / len(draws)
            assert pass_at_k([n], [c], k)[0] == pytest.approx(share)


def test_pass_at_k_edges() -> None:
    assert np.isnan(pass_at_k([2], [1], 3)).all()
    assert pass_at_k([200, 200], [0, 200], 100).tolist() == [0, 1]
    for samples, correct, k in [([2], [3], 1), ([2], [-1], 1), ([2], [1], 0)]:
        with pytest.raises(ValueError, match="expected k >= 1"):
            pass_at_k(samples, correct, k)


def test_expected_value_is_the_weighted_mean_over_ties() -> None:
    score, weight = np.array([2.0, 1.0, 2.0 + 1e-12]), np.array([1.0, 5.0, 3.0])
    assert expected_value(score, weight, np.array([1.0, 1.0, 0.0])) == 0.25
    assert expected_value(score, weight, np.array([1.0, 1.0, np.nan])) == 1
    assert math.isnan(expected_value(score, weight, np.array([np.nan, 1.0, np.nan])))
    assert expected_value(np.array([]), np.array([]), np.array([])) == 0
    low = np.array([-1e6, -1e6 - 1, -1e6])
    assert expected_value(low, weight, np.array([1.0, 0.0, 1.0])) == 1


def test_estimate() -> None:
    found = estimate([0.0, 1.0, 1.0, 0.0, np.nan])
    assert (found.mean, found.count) == (0.5, 4)
    assert found.standard_error == pytest.approx(math.sqrt(1 / 3 / 4))
    assert found.high == pytest.approx(min(1, 0.5 + 1.959964 * found.standard_error))
    assert estimate([1.0, 1.0]).high == 1
    one = estimate([1.0])
    assert (one.mean, one.low, one.high) == (1, 0, 1)
    assert math.isnan(one.standard_error)
    assert math.isnan(estimate([]).mean)


@given(a=st.floats(0.1, 1e6), b=st.floats(0.1, 1e6))
def test_log_beta_is_symmetric_and_steps_by_its_recurrence(a: float, b: float) -> None:
    x, y = np.array(a), np.array(b)
    assert log_beta(x, y) == log_beta(y, x)
    step = log_beta(x, y) + math.log(a / (a + b))  # B(a + 1, b) = B(a, b) a / (a + b)
    assert float(log_beta(x + 1, y)) == pytest.approx(float(step), rel=1e-8, abs=1e-8)


# ---- quality ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("passed", "known", "expected"),
    [
        ([[1, 0], [0, 1]], [[1, 1], [1, 1]], Degeneracy.NONE),
        ([[1, 1], [1, 1]], [[1, 1], [1, 1]], Degeneracy.ALL_PASS),
        ([[0, 0], [0, 0]], [[1, 1], [1, 1]], Degeneracy.ALL_FAIL),
        ([[1, 0], [1, 0]], [[1, 1], [1, 1]], Degeneracy.ONE_ROW),
        ([[1, 0], [1, 1]], [[1, 1], [1, 0]], Degeneracy.ONE_ROW),
        ([[1, 0], [1, 0]], [[0, 0], [0, 0]], Degeneracy.EMPTY),
        ([[1, 0], [1, 0]], [[1, 0], [1, 0]], Degeneracy.ALL_PASS),
    ],
)
def test_degeneracy(passed: list[list[int]], known: list[list[int]], expected: Degeneracy) -> None:
    assert degeneracy(np.array(passed, dtype=bool), np.array(known, dtype=bool)) is expected


def test_an_empty_matrix_is_degenerate() -> None:
    for shape in [(0, 0), (0, 2), (2, 0)]:
        empty = np.zeros(shape, dtype=bool)
        assert degeneracy(empty, empty) is Degeneracy.EMPTY
