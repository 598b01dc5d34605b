"""Pre-training documents: prompts of the pocket grammar with right and wrong completions.

The corpus is noisy on purpose. A model gains from self-play only where it can do the task but
imitates writers who often fail, so a `Mixture` says how often programs have bugs, how often a
popular misconception replaces the right operation, and how often an assert is wrong. Errors in
asserts are independent of errors in programs; the loop needs that.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import NamedTuple

from sv_engine.pocket import grammar
from sv_engine.pocket.operations import MISCONCEPTIONS, OPERATIONS, Value
from sv_engine.pocket.tasks import (
    UNDEFINED,
    Split,
    Task,
    describe,
    evaluate,
    has_slip,
    misconceive,
    mutate,
    sample_input,
    sample_task,
    write_body,
)

DESCRIBE_SHARE = 0.04
"""Share of documents that describe a program; these are always right."""


class Document(NamedTuple):
    """One training text; the loss is taken on the completion."""

    prompt: str
    completion: str


@dataclass(frozen=True, slots=True)
class Mixture:
    """How noisy the documents of a phase are; all rates are probabilities."""

    asserts_per_program: float
    bug_rate: float
    wrong_assert_rate: float
    misconception_rate: float = 0.0
    """Share of the programs for tasks with a misconceivable step that have the misconception."""


def sample_document(rng: random.Random, mixture: Mixture) -> Document:
    """Draw one document of a pre-training composition."""
    task = sample_task(rng, Split.PRETRAIN)
    text = describe(rng, task)
    if rng.random() < DESCRIBE_SHARE:
        snippet = grammar.program(write_body(rng, task))
        return Document(grammar.DESCRIBE_TEMPLATE.format(snippet=snippet), text)
    if rng.random() * (1 + mixture.asserts_per_program) < 1:
        body = write_body(rng, _attempt(rng, task, mixture))
        return Document(grammar.SOLVE_TEMPLATE.format(prompt=text), body)
    wrong = rng.random() < mixture.wrong_assert_rate
    return Document(grammar.VERIFY_TEMPLATE.format(prompt=text), _sample_assert(rng, task, wrong))


def _attempt(rng: random.Random, task: Task, mixture: Mixture) -> Task:
    """What a program for `task` really does."""
    if any(name in MISCONCEPTIONS for name, _ in task):
        if rng.random() < mixture.misconception_rate:
            task = misconceive(task)
    # A slip on top of a slip would be no bug that anybody writes.
    if not has_slip(task) and rng.random() < mixture.bug_rate:
        task = mutate(rng, task)
    return task


def _sample_assert(rng: random.Random, task: Task, wrong: bool) -> str:
    while True:
        xs = sample_input(rng, task)
        try:
            right = evaluate(task, xs)
            values = _wrong_values(rng, task, right) if wrong else right
        except UNDEFINED:
            continue
        if wrong and (values[-1] == right[-1] or _has_negative(values)):
            continue
        intermediate = None
        if len(task) > 1:  # a dropped step leaves the input as its own intermediate value
            intermediate = values[1] if len(values) > 2 and isinstance(values[1], list) else xs
        return grammar.write_assert(xs, intermediate, values[-1])


def _wrong_values(rng: random.Random, task: Task, right: list[Value]) -> list[Value]:
    """Input, values and output of somebody who errs: in the task, in the first step, at the end."""
    kind = rng.random()
    if kind < 0.5:
        xs = right[0]
        assert isinstance(xs, list)
        return evaluate(mutate(rng, task), xs)
    if kind < 0.75 and len(task) > 1:
        intermediate = _slip(rng, right[1])
        assert isinstance(intermediate, list)
        last = task[-1]
        return [right[0], intermediate, OPERATIONS[last.operation].apply(intermediate, last.k)]
    return [*right[:-1], _slip(rng, right[-1])]


def _slip(rng: random.Random, value: Value) -> Value:
    """A value with a small error: off by one or two, an element lost, doubled, swapped, added."""
    if isinstance(value, int):
        return max(0, value + rng.choice((-2, -1, 1, 2)))
    xs = list(value)
    if not xs:
        return [rng.randint(0, 9)]
    at = rng.randrange(len(xs))
    match rng.choices(("off", "lost", "swapped", "doubled", "added"), (35, 20, 20, 13, 12))[0]:
        case "off":
            xs[at] = max(0, xs[at] + rng.choice((-2, -1, 1, 2)))
        case "lost":
            del xs[at]
        case "swapped":
            xs[at - 1], xs[at] = xs[at], xs[at - 1]
        case "doubled":
            xs.insert(at, xs[at])
        case "added":
            xs.insert(rng.randrange(len(xs) + 1), rng.randint(0, 9))
    return xs


def _has_negative(values: list[Value]) -> bool:
    return any(x < 0 for value in values for x in (value if isinstance(value, list) else [value]))
