"""One text that holds a program and its test, cut in two.

Clients of `/run_code` send `solution + "\\n\\n" + test` and take exit code 0 for a pass. The
solution can then leave before the test is reached, or return what equals everything. Cut apart, the
two meet only in the sandbox's judge.

Where the text was put together is not known. The test ends with the last statement that asks
something (`asked`); what follows decides nothing. It begins somewhere in the run of statements
before that end which a caller may have written (`_first`). A program has to pass wherever the test
may begin, so that nothing it brings along can stand in for its test, and each time all of the test
runs in one process, as it would in plain Python. Two places are one where the statement between
them makes no difference (`is_plain`): most texts have a single place.

Needs the standard library only: a long text is cut inside the sandbox, by this file.
"""

from __future__ import annotations

import ast
import builtins
import re
import sys
import warnings
from bisect import bisect_left
from collections.abc import Container, Sequence
from itertools import accumulate
from typing import NamedTuple

from sv_engine.serve.asking import Asked, asked, names_called
from sv_engine.serve.functions import (
    data_names,
    functions_called,
    is_helper,
    names_functions,
    names_given,
)
from sv_engine.serve.statements import (
    changes_arguments,
    imports,
    is_plain,
    may_stand_in_test,
    names_bound,
    names_needed,
    nodes_of,
    prints_what_it_computes,
    reaches,
    reads_input,
    without_variables,
)

_DEFINITIONS = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z")  # as the parser counts them
_CONTINUED = re.compile(r"\\(?:\r\n|\r|\n)\s*assert\b")  # `def g(): \`, and a newline
_DEFINED = re.compile(r"^(?:async )?(?:def|class) (\w+)", re.MULTILINE)
_BUILTINS = frozenset(dir(builtins))
_ASSERTION = re.compile(r"^assert\b", re.MULTILINE)

_MOST_PLACES = 100

Span = tuple[int, int]
"""Where something begins and ends, in bytes of the text as UTF-8."""


class Place(NamedTuple):
    """Where a test may stand."""

    span: Span
    needs: str
    """What to put before it."""
    left_out: list[Span]
    """What to leave out of the program."""


class Swallowed(Exception):
    """Assertions at the end of the text stand inside a string, or a line, of the program's, or
    behind a decorator of it; or there are too many places where they may begin."""


class Unreadable(Exception):
    """A text that is no Python as it stands. Where it runs all the same (in an encoding that it
    names itself, say), nobody knows where its test begins."""


def cut(text: str, place: Place) -> tuple[str, str]:
    """The program before a place, and the test there."""
    (start, end), needs, left_out = place
    encoded, solution, at = text.encode(), b"", 0
    for begin, stop in left_out:
        solution, at = solution + encoded[at:begin] + b"pass", stop
    solution += encoded[at:start]
    return solution.decode(), needs + encoded[start:end].decode()


def places(text: str, has_input: bool = False) -> list[Place]:
    """Where in `text` the test of a program may stand; none: nothing asks anything.

    has_input: standard input is given with it; a text that goes on to print what it computes is
    then a program whose output is asked for. Raises Swallowed, and Unreadable for a text that does
    not parse: running it says what is wrong.
    """
    if not any(word in text for word in ("assert", "raise", "unittest")):
        return []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SyntaxWarning: `1 is 1`, "\d"
        try:
            body = ast.parse(text).body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise Unreadable from error
    if not body:
        return []
    lines = _LINE.findall(text)
    if _swallows(body[-1], lines) or _CONTINUED.search(text) or _decorates(body, lines):
        raise Swallowed
    without_variables(body)
    told = asked(body)
    end = max((at for at, each in enumerate(told.froms) if each is not None), default=-1) + 1
    if not end or (has_input and any(map(_is_at_work, body[end:]))):
        return []
    starts = _starts(body[:end], told, lines)
    if len(starts) > _MOST_PLACES:
        raise Swallowed
    needs = _needs(body[: starts[0]], body[starts[0] : end])
    span = _Spans(lines).of
    doing = [at for at in range(starts[0], end) if reaches(body[at])]
    left_out = [span(body[at]) for at in doing]
    stop = span(body[end - 1])[1]
    return [
        Place((span(body[at])[0], stop), needs, left_out[: bisect_left(doing, at)]) for at in starts
    ]


