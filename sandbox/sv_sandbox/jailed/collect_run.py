"""Running the tests that `collect` found, with pytest's and unittest's semantics.

In: items with their fixtures; out: an `Outcome`. What a test raises is its outcome, except what the
caller wants `through`. A fixture ends after the last test that has part in it, and after those that
depend on it. Set-up and tear-down functions of modules and classes are fixtures as well.
A skip counts only where the text itself skips: one that comes out of the solution is a failure.
"""

from __future__ import annotations

import builtins
import importlib
import inspect
import itertools
import os
import platform
import sys
import unittest
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MethodType
from typing import Any, ClassVar

from . import pytest_fixtures
from . import pytest_names as names
from .pytest_names import Failed, Fixture, Mark, Skipped, Unsupported, XFailed

TEXT = "<test>"
"""The file name that a test's text is compiled under."""


@dataclass(frozen=True, eq=False)
class TestItem:
    """One test with one set of arguments. `fixtures`: by name, what overrides last."""

    __test__: ClassVar[bool] = False
    name: str
    function: Any
    cls: type | None = None
    method: str = ""
    case: unittest.TestCase | None = None
    direct: Mapping[str, object] = field(default_factory=dict)
    indirect: Mapping[str, tuple[int, object]] = field(default_factory=dict)
    marks: tuple[Mark, ...] = ()
    fixtures: Mapping[str, tuple[Fixture, ...]] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    namespace: Mapping[str, object] = field(default_factory=dict)


class Outcome:
    """What came of the tests. `skipped` holds the reasons, of expected failures too."""

    def __init__(self) -> None:
        self.passed: list[str] = []
        self.failed: dict[str, BaseException] = {}
        self.skipped: dict[str, str] = {}
        self.unsupported: dict[str, str] = {}

    def error(self) -> BaseException | None:
        """What stands for the cell: None if it passed, `Skipped` if nothing ran."""
        if self.failed:
            return next(iter(self.failed.values()))
        if self.skipped and not self.passed:
            reasons = "; ".join(f"{name}: {reason}" for name, reason in self.skipped.items())
            return Skipped(f"all skipped: {reasons}")
        return None

    def detail(self) -> str:
        """ "2 of 5 tests failed: test_a: AssertionError: ...; TestX.test_b: ValueError: ..."."""
        count = len(self.passed) + len(self.failed) + len(self.skipped)
        each = (f"{name}: {said(error)}" for name, error in self.failed.items())
        return f"{len(self.failed)} of {count} tests failed: {'; '.join(each)}"


def said(error: BaseException) -> str:
    try:
        text = str(error)[:120]
    except Exception:
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


# ---- set-up and tear-down as fixtures ----


def parameters(function: Any, bound: bool) -> list[str]:
    """Names of what a call must give, apart from `self` and from what `mock.patch` gives. An object
    of the solution that took a function's place is not asked."""
    if type(function).__module__ not in ("builtins", "functools"):
        return []
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    try:
        every = inspect.signature(function).parameters.values()
    except ValueError:  # one of Python's own, in C
        return []
    found = [p.name for p in every if p.kind in kinds and p.default is inspect.Parameter.empty]
    default = getattr(sys.modules.get("unittest.mock"), "DEFAULT", None)
    patches = getattr(function, "patchings", ())
    given = sum(not p.attribute_name and p.new is default for p in patches)
    return found[bound + given :]


def _with_argument(function: Any, argument: object) -> None:
    """Call a set-up or tear-down, which may or may not want its module, class or method."""
    if function is not None:
        function = getattr(function, "__func__", function)
        function(*[argument] * bool(parameters(function, False)))


