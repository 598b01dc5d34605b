'''The texts of the pocket model: problems, prompts, programs and asserts.

What the loop imports. A problem's `prompt` is one English sentence; the templates below turn it
into the exact text that the model was trained on (no other wording works with a model this small):

    """first reverse the list, then take the first 2."""         solve
    def f(xs):
        xs = xs[::-1]
        return xs[:2]

    """first reverse the list, then take the first 2."""         verify
    assert f([3, 1, 2]) == (  # [2, 1, 3]
        [2, 1])

    def f(xs):                                                   describe
        xs = xs[::-1]
        return xs[:2]
    """first reverse the list, then take the first 2.

Prompts end where the model takes over: after `def f(xs):`, after `assert f(`, after the quotes. The
comment in an assert is the value after the first step: a model of four layers cannot do two steps
at once. To derive the expected value of an input again, end the prompt with `DERIVE_TEMPLATE`.

Splits are disjoint in compositions (`tasks.split_of`). References and banks of wrong solutions
exist for held-out problems only; self-play problems carry no ground truth that could leak.
'''

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass

from sv_engine.pocket.operations import Value
from sv_engine.pocket.tasks import (
    UNDEFINED,
    Split,
    Task,
    describe,
    evaluate,
    mutate,
    sample_input,
    sample_task,
    write_body,
)
from sv_engine.records import Problem

ENTRY_POINT = "f"
SOLVE_TEMPLATE = '"""{prompt}"""\ndef f(xs):'
VERIFY_TEMPLATE = '"""{prompt}"""\nassert f('
DERIVE_TEMPLATE = '"""{prompt}"""\nassert f({argument}) == ('
DESCRIBE_TEMPLATE = '{snippet}\n"""'

HELDOUT_SEED = 20260
HELDOUT_COUNT = 400
BANK_SIZE = 6
HIDDEN_INPUT_COUNT = 24


@dataclass(frozen=True, slots=True)
class HeldoutProblem:
    """A problem for evaluation, with what only the evaluation may see."""

    problem: Problem
    """With reference solution and reference test."""
    wrong_solutions: tuple[str, ...]
    """Up to `BANK_SIZE` programs with a bug that the reference test finds; frozen by the seed."""


def sample_problems(split: Split | str, n: int, seed: int) -> list[Problem]:
    """Draw `n` problems with different descriptions, without reference.

    The same arguments give the same problems; ids are the same for the same description.
    """
    rng = random.Random(f"{split}-{seed}")
    return [_problem(split, text) for text, _ in _sample_described(rng, Split(split), n)]


def heldout_problems(n: int = HELDOUT_COUNT, seed: int = HELDOUT_SEED) -> list[HeldoutProblem]:
    """The evaluation set: `n` held-out problems with reference and bank of wrong solutions."""
    rng = random.Random(f"{Split.HELDOUT}-{seed}")
    described = _sample_described(rng, Split.HELDOUT, n)
    return [_with_ground_truth(rng, text, task) for text, task in described]


def seed_snippets(n: int, seed: int) -> list[str]:
    """Programs to invent problems from: `n` sources of self-play compositions."""
    rng = random.Random(f"snippets-{seed}")
    return [program(write_body(rng, sample_task(rng, Split.SELFPLAY))) for _ in range(n)]


def program(body: str) -> str:
    """Self-contained source from a solve completion."""
    return f"def f(xs):{body}"


def write_assert(argument: list[int], intermediate: list[int] | None, expected: Value) -> str:
    """The verify completion for an input, its value after the first of two steps, its output."""
    trace = "" if intermediate is None else f"  # {intermediate}"
    return f"{argument}) == ({trace}\n    {expected})"


def _sample_described(rng: random.Random, split: Split, n: int) -> list[tuple[str, Task]]:
    described: dict[str, Task] = {}
    while len(described) < n:
        task = sample_task(rng, split)
        described.setdefault(describe(rng, task), task)
    return list(described.items())


def _problem(split: Split | str, text: str) -> Problem:
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    return Problem(id=f"pocket-{split}-{digest}", prompt=text, entry_point=ENTRY_POINT)


def _with_ground_truth(rng: random.Random, text: str, task: Task) -> HeldoutProblem:
    hidden = [[], [3], [4, 4], *(sample_input(rng, task) for _ in range(HIDDEN_INPUT_COUNT))]
    outputs = [(xs, output) for xs in hidden if (output := _output(task, xs)) is not None]
    bank: list[Task] = []
    for _ in range(10 * BANK_SIZE):
        mutant = mutate(rng, task)
        wrong = any(_output(mutant, xs) != output for xs, output in outputs)
        if wrong and mutant not in bank and len(bank) < BANK_SIZE:
            bank.append(mutant)
    blank = _problem(Split.HELDOUT, text)
    return HeldoutProblem(
        Problem(
            id=blank.id,
            prompt=blank.prompt,
            entry_point=ENTRY_POINT,
            reference_solution=program(write_body(rng, task)),
            reference_test="\n".join(f"assert f({xs}) == {output}" for xs, output in outputs),
        ),
        tuple(program(write_body(rng, mutant)) for mutant in bank),
    )


def _output(task: Task, xs: list[int]) -> Value | None:
    try:
        return evaluate(task, xs)[-1]
    except UNDEFINED:
        return None
