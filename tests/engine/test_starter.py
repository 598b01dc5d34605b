"""The starter tasks: what is asked is what the reference does, and sides do not meet."""

from __future__ import annotations

import random

import pytest

from sv_engine.config.layers import load
from sv_engine.pocket import starter
from sv_engine.pocket.operations import OPERATIONS
from sv_engine.problems import decontaminate, sources
from sv_engine.records import Heldout

HELDOUT = starter.heldout_problems()


def failures(program: str, test: str) -> int:
    """How many lines of `test` the program (one of ours) fails."""
    space: dict[str, object] = {}
    exec(program, space)
    failed = 0
    for line in test.splitlines():
        try:
            exec(line, dict(space))
        except Exception:
            failed += 1
    return failed


def test_there_are_four_hundred_different_ones_and_they_are_frozen() -> None:
    assert len({item.problem.prompt for item in HELDOUT}) == starter.HELDOUT_COUNT
    assert starter.heldout_problems(50) == HELDOUT[:50]


@pytest.mark.parametrize("item", HELDOUT[::10], ids=lambda item: item.problem.entry_point)
def test_the_reference_holds_and_the_bank_does_not(item: Heldout) -> None:
    problem = item.problem
    assert problem.reference_solution is not None
    assert problem.reference_test is not None
    assert failures(problem.reference_solution, problem.reference_test) == 0
    assert item.wrong_solutions
    for wrong in item.wrong_solutions:
        assert failures(wrong, problem.reference_test) > 0
    lines = problem.reference_test.splitlines()
    assert len({line.rpartition("==")[2] for line in lines}) > 1  # no constant passes


@pytest.mark.parametrize("name", starter.WORDINGS)
def test_every_operation_is_asked_for_by_its_own_words(name: str) -> None:
    wording, parameter = starter.WORDINGS[name], OPERATIONS[name].parameter
    texts = (wording.asked, wording.result)
    assert bool(wording.asked) is not OPERATIONS[name].reduces
    assert any("{k" in text for text in texts) is (parameter is not None)
    others = [w for n, w in starter.WORDINGS.items() if n != name]
    assert wording.result not in [w.result for w in others]
    assert wording.name not in [w.name for w in others]


def test_the_sides_share_no_pair_in_either_order_and_no_text() -> None:
    rng = random.Random(0)
    sides = [list(starter._sample(rng, 600, heldout=heldout)) for heldout in (False, True)]
    pairs = [{frozenset(s.operation for s in task) for _, task in side} for side in sides]
    pairs = [{pair for pair in side if len(pair) == 2} for side in pairs]
    assert not pairs[0] & pairs[1]
    assert 0.1 < len(pairs[1]) / len(pairs[0] | pairs[1]) < 0.5
    assert not {p.prompt for p, _ in sides[0]} & {p.prompt for p, _ in sides[1]}
    for side in sides:
        assert set(starter.WORDINGS) == {s.operation for _, t in side for s in t}


def test_what_is_played_is_kept_from_what_is_held_out_and_carries_no_truth() -> None:
    config = load("smollm2-135m")
    texts = [item.problem.prompt for item in HELDOUT]
    for iteration in (1, 2):
        problems = sources.unlabelled(config, iteration)
        assert all(p.reference_solution is p.reference_test is None for p in problems)
        kept, dropped = decontaminate.clean(
            problems,
            texts,
            ngram=config.problems.ngram,
            near_duplicate=config.problems.near_duplicate,
            limit=config.problems.count,
        )
        assert len(kept) == config.problems.count
        assert dropped[decontaminate.Reason.CONTAMINATED] == 0


def test_the_same_seed_gives_the_same_tasks() -> None:
    first, again = (starter.train_problems(40, seed=3) for _ in range(2))
    assert first == again
    assert first != starter.train_problems(40, seed=4)
    assert len({p.id for p in first}) == 40


def test_evaluation_reads_the_starter_set() -> None:
    config = load("smollm2-135m", settings=["evaluate.problems=7"])
    assert sources.heldout(config.evaluate) == HELDOUT[:7]
    assert sources.check_files(config) == []
