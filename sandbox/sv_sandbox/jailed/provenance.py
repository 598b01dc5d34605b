"""On whose word a pass rests. One `Provenance` per cell, in the judge.

In: every question that the judge puts to the solution, with its answer (`asked`; `link.Link.ask` is
the one place that asks), whatever arrives that is no plain data and can be called (`word`), what
the test's text says (`parts`), and what `rewrite` puts into it: assertion sites, `is`, `in`,
`type`, `except`. Out: `failure()`, and for a pass `trust()`:

    PROVEN   plain data that the solution computed, compared by our code
    VOUCHED  perhaps a yes or no, or an operator's result, that an object of the solution gave

Why that holds. Of the solution the test has plain data (rebuilt here by the codec: exact types, no
reference inside) and references, whose every use is a question. By its text (`parts`) each
assertion compares the test's own with one thing of the solution's. So who does not know the
expected value passes only if it is asked something with that value, if its own yes or no decides,
or if it changes what the test holds. A cell is marked by
  1. an operator, a comparison, `in`, a truth, a hash, `is`, `isinstance` or `type` of an object;
  2. data of the test's given to an *answer*: an object, function or module that came from a call,
     and is of no class that the test names as one; a class in the place of a function;
  3. a yes or no in answer to data given to an object of a class that it names; any other answer
     where the test decides by anything but an equality;
  4. what it changed in place, where the text is not `straight`; a tool or a module of the library's
     that it replaced; an answer run as code;
  5. an exception class of the solution, or one that is several of Python's, a context manager of
     it that swallows, a function of the test's that holds assertions and is handed over, `len` and
     iteration that disagree, a state of the process (random numbers, ...) that the solution set;
  6. a class or function of Python's own that it answers, NaN, a number or array of NumPy's that
     compares loosely (`hearing`), and what holds of nothing (`stepping`).
Calls of what the test names, constructors, attributes, items, iteration and `len` are neutral: they
answer a value that the solution had to find without having seen the expected one.

A failed assertion fails the cell, whoever swallows it: only a handler in the test's own text that
names classes of Python's or of the test's takes it back. A pass needs an assertion that was
reached, or an exception that such a handler waited for; a proven one each assertion of the text,
and each call of a function of the text that asserts, to its end.
"""

from __future__ import annotations

import sys
import threading
import types
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

INLINE, VOUCHED, PROVEN = 1, 2, 3

