"""The judge: runs test code whose undefined names are those of a solution in another process.

In: tests in the region, a link to the subject. Out: a verdict per test, and its trust. Names that
the solution defines are asked for when they are read (`namespace`), and every use of an object of
the solution is a question over the link, which `provenance` hears.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from types import ModuleType
from typing import Any, NoReturn

from . import (
    audit,
    collect,
    lending,
    makers,
    operations,
    plan,
    proxies,
    rewrite,
    shapes,
    shared,
    subject,
    waiting,
)
from .link import Link, Lost, OneProcess, Policy
from .namespace import Names, TestNamespace, VacuousNames, finding
from .provenance import ANSWER, FREE, NAMED, PROVEN, Provenance
from .source import unpacked
from .state import State
from .testcode import TestCode
from .values import CodecError, native

PASS, WRONG, FORBIDDEN = 1, 2, 7
_CHANGING = frozenset("set del above method setitem delitem next".split()) | {
    name for name in shapes.SPECIALS if name[0] == "i" and name[1:] in shapes.BINARY
}
"""What the solution asks that may change an object of the test's."""

_SUBMODULES = frozenset(
    (
        "collections.abc concurrent.futures email.message email.mime.text email.utils html.entities"
        " html.parser http.client http.cookies importlib.util json.decoder logging.handlers"
        " numpy.linalg numpy.random numpy.testing os.path unittest.mock urllib.error urllib.parse"
        " urllib.request xml.dom.minidom xml.etree.ElementTree xml.sax.saxutils"
    ).split()
)
"""Modules of packages that a test may find loaded because the solution has loaded them."""


class UsedUp(BaseException):
    """The subject's interpreter is not as it was at first: a cell has left something behind."""


# ---- test code: in a fork ------------------------------------------------------------------------


def main() -> None:
    """Run the row's test code and end the process. Never returns."""
    kind, start, cells, _ = native.row()
    try:
        native.loaded()
        if kind == native.KIND_VACUOUS:
            vacuous(start, cells)
        else:
            judge(start, cells)
    finally:
        os._exit(0)


def vacuous(start: int, cells: int) -> None:
    """PASS for each test that holds although everything it calls raises."""
    for cell in range(start, cells):
        native.begin(cell)
        verdict = WRONG
        with contextlib.suppress(BaseException):  # it looked at something: not vacuous
            test = TestCode(unpacked(native.blob(cell)))
            marks = Provenance()
            run(test, marks, VacuousNames(test.entry_point))
            verdict = WRONG if marks.failure() else PASS
        native.end(cell, cell + 1, verdict, b"", PROVEN)


def judge(start: int, cells: int) -> None:
    """A verdict per test; LOST, and the end, when the subject is gone."""
    end = Judge()
    audit.watch(end.one_process, end.text)
    for cell in range(start, cells):
        native.begin(cell)
        trust = PROVEN
        try:
            verdict, detail, trust = end.judge_one(cell, native.blob(cell))
        except UsedUp:
            native.stop()  # a fresh pair for this cell
            return
        except Lost:
            native.end(cell, cell + 1, native.MARK_LOST, b"", trust)
            native.stop()
            return
        except OneProcess as error:
            verdict, detail = native.MARK_UNSPLIT, str(error).encode("utf-8", "replace")[:200]
        except CodecError as error:
            verdict, detail = FORBIDDEN, f"malformed answer: {error}".encode()[:200]
        native.end(cell, cell + 1, verdict, detail, trust)
        if end.link.trouble is not None or end.left_something() or end.marks.informed():
            native.stop()  # the stream may be out of step: a new subject for the next cell
            return


def run(test: TestCode, marks: Provenance, names: Names) -> str:
    """Run a test's code, and the test functions and classes that it hands over, against these
    names. Raises what fails it; returns what was not judged, and why (empty for almost all)."""
    space = TestNamespace(names)
    space[rewrite.SITES] = marks
    if test.hands_over:
        collect.install(marks)
    audit.watch_suppress(marks)
    with finding(names, test.modules):
        try:
            exec(test.code, space)
        except SystemExit as error:
            if error.code or proxies.is_told(error):
                raise  # of its own accord it may end, with success
        except BaseException as error:
            if not test.hands_over or not collect.no_verdict(error):
                raise
            return collect.no_verdict(error)
        if test.hands_over:
            return collect.judge(space, test.tree, (Lost, OneProcess, CodecError, UsedUp))
        sys.stdout.flush()
    return ""


