"""Starter tasks: what the pocket grammar does to lists, asked for as a person would.

For language models that know English but little programming: one operation, or two in a row, on a
list of whole numbers. Unlike the pocket's own texts these name a function by what it does, and
include what the pocket knows as mistakes only (squares, differences, every second element).

Splits: of the pairs of operations a fifth, by a hash of the names in either order, is held out, so
that a held-out pair was never played, not even turned around. Single operations are too few for
that; of their texts (wording and parameter) two fifths are held out. References and banks of wrong
programs exist for held-out tasks only; tasks of self-play carry no ground truth that could leak.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass

from sv_engine.pocket.operations import OPERATIONS, Value
from sv_engine.pocket.tasks import UNDEFINED, Step, Task, evaluate, mutate, sample_input
from sv_engine.records import Heldout, Problem

HELDOUT_SEED = 20261
HELDOUT_COUNT = 400
BANK_SIZE = 6
HIDDEN_INPUTS = 24
SINGLE_SHARE = 0.5
"""Share of tasks of one operation: the edge of what a small model can do lies between."""


@dataclass(frozen=True, slots=True)
class Wording:
    """How an operation is asked for; `{k}` is its parameter, `{kth}` the same as an
    ordinal, `{them}` the numbers at that point."""

    name: str
    """In the name of the function."""
    asked: str
    """After "and then": an imperative."""
    result: str
    """After "return"; of what a list is left with, or the number."""


WORDINGS = {
    "even": Wording("evens", "keep only the even ones", "only the even numbers"),
    "odd": Wording("odds", "keep only the odd ones", "only the odd numbers"),
    "above": Wording(
        "above_{k}", "keep only those greater than {k}", "the numbers greater than {k}"
    ),
    "below": Wording("below_{k}", "keep only those smaller than {k}", "the numbers less than {k}"),
    "at_least": Wording("at_least_{k}", "drop those below {k}", "the numbers that are {k} or more"),
    "at_most": Wording("at_most_{k}", "drop those above {k}", "the numbers that are {k} or less"),
    "remove": Wording("without_{k}", "remove every {k}", "the list without any {k}"),
    "add": Wording("add_{k}", "add {k} to each of them", "each number plus {k}"),
    "subtract": Wording("minus_{k}", "subtract {k} from each of them", "each number minus {k}"),
    "double": Wording("doubled", "double each of them", "every number doubled"),
    "triple": Wording("tripled", "triple each of them", "every number times three"),
    "square": Wording("squares", "square each of them", "the square of every number"),
    "multiply": Wording("times_{k}", "multiply each by {k}", "every number multiplied by {k}"),
    "reverse": Wording("reversed", "reverse the order", "the list in reverse order"),
    "ascending": Wording(
        "ascending", "sort them in ascending order", "the numbers sorted from smallest to largest"
    ),
    "descending": Wording(
        "descending", "sort them in descending order", "the numbers sorted from largest to smallest"
    ),
    "take_first": Wording("first_{k}", "keep only the first {k}", "the first {k} elements"),
    "take_last": Wording("last_{k}", "keep only the last {k}", "the last {k} elements"),
    "skip_first": Wording("skip_{k}", "drop the first {k}", "all but the first {k} elements"),
    "skip_last": Wording("cut_{k}", "drop the last {k}", "all but the last {k} elements"),
    "every": Wording(
        "every_{k}", "keep every {kth} one, starting with the first",
        "every {kth} element, starting with the first",
    ),
    "append": Wording("append_{k}", "add a {k} at the end", "the list with {k} added at the end"),
    "prepend": Wording("prepend_{k}", "put a {k} in front", "the list with {k} put in front"),
    "sum": Wording("sum", "", "the sum of {them}"),
    "max": Wording("max", "", "the largest of {them}"),
    "min": Wording("min", "", "the smallest of {them}"),
    "length": Wording("count", "", "how many of {them} there are"),
    "count": Wording("count_of_{k}", "", "how many of {them} are equal to {k}"),
    "count_others": Wording("count_not_{k}", "", "how many of {them} are not equal to {k}"),
    "first": Wording("first", "", "the first of {them}"),
    "last": Wording("last", "", "the last of {them}"),
    "second": Wording("second", "", "the second of {them}"),
}  # fmt: skip
_LISTS = [name for name in WORDINGS if not OPERATIONS[name].reduces]
SINGLE_FRAMES = (
    "Write a function that takes a list of numbers and returns {result}.",
    "Given a list of integers, return {result}.",
    "I have a list of whole numbers. Give me {result}.",
)
PHRASE_FRAME = "Write a function that takes a list of integers. {phrase}."
PAIR_FRAMES = (
    "Write a function that takes a list of numbers. It should {asked}, and then return {result}.",
    "Given a list of integers, {asked}, then return {result}.",
    "I have a list of whole numbers. First {asked}. Then give me {result}.",
)


def is_heldout(composition: tuple[str, ...], text: str) -> bool:
    """Whether a task of these operations, asked for so, is for evaluation."""
    single = len(composition) == 1
    words = text if single else "-".join(sorted(composition))
    digest = hashlib.sha256(f"starter {words}".encode()).digest()
    return int.from_bytes(digest[:4], "big") % 100 < (40 if single else 20)


def train_problems(n: int, seed: int) -> list[Problem]:
    """Up to `n` different tasks for self-play, without reference; the same arguments give the same
    tasks, and a task has the same id whoever drew it."""
    tasks = _sample(random.Random(f"starter-{seed}"), n, heldout=False)
    return [problem for problem, _ in tasks]


def heldout_problems(n: int = HELDOUT_COUNT) -> list[Heldout]:
    """The evaluation set: `n` tasks with reference, reference test and bank of wrong programs."""
    rng = random.Random(f"starter-heldout-{HELDOUT_SEED}")
    return [_with_truth(rng, problem, task) for problem, task in _sample(rng, n, heldout=True)]


def program(name: str, task: Task) -> str:
    """A program that does the task, one line per step."""
    lines = [OPERATIONS[step.operation].expressions[0].format(k=step.k) for step in task]
    body = [f"    xs = {line}\n" for line in lines[:-1]] + [f"    return {lines[-1]}\n"]
    return f"def {name}(xs):\n{''.join(body)}"


def _sample(rng: random.Random, n: int, *, heldout: bool) -> Iterator[tuple[Problem, Task]]:
    """Different tasks; fewer than `n` where hardly any new one can be drawn."""
    seen: set[str] = set()
    for _ in range(200 * n):
        names = [rng.choice(list(WORDINGS))]
        if rng.random() >= SINGLE_SHARE:
            names.insert(0, rng.choice(_LISTS))
        task = tuple(Step(name, _parameter(rng, name)) for name in names)
        text = _describe(rng, task)
        if is_heldout(tuple(names), text) is not heldout or len(set(names)) < len(names):
            continue
        if text not in seen and not _is_constant(task):
            seen.add(text)
            yield _problem(text, task), task
        if len(seen) == n:
            return


def _is_constant(task: Task) -> bool:
    """Whether nearly every input gives the same: a program of one constant would do."""
    rng = random.Random("probe")
    outputs = {str(_output(task, sample_input(rng, task))) for _ in range(HIDDEN_INPUTS)}
    return len(outputs) < 4


def _parameter(rng: random.Random, name: str) -> int:
    bounds = OPERATIONS[name].parameter
    return rng.randint(max(2, bounds[0]), max(3, bounds[1])) if bounds else 0


def _describe(rng: random.Random, task: Task) -> str:
    words = [WORDINGS[step.operation] for step in task]
    them = "the numbers in it" if len(task) == 1 else "those that are left"
    if len(task) > 1 and not _drops(task[0].operation):
        them = "the resulting numbers"
    result = words[-1].result.format(k=task[-1].k, kth=_ordinal(task[-1].k), them=them)
    if len(task) == 1:
        phrases = OPERATIONS[task[0].operation].phrases
        if phrases and rng.random() < 0.4:
            phrase = rng.choice(phrases).format(k=task[0].k)
            return PHRASE_FRAME.format(phrase=phrase[0].upper() + phrase[1:])
        return rng.choice(SINGLE_FRAMES).format(result=result)
    asked = words[0].asked.format(k=task[0].k, kth=_ordinal(task[0].k))
    return rng.choice(PAIR_FRAMES).format(asked=asked, result=result)


def _ordinal(k: int) -> str:
    return {2: "second", 3: "third"}.get(k, "")


def _drops(name: str) -> bool:
    """Whether the operation leaves elements out and changes none."""
    kept, given = OPERATIONS[name].apply([9, 1, 8, 3, 3, 6], 3), [9, 1, 8, 3, 3, 6]
    return isinstance(kept, list) and len(kept) < len(given)


def _problem(text: str, task: Task) -> Problem:
    name = "_".join(WORDINGS[step.operation].name.format(k=step.k) for step in task)
    if name in ("sum", "max", "min", "reversed"):
        name += "_of_list"
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    return Problem(f"starter-{digest}", text, name)


def _with_truth(rng: random.Random, problem: Problem, task: Task) -> Heldout:
    name = problem.entry_point
    inputs = [[], [3], [4, 4], *(sample_input(rng, task) for _ in range(HIDDEN_INPUTS))]
    outputs = [(xs, value) for xs in inputs if (value := _output(task, xs)) is not None]
    bank: dict[Task, None] = {}
    for _ in range(10 * BANK_SIZE):
        mutant = mutate(rng, task)
        if len(bank) < BANK_SIZE and any(_output(mutant, xs) != value for xs, value in outputs):
            bank[mutant] = None
    test = "\n".join(f"assert {name}({xs}) == {value}" for xs, value in outputs)
    solved = Problem(problem.id, problem.prompt, name, program(name, task), test)
    return Heldout(solved, tuple(program(name, mutant) for mutant in bank))


def _output(task: Task, xs: list[int]) -> Value | None:
    try:
        return evaluate(task, xs)[-1]
    except UNDEFINED:
        return None
