"""Whether the matrix of one problem says anything at all; S distinct solutions, T tests."""

from __future__ import annotations

import enum

from sv_engine.records import Bools


class Degeneracy(enum.Enum):
    """Why a matrix teaches nothing."""

    NONE = "none"
    EMPTY = "empty"
    """No solution, no test, or no known cell."""
    ALL_PASS = "all pass"
    ALL_FAIL = "all fail"
    ONE_ROW = "one row"
    """Cells differ, but no test tells two solutions apart."""


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
