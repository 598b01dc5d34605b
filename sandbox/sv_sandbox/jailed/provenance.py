"""On whose word a pass rests: the one place where that is decided. One `Provenance` per cell.

In: every question that the judge puts to the solution, with its answer (`asked`; `link.Link.ask` is
the one place that asks); what of the solution's arrives that can be called, or compares loosely
(`word`, from `hearing`); what it changes of the test's (`changed`); and at each assertion that
holds, what that compares (`decided`, from `sites`). Out: `trust()`:

    PROVEN   plain data that the solution computed, compared by our code
    VOUCHED  perhaps a yes or no, or an operator's result, that an object of the solution gave

Why that holds. Of the solution the test has plain data (rebuilt here by the codec: exact types, no
reference inside) and references, whose every use is a question. Plain data says nothing of itself.
So besides computing what is asked for, a solution can make a test pass only by an object's yes or
no, by what an object makes of data that it is shown, or by changing what the test holds. Marked are
  1. an operator, a comparison, `in`, a truth, a hash, `is`, `isinstance` or `type` of an object; a
     method of it that is read, and neither called nor handed over;
  2. data of the test's given to an *answer*: an object, function or module that came from a call,
     and is of no class that the test names as one; a class in the place of a function;
  3. a yes or no in answer to data given to an object of a class that it names; any other answer
     where the test decides by anything but an equality, or expects truths alone (LOOSE);
  4. a change in place, where a later assertion compares with nothing that the text writes out
     (OPEN); a tool or a module of the library's that it replaced; an answer run as code;
  5. an exception class of the solution, or one that is several of Python's, a context manager of
     it that swallows, a function of the test's that holds assertions and is handed over, `len` and
     iteration that disagree, a state of the process (random numbers, ...) that the solution set;
  6. a class or function of Python's own that it answers, NaN, and what NumPy compares loosely.
Neutral are calls of what the test names, constructors, attributes, items, iteration and `len`: they
answer a value that the solution had to find without having seen the expected one.

What is not decided here: whether a test is a good one. A test that lets the solution say what is
expected, compares two of its answers, or checks each of nothing passes by plain data, as it does in
plain Python. That plain Python passes it, too, is found out by running it so (`native/split.c`).
"""

from __future__ import annotations

import types
import weakref
from typing import Any

INLINE, VOUCHED, PROVEN = 1, 2, 3

EQUALITY, LOOSE, OPEN = 0, 1, 2
"""What an assertion decides by (`rewrite`): an equality with what is written in the text; LOOSE, if
by anything but an equality, or by one with truths; OPEN, if nothing that it compares is written
there."""
FREE, NAMED, ANSWER = 0, 1, 2
"""Who was asked: a function, class or module that the test names, or a method under test; an object
of another class that it names; anything else."""

NEUTRAL = frozenset(
    (
        "call iter next len aiter anext enter exit aenter aexit await getitem setitem delitem"
        " missing repr str format bytes int float complex index neg pos abs invert round trunc"
        " floor"
        " ceil reversed length_hint fspath get set del_name init new"
    ).split()
)
"""Special methods that answer data or an object; any other is an operator, or says yes or no."""


class Provenance:
    """The mark of one cell."""

    def __init__(self) -> None:
        self.rests_on: list[str] = []
        self._informed = self._changed = False
        self.uncalled = 0
        """Methods of objects that were read, and that nobody has called: what their class has."""
        self.waiting = 0
        """Coroutines of the solution that nobody has awaited: true, whatever they would give."""

    def word(self, why: str) -> None:
        """The verdict may rest on the solution's word."""
        if len(self.rests_on) < 4 and why not in self.rests_on:
            self.rests_on.append(why)

    def asked(self, special: str | None, whom: int, carried: bool, answer: object) -> None:
        """A question was answered: `special` is the special method without underscores (None: a
        method, or a call), `carried` whether data of the test's or a reference went along."""
        if special is not None and special not in NEUTRAL:
            self.word(f"__{special}__ of an object")
        elif not carried or whom == FREE:
            return
        elif whom == ANSWER and special != "getitem":
            self.word("data given to an answer")
        elif answer is not None:
            if _is_common(answer):
                self.word("an object's yes or no to data of the test")
            else:
                self._informed = True

    def changed(self) -> None:
        """The solution has changed something of the test's in place, or has had code of the test's
        run that may have."""
        self._changed = True

    def decided(self, kind: int) -> None:
        """An assertion of this kind held."""
        if kind & LOOSE and self._informed:
            self.word("an object's answer to data of the test")
        if kind & OPEN and self._changed:
            self.word("what the solution has changed in place")

    def trust(self) -> int:
        """On whose word a pass of this cell rests."""
        if self.waiting > 0:
            self.word("a coroutine that nobody awaited")
        if self.uncalled > 0:
            self.word("a method that nobody called")
        return VOUCHED if self.rests_on else PROVEN

    def why(self) -> str:
        """What a pass rests on beside plain data."""
        return "it rests on " + "; ".join(self.rests_on) if self.rests_on else ""

    def informed(self) -> bool:
        """Whether an object of the solution may have learnt something that another cell expects."""
        return self._informed or bool(self.rests_on)

    def told(self, value: object, what: str) -> object:
        """This is used for an operator, or as an assertion."""
        if is_reference(value):
            self.word(f"{what} of an object")
        return value

    def shown(self, value: object, what: str) -> object:
        """What this has is said of its class, unless it is a function, a class or a module."""
        is_fixed = issubclass(type(value), type) or type(type(value)) is ReferenceType
        return value if is_fixed else self.told(value, what)

    def runner(self, called: object) -> object:
        """What runs text of the test's making as code."""
        self.word("text that the test runs as code")
        return called

    def type_of(self, value: object) -> object:
        """`type(value)`: of what stands for a function or a library's object, the library's
        class."""
        kind = type(value)
        if is_reference(value):
            self.word("the type of an object")
            if not isinstance(value, type):
                return getattr(value, "__class__", kind)
        return kind


def _is_common(answer: object) -> bool:
    """Whether this answer is a yes or no, or a coroutine that may come to one."""
    if isinstance(answer, types.CoroutineType) or type(answer).__name__ in ("bool", "bool_"):
        return True
    if isinstance(answer, list | tuple | set | frozenset | dict) and not is_reference(answer):
        parts = answer.values() if isinstance(answer, dict) else answer
        return bool(answer) and all(map(_is_common, parts))
    return False


class ReferenceType(type):
    """The metaclass of every class that stands for one of the other end's (`proxies`)."""


COROUTINES: Any = weakref.WeakKeyDictionary()
"""Coroutines of this end that stand for one of the other's, and the proxy of that."""


def is_reference(value: object) -> bool:
    """Whether this is an object or a class of the other end."""
    if type(value) is types.CoroutineType:
        return value in COROUTINES
    return issubclass(type(value), ReferenceType) or issubclass(type(type(value)), ReferenceType)