EQUALITY, LOOSE, OPEN = 0, 1, 2
"""What an assertion decides by (`rewrite`): an equality with what is written in the text; LOOSE, if
by anything but an equality; OPEN, if nothing that it compares is written there."""
FREE, NAMED, ANSWER = 0, 1, 2
"""Who was asked: a function, class or module that the test names; an object of a class that it
names; anything else."""

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
    """The mark of one cell, and its assertion sites."""

    def __init__(self) -> None:
        self.rests_on: list[str] = []
        self.reached = 0
        self._open = 0
        self._informed = self._changed = False
        self._pending: list[BaseException] = []
        self._forgiven: list[BaseException] = []
        self._foreign: list[object] = []
        self._kept: list[BaseException] = []
        self._theirs: list[BaseException] = []
        self._raised: list[BaseException] = []
        self._passed_on: list[BaseException] = []
        self._entered: set[int] = set()
        self.waiting = 0
        """Coroutines of the solution that nobody has awaited: true, whatever they would give."""
        self.is_due = False
        self.sites = 0
        self.fails = False
        self._lock = threading.Lock()

    # ---- the mark ------------------------------------------------------------------------------

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

    def nothing_reached(self) -> None:
        """The test's code came to its end and reached no assertion: it has not passed, whatever it
        would do in one process. Where none was due, nothing is known of the solution either."""
        if self.is_due:
            self._pending.append(AssertionError("no assertion was reached"))
        self.rests_on = ["no assertion, for none was reached"]
        self.reached = -1

    def trust(self) -> int:
        """On whose word a pass of this cell rests."""
        if self.reached < 0:
            return INLINE
        if len(self._entered - {0}) < self.sites:
            self.word("an assertion that was not reached")
        if self.fails and self._changed:
            self.word("what the solution has changed in place")
        if self.waiting > 0:
            self.word("a coroutine that nobody awaited")
        if not {*map(id, self._raised)} <= {*map(id, self._forgiven)}:
            self.word("an exception that was passed over")
        return VOUCHED if self.rests_on else PROVEN

    def why(self) -> str:
        """What a pass rests on beside plain data."""
        return "it rests on " + "; ".join(self.rests_on) if self.rests_on else ""

    def informed(self) -> bool:
        """Whether an object of the solution may have learnt something that another cell expects."""
        return self._informed or bool(self.rests_on)

    def returned(self, error: BaseException, is_call: bool) -> None:
        """The solution has raised this: a failed assertion of the test's that it kept is not to be
        taken back by whoever waits for another exception. What it raises when it is called
        (`is_call`) is taken by a handler that waits for it, or by nobody."""
        if is_call:
            self._raised.append(error)
        if any(error is one for one in self._pending):
            self._kept.append(error)
        else:
            self._theirs.append(error)

    def escaped(self, error: BaseException) -> None:
        """What the solution has asked for has raised this: an assertion of the test's that fails
        there has failed, whoever swallows that, and by whatever name it was called."""
        if isinstance(error, AssertionError) or type(error).__name__ == "Failed":
            self._passed_on.append(error)
            if not any(error is one for one in self._theirs + self._pending):
                self._pending.append(error)

    def was_passed_on(self, failure: BaseException | None) -> bool:
        """Whether this went to the solution, which may be right to catch it (to try again, to count
        failures): one process tells."""
        return any(failure is one for one in self._passed_on)

    def failure(self, apart_from: BaseException | None = None) -> BaseException | None:
        """What fails the cell although the test's code came to its end, or was ended by
        `apart_from`; None: it has passed."""
        for error in self._pending:
            if error is not apart_from and not any(error is one for one in self._forgiven):
                return error
        if self._open > 0 and apart_from is None:
            return AssertionError("an assertion was begun and never decided")
        return None

    # ---- assertion sites: what `rewrite` puts into a test's text ---------------------------------

    def entered(self, site: int) -> None:
        """An assertion begins."""
        with self._lock:
            self._open += 1
            self._entered.add(site)

    def holds(self, kind: int, value: object) -> bool:
        """Whether what was asserted holds; then the site is left."""
        if is_reference(value):
            self.word("an object's truth")
        if not value:
            return False
        self.left(kind)
        return True

    def left(self, kind: int) -> None:
        """An assertion held."""
        with self._lock:
            self._open -= 1
            self.reached += 1
        if kind & LOOSE and self._informed:
            self.word("an object's answer to data of the test")
        if kind & OPEN and self._changed:
            self.word("what the solution has changed in place")

    def asserted(self, site: int, kind: int, called: Any) -> Callable[..., Any]:
        """An assertion that stands in an expression: what is called instead of it."""

        def call(*args: object, **words: object) -> object:
            self.entered(site)
            try:
                found = called(*args, **words)
            except BaseException:
                self.broken()
                raise
            self.left(kind)
            return found

        return call

    def failed(self, *message: object) -> AssertionError:
        """The assertion does not hold: what to raise."""
        return AssertionError(*message)

    def raised(self, error: object) -> object:
        """The test's own code raises this."""
        made = error() if isinstance(error, type) and issubclass(error, AssertionError) else error
        if isinstance(made, AssertionError):
            self._pending.append(made)
        return made

    def broken(self) -> None:
        """An assertion was left by an exception: it fails the cell unless it is taken back."""
        error = sys.exc_info()[1]
        with self._lock:
            self._open -= 1
            if error is not None:
                self._pending.append(error)

    def handler(self, kinds: object, own: bool) -> object:
        """The classes of an `except` clause of the test's text, evaluated when something was
        raised; `own`: it names classes of Python's or of the test's."""
        error = sys.exc_info()[1]
        if error is not None:
            self.caught(error, kinds, own)
        return kinds

    def expected(self, kinds: object, own: bool) -> object:
        """The classes that `raises`, `assertRaises` or `suppress` is given."""
        if not own:
            self._foreign.append(kinds)
        if any(is_reference(kind) and Warning in _mro(kind) for kind in flattened(kinds)):
            self.word("a warning's class of the solution")
        return kinds

    def caught(self, error: BaseException, kinds: object, own: bool = True) -> None:
        """The test expects `kinds`; where `error` is one, it fails nothing any more."""
        flat = [kind for kind in flattened(kinds) if not isinstance(kind, tuple)]
        own = own and not any(a is b for a in self._foreign for b in flattened(kinds))
        if not any(isinstance(kind, type) and issubclass(type(error), kind) for kind in flat):
            return
        if any(is_reference(kind) for kind in flat):
            self.word("an exception class of the solution")
            own = own and not isinstance(error, AssertionError)
        elif not own:
            self.word("an exception class that the solution names")
        elif type(error) not in flat and any(error is one for one in self._theirs):
            if not _is_of_one_kind(error):
                self.word("an exception of the solution that is one of several kinds")
        if any(error is one for one in self._kept) and AssertionError not in flat:
            return
        if own or not isinstance(error, AssertionError):
            if any(error is one for one in self._pending):
                self.word("an assertion that was passed over")
            self._forgiven.append(error)
            self.reached += not isinstance(error, ImportError | NameError)

    def suppressed(self, error: BaseException, kinds: object) -> None:
        """The test passes over exceptions of these `kinds`, and so over what it asserts there."""
        self.caught(error, kinds)
        if any(error is one for one in self._raised):
            self.word("an exception that was passed over")

    def told(self, value: object, what: str) -> object:
        """This is used for an operator, or as an assertion."""
        if is_reference(value):
            self.word(f"{what} of an object")
        return value

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


def _is_of_one_kind(error: BaseException) -> bool:
    """Whether what the class of an exception has of Python's and of libraries is one line."""
    kinds = [kind for kind in _mro(type(error)) if not is_reference(kind)]
    return all(issubclass(a, b) for a, b in pairwise(kinds))


def _mro(kind: object) -> tuple[type, ...]:
    return type.__dict__["__mro__"].__get__(kind) if isinstance(kind, type) else ()


def flattened(kinds: object) -> Iterable[object]:
    """Nested tuples of classes, and all that is in them."""
    yield kinds
    if isinstance(kinds, tuple):
        for kind in tuple.__iter__(kinds):
            yield from flattened(kind)


class ReferenceType(type):
    """The metaclass of every class that stands for one of the other end's (`proxies`)."""


def is_reference(value: object) -> bool:
    """Whether this is an object or a class of the other end."""
    return issubclass(type(value), ReferenceType) or issubclass(type(type(value)), ReferenceType)