def text_setup(scope: str, own: Mapping[str, object]) -> Fixture:
    """What the text itself (`own`: what it binds) defines for its "module" or each "function"."""
    unittests = scope == "module" and ("setUpModule" in own or "tearDownModule" in own)
    start, stop = ("setUp", "tearDown") if unittests else ("setup_", "teardown_")
    word = "Module" if unittests else scope

    def setup(request: Request) -> Iterator[None]:
        _with_argument(own.get(start + word), getattr(request, scope))
        yield
        _with_argument(own.get(stop + word), getattr(request, scope))

    return Fixture(setup, scope, autouse=True)


def class_setup(cls: type) -> Fixture:
    def setup() -> Iterator[None]:
        case = issubclass(cls, unittest.TestCase) and not getattr(cls, "__unittest_skip__", False)
        try:
            if case:
                cls.setUpClass()  # type: ignore[attr-defined]
            _with_argument(getattr(cls, "setup_class", None), cls)
            yield
            _with_argument(getattr(cls, "teardown_class", None), cls)
            if case:
                cls.tearDownClass()  # type: ignore[attr-defined]
        finally:
            if case:
                cls.doClassCleanups()  # type: ignore[attr-defined]
                for _, error, _ in cls.tearDown_exceptions:  # type: ignore[attr-defined]
                    raise error

    return Fixture(setup, "class", autouse=True)


def method_setup() -> Fixture:
    def setup(request: Request) -> Iterator[None]:
        for name in ("setup_method", "teardown_method"):
            function = getattr(request.instance, name, None)
            if function is not None:
                function(*[request.function] * bool(parameters(function, False)))
            if name == "setup_method":
                yield

    return Fixture(setup, autouse=True)


# ---- running ------------------------------------------------------------------------------------


class Request:
    """The fixture `request`."""

    def __init__(self, run: _Run, item: TestItem, fixture: Fixture | None, name: str):
        self._run, self._item, self._fixture, self.fixturename = run, item, fixture, name
        self.function, self.cls, self.instance = item.function, item.cls, run.instance
        self.node, self.scope = self, fixture.scope if fixture else "function"
        self.name = item.name.rpartition(".")[2]
        if name in item.indirect:
            self.param = item.indirect[name][1]

    @property
    def module(self) -> object:
        return _Module(self._item.namespace)

    def getfixturevalue(self, name: str) -> object:
        return self._run.value(name, self._item, self._fixture)

    def addfinalizer(self, stop: Callable[[], object]) -> None:
        (self._run.live[self._fixture].stops if self._fixture else self._run.stops).append(stop)

    def __getattr__(self, name: str) -> object:
        if name in ("config", "session", "keywords", "path", "fspath", "applymarker"):
            raise Unsupported(f"request.{name}")
        raise AttributeError(name)


class _Module:
    """The text's module, by its namespace."""

    def __init__(self, namespace: Any):
        self.__dict__ = namespace


class _Live:
    """A fixture that is set up."""

    def __init__(self, at: int | None, owner: object):
        self.at, self.owner = at, owner
        self.value: object = None
        self.error: BaseException | None = None
        self.stops: list[Callable[[], object]] = []
        self.dependents: list[Fixture] = []


