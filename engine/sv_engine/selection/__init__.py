"""Selectors: which solutions and tests a pass matrix tells us to believe.

In: verdicts and weights of one problem. Out: a `Selection` with a score for every solution and
every test, and the accepted ones. Pure functions of NumPy arrays in float64: no randomness, no
state, no look at a source text or at a benchmark's own test.

Arguments, the same for all, S distinct solutions and T distinct tests:

    passed_ST  bool, the cell passed; ignored where unknown
    known_ST   bool, the cell was judged; a hole (False) is neither pass nor fail
    weight_S   float64 > 0, how many samples were this solution
    weight_T   float64 > 0, how many samples were this test

A weight means what that many equal rows (or columns) would mean; nothing is ever expanded.
Equal rows get equal scores; ties of scores are for the caller to resolve
(`metrics.expected_value`), ties of what is accepted are resolved by `select`.

To add one: write a function with this signature in a file of its family, add it to `SELECTORS`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import numpy as np

from sv_engine.records import Bools, Evidence, Floats, Selection
from sv_engine.selection.agreement import codet, consensus
from sv_engine.selection.arrays import top
from sv_engine.selection.b4 import b4
from sv_engine.selection.counting import maxpass, random, threshold
from sv_engine.selection.em import em
from sv_engine.selection.mbr import mbr, mbr_soft

TINY = 1e-9
"""In the place of a sum of no weights."""


class Selector(Protocol):
    """The signature of a selector; hyper-parameters follow as keywords with defaults."""

    def __call__(
        self, passed_ST: Bools, known_ST: Bools, weight_S: Floats, weight_T: Floats
    ) -> Selection: ...


SELECTORS: dict[str, Selector] = {
    "random": random,
    "threshold": threshold,
    "maxpass": maxpass,
    "mbr": mbr,
    "mbr_soft": mbr_soft,
    "codet": codet,
    "b4": b4,
    "em": em,
    "consensus": consensus,
}


def parameters(name: str) -> list[str]:
    """Names of a selector's hyper-parameters."""
    found = inspect.signature(SELECTORS[name]).parameters.values()
    return [parameter.name for parameter in found if parameter.kind is parameter.KEYWORD_ONLY]


def select(selector: str | Selector, evidence: Evidence, **options: float) -> Selection:
    """Run a selector, or the one of that name, on the tests that carry weight.

    A test of weight 0 is as good as absent: it scores 0 and is not accepted. (It must not reach a
    selector: it would still tell equal rows apart.) Of what a selector accepts, only what agrees
    stays (`agreeing`). options: its parameters. Raises KeyError for an unknown name.
    """
    run: Callable[..., Selection] = SELECTORS[selector] if isinstance(selector, str) else selector
    seen = evidence.weighted
    chosen = run(seen.passed_ST, seen.known_ST, seen.weight_S, seen.weight_T, **options)
    chosen = agreeing(chosen, seen)
    kept_T = evidence.weight_T > 0
    score_T, accepted_T = np.zeros(len(kept_T)), np.zeros(len(kept_T), dtype=np.bool_)
    score_T[kept_T], accepted_T[kept_T] = chosen.score_T, chosen.accepted_T
    return replace(chosen, score_T=score_T, accepted_T=accepted_T)


def agreeing(chosen: Selection, seen: Evidence) -> Selection:
    """Accept only solutions that no test tells apart, and no test that one of them fails.

    Of two that differ on a test one is wrong: the better score stays. Where the best tie and
    differ, neither is better than the other, and nothing is accepted.
    """
    passed_ST, failed_ST = seen.passed_ST & seen.known_ST, seen.failed_ST
    accepted_S = chosen.accepted_S
    best_S = accepted_S & top(np.where(accepted_S, chosen.score_S, -np.inf))
    passed_T, failed_T = passed_ST[best_S].any(axis=0), failed_ST[best_S].any(axis=0)
    if (passed_T & failed_T).any():
        best_S = kept_S = np.zeros_like(accepted_S)
    else:
        differs_ST = (failed_ST & passed_T) | (passed_ST & failed_T)
        kept_S = accepted_S & ~differs_ST.any(axis=1)
    if (passed_ST[kept_S].any(axis=0) & failed_ST[kept_S].any(axis=0)).any():
        kept_S = best_S  # they differ where the best ones were not judged
    accepted_T = chosen.accepted_T & ~failed_ST[kept_S].any(axis=0) & bool(kept_S.any())
    return replace(chosen, accepted_S=kept_S, accepted_T=accepted_T)


def agreement(chosen_S: Bools, evidence: Evidence) -> float:
    """How far programs and tests agree on a choice that no test tells apart, 0 to 1: the geometric
    mean of the share of the sampled programs that are chosen and of the share of the tests' weight
    that these pass; 0 of nothing. No posterior, but it tells right from wrong where B4's and EM's
    are near 1 for most choices (docs/smollm2.md)."""
    seen = evidence.weighted
    passed_T = (seen.passed_ST & seen.known_ST)[chosen_S].any(axis=0)
    passed_T &= ~seen.failed_ST[chosen_S].any(axis=0)
    share_S = seen.weight_S[chosen_S].sum() / max(seen.weight_S.sum(), TINY)
    share_T = seen.weight_T[passed_T].sum() / max(seen.weight_T.sum(), TINY)
    return float(np.sqrt(share_S * share_T))


__all__ = ["SELECTORS", "Selector", "agreement", "parameters", "select"]