class Judge(Policy):
    """The policy of the judge's end: what the solution may ask, and what its answers are worth."""

    silent = True  # a failed assertion's text may say what was expected

    def __init__(self) -> None:
        self.link = Link(native.CHANNEL_FD, self, native.waiting)
        self.marks = Provenance()
        self._test: TestCode | None = None
        self._shared: shared.JudgeShared | None = None
        self._named: set[int] = set()
        self._answered: set[int] = set()
        """Functions that came as answers, or in them."""
        self._naming: list[object] | None = None
        """What arrives while a name is asked for."""
        self._errors: list[BaseException] = []
        """Exceptions of the solution's classes that came with the last answer."""
        self._helpers: set[int] = set()
        self._attributes: set[int] = set()
        self._objects: set[int] = set()
        self._state: State | None = None
        self._is_first = True

    def judge_one(self, cell: int, blob: bytes) -> tuple[int, bytes, int]:
        """Run one test: verdict, detail, trust. Lost, OneProcess and CodecError pass through,
        whatever the test catches."""
        try:
            self._test = test = TestCode(unpacked(blob))
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            return *subject.verdict_of(error), PROVEN
        if test.patches:
            raise OneProcess(f"the test patches the module {test.patches}")
        self.marks = marks = Provenance(test.branches)
        marks.sites, marks.is_due = test.sites, test.sites > test.inner_sites
        self.link.forget()
        self._named.clear()
        self._helpers.clear()
        self._attributes.clear()
        self._objects.clear()
        self._shared = None
        if "patch" in test.names:
            audit.watch_patches(self.one_process)
        self._state = State(test.names)
        self._state.loaded()
        failure = self._failure(cell, test)
        if isinstance(failure, UsedUp):
            raise failure
        if self.link.trouble is not None:
            raise self.link.trouble
        if failure is not None:
            return *subject.verdict_of(failure), marks.trust()
        trust = marks.trust()
        return PASS, marks.why().encode("utf-8", "replace"), trust

    def text(self) -> str:
        """The text of the test at hand."""
        return self._test.text if self._test is not None else ""

    def left_something(self) -> bool:
        """Whether the last test has changed this interpreter; what it drew is put back."""
        if self._state is None:
            return False
        self._state.begin()
        return self._state.changed()

    def _failure(self, cell: int, test: TestCode) -> BaseException | None:
        try:
            self._shared = shared.JudgeShared(test.wanted)
            loaded = self._loaded(cell, test)
            self._import(loaded, test)
            left_out = run(test, self.marks, SolutionNames(self, test))
            if left_out:
                raise OneProcess(left_out)
        except BaseException as error:
            self.link.trouble = self.link.trouble or (error if type(error) is OneProcess else None)
            return error
        if not test.sites and not self.marks.reached:
            self.marks.word("a test without an assertion")
        elif not self.marks.reached:
            self.marks.nothing_reached()
        return self.marks.failure()

    def _loaded(self, cell: int, test: TestCode) -> object:
        """The solution anew. Raises UsedUp where that is for a fresh pair: of what an earlier test
        did to the channel, this one knows nothing."""
        try:
            loaded = self.link.ask("load", cell, test.wanted)
        except (Lost, CodecError, OSError):
            if self._is_first:
                raise
            raise UsedUp from None
        if loaded is None:
            raise UsedUp
        self._is_first = False
        return loaded

    def _import(self, loaded: Any, test: TestCode) -> None:
        """Modules of packages that the solution has imported and the test speaks of."""
        for name in loaded:
            if name.partition(".")[0] in test.names and name in _SUBMODULES:
                with contextlib.suppress(ImportError):
                    __import__(name)

    def _ask_for(self, *request: Any) -> tuple[Any, list[object]]:
        """An answer that is no answer of the solution's to a question of the test's, and the
        objects that arrived meanwhile."""
        arrived: list[object] = []
        with self.link.lock:
            outer, self._naming = self._naming, arrived
            try:
                return self.link.ask(*request), arrived
            finally:
                self._naming = outer

    def name(self, name: str, entry_point: str | None) -> tuple[bool, Any]:
        """What the solution has by this name."""
        found, arrived = self._ask_for("name", name)
        if type(found) is not tuple or len(found) != 2:
            raise CodecError("not a name")
        module, original = proxies.origin_of(found[1])
        if original == name and self.module(module) is not None:
            # A tool of the library's: here it is our own.
            found, theirs = (True, getattr(self.module(module), name, found[1])), found[1]
            arrived = [one for one in arrived if one is not theirs]
        for one in arrived:
            self.arrived(one)
        known = proxies.number_of(found[1], self.link)
        if known is not None:
            self._name(known[0])
            if entry_point is not None and name != entry_point:
                self._helpers.add(known[0])
            is_tool = name in plan.TOOLS or name.startswith("assert") or name == "approx"
            is_module = name in rewrite.TOOLS and not proxies.is_plain_function(found[1])
            if (is_tool or is_module) and name != entry_point:
                self.marks.word(f"the solution's own {name}")
        return found[0] is True, found[1]

    def beside(self, name: str) -> Any:
        """A module beside the solution, which the test names by importing it."""
        found = self.link.ask("import", name)
        self._name(self._number(found))
        return found

    def _name(self, number: int) -> None:
        if number >= 0 and number not in self._answered:
            self._named.add(number)

    # ---- the policy of this end ------------------------------------------------------------------

    def tell(self, value: object, reached: bool) -> None:
        """See `lending`."""
        lending.tell(value, reached)
        code = getattr(getattr(value, "__func__", value), "__code__", None)
        if not isinstance(value, type):
            self.marks.handed_over = True
        if code is not None and rewrite.holds_sites(code):
            self.marks.word("a function that holds assertions was handed to the solution")

    def perform(self, operation: str, operands: tuple[object, ...]) -> object:
        """Answer a question of the solution's."""
        if operation == "begin":
            return waiting.begin(*operands)
        if operation == "done":
            return waiting.done(*operands)
        self._lent(operation, operands)
        lending.allow(operation, operands)
        if operation == "set" and not lending.is_plain(operands[2]):
            self.marks.word("attributes that the solution set")
        if lending.makes_a_class(operation, operands):
            self.marks.word("a class that the solution made of the test's")
        if operation in _CHANGING or (operation == "special" and operands[1] in _CHANGING):
            self.marks.has_changed = True
        answer = operations.perform(operation, operands, self.link)
        if operation == "get" and operands[1] == "__dict__":
            self._attributes.add(id(answer))
        return answer

    def is_known(self, value: object) -> bool:
        """Whether an object is of a class that the test names."""
        return self._is_of_named_class(value)

    def changed(self, container: object) -> None:
        """What lies in an object's `__dict__` are its attributes."""
        self.marks.has_changed = True
        if id(container) in self._attributes:
            self.marks.word("attributes that the solution set")

    def _lent(self, operation: str, operands: tuple[object, ...]) -> None:
        """Only what was told of by number is asked: plain data is local at both ends. Raises
        CodecError."""
        targets = operands[: 2 if operation == "above" else 1]
        if operation == "make":
            targets = operands[1] if len(operands) > 1 and type(operands[1]) is tuple else ()
        elif operation in ("isinstance", "issubclass"):
            targets = operands[1:2]
        if not targets or not all(map(self.link.has_told, targets)):
            raise CodecError("nothing of the test's that was lent")

    def heard(self, operation: str, operands: tuple[Any, ...], answer: object) -> None:
        """An answer of the solution's: on to `provenance`."""
        self._errors_came(None)
        if operation in ("isinstance", "issubclass", "contains"):
            self.marks.word(f"{operation} of a class")
        if operation in ("len", "iter", "getitem"):
            self._stepped(operation, operands, answer)
        if operation == "above":
            self.marks.asked(operands[2].strip("_"), NAMED, bool(operands[3]), answer)
        if operation not in ("special", "call", "method", "get"):
            return
        self._came(operation, operands[0], answer)
        number = self._number(operands[0])
        named = number in self._named
        whom = FREE if named else NAMED if self._is_of_named_class(operands[0]) else ANSWER
        if operation == "get":
            if named and (isinstance(operands[0], type) or proxies.is_module(operands[0])):
                self._name(self._number(answer))  # a function of a class, of a module
        elif operation == "special":
            self.marks.asked(operands[1], max(whom, NAMED), bool(operands[2]), answer)
        else:
            if named and operation == "method" and not isinstance(operands[0], type):
                whom = FREE if proxies.is_module(operands[0]) else NAMED
            if number in self._helpers and type(answer) is bool:
                whom = ANSWER
            self.marks.asked(None, whom, any(operands[-2:]), answer)

    def _stepped(self, operation: str, operands: tuple[Any, ...], answer: Any) -> None:
        """A class was asked for its items, as an enumeration is."""
        number = self._number(operands[0])
        if number not in self._named:
            self.marks.word("items of a class that is an answer")
        elif operation != "getitem":
            count = answer if operation == "len" else len(answer)
            self.link.makers.count(number, count)

    def _came(self, operation: str, target: Any, answer: object) -> None:
        """What came is plain data, a new object of a class that the test names, a function of a
        class or module that it names, or something that steps through data: or it is marked."""
        if type(target) is proxies.ReferenceClass and operation == "call":
            number = self._number(answer)
            if number < 0 or number in self._objects:
                self.marks.word("a class that makes no new object")
            self._objects.add(number)
        elif _holds_loose(answer):
            self.marks.word("a mock or a masked array of the test's own as an answer")

    def arrived(self, value: object) -> None:
        """A proxy of an object was made."""
        if isinstance(value, BaseException):
            self._errors.append(value)  # `heard` and `raised` know what came of it
        elif self._naming is not None:
            self._naming.append(value)
        elif not self._is_of_named_class(value) and not makers.steps(value):
            self.marks.word("an object as an answer")

    def came_again(self, number: int) -> None:
        """A function in an answer is an answer, whether the test names it as well or not."""
        if proxies.is_plain_function(self.link.makers.made(number)):
            self._named.discard(number)
            self._answered.add(number)

    def _errors_came(self, raised: BaseException | None) -> None:
        """Exceptions that arrived and are not what was raised are answers like other objects."""
        excused: list[BaseException | None] = [raised]
        for error in excused:
            if error is not None and len(excused) < 100:
                excused += [error.__cause__, error.__context__]
                excused += error.exceptions if isinstance(error, BaseExceptionGroup) else []
        for error in self._errors:
            if not any(error is one for one in excused) and not self._is_of_named_class(error):
                self.marks.word("an exception as an answer")
        self._errors.clear()

    def _number(self, value: Any) -> int:
        known = proxies.number_of(value, self.link)
        return -1 if known is None else known[0]

    def _is_of_named_class(self, value: Any) -> bool:
        return not self._named.isdisjoint(proxies.class_numbers(value))

    def raised(
        self, operation: str, operands: tuple[object, ...], error: BaseException
    ) -> BaseException:
        """An exception by which Python would end an iteration, a task or a thread of the test's
        without a word, and what is asserted there, is a RuntimeError, unless the test speaks of it.
        """
        self._errors_came(error)
        if isinstance(error, IndexError) and operation == "special" and operands[1] == "getitem":
            index = operands[2]
            assert isinstance(index, tuple)
            self.link.makers.ends_at(self._number(operands[0]), index)
        quiet = type(error).__name__ if _ends_quietly(error) else ""
        steps = operation == "special" and operands[1] in ("next", "anext")
        steps = steps or (operation == "run" and isinstance(error, StopAsyncIteration))
        self.marks.returned(error)
        if not quiet or steps:
            return error
        if self._test is not None and quiet in self._test.names:
            self.marks.word(f"{quiet} of the solution's, which the test may wait for")
            return error
        told = RuntimeError(f"the solution raised {quiet}")
        told.__cause__ = error
        return told

    def word(self) -> None:
        """A class or function of Python's own, or a loose number, came as an answer."""
        self.marks.word("a function, a class or a loose number that it answered")

    def mark(self, why: str) -> None:
        """A proxy gave a yes or no."""
        if not self.link.coding:
            self.marks.word(why)

    def notes(self) -> object:
        """What the process shares with the solution's."""
        found = self._shared.notes() if self._shared is not None else []
        if any(name == "files" for name, _ in found):
            self.marks.word("files that the solution sees")
        return tuple(found) or None

    def sends(self, data: bytes) -> None:
        """A path of the scratch folder means nothing where that one has it under another name."""
        if self._shared is not None and self._shared.names_folder(data):
            self.one_process("a path of the scratch folder, which lies elsewhere for the solution")

    def noted(self, notes: object) -> None:
        """And what that one shares."""
        if type(notes) is not tuple or self._shared is None:
            raise CodecError("not notes")
        for note in notes:
            if type(note) is not tuple or len(note) != 2 or type(note[0]) is not str:
                raise CodecError("not a note")
            if note[0] not in ("printed", "warned", "logged"):
                self.marks.word(f"{note[0]} as the solution left it")
            self._shared.noted(*note)

    def read(self, value: object, name: str) -> object:
        """A method by its object and name."""
        lending.allow("get", (value, name))
        return getattr(value, name)

    def module(self, name: str) -> ModuleType | None:
        """Our own copy of a module that the test speaks of, or that is loaded."""
        if not shapes.is_library_module(name) or self._test is None:
            return None
        if name not in sys.modules and not ("." not in name and name in self._test.names):
            return None
        if name.partition(".")[0] == "numpy" and "numpy" not in sys.modules:
            return None
        try:
            __import__(name)
        except ImportError:
            return None
        return sys.modules[name]

    def one_process(self, why: str) -> NoReturn:
        """This cell is not judged here, whatever the test catches."""
        self.link.trouble = OneProcess(why)
        raise self.link.trouble

    async def awaited(self, coroutine: object) -> object:
        """A coroutine of the subject, as one of ours: it runs there while it is awaited here, and
        beside it what else is awaited."""
        import asyncio  # as large as all that a template has loaded: only where it is needed

        task, arrived = self._ask_for("start", coroutine)
        for one in arrived:
            if one is not task:
                self.arrived(one)
        try:
            while True:
                await asyncio.sleep(0)
                finished = self.link.ask("run", task, waiting.spare_s(asyncio.get_running_loop()))
                if finished is not None:
                    break
        except BaseException:
            if self.link.trouble is None:
                self.link.ask("cancel", task)
            raise
        if type(finished) is not tuple or len(finished) != 1:
            raise CodecError("not the result of a coroutine")
        return finished[0]


