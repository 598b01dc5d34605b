"""One text that holds a program and its test, cut in two.

Clients of `/run_code` send `solution + "\\n\\n" + assertions` and take exit code 0 for a pass. The
solution can then leave before the assertions are reached, or return what equals everything. Cut
apart, the two meet only in the sandbox's judge.

Where the text was put together is not known, so there can be two cuts, and a program has to pass
at both: one before the assertions at the end of the text, and one at the blank line before the last
block, where that block prepares something first, or is no assertion itself (`check(f)`). The
solution stands before the caller's test: it can move neither. Assertions that stand alone are
separate tests, so that one which the solution brought along cannot prepare the ground for the
caller's.

Needs the standard library only: a long text is cut inside the sandbox, by this file.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Sequence

_OUTPUT = frozenset({"print", "input", "open", "exit", "quit", "main"})
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z")  # as the parser counts them
_ASSERTION = re.compile(r"^assert\b", re.MULTILINE)

Cut = tuple[str, list[str]]
"""A solution, and the tests of it; all have to pass."""
Place = tuple[int, int]
"""Line from 0, and column in UTF-8 bytes, as the parser gives them."""


class Swallowed(Exception):
    """Assertions at the end of the text stand inside a string of the program before them."""


def cuts(text: str) -> list[Cut]:
    """The ways in which `text` may be a program and its test; none: it ends in no assertion.

    Raises Swallowed. A text that does not parse has no cuts: running it says what is wrong.
    """
    if "assert" not in text and "raise" not in text:
        return []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SyntaxWarning: `1 is 1`, "\d"
        try:
            body = ast.parse(text).body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return []
    if not body:
        return []
    lines = _LINE.findall(text)
    if _swallows(body[-1], lines):
        raise Swallowed
    asserts, block = _trailing_asserts(body), _last_block(lines, body)
    starts = [asserts] if asserts < len(body) else []
    if block is not None and block < asserts:
        starts.append(block)
    return [_cut(lines, body, start) for start in starts]


def _trailing_asserts(body: Sequence[ast.stmt]) -> int:
    """Index of the first of the assertions that the text ends in."""
    index = len(body)
    while index and isinstance(body[index - 1], ast.Assert):
        index -= 1
    return index


def _last_block(lines: Sequence[str], body: Sequence[ast.stmt]) -> int | None:
    """Index of the statement, after a blank line, from which on all may be a test, and one is."""
    index = len(body)
    while index and _may_be_test(body[index - 1], body[index:]):
        index -= 1
        if _after_blank_line(lines, body[index]) and any(map(_asserts, body[index:])):
            return index
    none_found = isinstance(body[-1], ast.Assert) or not any(map(_asserts, body[index:]))
    return None if none_found else index


def _may_be_test(statement: ast.stmt, after: Sequence[ast.stmt]) -> bool:
    """Whether a caller may have written this as part of a test, given what follows it."""
    if isinstance(statement, ast.Assert):
        return True
    if isinstance(statement, ast.ClassDef):
        return False
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):  # def check(candidate): ...
        return _asserts(statement) and any(_calls(later, statement.name) for later in after)
    names = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}
    return not names & _OUTPUT


def _asserts(statement: ast.stmt) -> bool:
    return any(isinstance(node, ast.Assert | ast.Raise) for node in ast.walk(statement))


def _calls(statement: ast.stmt, name: str) -> bool:
    if not isinstance(statement, ast.Expr) or not isinstance(statement.value, ast.Call):
        return False
    function = statement.value.func
    return isinstance(function, ast.Name) and function.id == name


def _after_blank_line(lines: Sequence[str], statement: ast.stmt) -> bool:
    line, column = _start(statement)
    return not column and (line == 0 or not lines[line - 1].strip())


def _swallows(last: ast.stmt, lines: Sequence[str]) -> bool:
    """Whether a line that reads as an assertion lies inside a string of the last statement."""
    for node in ast.walk(last):
        text = isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)
        if (text or isinstance(node, ast.JoinedStr)) and isinstance(node, ast.expr):
            inside = lines[node.lineno : node.end_lineno]
            if inside and _ASSERTION.search("".join(inside)):
                return True
    return False


def _cut(lines: Sequence[str], body: Sequence[ast.stmt], index: int) -> Cut:
    starts = [_start(statement) for statement in body[index:]]
    if not all(isinstance(statement, ast.Assert) for statement in body[index:]):
        starts = starts[:1]
    ends = [*starts[1:], None]
    tests = [_source(lines, start, end) for start, end in zip(starts, ends, strict=True)]
    return _source(lines, (0, 0), starts[0]), tests


def _start(statement: ast.stmt) -> Place:
    for decorator in getattr(statement, "decorator_list", []):
        return decorator.lineno - 1, 0
    return statement.lineno - 1, statement.col_offset


def _source(lines: Sequence[str], start: Place, end: Place | None) -> str:
    """The text from one place to another, to its end for None."""
    if end is None:
        end = len(lines), 0
    chosen = [line.encode() for line in lines[start[0] : end[0] + 1]]
    if end[0] < len(lines):
        chosen[-1] = chosen[-1][: end[1]]
    if chosen:
        chosen[0] = chosen[0][start[1] :]
    return b"".join(chosen).decode()