class _Run:
    def __init__(self, offered: Mapping[str, Fixture], through: tuple[type[BaseException], ...]):
        self.offered, self.through = offered, through
        self.live: dict[Fixture, _Live] = {}
        self.instance: object = None
        self.stops: list[Callable[[], object]] = []

    def value(self, name: str, item: TestItem, asker: Fixture | None) -> object:
        """A fixture's value, for a test or for another fixture, which ends before it."""
        if name in item.direct:
            return item.direct[name]
        if name == "request":
            chain = [n for n, c in item.fixtures.items() if asker in c]
            return Request(self, item, asker, chain[0] if chain else name)
        given = (self.offered[name],) if name in self.offered else ()
        known = (*given, *item.fixtures.get(name, ()))
        known = known[: known.index(asker)] if asker in known else known
        if not known:
            raise Unsupported(f"the fixture {name!r}")
        fixture, at = known[-1], item.indirect.get(name, (None,))[0]
        live = self.live.get(fixture)
        if live is not None and live.at != at:
            self.finish(fixture)
        if fixture not in self.live:
            owner = {"function": item, "class": item.cls or item}.get(fixture.scope)
            self.live[fixture] = _Live(at, owner)
            self._start(fixture, item, self.live[fixture])
        live = self.live[fixture]
        if asker is not None:
            live.dependents.append(asker)
        if live.error is not None:
            raise live.error
        return live.value

    def _start(self, fixture: Fixture, item: TestItem, live: _Live) -> None:
        function = fixture.function
        if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
            raise Unsupported(f"an async fixture, {function.__name__!r}")
        if fixture.bound:
            function = MethodType(function, self.instance)
        try:
            wanted = parameters(function, False)
            live.value = function(**{n: self.value(n, item, fixture) for n in wanted})
            if inspect.isgeneratorfunction(function):
                steps: Any = live.value
                live.value = next(steps)
                live.stops.append(lambda: _exhaust(steps))
        except BaseException as error:
            live.error = error

    def finish(self, fixture: Fixture) -> None:
        live = self.live.pop(fixture, None)
        if live is not None:
            _all([*live.stops, *(lambda f=f: self.finish(f) for f in live.dependents)])

    def attempt(self, step: Callable[[], None]) -> BaseException | None:
        """What the step raised."""
        try:
            with warnings.catch_warnings(record=True):
                step()
        except self.through:
            raise
        except BaseException as error:
            return error
        return None

    def test(self, item: TestItem) -> None:
        """Set up and call one test."""
        _filter(item)
        self.instance = item.case or (item.cls() if item.cls else None)
        for name in item.needs:
            self.value(name, item, None)
        if item.case is not None:
            _run_case(item.case, self.through)
            return
        function = getattr(self.instance, item.method) if item.method else item.function
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise Failed("a test that yields is not supported")
        wanted = parameters(function, False)
        value = function(**{name: self.value(name, item, None) for name in wanted})
        if inspect.iscoroutine(value):
            importlib.import_module("asyncio").run(value)

    def leave(self, following: TestItem | None) -> None:
        """End the fixtures that the next test has no part in, the last one first."""
        ending = [
            fixture
            for fixture, live in self.live.items()
            if following is None
            or fixture.scope == "function"
            or (fixture.scope == "class" and live.owner is not following.cls)
        ]
        _all([*(lambda f=f: self.finish(f) for f in ending), *self.stops])
        self.stops.clear()


def _all(stops: Sequence[Callable[[], object]]) -> None:
    """Call all of them, the last one first; then raise what the first that failed raised."""
    errors = []
    for stop in reversed(stops):
        try:
            stop()
        except BaseException as error:
            errors.append(error)
    if errors:
        raise errors[0]


def _exhaust(steps: Iterator[object]) -> None:
    for _ in steps:
        raise Failed("a fixture has more than one 'yield'")


class _Result(unittest.TestResult):
    """What unittest says of one test: the first thing that happened, as an exception."""

    def __init__(self, through: tuple[type[BaseException], ...]):
        super().__init__()
        self.through, self.raised = through, list[BaseException]()

    def addError(self, test: object, err: Any) -> None:
        if isinstance(err[1], self.through):
            raise err[1]
        self.raised.append(err[1])

    addFailure = addError

    def addSubTest(self, test: object, subtest: object, err: object) -> None:
        if err is not None:
            self.addError(test, err)

    def addSkip(self, test: object, reason: str) -> None:
        if isinstance(test, unittest.case._SubTest):  # type: ignore[attr-defined]
            names.sites.word("a part of a test that was left out")
        else:
            self.raised.append(sys.exc_info()[1] or Skipped(reason))

    def addExpectedFailure(self, test: object, err: Any) -> None:
        if isinstance(err[1], self.through):
            raise err[1]
        names.sites.caught(err[1], BaseException)
        self.raised.append(Skipped("expected failure"))

    def addUnexpectedSuccess(self, test: Any) -> None:
        self.raised.append(Failed("Unexpected success"))


