"""Rows of cells in one process with the solution: planned calls, or whole tests (inline).

In: the row in shared memory (`native.row`, `native.blob`). Out: for each cell an answer, or a
verdict (`native.end`). Each cell finds the solution freshly loaded, in an interpreter as it was at
first: what ran there before it is tidy (`tidy`). Under the split judge this process has the
solution alone (`Calls`), and what it says the calls returned is data; with the tests beside it a
hostile solution can forge its verdicts, and nothing else.
"""

from __future__ import annotations

import ast
import contextlib
import errno
import gc
import os
import re
import sys
import traceback
from collections.abc import Iterable, Mapping
from types import CodeType

from . import collect, values
from .bytecode import names_of, opcodes_of
from .plain import IS_OP, is_plain, is_plain_at_sight, tells_identity
from .plan import answered, joined
from .source import Source, unpacked
from .subject import (
    EARLY_EXIT,
    PASS,
    claim,
    keep_lines,
    new_namespace,
    only_owner,
    verdict_of,
    write_file,
)
from .tidy import UNTIDY, forget, is_untidy, tidiness
from .values import Unencodable, native

_stdout = sys.stdout
Namespace = dict[str, object]


def main() -> None:
    """Run the row and end the process. Never returns."""
    claim()
    kind, start, cells, _ = native.row()
    try:
        if kind in (native.KIND_CALLS, native.KIND_ASKED):
            run_row(start, cells, Calls(kind == native.KIND_CALLS and not native.checked()))
        else:
            run_row(start, cells, Tests(start, cells))
    finally:
        os._exit(0)


def run_row(start: int, cells: int, row: Row) -> None:
    """Each cell in a fresh execution of the solution, and in a process of its own unless what ran
    before it is tidy. The first execution is the load: if it fails, it fails for every remaining
    cell."""
    native.begin(start)
    try:
        source = unpacked(native.blob(0))
        find_modules(source.files)
        solution = compile(source.code, "<solution>", "exec", dont_inherit=True)
        keep_lines("<solution>", source.text)
        row.solution = solution
        at_sight = not source.files and is_plain_at_sight(solution)
        mark = 0 if at_sight or not row.for_plain else _needs_test(solution, source.files)
        own = UNTIDY if source.files else 0 if at_sight and row.is_asked else tidiness(solution)
        if not mark and is_untidy(own) and row.is_asked and start + 1 < cells:
            mark = native.MARK_ALONE
        if mark:
            native.end(start, cells, mark, b"")
            return
        namespace = new_namespace()
        exec(solution, namespace)
    except BaseException as error:
        verdict, detail = verdict_of(error)
        native.end(start, cells, row.not_loaded(verdict), detail)
        return
    native.loaded()
    for cell in range(start, cells):
        if cell > start:
            native.begin(cell)
        try:
            if cell > start:
                namespace = new_namespace()
                exec(solution, namespace)
            verdict, detail = row.run(cell, namespace)
            _flush()
        except BaseException as error:
            verdict, detail = verdict_of(error)
        ends = cell + 1 == cells or is_untidy(own | row.tidiness)
        with contextlib.suppress(BaseException):  # what ends late does so in its own time
            let_go(namespace, ends)
            _flush()
        only_owner()
        if not native.end(cell, cell + 1, verdict, detail) and verdict == native.MARK_ANSWERED:
            native.end(cell, cell + 1, native.MARK_LONG, b"")  # the row's answers are too many
        if ends and cell + 1 < cells:
            native.stop()
            return


def let_go(namespace: Namespace, is_last: bool = False) -> None:
    """A cell is over: what it held is not to be missing in the next one. (A recycled subject holds
    little, and loses all of it.)"""
    namespace.clear()
    if not is_last:
        forget()
        if not native.recycled():
            gc.collect()


def _needs_test(solution: CodeType, files: Iterable[str]) -> int:
    """The mark of a row whose tests run whatever the solution answers; 0: it may be asked apart."""
    names, used = names_of(solution), opcodes_of(solution)
    if IS_OP in used and tells_identity(solution):  # of what the test's code would pass
        return native.MARK_LONG
    beside = any(path.endswith(".py") for path in files)
    return native.MARK_STRANGE if beside or not is_plain(solution, names, used) else 0


def _flush() -> None:
    """What is printed is written, unless the solution has closed what it goes to."""
    try:
        _stdout.flush()
    except (ValueError, OSError) as error:
        if getattr(error, "errno", errno.EBADF) != errno.EBADF:
            raise


class Row:
    """What the cells of a row do."""

    solution: CodeType
    is_asked = False
    """Whether the tests are in another process, which can ask cell by cell (MARK_ALONE)."""
    for_plain = False
    """Whether other solutions than plain ones are sent back (MARK_STRANGE)."""
    tidiness = 0
    """Of the last cell's test."""

    def run(self, cell: int, namespace: Namespace) -> tuple[int, bytes]:
        """One cell, with the solution loaded: verdict or mark, and what goes with it."""
        raise RuntimeError("not a kind of row")

    def not_loaded(self, verdict: int) -> int:
        """The verdict of all cells where loading gave this one."""
        return verdict


