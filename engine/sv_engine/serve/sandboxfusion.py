"""SandboxFusion's `POST /run_code` and `GET /v1/ping`, with the assertions in a program guarded.

Shapes as in its `sandbox/server/sandbox_api.py` (2026): HTTP 200 whatever a program does, unknown
keys ignored, strings never null. HTTP 504 says that the server is overloaded; verl and
others try that again. `SandboxError` is said only when the sandbox could not run the program.

A program whose text ends in assertions, or stands in verl's `fn_name` wrapper, is also judged with
its test in another process (`split_text`, `verl_wrapper`); `Success` needs both. The URL may say
how much trust a pass needs (`?trust=vouched`); `?trust=none` leaves it at the exit code.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import inspect
import json
import re
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field

from sv_engine.executors.local import Ran
from sv_engine.executors.protocol import Row, Terms, collect
from sv_engine.records import PASS_CODE
from sv_engine.serve import asking, functions, split_text, statements
from sv_engine.serve.admission import Overloaded
from sv_engine.serve.fields import Seconds, Text
from sv_engine.serve.service import Service, service_of
from sv_engine.serve.split_text import (
    Place,
    Swallowed,
    Unreadable,
    builtin_under_test,
    cut,
    places,
)
from sv_engine.serve.verl_wrapper import Wrapped, unwrap

CLIENT_SLACK_S = 10.0
"""What verl's client allows beyond the limits it sends."""
WAITING = 0.75
"""Share of a client's patience that may go in waiting for a worker."""
PARSED_HERE = 16 << 10
"""Longer texts are cut inside the sandbox: a parser can be made to take long."""
CUTTING_CPU_S = 5.0
FETCHED_BYTES = 16 << 20
"""Of the files that are fetched from one program; what does not fit is left out."""
TRIES = 2
"""How often a program is run whose verdict was lost."""
KILLED = -9
"""Return code of a program that the sandbox ended."""

Path = Annotated[str, Field(min_length=1, max_length=4096)]

router = APIRouter(tags=["SandboxFusion"])


class RunCodeRequest(BaseModel):
    """A program and what it may use."""

    model_config = ConfigDict(extra="ignore")

    code: str
    language: Literal["python"] = "python"
    stdin: Text | None = None
    compile_timeout: Seconds = 10
    run_timeout: Seconds = 10
    memory_limit_MB: int = Field(default=-1, ge=-1, le=1 << 20)
    files: dict[Path, str | None] = Field(default={}, max_length=1024)
    """Path below the program's folder -> content in base64."""
    fetch_files: list[Path] = Field(default=[], max_length=64)


class CommandRunResult(BaseModel):
    """How a program ended."""

    status: Literal["Finished", "Error", "TimeLimitExceeded"]
    execution_time: float = 0.0
    return_code: int | None = None
    stdout: str = ""
    stderr: str = ""


class RunCodeResponse(BaseModel):
    """The answer: `Success` if the program left with 0, and its assertions hold."""

    status: Literal["Success", "Failed", "SandboxError"]
    message: str = ""
    compile_result: CommandRunResult | None = None
    run_result: CommandRunResult | None = None
    executor_pod_name: str | None = None
    files: dict[str, str] = {}


Trust = Literal["proven", "vouched", "inline", "none"]


@router.post("/run_code", response_model=RunCodeResponse)
async def run_code(
    request: RunCodeRequest,
    service: Annotated[Service, Depends(service_of)],
    trust: Annotated[Trust | None, Query(description="That a pass needs; none: no guard.")] = None,
) -> Response:
    """Run one program; assertions at its end are judged apart from it."""
    files = _decoded(request.files)
    terms = service.terms(
        request.run_timeout,
        memory_bytes=request.memory_limit_MB << 20,
        trust=None if trust == "none" else trust,
    )
    run = _Run(service, request, terms, files, is_guarded=trust != "none")
    try:
        answer = await run.answer()
    except ValueError as error:  # a file name that no program can have
        raise _invalid("files", str(error)) from None
    return Response(answer.model_dump_json(), media_type="application/json")


@router.get("/v1/ping", responses={504: {"description": "Overloaded."}})
async def ping(service: Annotated[Service, Depends(service_of)]) -> str:
    """Say that a program would be run; `/health` runs one."""
    if service.admission.is_overloaded(WAITING * patience()):
        raise Overloaded
    return "pong"


def patience(run_timeout: float = 10.0, compile_timeout: float = 10.0) -> float:
    """Seconds that verl's client waits for an answer, less one to send it."""
    return run_timeout + compile_timeout + CLIENT_SLACK_S - 1


