"""Selectors: properties that hold for each, and equality with formulas written out naively."""

from __future__ import annotations

import math
from itertools import product
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sv_engine import records
from sv_engine.records import Bools, Floats, Selection
from sv_engine.selection import SELECTORS, agreement, select
from sv_engine.selection.agreement import codet, consensus
from sv_engine.selection.arrays import groups_of_equal_rows, top
from sv_engine.selection.b4 import b4
from sv_engine.selection.counting import maxpass, threshold
from sv_engine.selection.em import em
from sv_engine.selection.mbr import mbr, mbr_soft


class Evidence(NamedTuple):
    """The arguments of a selector."""

    passed_ST: Bools
    known_ST: Bools
    weight_S: Floats
    weight_T: Floats

    def rows(self, order: list[int]) -> Evidence:
        return Evidence(
            self.passed_ST[order], self.known_ST[order], self.weight_S[order], self.weight_T
        )

    def columns(self, order: list[int]) -> Evidence:
        return Evidence(
            self.passed_ST[:, order], self.known_ST[:, order], self.weight_S, self.weight_T[order]
        )


@st.composite
def evidence(
    draw: st.DrawFn, max_side: int = 6, holes: bool = True, weights: bool = True
) -> Evidence:
    s, t = draw(st.integers(1, max_side)), draw(st.integers(1, max_side))
    bits = st.lists(st.booleans(), min_size=s * t, max_size=s * t)
    count = st.integers(1, 4) if weights else st.just(1)
    known = np.array(draw(bits)) if holes else np.ones(s * t, dtype=bool)
    return Evidence(
        np.array(draw(bits)).reshape(s, t),
        known.reshape(s, t),
        np.array(draw(st.lists(count, min_size=s, max_size=s)), dtype=np.float64),
        np.array(draw(st.lists(count, min_size=t, max_size=t)), dtype=np.float64),
    )


def same(a: Floats, b: Floats) -> bool:
    return bool(np.allclose(a, b, rtol=1e-7, atol=1e-7))


every_selector = pytest.mark.parametrize("name", SELECTORS)

# ---- properties of all --------------------------------------------------------------------------


@every_selector
@given(data=st.data(), given_=evidence())
def test_permuting_rows_or_columns_permutes_the_result(
    name: str, data: st.DataObject, given_: Evidence
) -> None:
    s_order = data.draw(st.permutations(range(len(given_.weight_S))))
    t_order = data.draw(st.permutations(range(len(given_.weight_T))))
    plain = SELECTORS[name](*given_)
    mixed = SELECTORS[name](*given_.rows(s_order).columns(t_order))
    assert same(mixed.score_S, plain.score_S[s_order])
    assert same(mixed.score_T, plain.score_T[t_order])
    assert top(mixed.score_S).tolist() == top(plain.score_S)[s_order].tolist()
    if name != "em":  # there a posterior of exactly 1/2 may fall on either side
        assert mixed.accepted_S.tolist() == plain.accepted_S[s_order].tolist()
        assert mixed.accepted_T.tolist() == plain.accepted_T[t_order].tolist()


@every_selector
@given(given_=evidence(max_side=4))
def test_a_weight_is_as_many_equal_rows_or_columns(name: str, given_: Evidence) -> None:
    s_index = np.repeat(np.arange(len(given_.weight_S)), given_.weight_S.astype(int))
    t_index = np.repeat(np.arange(len(given_.weight_T)), given_.weight_T.astype(int))
    copies = given_.rows(s_index.tolist()).columns(t_index.tolist())
    ones = copies._replace(weight_S=np.ones(len(s_index)), weight_T=np.ones(len(t_index)))
    weighted, expanded = SELECTORS[name](*given_), SELECTORS[name](*ones)
    assert same(weighted.score_S[s_index], expanded.score_S)
    assert same(weighted.score_T[t_index], expanded.score_T)


