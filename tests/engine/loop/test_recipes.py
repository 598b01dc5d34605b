"""Recipes: what is taught, the guards, the controls, against small matrices made by hand."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import numpy as np
import pytest

from sv_engine.config.sections import Recipe, RecipeName, Select, TestPairing
from sv_engine.dataset import recipes
from sv_engine.dataset.recipes import Refusal, TrainingData
from sv_engine.dataset.stage import Lesson
from sv_engine.prompts.roles import CHAT, POCKET, RoleTemplates
from sv_engine.records import (
    Candidates,
    Example,
    Outcome,
    PreferencePair,
    Problem,
    Selection,
    Solution,
    Suite,
    Test,
    Verdicts,
)
from sv_engine.selection import agreement

PROBLEM = Problem("p", "take the first.", "f")
VERIFY = POCKET.verify.fill(PROBLEM)
RECIPE = Recipe(min_input_size=1)


def make(
    rows: list[str],
    weight_S: list[int],
    inputs: list[str],
    weight_T: list[int] | None = None,
    prompts: list[str] | None = None,
    suites: tuple[Suite, ...] = (),
) -> Outcome:
    """A played problem; rows: one string per solution, `+` a pass, `-` a fail, `?` a hole."""
    verdict_ST = np.array([[{"+": 1, "-": 2, "?": 0}[c] for c in row] for row in rows], np.uint8)
    weights = weight_T or [1] * len(inputs)
    solutions = tuple(Solution(f"def f(xs):\n    return {i}", w) for i, w in enumerate(weight_S))
    asked = prompts or [VERIFY] * len(inputs)
    tests = tuple(
        Test(f"assert f({x}) == {t}", w, prompt)
        for t, (x, w, prompt) in enumerate(zip(inputs, weights, asked, strict=True))
    )
    verdicts = Verdicts.unknown(len(rows), len(inputs), 1.0)
    verdicts.verdict_ST[:] = verdict_ST
    return Outcome(Candidates(PROBLEM, solutions, tests, suites=suites), verdicts)


def test_self_distillation_reads_no_verdict_and_pairs_nothing() -> None:
    """The same lessons whatever the matrix says, even where it says nothing; popular ones
    likelier."""
    suites = (Suite(VERIFY, (0, 1)), Suite(VERIFY, (2,)), Suite(VERIFY, (2,)))
    recipe = Recipe(name=RecipeName.SSD, min_input_size=9, solutions_per_problem=2)
    seen = []
    for rows in (["++-", "---", "+++"], ["---"] * 3, ["+++"] * 3, ["???"] * 3):
        played = make(rows, [9, 1, 1], INPUTS[:3], suites=suites)
        selection = recipes.believe(played.evidence, Select(), Random(1))
        assert recipes.refusal(played, selection, recipe) is None
        seen.append(recipes.training_data(played, selection, None, recipe, POCKET, Random(2)))
    assert all(data == seen[0] for data in seen)
    assert not seen[0].pairs
    assert [e.role for e in seen[0].examples] == ["solve", "solve", "verify", "verify"]
    played = make(["+++", "---"], [99, 1], INPUTS[:3], suites=suites)
    one = recipe.model_copy(update={"solutions_per_problem": 1})
    firsts = [
        recipes.training_data(played, selection, None, one, POCKET, Random(n))
        .examples[0]
        .completion
        for n in range(40)
    ]
    assert firsts.count("\n    return 0") > 30


def test_self_distillation_needs_a_program() -> None:
    recipe = Recipe(name=RecipeName.SSD)
    candidates = Candidates(PROBLEM, (), (Test("assert f(1) == 1"), Test("assert f(2) == 1")))
    played = Outcome(candidates, Verdicts.unknown(0, 2, 1.0))
    none, two = np.zeros(0), np.zeros(2)
    selection = Selection("b4", none, two, none.astype(bool), two.astype(bool))
    assert recipes.refusal(played, selection, recipe) is Refusal.FEW_SOLUTIONS


INPUTS = ["[1]", "[2]", "[1, 2]", "[3, 4]", "[5, 6]", "[]"]
#  solutions 0, 1 agree; 2 is a near miss, 3 far; tests 4, 5 are refuted
PLAYED = make(["++++--", "++++--", "+++---", "+---++"], [4, 2, 3, 1], INPUTS)


def harvest(
    played: Outcome,
    recipe: Recipe = RECIPE,
    selector: str = "b4",
    templates: RoleTemplates = POCKET,
    seed: int = 0,
) -> TrainingData:
    rng = Random(seed)
    selection = recipes.believe(played.evidence, Select(selector=selector), rng)
    return recipes.training_data(played, selection, None, recipe, templates, rng)


def body(number: int) -> str:
    return f"\n    return {number}"


def test_solver_learns_the_accepted_group_most_frequent_first() -> None:
    lessons = harvest(PLAYED)
    solver = [e for e in lessons.examples if e.role == "solve"]
    prompt = POCKET.solve.fill(PROBLEM)
    assert solver == [Example("p", "solve", prompt, body(k)) for k in (0, 1)]
    pairs = {(p.chosen, p.rejected) for p in lessons.pairs if p.role == "solve"}
    assert {rejected for _, rejected in pairs} == {body(2), body(3)}
    assert {chosen for chosen, _ in pairs} <= {body(0), body(1)}


def test_verifier_learns_accepted_tests_that_are_large_enough() -> None:
    lessons = harvest(PLAYED, Recipe(min_input_size=2))
    tests = {e.completion for e in lessons.examples if e.role == "verify"}
    assert tests == {"[1, 2]) == 2", "[3, 4]) == 3"}
    assert all(e.prompt == VERIFY for e in lessons.examples if e.role == "verify")


def test_hardness_is_the_share_of_sampled_programs_that_fail() -> None:
    lessons = harvest(PLAYED)
    hardness = dict(zip([e.completion for e in lessons.examples], lessons.hardness, strict=True))
    assert hardness["[1]) == 0"] == 0
    assert hardness["[1, 2]) == 2"] == pytest.approx(1 / 10)
    assert hardness["[3, 4]) == 3"] == pytest.approx(4 / 10)
    assert hardness[body(0)] == 0


def test_powerful_tests_are_drawn_more_often() -> None:
    recipe = Recipe(min_input_size=1, tests_per_problem=1)
    drawn = [harvest(PLAYED, recipe, seed=k).examples[-1].completion for k in range(300)]
    # weights .05, .15, .15, .45 of .8 over the four accepted tests
    assert 120 < drawn.count("[3, 4]) == 3") < 215
    assert drawn.count("[1]) == 0") < 45


@pytest.mark.parametrize(
    ("pairing", "expected"),
    [
        (TestPairing.SAME_SIZE, {("[1, 2]) == 2", 4), ("[3, 4]) == 3", 4)}),
        (TestPairing.SAME_CALL, set()),
    ],
)
def test_pairs_of_tests_are_alike(pairing: TestPairing, expected: set[tuple[str, int]]) -> None:
    recipe = Recipe(min_input_size=1, pair_tests=pairing)
    found = {
        (p.chosen, int(p.rejected[-1]))
        for seed in range(30)
        for p in harvest(PLAYED, recipe, seed=seed).pairs
        if p.role == "verify"
    }
    assert found == expected


def test_same_call_pairs_teach_the_value_alone() -> None:
    played = make(["+++-", "+++-", "+-++"], [3, 1, 2], ["[1]", "[2]", "[3]", "[3]"])
    recipe = Recipe(pair_tests=TestPairing.SAME_CALL)
    pairs = [p for p in harvest(played, recipe).pairs if p.role == "verify"]
    assert [(p.chosen, p.rejected) for p in pairs] == [("[3]) == 2", "[3]) == 3")]


def test_tests_are_never_paired_across_prompts() -> None:
    prompts = [VERIFY, VERIFY, "other", "other", VERIFY, VERIFY]
    played = make(["++++--", "++++--", "+++---"], [4, 2, 3], INPUTS, prompts=prompts)
    recipe = Recipe(pair_tests=TestPairing.ANY)
    for seed in range(20):
        for pair in harvest(played, recipe, seed=seed).pairs:
            if pair.role == "verify":
                assert pair.prompt == VERIFY
                assert pair.chosen in ("[1]) == 0", "[2]) == 1")


def test_a_test_that_lost_its_vote_is_no_evidence_but_may_be_refuted() -> None:
    weights = [1, 1, 1, 1, 0, 0]
    played = make(["+++++-", "+++++-", "+-----"], [4, 2, 3], INPUTS, weights)
    selection = recipes.believe(played.evidence, Select(), Random(0))
    assert selection.accepted_T.tolist() == [True] * 4 + [False] * 2
    recipe = Recipe(pair_tests=TestPairing.ANY, tests_per_problem=10)
    lessons = harvest(played, recipe)
    assert not any("== 4" in e.completion for e in lessons.examples)
    assert {p.rejected for p in lessons.pairs if p.role == "verify"} == {"[]) == 5"}


def test_holes_refute_nothing() -> None:
    played = make(["++++??", "++++??", "????++"], [4, 2, 3], INPUTS)
    assert not harvest(played, Recipe(pair_tests=TestPairing.ANY)).pairs


def test_several_tests_make_one_answer_for_chat() -> None:
    recipe = Recipe(tests_per_example=3, pair_tests=TestPairing.ANY)
    lessons = harvest(PLAYED, recipe, templates=CHAT)
    sizes = [e.completion.count("assert") for e in lessons.examples if e.role == "verify"]
    assert sizes == [3, 1]
    for pair in lessons.pairs:
        if pair.role == "verify":
            assert pair.chosen.count("assert") == pair.rejected.count("assert") == 2


def test_caps() -> None:
    recipe = Recipe(
        solutions_per_problem=1,
        tests_per_problem=2,
        solution_pairs_per_problem=1,
        test_pairs_per_problem=0,
    )
    lessons = harvest(PLAYED, recipe)
    assert [e.role for e in lessons.examples] == ["solve", "verify", "verify"]
    assert [p.role for p in lessons.pairs] == ["solve"]


def test_same_seed_same_lessons() -> None:
    assert harvest(PLAYED, seed=3) == harvest(PLAYED, seed=3)


@pytest.mark.parametrize(
    ("played", "reason"),
    [
        (make(["++++", "++++"], [4, 4], INPUTS[:4]), Refusal.DEGENERATE),
        (make(["----", "----"], [4, 4], INPUTS[:4]), Refusal.DEGENERATE),
        (make(["++--", "++--"], [4, 4], INPUTS[:4]), Refusal.DEGENERATE),
        (make(["????", "????"], [4, 4], INPUTS[:4]), Refusal.DEGENERATE),
        (make(["++++", "---+", "--+-"], [2, 1, 1], INPUTS[:4]), Refusal.FEW_SOLUTIONS),
        (make(["++--", "+---"], [4, 1], INPUTS[:4]), Refusal.FEW_TESTS),
        (make(["++++", "+---"], [4, 1], ["[1]"] * 4), Refusal.FEW_TESTS),
        (PLAYED, None),
    ],
)
def test_guards(played: Outcome, reason: Refusal | None) -> None:
    selection = recipes.believe(played.evidence, Select(), Random(0))
    assert recipes.refusal(played, selection, RECIPE) == reason


@pytest.mark.parametrize(("least", "taught"), [(0.0, True), (0.44, True), (0.46, False)])
def test_a_choice_on_which_little_agrees_is_not_taught(least: float, taught: bool) -> None:
    # 2 of 10 sampled programs, and every test: the root of 0.2 is 0.447.
    played = make(["++++", "+---", "-+--", "--+-"], [2, 3, 3, 2], INPUTS[:4])
    selection = recipes.believe(played.evidence, Select(selector="maxpass"), Random(0))
    recipe = RECIPE.model_copy(update={"min_solution_samples": 1, "min_agreement": least})
    assert agreement(selection.accepted_S, played.evidence) == pytest.approx(0.2**0.5)
    reason = recipes.refusal(played, selection, recipe)
    assert reason == (None if taught else Refusal.LITTLE_AGREEMENT)


def test_a_refused_problem_teaches_the_verifier_what_wins_the_vote() -> None:
    said = {
        "f([1]) == 1": 4,
        "f([1]) == 2": 1,
        "f([2]) == 5": 4,
        "f([2]) == 6": 3,
        "f([3]) == 7": 4,
    }
    # the winner on [1] passes in one of four sampled programs, the one on [3] in none
    rows = ["+----", "-+---", "--+--", "---+-"]
    tests = tuple(Test(f"assert {text}", votes, VERIFY) for text, votes in said.items())
    played = make(rows, [1, 1, 1, 1], INPUTS[:5])
    played = replace(played, candidates=replace(played.candidates, tests=tests))
    rng, few = Random(0), Refusal.FEW_SOLUTIONS
    selection = recipes.believe(played.evidence, Select(), rng)

    def taught(**changes: Any) -> TrainingData:
        recipe = RECIPE.model_copy(update=changes)
        return recipes.training_data(played, selection, few, recipe, POCKET, rng)

    assert taught() == TrainingData()
    data = taught(min_votes=3, pair_tests=TestPairing.SAME_CALL)
    assert [(e.role, e.completion) for e in data.examples] == [("verify", "[1]) == 1")]
    assert [(p.chosen, p.rejected) for p in data.pairs] == [("[1]) == 1", "[1]) == 2")]
    assert Lesson(selection, few, data).use == f"{few}; tests by vote"
    assert taught(min_votes=5) == TrainingData()
    assert len(taught(min_votes=3, max_kill=1.0).examples) == 2
    assert len(taught(min_votes=3, min_vote_share=0.5).examples) == 2


def test_random_believes_one_sampled_program() -> None:
    chosen = [
        recipes.believe(PLAYED.evidence, Select(selector="random"), Random(k)) for k in range(400)
    ]
    for selection in chosen:
        (first, *_) = np.flatnonzero(selection.accepted_S)
        rows = PLAYED.evidence.passed_ST
        assert (selection.accepted_S == (rows == rows[first]).all(axis=1)).all()
        assert (selection.accepted_T == rows[first]).all()
    shares = np.mean([s.accepted_S for s in chosen], axis=0)
    assert shares == pytest.approx([0.6, 0.6, 0.3, 0.1], abs=0.08)


def test_no_selector_sees_a_column_without_weight() -> None:
    few = make(["++-", "+-+"], [1, 2], INPUTS[:3], [2, 1, 0])
    for name in ("b4", "codet", "maxpass", "mbr", "em", "consensus", "threshold"):
        selection = recipes.believe(few.evidence, Select(selector=name), Random(0))
        assert not selection.accepted_T[2]
        assert selection.score_T[2] == 0


def test_selector_options_reach_the_selector() -> None:
    def accepted(**options: float) -> list[bool]:
        believing = Select(selector="consensus", options=options)
        accepted_S = recipes.believe(PLAYED.evidence, believing, Random(0)).accepted_S
        return [bool(one) for one in accepted_S]

    assert accepted(min_solutions=6) == [True, True, False, False]
    assert accepted(min_solutions=7) == [False] * 4


# ---- sol-ver ------------------------------------------------------------------------------------

SUITES = (
    Suite(VERIFY, (0, 1)),
    Suite(VERIFY, (2, 3)),
    Suite(VERIFY, (0, 4)),
    Suite("other", (5, 0)),
    Suite(VERIFY, (0, 1)),
)


def test_sol_ver_learns_whole_suites() -> None:
    played = make(["++++--", "++++--", "+++---"], [4, 2, 3], INPUTS, suites=SUITES)
    recipe = Recipe(name=RecipeName.SOL_VER)
    lessons = harvest(played, recipe, templates=CHAT)
    taught = [e.completion for e in lessons.examples if e.role == "verify"]
    assert sorted(text.count("assert") for text in taught) == [2, 2]
    pairs = [p for p in lessons.pairs if p.role == "verify"]
    assert [p.prompt for p in pairs] == [VERIFY]
    assert "assert f([5, 6]) == 4" in pairs[0].rejected


def test_sol_ver_solver_must_pass_all_accepted_tests() -> None:
    played = make(["++++", "+++-", "--++"], [1, 2, 1], INPUTS[:4], suites=())
    matrix = played.evidence
    selection = Selection(
        "by hand",
        np.ones(3),
        np.ones(4),
        np.array([True, True, False]),
        np.array([True, True, True, True]),
    )
    lessons = recipes.training_data(
        played, selection, None, Recipe(name=RecipeName.SOL_VER), POCKET, Random(0)
    )
    assert [e.completion for e in lessons.examples] == [body(0)]
    assert {p.rejected for p in lessons.pairs} == {body(1), body(2)}
    assert matrix.passed_ST.sum() == 9


# ---- replay -------------------------------------------------------------------------------------


def some(kind: str, count: int, hardness: float) -> TrainingData:
    examples = tuple(Example(kind, "verify", "", str(i)) for i in range(count))
    return TrainingData(
        examples, (hardness,) * count, (PreferencePair(kind, "verify", "", "a", "b"),)
    )


def test_replay_adds_a_share_of_earlier_examples_the_harder_the_likelier() -> None:
    earlier = recipes.gather([some("easy", 50, 0.0), some("hard", 50, 1.0)])
    mixed = recipes.with_replay(some("fresh", 80, 0.0), earlier, 0.25, Random(0))
    kinds = [e.problem_id for e in mixed.examples]
    assert (kinds.count("fresh"), len(kinds)) == (80, 100)
    assert kinds.count("hard") > 15
    assert len(mixed.hardness) == 100
    assert [p.problem_id for p in mixed.pairs] == ["fresh"]


def test_replay_of_nothing() -> None:
    fresh = some("fresh", 3, 0.0)
    assert recipes.with_replay(fresh, TrainingData(), 0.5, Random(0)) == fresh
    assert recipes.with_replay(fresh, fresh, 0.0, Random(0)) == fresh
