"""Prompts: overriding, and that reading and writing answers are inverse to each other."""

from __future__ import annotations

import random

import pytest

from sv_engine.config.sections import Roles, RoleSet
from sv_engine.pocket import grammar
from sv_engine.problems import extract
from sv_engine.prompts import roles
from sv_engine.records import Problem

PROBLEM = Problem("p", "reverse the list.", "f")


@pytest.mark.parametrize("problem", grammar.sample_problems("selfplay", 20, seed=1))
def test_pocket_prompts_are_the_texts_of_pre_training(problem: Problem) -> None:
    text, pocket = problem.prompt, roles.POCKET
    assert pocket.solve.fill(problem) == grammar.SOLVE_TEMPLATE.format(prompt=text)
    assert pocket.verify.fill(problem) == grammar.VERIFY_TEMPLATE.format(prompt=text)
    derive = pocket.derive.fill(problem, argument="[1, 2]")
    assert derive == grammar.DERIVE_TEMPLATE.format(prompt=text, argument="[1, 2]")


def test_pocket_answers_read_back_as_their_source() -> None:
    body = "\n    xs = xs[::-1]\n    return xs[:2]"
    program = roles.read_solution(roles.POCKET.solve, PROBLEM, body)
    assert program == f"def f(xs):{body}"
    assert roles.answer(roles.POCKET.solve, PROBLEM, [program]) == body
    text = "[3, 1, 2]) == (  # [2, 1, 3]\n    [1])"
    (test,), dropped = roles.read_tests(roles.POCKET.verify, PROBLEM, text)
    assert not dropped
    assert test == f"assert f({text}"
    assert roles.answer(roles.POCKET.verify, PROBLEM, [test]) == text


def test_chat_answers_read_back_as_their_source() -> None:
    program = "def f(xs):\n    return xs[::-1]\n"
    written = roles.answer(roles.CHAT.solve, PROBLEM, [program])
    assert written is not None
    assert roles.read_solution(roles.CHAT.solve, PROBLEM, f"Sure!\n{written}\nDone.") == program
    tests = ["assert f([1]) == [1]", "assert f([]) == []"]
    written = roles.answer(roles.CHAT.verify, PROBLEM, tests)
    assert written is not None
    assert roles.read_tests(roles.CHAT.verify, PROBLEM, written)[0] == tests


def test_an_answer_that_the_prefill_forbids_is_none() -> None:
    assert roles.answer(roles.POCKET.solve, PROBLEM, ["import os\ndef f(xs): ..."]) is None


def test_derived_value_is_read_with_its_argument() -> None:
    tests, _ = roles.read_tests(roles.POCKET.derive, PROBLEM, "[2, 1])", argument="[1, 2]")
    assert tests == ["assert f([1, 2]) == ([2, 1])"]


def test_a_completion_without_code_says_why() -> None:
    assert isinstance(roles.read_solution(roles.CHAT.solve, PROBLEM, "I can not."), extract.Drop)
    tests, dropped = roles.read_tests(roles.CHAT.verify, PROBLEM, "I can not.")
    assert not tests
    assert sum(dropped.values()) == 1


def test_templates_are_overridden_one_by_one() -> None:
    config = Roles(templates=RoleSet.POCKET, solve="Do: {prompt} as {entry_point} {{}}")
    chosen = roles.templates(config)
    assert chosen.solve.fill(PROBLEM) == "Do: reverse the list. as f {}"
    assert chosen.verify == roles.POCKET.verify


@pytest.mark.parametrize("text", ["{promt}", "{", "{prompt} {0}", "{}", "{tests}"])
def test_bad_templates_are_named(text: str) -> None:
    with pytest.raises(roles.TemplateError, match=r"roles\.verify"):
        roles.templates(Roles(verify=text))


@pytest.mark.parametrize(
    ("test", "call"),
    [
        ("assert f([1, 2]) == [2]", roles.Call("[1, 2]", "[2]", 2)),
        ("assert f([]) == []", roles.Call("[]", "[]", 0)),
        ("assert f('abc', n=3) == (  # x\n    1)", roles.Call("'abc', n=3", "1", 4)),
        (
            "import math\nassert f([[1, 2], []]) == math.pi",
            roles.Call("[[1, 2], []]", "math.pi", 3),
        ),
        ("assert f({1: 2}, -1) == 0", roles.Call("{1: 2}, -1", "0", 2)),
    ],
)
def test_call_value_and_size(test: str, call: roles.Call) -> None:
    assert roles.call_of(test, "f") == call


@pytest.mark.parametrize(
    "test", ["assert f(1)", "assert f(1) != 2", "assert g(1) == 2", "x = 1", "assert (", ""]
)
def test_other_forms_have_no_call(test: str) -> None:
    assert roles.call_of(test, "f") is None


def test_size_is_the_length_of_the_input() -> None:
    rng = random.Random(0)
    for _ in range(50):
        xs = [rng.randint(0, 9) for _ in range(rng.randint(0, 5))]
        test = "assert f(" + grammar.write_assert(xs, xs, 0)
        call = roles.call_of(test, "f")
        assert call is not None
        assert call.size == len(xs)
