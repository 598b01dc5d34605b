"""Tasks of a judge's template: which tests need no code to run, and answers against expected
values.

In: tests, or encoded answers, in the region. Out: marks, requests and code to run, or verdicts.
They run in a process that is kept for them, because nothing foreign runs in them; it is watched
cell by cell all the same, since what a test or an answer says may be costly to look at.
"""

from __future__ import annotations

import contextlib
import struct
from typing import NamedTuple

from . import plan, subject, testcode, values
from .probe import probe
from .provenance import PROVEN
from .source import Source, unpacked
from .values import CodecError, native

PASS, WRONG, FORBIDDEN = 1, 2, 7

_HEAD = struct.Struct("<I")
"""`struct sv_code`: length of the request."""


class Planned(NamedTuple):
    """What a test's text comes to."""

    mark: int
    detail: bytes
    """The request, and what goes with it (`_code`)."""
    literal: plan.Literal | None


MOST_PASSING_BYTES = 1 << 12
MAX_KNOWN_BYTES = 1 << 20
_known: dict[bytes, Planned] = {}
"""By text, from job to job; of so many bytes of text."""
_planned: list[plan.Literal | None] = []


def task() -> None:
    """One task from the region."""
    kind, _, cells, blobs = native.row()
    if kind == native.KIND_PLAN:
        plan_tests(cells)
    else:
        compare(blobs)


def plan_tests(cells: int) -> None:
    """Tests in; marks and details out. What was planned stays here for `compare`."""
    _planned.clear()
    room = native.MAX_PAYLOAD_BYTES // 2 - sum(len(native.blob(cell)) for cell in range(cells))
    for cell in range(cells):
        native.begin(cell)
        blob = native.blob(cell)
        planned = _known.get(blob)
        if planned is None:
            planned = planned_of(blob)
            if sum(map(len, _known)) > MAX_KNOWN_BYTES:
                _known.clear()
            _known[blob] = planned
        mark, detail, literal = planned
        room -= len(detail)
        if room < 0 or not native.end(cell, cell + 1, mark, detail):
            mark = native.MARK_CODE
            native.end(cell, cell + 1, mark, b"")
        if mark != native.MARK_CODE:
            _planned.append(literal)  # one entry per request; a probe's answer is never compared


def planned_of(blob: bytes) -> Planned:
    """One test's."""
    source = unpacked(blob)
    literal = plan.plan(source.code, source.entry_point)
    if literal is not None and _HEAD.size + len(literal.request) <= native.MAX_ANSWER_BYTES:
        mark = native.MARK_LITERAL if literal.calls else native.MARK_READS
        return Planned(mark, _code(literal.request, passing(literal)), literal)
    request = probe(source.code)
    mark = native.MARK_CODE if request is None else native.MARK_PROBE
    return Planned(mark, _code(request or b"", _ready(source)), None)


def _code(request: bytes, more: bytes) -> bytes:
    """The head, the request, and what goes with it, where there is room for that."""
    if _HEAD.size + len(request) + len(more) > native.MAX_ANSWER_BYTES:
        more = b""
    return _HEAD.pack(len(request)) + request + more


def _ready(source: Source) -> bytes:
    """The test made ready to run; nothing: its judge will do that."""
    with contextlib.suppress(SyntaxError, ValueError, RecursionError, MemoryError):
        return testcode.prepared(testcode.code_of(source))
    return b""


def passing(literal: plan.Literal) -> bytes:
    """An answer that passes, told before any comes: what is expected, as a subject encodes it. Who
    gives just these bytes need not be compared. Nothing where more than equalities is asserted."""
    if not all(one.expected for one in literal.assertions):
        return b""
    try:
        parts = (plan.encoded(one.expected[0], True) for one in literal.assertions)
        answer = plan.joined(tuple(parts))
    except values.Unencodable:
        return b""
    is_short = len(answer) <= MOST_PASSING_BYTES
    return answer if is_short and compare_one(literal, answer)[0] == PASS else b""


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
        alone = len(literal.assertions) == 1
        parts = (answer,) if alone else values.decode(answer, heard=_refuse)
        if type(parts) is not tuple or len(parts) != len(literal.assertions):
            raise CodecError("not as many answers as were asked for")
        for assertion, part in zip(literal.assertions, parts, strict=True):
            if type(part) is not bytes:
                raise CodecError("not an encoded answer")
            value = values.decode(part, heard=_refuse)
            try:
                if not assertion.holds(value):
                    detail = f"AssertionError: got {shown(value)}"
                    return WRONG, detail.encode("utf-8", "replace")[:200]
            except Exception as error:
                return subject.verdict_of(error)
    except MemoryError:
        raise
    except Exception as error:  # a CodecError; whatever else it were must not end the process
        return FORBIDDEN, f"malformed answer: {error}".encode()[:200]
    return PASS, b""


def _refuse() -> None:
    """An honest subject sends nothing here that can be called, or compares loosely."""
    raise CodecError("no plain data")


def shown(value: object) -> str:
    """A short repr of plain data; cut before it can be long."""
    try:
        return repr(value)[:120]
    except (ValueError, RecursionError):  # an int too large to print, or too deep a nesting
        return f"a {type(value).__name__} too large to print"
