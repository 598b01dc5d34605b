"""Short limits first: verdicts are those of the whole limit or marked, endless programs cheap."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sv_engine.execute.escalate import FEWEST_TESTS, SHARE, escalating, rectangles
from sv_engine.records import INFRA_CODE, PASS_CODE, TIMEOUT_CODE, Recheck, Verdicts

LIMIT_S = 0.3
ENDLESS_S = 1e9


class Machine:
    """Cells that take a known time; counts the CPU seconds that it spends on them."""

    def __init__(self, takes_s_ST: Sequence[Sequence[float]]) -> None:
        self.takes_s_ST = np.array(takes_s_ST, dtype=np.float64)
        self.spent_s = 0.0
        self.runs = np.zeros(self.takes_s_ST.shape, np.int64)
        self.lost = False

    async def run(self, solutions: Sequence[str], tests: Sequence[str], cpu_s: float) -> Verdicts:
        cells = np.ix_([int(s) for s in solutions], [int(t) for t in tests])
        takes_s_ST = self.takes_s_ST[cells]
        verdicts = Verdicts.unknown(len(solutions), len(tests), cpu_s)
        verdicts.verdict_ST[:] = np.where(takes_s_ST > cpu_s, TIMEOUT_CODE, PASS_CODE)
        verdicts.cpu_us_ST[:] = (np.minimum(takes_s_ST, cpu_s) * 1e6).astype(np.uint32)
        if self.lost and self.runs[cells].any():
            verdicts.verdict_ST[:] = INFRA_CODE
        self.runs[cells] += 1
        self.spent_s += float(np.minimum(takes_s_ST, cpu_s).sum())
        return verdicts

    def escalate(self) -> Verdicts:
        rows, columns = self.takes_s_ST.shape
        texts = [str(s) for s in range(rows)], [str(t) for t in range(columns)]
        return asyncio.run(escalating(self.run, *texts, LIMIT_S))


@given(
    st.integers(1, 5).flatmap(
        lambda rows: st.lists(
            st.lists(
                st.sampled_from([0.001, LIMIT_S * SHARE, 0.1, 0.25, LIMIT_S, 0.5, ENDLESS_S]),
                min_size=10,
                max_size=10,
            ),
            min_size=rows,
            max_size=rows,
        )
    )
)
def test_every_verdict_is_that_of_the_whole_limit_or_marked(takes_s_ST: list[list[float]]) -> None:
    machine = Machine(takes_s_ST)
    verdicts = machine.escalate()
    exact_ST = np.where(machine.takes_s_ST > LIMIT_S, TIMEOUT_CODE, PASS_CODE)
    assumed_ST = verdicts.recheck_ST == Recheck.ASSUMED
    assert (verdicts.verdict_ST == exact_ST)[~assumed_ST].all()
    assert (verdicts.verdict_ST == TIMEOUT_CODE)[assumed_ST].all()
    # Assumed is only what ran out of the short limit, beside a cell that ran out of the whole one.
    assert (machine.takes_s_ST > LIMIT_S * SHARE)[assumed_ST].all()
    for s in np.flatnonzero(assumed_ST.any(axis=1)):
        assert ((machine.takes_s_ST[s] > LIMIT_S) & ~assumed_ST[s]).any()
    assert verdicts.near_limit_ST[assumed_ST].all()
    assert verdicts.cpu_s == LIMIT_S


def test_an_endless_program_costs_a_share_of_its_tests() -> None:
    machine = Machine([[ENDLESS_S] * 100])
    verdicts = machine.escalate()
    assert (verdicts.verdict_ST == TIMEOUT_CODE).all()
    assert machine.spent_s == pytest.approx(LIMIT_S * (100 * SHARE + 1))
    assert int((verdicts.recheck_ST == Recheck.ASSUMED).sum()) == 99


def test_a_slow_program_that_ends_keeps_every_pass() -> None:
    machine = Machine([[0.2] * 20, [0.001] * 20])
    verdicts = machine.escalate()
    assert (verdicts.verdict_ST == PASS_CODE).all()
    assert not verdicts.recheck_ST.any()
    assert (machine.runs == [[2] * 20, [1] * 20]).all()


@pytest.mark.parametrize("tests", [1, FEWEST_TESTS - 1])
def test_few_tests_run_to_their_limit_at_once(tests: int) -> None:
    machine = Machine([[ENDLESS_S] * tests])
    verdicts = machine.escalate()
    assert machine.runs.max() == 1
    assert not verdicts.recheck_ST.any()


def test_a_hole_of_the_second_run_stays_a_hole() -> None:
    machine = Machine([[0.2] + [0.001] * 9])
    machine.lost = True
    verdicts = machine.escalate()
    assert verdicts.verdict_ST[0].tolist() == [INFRA_CODE] + [PASS_CODE] * 9


@given(st.lists(st.lists(st.booleans(), min_size=4, max_size=4), min_size=1, max_size=6))
def test_rectangles_cover_each_cell_once(cells: list[list[bool]]) -> None:
    covered = np.zeros((len(cells), 4), np.int64)
    for rows, columns in rectangles(np.array(cells)):
        covered[np.ix_(rows, columns)] += 1
    assert covered.tolist() == np.array(cells, np.int64).tolist()