def builtin_under_test(solution: str, test: str) -> str | None:
    """The function of a solution that has the name of one of Python's, if it is all that the test
    can be about: `assert sum(10, 15) == 6`. Otherwise such a name is Python's in a test.

    A program may have brought statements along that do no harm (`is_plain`). So the test must not
    give any name to a function: it imports none, and speaks of them only to call them.
    """
    if _BUILTINS.isdisjoint(_DEFINED.findall(solution)):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            trees = ast.parse(solution), ast.parse(test)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None
    defined, own = (
        {each.name for each in tree.body if isinstance(each, _DEFINITIONS)} for tree in trees
    )
    free = names_needed(trees[1]) - own
    found = free & defined
    if len(found) != 1 or "type" in free or not free <= _BUILTINS:
        return None
    nodes = nodes_of(trees[1])
    called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    for node in nodes:
        is_value = isinstance(getattr(node, "ctx", None), ast.Load) and id(node) not in called
        if isinstance(node, ast.Lambda | ast.Import | ast.ImportFrom):
            return None
        if is_value and isinstance(node, ast.Attribute):
            return None
        if is_value and isinstance(node, ast.Name) and node.id in free - found:
            return None
    return found.pop()


def _is_at_work(statement: ast.stmt) -> bool:
    return reads_input(statement) or prints_what_it_computes(statement)


def _starts(body: Sequence[ast.stmt], told: Asked, lines: Sequence[str]) -> list[int]:
    """Indices of the statements with which the test may begin; it ends with the last of `body`."""
    latest = max(each for each in told.froms if each is not None)
    first, has_helper = _first(body, latest, told.checks, lines)
    first = _after_strangers(body, first)
    if not has_helper:
        first = _after_functions(body, first, told, lines)
    imported = {name: path for each in body[:first] for name, path in imports(each)}
    found, differs = [first], False
    for at in range(first, min(latest, len(body) - 1)):
        imported.update(imports(body[at]))
        differs |= not is_plain(body[at], imported)
        if differs and at + 1 not in told.within:
            found.append(at + 1)
            differs = False
    return found


def _first(
    body: Sequence[ast.stmt], latest: int, checks: Container[int], lines: Sequence[str]
) -> tuple[int, bool]:
    """Index of the first of the statements at the end that may all be a caller's, and whether there
    is a helper among them.

    They define functions that assert and are called, or that compare what functions before them
    answer (`is_helper`), classes of tests, and nothing else. None is decorated: the line above may
    be the program's. Nor do they give a name to functions before them, where a blank line shows
    that they stand apart from the rest of the test.
    """
    needed: dict[str, int] = {}
    for at, each in enumerate(body):
        if isinstance(each, _DEFINITIONS):
            for name in names_needed(each):
                needed.setdefault(name, at)
    called, asked_for = set[str](), set[str]()
    first, is_apart, has_helper = len(body), False, False
    while first:
        at, statement = first - 1, body[first - 1]
        if not isinstance(statement, _DEFINITIONS):
            gives = is_apart and any(needed.get(name, at) < at for name in names_bound(statement))
            belongs = may_stand_in_test(statement) and not gives
        else:
            belongs = at in checks and not statement.decorator_list
            if not isinstance(statement, ast.ClassDef):
                belongs &= statement.name in called
                belongs &= at >= latest or not changes_arguments(statement)
                if not belongs and needed.get(statement.name, at) >= at:
                    belongs = statement.name in asked_for and is_helper(statement)
                    has_helper |= belongs
        if not belongs:
            break
        nodes = nodes_of(statement)
        called.update(name for node in nodes for name in names_called(node))
        asked_for.update(functions_called(nodes))
        is_apart |= not lines[statement.lineno - 2].strip() if statement.lineno > 1 else False
        first -= 1
    return min(first, len(body) - 1), has_helper


def _after_strangers(body: Sequence[ast.stmt], first: int) -> int:
    """Index after the last statement from `first` on that calls a function which is only defined
    after it: it calls one of the program's, by the same name."""
    defined = {each.name: at for at, each in enumerate(body) if isinstance(each, _DEFINITIONS)}
    found, seen = first, set[str]()
    for at in range(first, len(body)):
        statement = body[at]
        if isinstance(statement, _DEFINITIONS):
            seen.add(statement.name)
            continue
        called = {name for node in nodes_of(statement) for name in names_called(node)}
        if any(defined.get(name, at) > at for name in called - seen):
            found = at + 1
    return found