def _run_case(case: unittest.TestCase, through: tuple[type[BaseException], ...]) -> None:
    result = _Result(through)
    case(result)
    if result.raised:
        raise result.raised[0]


def by_text(error: BaseException) -> bool:
    """Whether the text itself (or a decorator of unittest's on it) raised this."""
    files, step = [__file__], error.__traceback__
    while step is not None:
        files.append(step.tb_frame.f_code.co_filename)
        step = step.tb_next
    while files[-1] in (names.__file__, pytest_fixtures.__file__, unittest.case.__file__):
        files.pop()
    return files[-1] in (TEXT, __file__)


def _holds(mark: Mark, item: TestItem) -> bool:
    """Whether one of the mark's conditions is true, or it has none."""
    conditions = mark.args or [mark.kwargs.get("condition", True)]
    scope = {"os": os, "sys": sys, "platform": platform, **item.namespace}
    return any(eval(c, scope) if isinstance(c, str) else c for c in conditions)


def _skipped(item: TestItem) -> str | None:
    """Why a mark skips the test."""
    for mark in item.marks:
        if mark.name == "skip" or (mark.name == "skipif" and _holds(mark, item)):
            return str(mark.kwargs.get("reason", mark.args))
    return None


def _filter(item: TestItem) -> None:
    for mark in (m for m in reversed(item.marks) if m.name == "filterwarnings"):
        for text in mark.args:
            action, message, category = [*text.split(":"), "", ""][:3]
            kind = getattr(builtins, category or "Warning", None)
            if kind is None:
                raise Unsupported(f"a filter of the warning {category}")
            warnings.filterwarnings(action, message, kind)


def run(
    items: Sequence[TestItem],
    fixtures: Mapping[str, Fixture] | None = None,
    first_failure: bool = False,
    through: tuple[type[BaseException], ...] = (),
) -> Outcome:
    """Run all. `fixtures`: what the caller offers besides the text's own (`capsys`, ...).
    `through`: exceptions that are no outcome of a test, but end the run."""
    outcome, state = Outcome(), _Run(fixtures or {}, through)
    for item, following in itertools.zip_longest(items, items[1:]):
        _run_one(state, item, following, outcome)
        if first_failure and outcome.failed:
            break
    if outcome.unsupported and not outcome.failed:
        name, reason = next(iter(outcome.unsupported.items()))
        raise Unsupported(f"{name} needs {reason}")
    return outcome


def _run_one(state: _Run, item: TestItem, following: TestItem | None, outcome: Outcome) -> None:
    skipped = _skipped(item)
    expected = next((m for m in item.marks if m.name == "xfail" and _holds(m, item)), None)
    options = expected.kwargs if expected else {}
    kinds = (options.get("raises") or BaseException) if expected else ()
    if skipped is None and options.get("run") is False:
        skipped = "xfail"
    error = state.attempt(lambda: state.test(item)) if skipped is None else None
    after = state.attempt(lambda: state.leave(following))
    if isinstance(error, Unsupported | names.NotAvailable) and by_text(error):
        outcome.unsupported[item.name] = str(error)
        return
    chosen = error is not None and (error.__context__ is None or error.__suppress_context__)
    if isinstance(error, Skipped | unittest.SkipTest | XFailed) and chosen and by_text(error):
        skipped, error = str(error), None
    elif error is not None and isinstance(error, kinds):
        names.sites.caught(error, kinds)
        skipped, error = f"xfail: {said(error)}", None
    elif expected and skipped is None and error is None and options.get("strict"):
        error = Failed("[XPASS(strict)]")
    error = error or after
    if error is not None:
        outcome.failed[item.name] = error
    elif skipped is not None:
        outcome.skipped[item.name] = skipped
    else:
        outcome.passed.append(item.name)
