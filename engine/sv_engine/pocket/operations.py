"""What the pocket grammar can do to a list of integers.

An operation has a meaning (`apply`), and the English phrases and Python expressions that say it.
`{k}` stands for its parameter in both. An operation that `reduces` returns an integer and can only
come last. `SLIPS` have no phrase: no problem asks for them, they are only written by mistake.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Value = list[int] | int


@dataclass(frozen=True, slots=True)
class Operation:
    """One step of a task."""

    apply: Callable[[list[int], int], Value]
    """From the input and the parameter (0 where there is none) to the output; raises what the
    Python expression raises (`max` of nothing: ValueError, first of nothing: IndexError)."""
    expressions: tuple[str, ...]
    """Equivalent Python expressions over `xs`; the first is the usual one."""
    phrases: tuple[str, ...] = ()
    """Imperative wordings, all of the same meaning."""
    gerund: str = ""
    """The wording after "After"; empty where the operation reduces."""
    parameter: tuple[int, int] | None = None
    """Smallest and largest parameter drawn; None: the operation has no parameter."""
    reduces: bool = False


LIST_TO_LIST = {
    "even": Operation(
        lambda xs, k: [x for x in xs if x % 2 == 0],
        ("[x for x in xs if x % 2 == 0]",),
        ("keep only the even numbers", "drop the odd numbers", "select the even values"),
        "keeping the even numbers",
    ),
    "odd": Operation(
        lambda xs, k: [x for x in xs if x % 2 == 1],
        ("[x for x in xs if x % 2 == 1]",),
        ("keep only the odd numbers", "drop the even numbers", "select the odd values"),
        "keeping the odd numbers",
    ),
    "above": Operation(
        lambda xs, k: [x for x in xs if x > k],
        ("[x for x in xs if x > {k}]",),
        (
            "keep the numbers greater than {k}",
            "select the values above {k}",
            "remove numbers up to {k}",
        ),
        "keeping values above {k}",
        (2, 6),
    ),
    "below": Operation(
        lambda xs, k: [x for x in xs if x < k],
        ("[x for x in xs if x < {k}]",),
        (
            "keep the numbers smaller than {k}",
            "select the values below {k}",
            "remove numbers from {k} up",
        ),
        "keeping values below {k}",
        (3, 7),
    ),
    "remove": Operation(
        lambda xs, k: [x for x in xs if x != k],
        ("[x for x in xs if x != {k}]",),
        ("remove every {k}", "delete all values equal to {k}", "throw away each {k}"),
        "removing every {k}",
        (0, 9),
    ),
    "add": Operation(
        lambda xs, k: [x + k for x in xs],
        ("[x + {k} for x in xs]",),
        ("add {k} to each number", "increase every element by {k}", "raise all values by {k}"),
        "adding {k} to each number",
        (1, 3),
    ),
    "double": Operation(
        lambda xs, k: [x * 2 for x in xs],
        ("[x * 2 for x in xs]",),
        (
            "double each number",
            "multiply every element by two",
            "replace each value by its double",
        ),
        "doubling each number",
    ),
    "reverse": Operation(
        lambda xs, k: xs[::-1],
        ("xs[::-1]", "list(reversed(xs))"),
        ("reverse the list", "flip the order", "turn the list around"),
        "reversing the list",
    ),
    "ascending": Operation(
        lambda xs, k: sorted(xs),
        ("sorted(xs)",),
        (
            "sort in ascending order",
            "sort from small to large",
            "order the numbers increasingly",
        ),
        "sorting in ascending order",
    ),
    "descending": Operation(
        lambda xs, k: sorted(xs, reverse=True),
        ("sorted(xs, reverse=True)",),
        (
            "sort in descending order",
            "sort from large to small",
            "order the numbers decreasingly",
        ),
        "sorting in descending order",
    ),
    "take_first": Operation(
        lambda xs, k: xs[:k],
        ("xs[:{k}]",),
        ("take the first {k}", "keep the leading {k}", "select the {k} initial elements"),
        "taking the first {k}",
        (1, 3),
    ),
    "take_last": Operation(
        lambda xs, k: xs[-k:],
        ("xs[-{k}:]",),
        ("take the last {k}", "keep the trailing {k}", "select the {k} final elements"),
        "taking the last {k}",
        (1, 3),
    ),
    "skip_first": Operation(
        lambda xs, k: xs[k:],
        ("xs[{k}:]",),
        ("skip the first {k}", "drop the leading {k}", "remove {k} from the front"),
        "skipping the first {k}",
        (1, 2),
    ),
    "skip_last": Operation(
        lambda xs, k: xs[:-k],
        ("xs[:-{k}]",),
        ("drop the last {k}", "cut off the trailing {k}", "remove {k} from the end"),
        "dropping the last {k}",
        (1, 2),
    ),
    "append": Operation(
        lambda xs, k: [*xs, k],
        ("xs + [{k}]",),
        ("append {k}", "put {k} at the end", "attach {k} after the rest"),
        "appending {k}",
        (0, 9),
    ),
    "prepend": Operation(
        lambda xs, k: [k, *xs],
        ("[{k}] + xs",),
        ("prepend {k}", "put {k} at the front", "insert {k} before the rest"),
        "prepending {k}",
        (0, 9),
    ),
}

LIST_TO_INT = {
    "sum": Operation(
        lambda xs, k: sum(xs),
        ("sum(xs)",),
        ("return the sum", "add everything up", "compute the total"),
        reduces=True,
    ),
    "max": Operation(
        lambda xs, k: max(xs),
        ("max(xs)",),
        ("return the largest value", "find the maximum", "pick the highest element"),
        reduces=True,
    ),
    "min": Operation(
        lambda xs, k: min(xs),
        ("min(xs)",),
        ("return the smallest value", "find the minimum", "pick the lowest element"),
        reduces=True,
    ),
    "length": Operation(
        lambda xs, k: len(xs),
        ("len(xs)",),
        ("return how many there are", "count the elements", "give the length"),
        reduces=True,
    ),
    "count": Operation(
        lambda xs, k: xs.count(k),
        ("xs.count({k})",),
        (
            "count how often {k} occurs",
            "return the number of copies of {k}",
            "tell how many equal {k}",
        ),
        parameter=(0, 9),
        reduces=True,
    ),
    "first": Operation(
        lambda xs, k: xs[0],
        ("xs[0]",),
        ("return the first element", "give the initial value", "pick what comes first"),
        reduces=True,
    ),
    "last": Operation(
        lambda xs, k: xs[-1],
        ("xs[-1]",),
        ("return the last element", "give the final value", "pick what comes last"),
        reduces=True,
    ),
}

SLIPS = {
    "at_least": Operation(
        lambda xs, k: [x for x in xs if x >= k],
        ("[x for x in xs if x >= {k}]",),
        parameter=(1, 9),
    ),
    "at_most": Operation(
        lambda xs, k: [x for x in xs if x <= k],
        ("[x for x in xs if x <= {k}]",),
        parameter=(1, 9),
    ),
    "equal": Operation(
        lambda xs, k: [x for x in xs if x == k],
        ("[x for x in xs if x == {k}]",),
        parameter=(0, 9),
    ),
    "subtract": Operation(
        lambda xs, k: [x - k for x in xs], ("[x - {k} for x in xs]",), parameter=(1, 3)
    ),
    "multiply": Operation(
        lambda xs, k: [x * k for x in xs], ("[x * {k} for x in xs]",), parameter=(1, 3)
    ),
    "triple": Operation(lambda xs, k: [x * 3 for x in xs], ("[x * 3 for x in xs]",)),
    "square": Operation(lambda xs, k: [x * x for x in xs], ("[x * x for x in xs]",)),
    "every": Operation(lambda xs, k: xs[::k], ("xs[::{k}]",), parameter=(2, 3)),
    "second": Operation(lambda xs, k: xs[1], ("xs[1]",), reduces=True),
    "count_others": Operation(
        lambda xs, k: len(xs) - xs.count(k),
        ("len(xs) - xs.count({k})",),
        parameter=(0, 9),
        reduces=True,
    ),
}

OPERATIONS = {**LIST_TO_LIST, **LIST_TO_INT, **SLIPS}

CONFUSIONS = (
    ("even", "odd"),
    ("above", "below"),
    ("above", "at_least"),
    ("above", "at_most"),
    ("below", "at_most"),
    ("below", "at_least"),
    ("remove", "equal"),
    ("add", "subtract"),
    ("add", "multiply"),
    ("add", "append"),
    ("double", "square"),
    ("double", "triple"),
    ("take_first", "take_last"),
    ("take_first", "skip_first"),
    ("take_first", "skip_last"),
    ("take_first", "every"),
    ("take_last", "skip_first"),
    ("take_last", "skip_last"),
    ("take_last", "every"),
    ("skip_first", "skip_last"),
    ("append", "prepend"),
    ("ascending", "descending"),
    ("reverse", "ascending"),
    ("reverse", "descending"),
    ("reverse", "every"),
    ("max", "min"),
    ("max", "last"),
    ("min", "first"),
    ("sum", "max"),
    ("sum", "length"),
    ("first", "last"),
    ("first", "second"),
    ("last", "second"),
    ("count", "count_others"),
    ("count", "length"),
)
"""Pairs that are easily mistaken for each other."""

MISCONCEPTIONS = {
    "above": "at_least",
    "below": "at_most",
    "descending": "ascending",
    "prepend": "append",
    "last": "first",
    "double": "square",
}
"""Popular errors: in the last pre-training phase programs for the left operation do the right one
more often than not, while asserts about it are as good as any others."""


def confusable_with(name: str) -> list[str]:
    """Operations easily mistaken for `name`, in the order of `CONFUSIONS`."""
    return [b if a == name else a for a, b in CONFUSIONS if name in (a, b)]