def _after_functions(
    body: Sequence[ast.stmt], first: int, told: Asked, lines: Sequence[str]
) -> int:
    """Index after the last statement from `first` on, and before anything is asked, that gives a
    name to a function which is called afterwards (`f = lambda x: x + 1`): so do programs, where a
    blank line follows. `first` where what stands before it is data for the test."""
    asking = min(each for each in told.froms[first:] if each is not None)
    defined = {each.name for each in body if isinstance(each, _DEFINITIONS)}
    called, loaded = set[str](), set[str]()
    for statement in body[asking:]:
        nodes = nodes_of(statement)
        called.update(functions_called(nodes))
        called.update(name for node in nodes for name in names_given(node))
        loaded |= data_names(nodes)
    is_apart = False
    for at in range(asking, first, -1):
        is_apart |= not lines[body[at].lineno - 2].strip()
        if is_apart and names_functions(body[at - 1], called, defined):
            bound = {name for each in body[first:at] for name in names_bound(each)}
            return first if bound & (loaded - called) else at
        nodes = nodes_of(body[at - 1])
        called.update(functions_called(nodes))
        loaded |= data_names(nodes)
    return first


def _imported(body: Sequence[ast.stmt]) -> dict[str, str]:
    """Names of the standard library that these statements import and give no other meaning, with
    the import of each. A caller's assertions use them, and so may have them from the library and
    not on the program's word. None under another name: it could stand for what is asked for."""
    found: dict[str, str] = {}
    for statement in body:
        if isinstance(statement, ast.ImportFrom) and not statement.level:
            for alias in statement.names:
                top = (statement.module or "").partition(".")[0]
                if not alias.asname and top in sys.stdlib_module_names - {"unittest"}:
                    found[alias.name] = f"from {statement.module} import {alias.name}\n"
    for node in (node for statement in body for node in nodes_of(statement)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.pop(node.name, None)
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            found.pop(node.id, None)
        elif isinstance(node, ast.alias) and node.asname:
            found.pop(node.asname, None)
    return found


def _needs(program: Sequence[ast.stmt], test: Sequence[ast.stmt]) -> str:
    """What a test has of the text before it: imports of the program's, and that it is run."""
    imported = _imported(program)
    names = [node for each in test for node in nodes_of(each) if isinstance(node, ast.Name)]
    bound = {node.id for node in names if not isinstance(node.ctx, ast.Load)}
    used = dict.fromkeys(node.id for node in names if node.id not in bound)
    found = "".join(imported[name] for name in used if name in imported)
    return found + ('__name__ = "__main__"\n' if "__name__" in used else "")


def _swallows(last: ast.stmt, lines: Sequence[str]) -> bool:
    """Whether a line that reads as an assertion lies inside a string of the last statement."""
    for node in nodes_of(last):
        text = isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)
        if (text or isinstance(node, ast.JoinedStr)) and isinstance(node, ast.expr):
            inside = lines[node.lineno : node.end_lineno]
            if inside and _ASSERTION.search("".join(inside)):
                return True
    return False


def _decorates(body: Sequence[ast.stmt], lines: Sequence[str]) -> bool:
    """Whether a decorator has a blank line after it: that of what a caller's text begins with."""
    return any(
        not lines[number].strip()
        for each in body
        if isinstance(each, _DEFINITIONS) and each.decorator_list
        for number in range(each.decorator_list[0].lineno, each.lineno - 1)
        if not any(one.lineno <= number < (one.end_lineno or 0) for one in each.decorator_list)
    )


class _Spans:
    """Where statements stand."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.lines: list[int] = [0, *accumulate(len(line.encode()) for line in lines)]

    def of(self, statement: ast.stmt) -> Span:
        """Decorators belong to a statement."""
        assert statement.end_lineno is not None
        assert statement.end_col_offset is not None
        end = self.lines[statement.end_lineno - 1] + statement.end_col_offset
        for decorator in getattr(statement, "decorator_list", []):
            return self.lines[decorator.lineno - 1], end
        return self.lines[statement.lineno - 1] + statement.col_offset, end
