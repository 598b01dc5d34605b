"""The judge: runs test code whose undefined names are those of a solution in another process.

In: tests in the region, a link to the subject. Out: a verdict per test, and its trust. Names that
the solution defines are asked for when they are read (`namespace`), and every use of an object of
the solution is a question over the link, which `provenance` hears.
"""

from __future__ import annotations

import contextlib
import gc
import os
import sys
import traceback
from types import ModuleType
from typing import Any, NoReturn

from . import (
    audit,
    collect,
    kinds,
    lending,
    operations,
    proxies,
    rewrite,
    shapes,
    shared,
    subject,
    testcode,
    waiting,
)
from .collect_run import TEXT
from .hearing import Hearing
from .link import Link, Lost, OneProcess, Policy, Uncrossed
from .namespace import Names, SolutionNames, TestNamespace, VacuousNames, finding
from .provenance import INLINE, PROVEN
from .sites import Sites
from .testcode import TestCode
from .tidy import IMPORTS, SETS, UNTIDY, forget, is_untidy
from .values import CodecError, native

PASS, WRONG, FORBIDDEN = 1, 2, 7
_SUBMODULES = frozenset(
    (
        "collections.abc concurrent.futures email.message email.mime.text email.utils html.entities"
        " html.parser http.client http.cookies importlib.util json.decoder logging.handlers"
        " numpy.linalg numpy.random numpy.testing os.path unittest.mock urllib.error urllib.parse"
        " urllib.request xml.dom.minidom xml.etree.ElementTree xml.sax.saxutils"
    ).split()
)
"""Modules of packages that a test may find loaded because the solution has loaded them."""


Loaded = tuple[tuple[str, ...], tuple[str, ...]]
"""Modules of packages that a solution has imported, and names of Python's that it binds."""


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
        verdict, tidiness = WRONG, UNTIDY
        with contextlib.suppress(BaseException):  # it looked at something: not vacuous
            test = testcode.read(native.blob(cell))
            tidiness = test.tidiness
            marks = Sites()
            run(test, marks, VacuousNames(test.entry_point))
            verdict = WRONG if marks.failure() else PASS
        native.end(cell, cell + 1, verdict, b"", PROVEN)
        if is_untidy(tidiness):
            native.stop()
            return
        forget()
        gc.collect()


def judge(start: int, cells: int) -> None:
    """A verdict per test; LOST, and the end, when the subject is gone."""
    end = Judge()
    audit.watch(end.one_process, end.text)
    kinds.install()
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
        except Uncrossed as error:  # no failure; nor does a solution gain by it (`below`)
            verdict, detail, trust = end.unknown(error)
        except OneProcess as error:
            verdict, detail = native.MARK_UNSPLIT, str(error).encode("utf-8", "replace")[:200]
        except CodecError as error:
            verdict, detail = FORBIDDEN, f"malformed answer: {error}".encode()[:200]
            native.certain(cell)
        native.end(cell, cell + 1, verdict, detail, trust)
        if end.link.trouble is not None or end.left_something() or end.marks.informed():
            native.stop()  # the stream may be out of step: a new subject for the next cell
            return


def run(test: TestCode, marks: Sites, names: Names) -> str:
    """Run a test's code, and the test functions and classes that it hands over, against these
    names. Raises what fails it; returns what was not judged, and why (empty for almost all)."""
    space = TestNamespace(names)
    space[rewrite.SITES] = marks
    subject.keep_lines(TEXT, test.text.encode())
    if test.hands_over:
        collect.install(marks)
    audit.watch_suppress(marks)
    with finding(names, test.modules):
        try:
            exec(test.code, space)
        except SystemExit as error:
            if error.code or proxies.is_told(error):
                raise  # of its own accord it may end, with success
            marks.has_left = True
            if not _ends_there(error, test.last_line):
                marks.word("a test that ended before its end")
        except BaseException as error:
            if not test.hands_over or not collect.no_verdict(error):
                raise
            return collect.no_verdict(error)
        if test.hands_over:
            return collect.judge(space, test.tree, (Lost, OneProcess, CodecError, UsedUp))
        sys.stdout.flush()
    return ""


def _ends_there(error: BaseException, last_line: int) -> bool:
    """Whether the last statement of the text raised this, and no function of the text's."""
    frames = traceback.walk_tb(error.__traceback__)
    own = [
        (frame.f_code.co_name, line) for frame, line in frames if frame.f_code.co_filename == TEXT
    ]
    return len(own) == 1 and own[0][1] >= last_line


