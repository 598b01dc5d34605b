"""Tasks of a judge's template: which tests need no code to run, and answers against expected
values.

In: tests, or encoded answers, in the region. Out: marks and requests, or verdicts. They run in a
process that is kept for them, because nothing foreign runs in them; it is watched cell by cell all
the same, since what a test or an answer says may be costly to look at.
"""

from __future__ import annotations

from typing import Any

from . import plan, subject, values
from .provenance import PROVEN
from .source import unpacked
from .values import CodecError, native

PASS, WRONG, FORBIDDEN = 1, 2, 7

_planned: list[plan.Literal | None] = []


def task() -> None:
    """One task from the region."""
    kind, _, cells, blobs = native.row()
    if kind == native.KIND_PLAN:
        plan_tests(cells)
    else:
        compare(blobs)


def plan_tests(cells: int) -> None:
    """Tests in; marks and encoded calls out. What was planned stays here for `compare`."""
    known: dict[bytes, plan.Literal | None] = {}
    _planned.clear()
    for cell in range(cells):
        native.begin(cell)
        blob = native.blob(cell)
        source = unpacked(blob)
        if blob not in known:
            literal = plan.plan(source.text, source.entry_point)
            if literal is not None and len(literal.request) > native.MAX_ANSWER_BYTES:
                literal = None
            known[blob] = literal
        literal = known[blob]
        mark, request = native.MARK_CODE, plan.probe(source.text) if literal is None else b""
        if literal is not None:
            mark = native.MARK_LITERAL if literal.calls else native.MARK_READS
            request = literal.request
        elif request is not None:
            mark = native.MARK_PROBE
        if not native.end(cell, cell + 1, mark, request or b""):  # no room for its request
            mark = native.MARK_CODE
            native.end(cell, cell + 1, mark, b"")
        if mark != native.MARK_CODE:
            _planned.append(literal)  # one entry per request; a probe's answer is never compared


def compare(blobs: int) -> None:
    """Answers in (an empty one is none); verdicts out."""
    for cell in range(blobs):
        answer = native.blob(cell)
        if answer:
            native.begin(cell)
            native.end(cell, cell + 1, *compare_one(_planned[cell], answer), PROVEN)


def compare_one(literal: plan.Literal | None, answer: bytes) -> tuple[int, bytes]:
    """The verdict of one answer."""
    assert literal is not None, "the worker sends no answers of probes"
    try:
        value = values.decode(answer, heard=_refuse)
        if type(value) is not tuple or len(value) != literal.count:
            raise CodecError("not as many values as were asked for")
    except MemoryError:
        raise
    except Exception as error:  # a CodecError; whatever else it were must not end the process
        return FORBIDDEN, f"malformed answer: {error}".encode()[:200]
    try:
        if literal.judge(value):
            return PASS, b""
        got = value[0] if len(value) == 1 else value
        return WRONG, f"AssertionError: got {shown(got)}".encode("utf-8", "replace")[:200]
    except Exception as error:
        return subject.verdict_of(error)


def _refuse() -> None:
    """An honest subject sends nothing here that can be called, or compares loosely."""
    raise CodecError("no plain data")


def shown(value: Any) -> str:
    """A short repr of plain data; cut before it can be long."""
    try:
        return repr(value)[:120]
    except (ValueError, RecursionError):  # an int too large to print, or too deep a nesting
        return f"a {type(value).__name__} too large to print"
