"""The assertions of one cell: what fails it, whoever swallows that, and what a pass has reached.

In: what `rewrite` has put into a test's text (assertion sites, `except`, `raises`), and what the
solution raises. Out: `failure()`, and `trust()`, which is `provenance`'s for a cell whose every
assertion was reached.

A failed assertion fails the cell: only a handler in the test's own text that names classes of
Python's or of the test's takes it back. A pass needs an assertion that was reached, or an exception
that such a handler waited for; a proven one each assertion of the text.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

from .provenance import INLINE, LOOSE, OPEN, Provenance, is_reference


class Sites(Provenance):
    """One cell's."""

    def __init__(self, count: int = 0, is_due: bool = False, fails: bool = False) -> None:
        """`count`: of the text; `is_due`: whether one stands outside of functions; `fails`: whether
        the text fails by its own hand as well."""
        super().__init__()
        self.reached = 0
        self.has_left = False
        """Whether the test has left by itself, with success."""
        self._count, self._is_due, self._fails = count, is_due, fails
        self._open = 0
        self._pending: list[BaseException] = []
        self._forgiven: list[BaseException] = []
        self._foreign: list[object] = []
        self._kept: list[BaseException] = []
        self._theirs: list[BaseException] = []
        self._raised: list[BaseException] = []
        self._passed_on: list[BaseException] = []
        self._entered: set[int] = set()
        self._lock = threading.Lock()

    def trust(self) -> int:
        """On whose word a pass of this cell rests."""
        if self.reached < 0:
            return INLINE
        if not (self.reached or self._fails or self._pending):
            self.word("a test without an assertion")
        if len(self._entered - {0}) < self._count:
            self.word("an assertion that was not reached")
        if self._fails:
            self.decided(LOOSE | OPEN)
        if not {*map(id, self._raised)} <= {*map(id, self._forgiven)}:
            self.word("an exception that was passed over")
        return super().trust()

    def nothing_reached(self) -> None:
        """The test's code came to its end and reached no assertion: it has not passed, whatever it
        would do in one process. Where none was due, nothing is known of the solution either."""
        if self._is_due:
            self._pending.append(AssertionError("no assertion was reached"))
        self.rests_on = ["no assertion, for none was reached"]
        self.reached = -1

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

    # ---- what `rewrite` puts into a test's text --------------------------------------------------

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
        self.decided(kind)

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

    def pair(self, value: object, kinds: object) -> tuple[object, object]:
        """What `isinstance` is given: only for the class itself, Python asks nobody."""
        is_own = any(type(value) is kind and is_reference(kind) for kind in flattened(kinds))
        return (value if is_own else self.shown(value, "`isinstance`")), kinds

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