class Judge(Policy):
    """The policy of the judge's end: what the solution may ask, and what its answers are worth."""

    silent = True  # a failed assertion's text may say what was expected

    def __init__(self) -> None:
        self.link = Link((native.CHANNEL_IN, native.CHANNEL_OUT), self, native.waiting)
        self.marks = Sites()
        self._test: TestCode | None = None
        self._shared: shared.JudgeShared | None = None
        self.hearing = Hearing(self.link, self.marks, frozenset(), self.module)
        self._attributes: set[int] = set()
        self._takes = False
        """Whether the solution binds a name of Python's that the test uses."""
        self._sets = 0
        """SETS once the solution has set an attribute of something here."""
        self._is_first = True

    def judge_one(self, cell: int, blob: bytes) -> tuple[int, bytes, int]:
        """Run one test: verdict, detail, trust. Lost, OneProcess and CodecError pass through,
        whatever the test catches."""
        try:
            self._test = test = testcode.read(blob)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            return *subject.verdict_of(error), PROVEN
        if test.patches:
            raise OneProcess(f"the test patches the module {test.patches}")
        forget()
        self.marks = marks = Sites(test.sites, test.is_due, test.fails)
        self.link.forget()
        self.hearing = Hearing(self.link, marks, test.names, self.module)
        self._attributes.clear()
        gc.collect()  # what the last one held is not to be missing
        self._takes = False
        self._shared = None
        if "patch" in test.names:
            audit.watch_patches(self.one_process)
        failure = self._failure(cell, test)
        if isinstance(failure, UsedUp):
            raise failure
        if self.link.trouble is not None:
            raise self.link.trouble
        if failure is not None:
            if self._takes and self.hearing.has_answered:
                native.certain(cell)  # in one process the solution's `all` would be asked
            return *subject.verdict_of(failure), marks.trust()
        trust = marks.trust()
        left = native.TRUST_LEFT if marks.has_left else 0
        return PASS, marks.why().encode("utf-8", "replace"), trust | left

    def unknown(self, error: Uncrossed) -> tuple[int, bytes, int]:
        """Verdict, detail, trust of a cell that this has ended: it may pass in one process, unless
        an assertion has failed."""
        failure = self.marks.failure(apart_from=error)
        if failure is not None:
            return *subject.verdict_of(failure), PROVEN
        detail = f"a value cannot cross: {error}".encode("utf-8", "replace")
        return PASS, detail[:200], INLINE

    def text(self) -> str:
        """The text of the test at hand."""
        return self._test.text if self._test is not None else ""

    def left_something(self) -> bool:
        """Whether the last test may have changed this interpreter."""
        return self._test is not None and is_untidy(self._test.tidiness | self._sets)

    def _failure(self, cell: int, test: TestCode) -> BaseException | None:
        try:
            self._shared = shared.JudgeShared(test.wanted)
            modules, python_names = self._loaded(cell, test)
            self._import(modules, test)
            self._takes = not test.names.isdisjoint(python_names) and test.entry_point is None
            left_out = run(test, self.marks, SolutionNames(self, test))
            if left_out:
                raise OneProcess(left_out)
        except BaseException as error:
            self.link.trouble = self.link.trouble or (error if type(error) is OneProcess else None)
            return error
        failure = self.marks.failure()
        if isinstance(failure, AssertionError) or type(failure).__name__ == "Failed":
            if not self.marks.was_passed_on(failure):
                native.certain(cell)  # the test swallowed it, as it would in one process
        elif failure is None and test.sites and not self.marks.reached:
            self.marks.nothing_reached()
            failure = self.marks.failure()
        return failure

    def _loaded(self, cell: int, test: TestCode) -> Loaded:
        """Load the solution anew. Raises UsedUp where that is for a fresh pair: of what an earlier
        test did to the channel, this one knows nothing."""
        try:
            loaded: Loaded | None = self.link.ask(
                "load", cell, test.wanted, test.tidiness & IMPORTS
            )
        except (Lost, CodecError, OSError):
            if self._is_first:
                raise
            raise UsedUp from None
        if loaded is None:
            raise UsedUp
        if type(loaded) is not tuple or [*map(type, loaded)] != [tuple] * 2:
            raise CodecError("not what a solution has loaded")
        self._is_first = False
        return loaded

    def _import(self, loaded: tuple[str, ...], test: TestCode) -> None:
        """Modules of packages that the solution has imported and the test speaks of."""
        for name in loaded:
            if name.partition(".")[0] in test.names and name in _SUBMODULES:
                with contextlib.suppress(ImportError):
                    __import__(name)

    # ---- the policy of this end ------------------------------------------------------------------

    def tell(self, value: Any, reached: bool) -> None:
        """See `lending`."""
        lending.tell(value, reached)
        if rewrite.asserts(value):
            self.marks.word("a function that holds assertions was handed to the solution")

    def perform(self, operation: str, operands: tuple[object, ...]) -> object:
        """Answer a question of the solution's."""
        if operation == "begin":  # it runs while others do
            self.marks.word("a function of the test's that runs beside others")
            return waiting.begin(*operands)
        if operation == "done":
            return waiting.done(*operands)
        self._lent(operation, operands)
        if operation in ("set", "del"):
            self._sets = SETS
        lending.allow(operation, operands)
        is_class = issubclass(type(operands[0]), type)
        if operation == "set" and (is_class or not lending.is_tests_or_plain(operands[2])):
            self.marks.word("attributes that the solution set")
        if lending.makes_a_class(operation, operands):
            self.marks.word("a class that the solution made of the test's")
        self.marks.changed()
        try:
            answer = operations.perform(operation, operands, self.link)
        except BaseException as error:
            self.marks.escaped(error)
            raise
        if operation == "get" and operands[1] == "__dict__":
            self._attributes.add(id(answer))
        return answer

    def changed(self, container: object, content: object, is_given: bool) -> None:
        """What lies in an object's `__dict__` are its attributes."""
        self.marks.changed()
        self.hearing.looked_at(content)
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
            if operation == "make" and targets:
                self.cannot("a class that is made of one of the test's", ours=False)
            raise CodecError("nothing of the test's that was lent")

    def heard(self, operation: str, operands: tuple[Any, ...], answer: object) -> None:
        """See `hearing`, as for the next five."""
        self.hearing.heard(operation, operands, answer)

    def raised(
        self, operation: str, operands: tuple[object, ...], error: BaseException
    ) -> BaseException:
        return self.hearing.raised(operation, operands, error)

    def arrived(self, value: object) -> None:
        self.hearing.arrived(value)

    def came(self, parts: object) -> None:
        self.hearing.came(parts)

    def uncalled(self, more: int) -> None:
        self.marks.uncalled += more

    def is_known(self, value: object) -> bool:
        return self.hearing.is_of_named_class(value)

    def word(self) -> None:
        self.hearing.word()

    def mark(self, why: str) -> None:
        """A proxy gave a yes or no."""
        if not self.link.coding:
            self.marks.word(why)

    def notes(self) -> object:
        """What the process shares with the solution's."""
        found = self._shared.notes() if self._shared is not None else None
        if not found:
            return None
        if any(name == "files" for name, _ in found):
            self.marks.word("files that the solution sees")
        return tuple(found)

    def sends(self, data: bytes | bytearray) -> None:
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
            if self._shared.is_cut(*note):
                self.marks.word("the first 64 KB of what it printed")
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

    def cannot(self, why: str, ours: bool) -> NoReturn:
        """What the test passes before it knows any answer is its own doing; everything else the
        solution may have chosen."""
        kind = Uncrossed if self.hearing.has_answered or not ours else OneProcess
        self.link.trouble = self.link.trouble or kind(why)
        raise self.link.trouble

    def one_process(self, why: str) -> NoReturn:
        """This cell is not judged here, whatever the test catches."""
        self.link.trouble = OneProcess(why)
        raise self.link.trouble

    def awaited(self, coroutine: object) -> Any:
        """A coroutine of the subject, as one of ours: it runs there while it is awaited here, and
        beside it what else is awaited."""
        self.marks.waiting += 1
        return self._awaited(coroutine)

    async def _awaited(self, coroutine: object) -> object:
        import asyncio  # as large as all that a template has loaded: only where it is needed

        self.marks.waiting -= 1
        task = self.hearing.awaited(coroutine)
        try:
            while True:
                await asyncio.sleep(0)
                finished = self.link.ask("run", task, waiting.spare_s(asyncio.get_running_loop()))
                if finished is not None:
                    break
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError):  # and what it makes of it, nobody sees
                self.mark("a coroutine that was cancelled")
            if self.link.trouble is None:
                self.link.ask("cancel", task)
            raise
        if type(finished) is not tuple or len(finished) != 1:
            raise CodecError("not the result of a coroutine")
        self.hearing.looked_at(finished[0])
        return finished[0]
