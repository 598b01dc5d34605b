"""How good the tests of one problem are, and whether its matrix says anything at all.

Axes: S distinct solutions, T distinct tests. Holes (`known_ST` False) count on no side; a mean
over nothing is NaN: there is no evidence, and 0 would be a claim.
"""

from __future__ import annotations

import enum

import numpy as np

from sv_engine.selection.arrays import Bools, Floats


class Degeneracy(enum.Enum):
    """Why a matrix teaches nothing."""

    NONE = "none"
    EMPTY = "empty"
    """No solution, no test, or no known cell."""
    ALL_PASS = "all pass"
    ALL_FAIL = "all fail"
    ONE_ROW = "one row"
    """Cells differ, but no test tells two solutions apart."""


def validity_T(passed_ST: Bools, known_ST: Bools, weight_S: Floats, accepted_S: Bools) -> Floats:
    """Share of the accepted solutions that pass each test: v_j = mean_{i in A} E_ij."""
    return _mean_T(passed_ST, known_ST, np.where(accepted_S, weight_S, 0.0))


def kill_T(passed_ST: Bools, known_ST: Bools, weight_S: Floats, accepted_S: Bools) -> Floats:
    """Share of the other solutions that fail each test: d_j = mean_{i notin A} (1 - E_ij)."""
    return _mean_T(~passed_ST, known_ST, np.where(accepted_S, 0.0, weight_S))


def degeneracy(passed_ST: Bools, known_ST: Bools) -> Degeneracy:
    """Say whether and how the matrix is degenerate; holes match either verdict."""
    passes_ST, fails_ST = passed_ST & known_ST, ~passed_ST & known_ST
    if not known_ST.any():
        return Degeneracy.EMPTY
    if not fails_ST.any():
        return Degeneracy.ALL_PASS
    if not passes_ST.any():
        return Degeneracy.ALL_FAIL
    if not (passes_ST.any(axis=0) & fails_ST.any(axis=0)).any():
        return Degeneracy.ONE_ROW
    return Degeneracy.NONE


def _mean_T(true_ST: Bools, known_ST: Bools, weight_S: Floats) -> Floats:
    known_T = weight_S @ known_ST
    mean_T = np.full(known_ST.shape[1], np.nan)
    np.divide(weight_S @ (true_ST & known_ST), known_T, out=mean_T, where=known_T > 0)
    return mean_T