class Calls(Row):
    """Planned calls: each answer, encoded."""

    is_asked = True

    def __init__(self, for_plain: bool) -> None:
        """Not `for_plain`: asked again, or by the tests of recycled subjects, which look at what no
        plain solution does."""
        self.for_plain = for_plain

    def run(self, cell: int, namespace: Namespace) -> tuple[int, bytes]:
        """The answers of one test's calls."""
        try:
            request = values.decode(native.blob(1 + cell))
            answers = answered(request, namespace, self.solution)
            answer = joined(answers) if answers is not None else None
        except Unencodable:
            return native.MARK_LONG, b""
        if answer is None or len(answer) > native.MAX_ANSWER_BYTES:
            return native.MARK_LONG, b""
        return native.MARK_ANSWERED, answer

    def not_loaded(self, verdict: int) -> int:
        """A solution that leaves with success has not answered."""
        return verdict if verdict != PASS else EARLY_EXIT


class Tests(Row):
    """Whole tests, in one process with the solution."""

    def __init__(self, start: int, cells: int):
        """Reads the tests from `start` on, as many as this process will run: the time that takes is
        the first one's."""
        self._parsed: dict[int, tuple[ast.Module | None, CodeType]] = {}
        read_bytes, self._until = 0, start
        while self._until < cells and read_bytes < _MOST_BYTES:
            test = unpacked(native.blob(1 + self._until))
            read_bytes += len(test.text)
            with contextlib.suppress(BaseException):  # it fails again when its turn comes
                if len(test.text) <= _LONG_BYTES:
                    self._parsed[self._until] = _parsed(test)
            self._until += 1

    def run(self, cell: int, namespace: Namespace) -> tuple[int, bytes]:
        """One test, and the test functions and classes that it hands over."""
        self.tidiness = UNTIDY
        test = unpacked(native.blob(1 + cell))
        tree, code = self._parsed.get(cell) or _parsed(test)
        if cell + 1 < self._until:
            self.tidiness = tidiness(code)
        keep_lines("<test>", test.text)
        if _IMPORTS_SOLUTION.search(test.text):
            namespace = _beside(namespace)
        if tree is None:
            try:
                exec(code, namespace)
            except SystemExit as error:
                if not _leaves_by_itself(error):
                    raise
                return EARLY_EXIT, LEFT
            return PASS, b""
        collect.install(collect.NO_SITES)
        left_out = ""
        try:
            exec(code, namespace)
        except BaseException as error:
            left_out = collect.no_verdict(error)
            if not left_out and _leaves_by_itself(error) and not collect.is_end(error):
                return EARLY_EXIT, LEFT
            if not left_out and not collect.is_end(error):
                raise
        left_out = left_out or collect.judge(namespace, tree, one_process=True)
        return (native.MARK_UNSPLIT, left_out.encode()) if left_out else (PASS, b"")


_LONG_BYTES = 1 << 14
"""A longer test is compiled when its turn comes, within its own time."""
_MOST_BYTES = 1 << 20
"""So much text of tests is read ahead by one process: 10 to 20 ms."""
LEFT = b"the test left by itself"
"""Known to `native/split.c`."""


def _leaves_by_itself(error: BaseException) -> bool:
    """Whether the test ends here of its own accord, with success: as far as its frames tell, which
    in one process a solution may have made."""
    frames = traceback.walk_tb(error.__traceback__)
    files = [frame.f_code.co_filename for frame, _ in frames]
    own = [file for file in files if file in ("<test>", "<solution>")]
    return isinstance(error, SystemExit) and not error.code and own[-1:] == ["<test>"]


_MAY_HAND_OVER = re.compile(
    rb"\btest|\bload_tests|\bclass\b|\bpytest\b|\bunittest\b", re.IGNORECASE
)
_IMPORTS_SOLUTION = re.compile(rb"^\s*(?:from\s+|import\s.*\b)solution\b", re.MULTILINE)


def _parsed(test: Source) -> tuple[ast.Module | None, CodeType]:
    """The code of a test, and its tree where it may hand over tests that it does not run itself."""
    tree = ast.parse(test.code) if _MAY_HAND_OVER.search(test.text) else None
    return tree, compile(test.code if tree is None else tree, "<test>", "exec", dont_inherit=True)


def _beside(solution: Namespace) -> Namespace:
    """The globals of a test that imports the solution: a module of its own, so that what it binds
    takes no place of the solution's. It may use more of the names than it imports."""
    namespace = new_namespace("test")
    namespace.update((name, value) for name, value in solution.items() if name[:2] != "__")
    return namespace


# ---- modules beside the solution -----------------------------------------------------------------


def find_modules(files: Mapping[str, bytes]) -> None:
    """From now on these lie in the scratch folder, and `import` finds them there."""
    for path, content in files.items():
        write_file(path, content)
    if files:
        sys.dont_write_bytecode = True  # which would be a file that a cell has left
        sys.path.insert(0, os.getcwd())  # before what is installed, as a script finds them