def _holds_loose(answer: Any, room: int = 1000) -> bool:
    """Whether an object of the test's that compares loosely lies in an answer."""
    waiting_for = [answer]
    while waiting_for and room:
        room -= 1
        value = waiting_for.pop()
        if type(value) in (list, tuple, set, frozenset):
            waiting_for += value
        elif type(value) is dict:
            waiting_for += [*value, *value.values()]
        elif type(value).__module__ in ("unittest.mock", "numpy.ma"):
            return True
    return False


def _ends_quietly(error: BaseException) -> bool:
    if isinstance(error, StopIteration | StopAsyncIteration):
        return True
    if type(error).__name__ == "CancelledError":
        return True
    main = threading.current_thread() is threading.main_thread()
    return not isinstance(error, Exception) and not main


_TOLD_OF_MODULES = ("__version__", "__all__", "__author__")


class SolutionNames(Names):
    """The names of the solution, asked for when they are read."""

    def __init__(self, judge: Judge, test: TestCode):
        self._judge, self._entry_point = judge, test.entry_point
        self._binds = test.binds
        self._known: dict[str, object] = {}

    def read(self, name: str, asked_for: bool = False) -> object:
        """Raises KeyError for what neither the solution nor this rule has: built-in names are the
        test's, except the declared entry point, and what it imports from the solution by name."""
        if plan.is_builtin(name) and name != self._entry_point and not asked_for:
            raise KeyError(name)
        if name in self._known:
            return self._known[name]
        if name.startswith("__") and name.endswith("__") and name not in _TOLD_OF_MODULES:
            raise KeyError(name)
        found, value = self._judge.name(name, self._entry_point)
        if not found:
            raise KeyError(name)
        if proxies.is_fixed(value):  # a function or class: what it is bound to hardly changes
            self._known[name] = value
        return value

    def listed(self) -> list[str]:
        """All public names."""
        names = self._judge.link.ask("names")
        if type(names) is not tuple or not all(type(name) is str for name in names):
            raise CodecError("not names")
        kept = [name for name in names if not plan.is_builtin(name) or name == self._entry_point]
        return [name for name in kept if name[:2] != "__" and name not in self._binds]

    def set(self, name: str) -> None:
        """The solution would not see it."""
        self._judge.one_process(f"the test sets {name} in the solution's module")

    def module(self, name: str) -> object:
        """A module beside the solution."""
        return self._judge.beside(name)