@dataclass(frozen=True, slots=True)
class _Run:
    """One request being answered."""

    service: Service
    request: RunCodeRequest
    terms: Terms
    files: dict[str, bytes]
    is_guarded: bool

    async def answer(self) -> RunCodeResponse:
        """Run and judge, in one slot; raises Overloaded, and ValueError for a file name."""
        patience_s = patience(self.request.run_timeout, self.request.compile_timeout)
        try:  # whoever is not answered by then has gone, and its program is ended
            async with asyncio.timeout(patience_s):
                return await self.service.admission.run(self._answer, WAITING * patience_s)
        except TimeoutError:
            raise Overloaded from None

    async def _answer(self) -> RunCodeResponse:
        wrapped = unwrap(self.request.code) if self.is_guarded else None
        text, is_readable = self.request.code, True
        try:
            found = await self._places(text)
            if wrapped is not None and not found:
                text = wrapped.program
                found = await self._places(text)
        except Unreadable:
            found, is_readable = [], False
        except Swallowed:
            return _refused(
                _NOTHING_RAN,
                "the program fails: its test cannot be told from it, which may hold it in a string"
                " or by a decorator",
            )
        ran = await self._run()
        response = _response(ran)
        if response.status != "Success":
            return response
        if not is_readable:
            return _refused(
                ran, "the program fails: its text is not what runs, as in another encoding"
            )
        fault = await self._judge_all(text, found)
        if wrapped is not None and fault is None:
            fault = await self._judge_call(wrapped, ran.stdout.decode("utf-8", "replace"))
        if isinstance(fault, _Hole):
            return RunCodeResponse(status="SandboxError", message=fault.why)
        if fault is not None:
            return _refused(ran, fault)
        return self._with_files(response) if self.request.fetch_files else response

    async def _run(self) -> Ran:
        program, files, terms = self.request.code, self.files, self.terms
        if self.request.fetch_files:
            terms = replace(terms, output_bytes=terms.output_bytes + FETCHED_BYTES * 4 // 3)
            files = {**files, _PROGRAM: program.encode("utf-8", "surrogatepass")}
            program = _FETCHING.format(
                program=_PROGRAM, paths=self.request.fetch_files, room=FETCHED_BYTES
            )
        stdin = self.request.stdin or ""
        for _ in range(TRIES):
            ran = await self.service.executor.run(program, stdin=stdin, files=files, terms=terms)
            if ran.verdict != "infra":
                break
        return ran

    async def _places(self, code: str) -> list[Place]:
        """Raises Unreadable, and Swallowed, also for a text that nobody can cut."""
        if not self.is_guarded:
            return []
        has_input = bool(self.request.stdin)
        if len(code) <= PARSED_HERE:
            return places(code, has_input)
        files = {**_CUTTER, "text": code.encode("utf-8", "surrogatepass")}
        terms = self.service.terms(CUTTING_CPU_S)
        program = _CUTTING.format(has_input=has_input)
        ran = await self.service.executor.run(program, files=files, terms=terms)
        found = json.loads(ran.stdout) if ran.verdict == "pass" else None
        if found is None:
            raise Swallowed
        if found is False:
            raise Unreadable
        return [Place(*each) for each in found]

    async def _judge_all(self, text: str, found: list[Place]) -> str | _Hole | None:
        """None if the program passes wherever its test may stand, else why not. That it fails
        counts for more than that it could not be judged elsewhere."""
        hole = None
        for place in reversed(found):  # the last is most often where the caller's test begins
            fault = await self._judge(*cut(text, place))
            if isinstance(fault, str):
                return fault
            hole = fault or hole
        return hole

    async def _judge(self, solution: str, test: str) -> str | _Hole | None:
        """None if the test passes, else why not."""
        stdin = self.request.stdin or ""
        is_short = len(solution) + len(test) <= PARSED_HERE
        entry_point = builtin_under_test(solution, test) if is_short else None
        terms = replace(self.terms, entry_point=entry_point)
        for _ in range(TRIES):
            row = await self.service.executor.judge(
                solution, test, terms, stdin=stdin, files=self.files
            )
            if not row.holes:
                break
        else:
            return _Hole(_fault(row))
        if row.passed:
            return None
        if not any(row.held_T):
            return f"the program fails: {_fault(row)}"
        self.service.held += 1
        return f"the program passes, but that is not {terms.trust}: {_fault(row)}"

    async def _judge_call(self, wrapped: Wrapped, stdout: str) -> str | _Hole | None:
        """None if the function returns what the wrapper printed, else why not."""
        judged = wrapped.judged(self.request.stdin or "", stdout)
        if judged is None:
            return f"the program fails: {wrapped.name} did not return"
        solution, tests = judged
        for _ in range(TRIES):
            row = (await collect(self.service.executor, [solution], tests, self.terms))[0]
            if row.passed:
                return None
            if not row.holes:
                return f"the program fails: {_fault(row)}"
        return _Hole(_fault(row))

    def _with_files(self, response: RunCodeResponse) -> RunCodeResponse:
        assert response.run_result is not None
        stderr, _, fetched = response.run_result.stderr.rpartition(_FETCHED)
        try:
            files = json.loads(fetched)
        except ValueError:
            return response
        result = response.run_result.model_copy(update={"stderr": stderr})
        wanted = {path: text for path, text in files.items() if path in self.request.fetch_files}
        return response.model_copy(update={"run_result": result, "files": wanted})


@dataclass(frozen=True, slots=True)
class _Hole:
    """The judge could not say."""

    why: str


_NOTHING_RAN = Ran("wrong", 0, b"", b"", 0.0, 0.0, "")
_PROGRAM = "_program.py"
_FETCHED = "\n--sv-fetched-files--\n"
_CUTTER = {
    "sv_engine/__init__.py": b"",
    "sv_engine/serve/__init__.py": b"",
    "sv_engine/serve/split_text.py": inspect.getsource(split_text).encode(),
    "sv_engine/serve/asking.py": inspect.getsource(asking).encode(),
    "sv_engine/serve/functions.py": inspect.getsource(functions).encode(),
    "sv_engine/serve/statements.py": inspect.getsource(statements).encode(),
}
_CUTTING = """\
import json
from sv_engine.serve.split_text import Swallowed, Unreadable, places
try:
    text = open("text", newline="", encoding="utf-8", errors="surrogatepass").read()
    print(json.dumps(places(text, {has_input})))
except Swallowed:
    print("null")
except Unreadable:
    print("false")
"""
_FETCHING = """\
import runpy, sys
try:
    runpy.run_path({program!r}, run_name="__main__")
finally:
    import base64, json, os
    found, room = {{}}, {room}
    for p in {paths!r}:
        if os.path.isfile(p) and os.path.getsize(p) <= room:
            room -= os.path.getsize(p)
            found[p] = base64.b64encode(open(p, "rb").read()).decode()
    sys.stderr.write("\\n--sv-fetched-files--\\n" + json.dumps(found))
"""


def _fault(row: Row) -> str:
    """Why the first test that did not pass did not."""
    first = next(t for t, code in enumerate(row.verdict_T) if code != PASS_CODE)
    return row.detail_T.get(first) or "a test did not pass"


def _response(ran: Ran) -> RunCodeResponse:
    if ran.verdict == "infra":
        return RunCodeResponse(status="SandboxError", message=ran.detail)
    result = CommandRunResult(
        status="Finished",
        execution_time=ran.wall_s,
        return_code=_signal_code(ran) if ran.exit_code is None else ran.exit_code,
        stdout=ran.stdout.decode("utf-8", "replace"),
        stderr=ran.stderr.decode("utf-8", "replace"),
    )
    if ran.verdict == "timeout":
        result = result.model_copy(update={"status": "TimeLimitExceeded", "return_code": None})
        return RunCodeResponse(status="Failed", run_result=result)
    succeeded = ran.verdict in ("pass", "early_exit") and ran.exit_code == 0
    if not succeeded and result.return_code == 0:  # too much output, for example
        stderr = f"{result.stderr}{ran.verdict}: {ran.detail}\n"
        result = result.model_copy(update={"return_code": 1, "stderr": stderr})
    return RunCodeResponse(status="Success" if succeeded else "Failed", run_result=result)


def _signal_code(ran: Ran) -> int:
    named = re.match(r"signal (\d+)", ran.detail)
    return -int(named[1]) if named else KILLED


def _refused(ran: Ran, why: str) -> RunCodeResponse:
    """The program left with 0, but not because its test was answered."""
    stderr = ran.stderr.decode("utf-8", "replace")
    result = CommandRunResult(
        status="Finished",
        execution_time=ran.wall_s,
        return_code=1,
        stdout=ran.stdout.decode("utf-8", "replace"),
        stderr=f"{stderr}judged apart from its test, {why}\n",
    )
    return RunCodeResponse(status="Failed", run_result=result)


def _decoded(files: dict[str, str | None]) -> dict[str, bytes]:
    """Contents of files; an invalid one is a 422 that names it."""
    decoded = {}
    for path, text in files.items():
        try:
            decoded[path] = base64.b64decode(text or "", validate=True)
        except (binascii.Error, ValueError):
            raise _invalid(f"files.{path}", "not base64") from None
    return decoded


def _invalid(field: str, message: str) -> RequestValidationError:
    error: dict[str, Any] = {"loc": ("body", *field.split(".", 1)), "msg": message}
    return RequestValidationError([{**error, "type": "value_error"}])
