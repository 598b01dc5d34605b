"""Tasks: one or two operations in a row, with their meaning, their programs and their bugs.

A composition is the tuple of operation names of a task. Every composition of two belongs to one
split, by a hash of its names in either order, so that a held-out pair was never seen during
pre-training or self-play, not even turned around; single operations belong to pre-training, so
that every operation is known. All randomness comes from the `random.Random` that is passed.
"""

from __future__ import annotations

import hashlib
import random
from enum import StrEnum
from typing import NamedTuple

from sv_engine.pocket.operations import (
    LIST_TO_INT,
    LIST_TO_LIST,
    MISCONCEPTIONS,
    OPERATIONS,
    SLIPS,
    Value,
    confusable_with,
)

REDUCING_SHARE = 0.4
"""Share of tasks whose last step is drawn from the operations that return an integer."""
SINGLE_STEP_SHARE = 0.2
"""Share of one-step tasks in the pre-training split; the other splits have none."""
GERUND_SHARE = 0.2
"""Share of two-step descriptions of the form "After doing this, do that."."""
UNDEFINED = (ValueError, IndexError)
"""What a task raises on an input it is not defined for."""


class Split(StrEnum):
    """Who may see a composition."""

    PRETRAIN = "pretrain"
    SELFPLAY = "selfplay"
    HELDOUT = "heldout"


class Step(NamedTuple):
    """One operation with its parameter (0 where it has none)."""

    operation: str
    k: int = 0


Task = tuple[Step, ...]


def split_of(composition: tuple[str, ...]) -> Split:
    """The split of a composition: 60 % of the pairs pre-training, 20 % self-play, 20 % held-out."""
    if len(composition) == 1:
        return Split.PRETRAIN
    digest = hashlib.sha256("-".join(sorted(composition)).encode()).digest()
    percent = int.from_bytes(digest[:4], "big") % 100
    return Split.PRETRAIN if percent < 60 else Split.SELFPLAY if percent < 80 else Split.HELDOUT


def sample_task(rng: random.Random, split: Split) -> Task:
    """Draw a task whose composition belongs to `split`."""
    while True:
        single = split == Split.PRETRAIN and rng.random() < SINGLE_STEP_SHARE
        last = LIST_TO_INT if rng.random() < REDUCING_SHARE else LIST_TO_LIST
        names = [] if single else [rng.choice(list(LIST_TO_LIST))]
        names.append(rng.choice(list(last)))
        if len(set(names)) == len(names) and split_of(tuple(names)) == split:
            return tuple(Step(name, _sample_parameter(rng, name)) for name in names)


def evaluate(task: Task, xs: list[int]) -> list[Value]:
    """The input, the value after each step, the output. Raises `UNDEFINED` where undefined."""
    values: list[Value] = [xs]
    for name, k in task:
        last = values[-1]
        if not isinstance(last, list):
            raise ValueError(f"{name} needs a list")
        values.append(OPERATIONS[name].apply(last, k))
    return values


def describe(rng: random.Random, task: Task) -> str:
    """One of the English descriptions of a task."""
    wordings = [rng.choice(OPERATIONS[step.operation].phrases).format(k=step.k) for step in task]
    if len(task) == 1:
        return f"{wordings[0]}."
    if rng.random() < GERUND_SHARE:
        gerund = OPERATIONS[task[0].operation].gerund.format(k=task[0].k)
        return f"After {gerund}, {wordings[1]}."
    return rng.choice(("first {}, then {}.", "{}, then {}.", "{} and {}.")).format(*wordings)


def write_body(rng: random.Random, task: Task) -> str:
    """A function body that does the task, one line per step, each line led by a newline."""
    lines = []
    for i, (name, k) in enumerate(task):
        usual, *others = OPERATIONS[name].expressions
        expression = rng.choice(others) if others and rng.random() < 0.25 else usual
        target = "return " if i == len(task) - 1 else "xs = "
        lines.append(f"\n    {target}{expression.format(k=k)}")
    return "".join(lines)


def sample_input(rng: random.Random, task: Task) -> list[int]:
    """A list of one to five digits, mostly three or four; values that the task names are likely."""
    length = rng.choices((1, 2, 3, 4, 5), (0.5, 1.5, 4, 4, 2))[0]
    xs = [rng.randint(0, 9) for _ in range(length)]
    for name, k in task:
        if name in ("remove", "count") and rng.random() < 0.7:
            for _ in range(rng.randint(1, 2)):
                xs[rng.randrange(length)] = k
    return xs


def mutate(rng: random.Random, task: Task) -> Task:
    """The task with one plausible bug; it may still compute the same outputs."""
    at = rng.randrange(len(task))
    name, k = task[at]
    kinds = {"confusion": 47}
    if OPERATIONS[name].parameter:
        kinds["parameter"] = 22
    if len(task) > 1:
        kinds["dropped step"] = 12
        if not OPERATIONS[task[-1].operation].reduces:
            kinds |= {"swapped steps": 12, "other last step": 7}
    steps = list(task)
    match rng.choices(list(kinds), list(kinds.values()))[0]:
        case "parameter":
            smallest = 0 if name in ("append", "prepend", "remove", "count") else 1
            steps[at] = Step(name, max(smallest, k + rng.choice((-1, 1, 1, 2))))
        case "dropped step":
            del steps[at]
        case "swapped steps":
            steps.reverse()
        case "other last step":
            other = rng.choice(list(LIST_TO_LIST))
            steps[-1] = Step(other, _sample_parameter(rng, other))
        case "confusion":
            is_last = at == len(task) - 1
            near = [c for c in confusable_with(name) if is_last or not OPERATIONS[c].reduces]
            other = rng.choice(near)
            keeps_k = OPERATIONS[name].parameter and OPERATIONS[other].parameter
            steps[at] = Step(other, k if keeps_k else _sample_parameter(rng, other))
    return tuple(steps)


def misconceive(task: Task) -> Task:
    """The task as those see it who share every popular misconception."""
    return tuple(Step(MISCONCEPTIONS.get(name, name), k) for name, k in task)


def has_slip(task: Task) -> bool:
    """Whether some step is an operation that no problem asks for."""
    return any(name in SLIPS for name, _ in task)


def _sample_parameter(rng: random.Random, name: str) -> int:
    bounds = OPERATIONS[name].parameter
    return rng.randint(*bounds) if bounds else 0