@every_selector
@given(given_=evidence(), garbage=st.booleans())
def test_a_column_of_holes_changes_nothing(name: str, given_: Evidence, garbage: bool) -> None:
    s, t = given_.passed_ST.shape
    wider = Evidence(
        np.column_stack([given_.passed_ST, np.full((s, 2), garbage)]),
        np.column_stack([given_.known_ST, np.zeros((s, 2), dtype=bool)]),
        given_.weight_S,
        np.append(given_.weight_T, [3.0, 5.0]),
    )
    plain, with_holes = SELECTORS[name](*given_), SELECTORS[name](*wider)
    assert same(with_holes.score_S, plain.score_S)
    assert same(with_holes.score_T[:t], plain.score_T)
    assert with_holes.accepted_S.tolist() == plain.accepted_S.tolist()


@every_selector
@given(given_=evidence(), bits=st.lists(st.booleans(), min_size=6, max_size=6))
def test_a_test_of_weight_0_is_absent(name: str, given_: Evidence, bits: list[bool]) -> None:
    s, t = given_.passed_ST.shape
    plain = select(name, records.Evidence(*given_))
    wider = records.Evidence(
        np.insert(given_.passed_ST, t // 2, bits[:s], axis=1),
        np.insert(given_.known_ST, t // 2, True, axis=1),
        given_.weight_S,
        np.insert(given_.weight_T, t // 2, 0.0),
    )
    mixed = select(name, wider)
    assert mixed.score_S.tolist() == plain.score_S.tolist()
    assert mixed.accepted_S.tolist() == plain.accepted_S.tolist()
    assert mixed.score_T.tolist() == np.insert(plain.score_T, t // 2, 0.0).tolist()
    assert mixed.accepted_T.tolist() == np.insert(plain.accepted_T, t // 2, False).tolist()


@every_selector
@given(given_=evidence())
def test_what_lies_in_a_hole_is_never_read(name: str, given_: Evidence) -> None:
    flipped = given_._replace(passed_ST=given_.passed_ST ^ ~given_.known_ST)
    a, b = SELECTORS[name](*given_), SELECTORS[name](*flipped)
    assert a.score_S.tolist() == b.score_S.tolist()
    assert a.score_T.tolist() == b.score_T.tolist()


@every_selector
@given(s=st.integers(1, 8), t=st.integers(1, 8))
def test_all_ones_accepts_all(name: str, s: int, t: int) -> None:
    full = np.ones((s, t), dtype=bool)
    arguments = (full, full, np.ones(s), np.ones(t))
    chosen = (
        consensus(*arguments, discriminating=False)
        if name == "consensus"
        else SELECTORS[name](*arguments)
    )
    assert chosen.accepted_S.all()
    assert chosen.accepted_T.all()
    assert np.ptp(chosen.score_S) == 0


@every_selector
@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0), (1, 1)])
@pytest.mark.parametrize("known", [True, False])
def test_shapes_without_evidence(name: str, shape: tuple[int, int], known: bool) -> None:
    s, t = shape
    chosen = SELECTORS[name](
        np.zeros(shape, dtype=bool), np.full(shape, known), np.ones(s), np.ones(t)
    )
    assert (chosen.selector, chosen.score_S.shape, chosen.score_T.shape) == (name, (s,), (t,))
    assert (chosen.accepted_S.shape, chosen.accepted_T.shape) == ((s,), (t,))
    assert np.isfinite(chosen.score_S).all()
    assert np.isfinite(chosen.score_T).all()
    assert chosen.accepted_S.dtype == chosen.accepted_T.dtype == np.bool_


@every_selector
@given(given_=evidence())
def test_equal_rows_get_equal_scores(name: str, given_: Evidence) -> None:
    twice = given_.rows([*range(len(given_.weight_S)), 0])
    chosen = SELECTORS[name](*twice)
    assert chosen.score_S[0] == chosen.score_S[-1]


def test_select_reads_verdicts_holes_and_weights() -> None:
    matrix = records.Evidence(
        np.array([[1, 0, 0], [1, 1, 1]], bool),
        np.array([[1, 1, 0], [1, 1, 1]], bool),
        np.array([2.0, 1.0]),
        np.array([1.0, 1.0, 5.0]),
    )
    assert select("threshold", matrix).score_S.tolist() == [0.5, 1.0]
    assert select("maxpass", matrix).best == 1


# ---- each against its formula, written out ------------------------------------------------------


def brute_groups(e: Evidence) -> list[list[int]]:
    rows: dict[tuple[bool, ...], list[int]] = {}
    for i, row in enumerate(e.passed_ST):
        rows.setdefault(tuple(row), []).append(i)
    return list(rows.values())


@given(e=evidence(holes=False))
def test_codet_is_its_formula(e: Evidence) -> None:
    expected = np.zeros(len(e.weight_S))
    for group in brute_groups(e):
        samples = sum(e.weight_S[i] for i in group)
        tests = sum(
            w for w, passed in zip(e.weight_T, e.passed_ST[group[0]], strict=True) if passed
        )
        expected[group] = math.sqrt(samples) * tests
    chosen = codet(*e)
    assert same(chosen.score_S, expected)
    for j in range(len(e.weight_T)):
        passing = [expected[i] for i in range(len(expected)) if e.passed_ST[i, j]]
        assert chosen.score_T[j] == pytest.approx(max(passing, default=0.0))


def ln_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


@given(
    e=evidence(holes=False), beta_0=st.sampled_from([1.0, 10, 1e5]), a=st.sampled_from([10, 1e3])
)
def test_b4_is_its_formula(e: Evidence, beta_0: float, a: float) -> None:
    samples, tests = e.weight_S.sum(), e.weight_T.sum()
    expected = np.zeros(len(e.weight_S))
    for group in brute_groups(e):
        valid = e.passed_ST[group[0]]
        k, n1 = e.weight_S[group].sum(), e.weight_T[valid].sum()
        s1 = s0 = 0.0
        for i, j in product(range(len(e.weight_S)), range(len(e.weight_T))):
            if i not in group and e.passed_ST[i, j]:
                weight = e.weight_S[i] * e.weight_T[j]
                s1, s0 = (s1 + weight, s0) if valid[j] else (s1, s0 + weight)
        expected[group] = (
            ln_beta(n1 + a, tests - n1 + 1)
            + ln_beta(k + a, samples - k + 1)
            + ln_beta(s1 + 1, (samples - k) * n1 - s1 + 1)
            + ln_beta(s0 + 1, (samples - k) * (tests - n1) - s0 + beta_0)
        )
    assert same(b4(*e, beta_0=beta_0, alpha_xy=a).score_S, expected)


@given(e=evidence())
def test_mbr_soft_is_its_formula(e: Evidence) -> None:
    samples = [i for i, weight in enumerate(e.weight_S) for _ in range(int(weight))]
    score: dict[int, float] = {}
    for at, i in enumerate(samples):
        total = 0.0
        for other, k in enumerate(samples):
            both = e.known_ST[i] & e.known_ST[k]
            agree = both & (e.passed_ST[i] == e.passed_ST[k])
            if other != at and both.any():
                total += e.weight_T[agree].sum() / e.weight_T[both].sum()
        score[i] = total / max(len(samples) - 1, 1)
    assert same(mbr_soft(*e).score_S, np.array([score[i] for i in range(len(e.weight_S))]))


@given(e=evidence(holes=False))
def test_mbr_counts_the_samples_that_behave_alike(e: Evidence) -> None:
    expected = np.zeros(len(e.weight_S))
    for group in brute_groups(e):
        expected[group] = e.weight_S[group].sum()
    assert mbr(*e).score_S.tolist() == expected.tolist()


@given(e=evidence(holes=False))
def test_maxpass_ranks_by_passes_then_by_group(e: Evidence) -> None:
    passes, groups = e.passed_ST @ e.weight_T, np.zeros(len(e.weight_S))
    for group in brute_groups(e):
        groups[group] = e.weight_S[group].sum()
    score = maxpass(*e).score_S
    for i, k in product(range(len(score)), repeat=2):
        order = (passes[i], groups[i]) > (passes[k], groups[k])
        assert (score[i] > score[k]) == order


@given(e=evidence(), tau=st.sampled_from([0.0, 0.5, 1.0]))
def test_threshold_accepts_by_pass_rate(e: Evidence, tau: float) -> None:
    chosen = threshold(*e, tau=tau)
    best = chosen.score_S.max()
    for i, known in enumerate(e.known_ST):
        total = e.weight_T[known].sum()
        rate = e.weight_T[known & e.passed_ST[i]].sum() / total if total else 0.0
        assert chosen.score_S[i] == pytest.approx(rate)
        assert chosen.accepted_S[i] == (rate > 0 and rate >= tau * best - 1e-9)
    for j in np.flatnonzero(chosen.accepted_T):
        known = e.known_ST[:, j] & chosen.accepted_S
        assert e.passed_ST[known, j].all()


@pytest.mark.parametrize("wrong", [1, 2, 10, 30, 49])
def test_threshold_accepts_the_right_ones_where_tests_of_a_large_pool_are_wrong(wrong: int) -> None:
    right, near, far = np.ones((3, 100), bool)
    right[:wrong], near[: wrong + 1], far[50:] = False, False, False
    pool = records.Evidence(
        np.array([right, near, far, right]), np.ones((4, 100), bool), np.ones(4), np.ones(100)
    )
    chosen = select("threshold", pool)
    assert chosen.accepted_S.tolist() == [True, False, wrong == 50, True]
    assert chosen.accepted_T.tolist() == right.tolist()


CONTRADICTIONS = {
    "1 == 2 and 1 == 3": ["+-", "-+"],
    "three ways": ["+--", "-+-", "--+"],
    "on top of what all pass": ["++-", "+-+"],
    "with a worse third": ["++-+", "+-++", "+---"],
    "two groups of two": ["+-+", "+-+", "-++", "-++"],
    "with holes": ["+-?", "-+?"],
    "each against half": ["++--", "--++"],
}


@every_selector
@pytest.mark.parametrize("rows", CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_of_groups_that_contradict_each_other_at_most_one_is_accepted(
    name: str, rows: list[str]
) -> None:
    cells = np.array([list(row) for row in rows])
    weights = (np.ones(len(cells)), np.ones(cells.shape[1]))
    chosen = select(name, records.Evidence(cells == "+", cells != "?", *weights))
    assert not (chosen.accepted_S[0] and chosen.accepted_S[-1])
    assert not (chosen.accepted_T[0] and chosen.accepted_T[1] and rows[0][:2] == "+-")


@every_selector
@given(e=evidence())
def test_what_is_accepted_agrees(name: str, e: Evidence) -> None:
    chosen = select(name, records.Evidence(*e))
    passed_ST, failed_ST = e.passed_ST & e.known_ST, ~e.passed_ST & e.known_ST
    told_apart_T = passed_ST[chosen.accepted_S].any(axis=0) & failed_ST[chosen.accepted_S].any(
        axis=0
    )
    assert not told_apart_T.any()
    assert not failed_ST[chosen.accepted_S][:, chosen.accepted_T].any()
    own = SELECTORS[name](*e)
    assert not (chosen.accepted_S & ~own.accepted_S).any()
    assert not (chosen.accepted_T & ~own.accepted_T).any()


# ---- EM and consensus ---------------------------------------------------------------------------


def planted(seed: int, lost: float) -> tuple[Evidence, Bools, Bools]:
    """A matrix with known truth: correct code passes valid tests, wrong code half of them."""
    rng = np.random.default_rng(seed)
    correct, valid = rng.random(24) < 0.4, rng.random(24) < 0.5
    correct[0], valid[0] = True, True
    rate = np.where(valid, np.where(correct[:, None], 1.0, 0.5), 0.05)
    known = rng.random(rate.shape) >= lost
    return Evidence(rng.random(rate.shape) < rate, known, np.ones(24), np.ones(24)), correct, valid


@pytest.mark.parametrize("lost", [0.0, 0.1, 0.3])
def test_em_finds_both_sides_of_a_planted_truth_through_holes(lost: float) -> None:
    right = total = 0
    for seed in range(20):
        e, correct, valid = planted(seed, lost)
        chosen = em(*e)
        right += int((chosen.accepted_S == correct).sum() + (chosen.accepted_T == valid).sum())
        total += 48
    assert right / total > 0.95


@settings(max_examples=50)
@given(e=evidence(max_side=8))
def test_em_ends_with_finite_posteriors(e: Evidence) -> None:
    chosen = em(*e, rounds=200)
    assert np.isfinite(chosen.score_S).all()
    assert np.isfinite(chosen.score_T).all()
    assert 1 <= chosen.diagnostics["rounds"] <= 200


@given(e=evidence(holes=False))
def test_consensus_is_a_fixed_point(e: Evidence) -> None:
    chosen = consensus(*e)
    if chosen.diagnostics["rejected"]:
        assert not chosen.accepted_S.any()
        assert not chosen.accepted_T.any()
        return
    believed, valid = chosen.accepted_S, chosen.accepted_T
    assert believed.any()
    assert valid.tolist() == e.passed_ST[believed].all(axis=0).tolist()
    assert believed.tolist() == e.passed_ST[:, valid].all(axis=1).tolist()


@pytest.mark.parametrize(
    ("passed", "options"),
    [
        ([[1, 1], [1, 1]], {}),  # nothing tells the solutions apart
        ([[0, 0], [0, 0]], {}),
        ([[1, 1], [0, 0]], {"min_solutions": 2.0}),
        ([[1, 0], [0, 0]], {"min_tests": 2.0}),
    ],
)
def test_consensus_rejects_what_teaches_nothing(
    passed: list[list[int]], options: dict[str, float]
) -> None:
    grid = np.array(passed, dtype=bool)
    arguments = (grid, np.ones_like(grid), np.ones(2), np.ones(2))
    chosen: Selection = consensus(*arguments, **options)  # type: ignore[arg-type]
    assert chosen.diagnostics["rejected"] == 1
    assert not chosen.accepted_S.any()


def test_a_hole_is_equal_to_nothing_but_a_hole() -> None:
    passed = np.array([[1, 1], [1, 0], [1, 1], [1, 0]], dtype=bool)
    known = np.array([[1, 1], [1, 0], [1, 1], [1, 0]], dtype=bool)
    groups = groups_of_equal_rows(passed, known, np.array([1.0, 2.0, 4.0, 8.0]))
    assert groups.group_S[0] == groups.group_S[2] != groups.group_S[1] == groups.group_S[3]
    assert groups.weight_G[groups.group_S].tolist() == [5, 10, 5, 10]


# ---- agreement ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ([True, True, False], (0.75 * 0.6) ** 0.5),  # both pass the tests of weight 6 of 10
        ([False, False, True], (0.25 * 0.4) ** 0.5),
        ([False, False, False], 0.0),
        ([True, True, True], 0.0),  # no test is passed by all: another choice than `select` makes
    ],
)
def test_agreement_is_the_mean_of_two_shares(chosen: list[bool], expected: float) -> None:
    passed = np.array([[1, 1, 0, 1], [1, 1, 0, 0], [0, 0, 1, 1]], dtype=bool)
    known = np.array([[1, 1, 1, 1], [1, 0, 1, 1], [1, 1, 1, 1]], dtype=bool)
    weight_T = np.array([4.0, 2.0, 4.0, 0.0])  # the last one is no evidence
    evidence = records.Evidence(passed, known, np.array([2.0, 1.0, 1.0]), weight_T)
    assert agreement(np.array(chosen), evidence) == pytest.approx(expected)
