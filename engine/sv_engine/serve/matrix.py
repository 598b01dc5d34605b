"""`POST /v1/matrix`: S solutions on T tests in one request, a row per line as it is finished.

The answer is NDJSON: a head line, which names the codes of verdicts and trust; a line per row in
the order in which rows finish; an end line. An empty line says that the server is still at work. A
stream without its end line was cut off: the rows that came are final, the others may be asked for
again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from fastapi.exceptions import RequestValidationError
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json

from sv_engine.execute.sandbox import trust_names, verdict_names
from sv_engine.executors.protocol import Io, Row, Test
from sv_engine.serve.fields import Text
from sv_engine.serve.service import Service, service_of

FORMAT = "sv-matrix/1"
MAX_CELLS = 1 << 20
DEFAULT_WAIT_S = 30.0
HEARTBEAT_S = 5.0

router = APIRouter(tags=["matrix"])


class IoTest(BaseModel):
    """A test of a whole program: what it reads, and what it should print."""

    model_config = ConfigDict(extra="forbid")

    stdin: Text = ""
    expected: Text
    check: Literal["exact", "lines", "tokens", "floats", "decimals"] = "lines"


class MatrixRequest(BaseModel):
    """Solutions, tests, and what a cell may use."""

    model_config = ConfigDict(extra="forbid")

    solutions: list[str] = Field(max_length=1 << 16)
    tests: list[str | IoTest] = Field(max_length=1 << 16)
    """Source of assertions, or standard input and output."""
    cpu_s: float = Field(default=1.0, gt=0, le=86400, allow_inf_nan=False)
    memory_mb: int = Field(default=512, ge=1, le=1 << 20)
    trust: Literal["proven", "vouched", "inline"] | None = None
    below: Literal["hole", "fail"] = "hole"
    entry_point: str | None = None
    """Name of the function that tests call, where it is known."""
    wait_s: float = Field(default=DEFAULT_WAIT_S, ge=0, le=86400, allow_inf_nan=False)
    """How long the first rows may wait for a worker before the answer is 504."""


@router.post(
    "/v1/matrix",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/x-ndjson": {}}, "description": "Rows."}},
)
async def matrix(
    request: MatrixRequest, service: Annotated[Service, Depends(service_of)]
) -> StreamingResponse:
    """Judge every solution on every test."""
    if len(request.solutions) * len(request.tests) > MAX_CELLS:
        raise _invalid(f"more than {MAX_CELLS} cells in one request")
    tests: list[Test] = [
        test if isinstance(test, str) else Io(test.stdin, test.expected, test.check)
        for test in request.tests
    ]
    terms = service.terms(
        request.cpu_s,
        memory_bytes=request.memory_mb << 20,
        trust=request.trust,
        below=request.below,
        entry_point=request.entry_point,
    )
    blocks = service.blocks(request.solutions, tests, terms, request.wait_s)
    first = asyncio.ensure_future(anext(blocks, None))
    try:  # until it is known that the request is not refused
        await asyncio.wait({first}, timeout=request.wait_s + HEARTBEAT_S)
        if first.done():
            first.result()
    except ValueError as error:  # a row that is larger than a row can be
        raise _invalid(str(error)) from None
    except asyncio.CancelledError:  # the client is gone
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        raise
    head = {
        "format": FORMAT,
        "solutions": len(request.solutions),
        "tests": len(tests),
        "verdicts": verdict_names(),
        "trusts": trust_names(),
    }
    return StreamingResponse(_lines(head, first, blocks), media_type="application/x-ndjson")


async def _lines(
    head: dict[str, Any],
    coming: asyncio.Future[list[Row] | None],
    blocks: AsyncIterator[list[Row]],
) -> AsyncIterator[bytes]:
    yield _line(head)
    count = 0
    try:
        while True:
            await asyncio.wait({coming}, timeout=HEARTBEAT_S)
            if not coming.done():
                yield b"\n"
                continue
            rows = coming.result()
            if rows is None:
                break
            coming = asyncio.ensure_future(anext(blocks, None))
            count += len(rows)
            yield b"".join(_line(encode_row(row)) for row in rows)
    finally:
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)
    yield _line({"end": True, "rows": count})


def encode_row(row: Row) -> dict[str, Any]:
    """A row as JSON; `decode_row` is its inverse."""
    shown: dict[str, Any] = {
        "row": row.index,
        "verdict": list(row.verdict_T),
        "cpu_us": list(row.cpu_us_T),
        "trust": list(row.trust_T),
        "detail": row.detail_T,
    }
    if row.vacuous_T:
        shown["vacuous"] = list(row.vacuous_T)
    if row.held_T:
        shown["held"] = list(row.held_T)
    return shown


def _line(value: dict[str, Any]) -> bytes:
    return to_json(value) + b"\n"


def _invalid(message: str) -> RequestValidationError:
    return RequestValidationError([{"loc": ("body",), "msg": message, "type": "value_error"}])
