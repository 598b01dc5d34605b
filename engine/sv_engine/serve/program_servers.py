"""Servers that take one program and its tests: open-instruct's and ScaleBox's routes.

open-instruct: `POST /test_program` (assertions) and `/test_program_stdio`; ScaleBox: `POST
/common_evaluate_batch`. Tests come as JSON; the form that is a pickle is refused, never read.
A hole is HTTP 503, which open-instruct tries again.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict

from sv_engine.grading import code_of
from sv_engine.records import PASS_CODE
from sv_engine.serve.fields import Echo, Seconds
from sv_engine.serve.judging import graded, invalid, not_judged, suite_of
from sv_engine.serve.service import Service, service_of

router = APIRouter(tags=["test servers"], default_response_class=Echo)
Served = Annotated[Service, Depends(service_of)]
_PICKLED = "text is taken for JSON or a source; a compressed pickle is not read: send JSON"


class ProgramRequest(BaseModel):
    """open-instruct's body."""

    program: str
    tests: list[Any] | str
    max_execution_time: Seconds = 1.0


class ProgramResponse(BaseModel):
    """1 per test that passed, and CPU seconds."""

    results: list[int]
    runtimes: list[float]


@router.post("/test_program")
async def check_program(request: ProgramRequest, service: Served) -> ProgramResponse:
    """Judge a program on assertions."""
    return await _tested(request, service)


@router.post("/test_program_stdio")
async def check_program_stdio(request: ProgramRequest, service: Served) -> ProgramResponse:
    """Judge a program on pairs of input and output."""
    return await _tested(request, service)


async def _tested(request: ProgramRequest, service: Service) -> ProgramResponse:
    if isinstance(request.tests, str) and _looks_pickled(request.tests):
        raise invalid(_PICKLED, "tests")
    if not request.tests:
        return ProgramResponse(results=[], runtimes=[])
    suite = suite_of(request.tests, "tests")
    grade = await graded(service, request.program, suite, cpu_s=request.max_execution_time)
    if grade.holes:
        raise not_judged(grade)
    return ProgramResponse(
        results=[int(code == PASS_CODE) for code in grade.verdict_T],
        runtimes=[cpu_us / 1e6 for cpu_us in grade.cpu_us_T],
    )


def _looks_pickled(text: str) -> bool:
    """Whether text is base64 of something that zlib has compressed."""
    return text.startswith(("eJ", "eN", "eA", "eF")) and not set(text) & set(' \n([{"=,') - {"="}


class TestCases(BaseModel):
    """ScaleBox's tests."""

    model_config = ConfigDict(extra="ignore")

    type: Literal["stdin_stdout", "function_call"] = "stdin_stdout"
    input: list[Any]
    output: list[Any]
    fn_name: str | None = None


class ProvidedData(BaseModel):
    """Where ScaleBox puts them."""

    model_config = ConfigDict(extra="ignore")

    test_cases: TestCases


class Extra(BaseModel):
    """ScaleBox's options; a special judge is a program of the caller and is not run."""

    model_config = ConfigDict(extra="ignore")

    run_all_cases: bool = False
    total_timeout: Seconds = 300.0
    special_judge_program: str | None = None


class Config(BaseModel):
    """ScaleBox's configuration of a submission."""

    model_config = ConfigDict(extra="ignore")

    language: Literal["python"] = "python"
    run_timeout: Seconds = 10.0
    provided_data: ProvidedData
    extra: Extra = Extra()


class SubmitRequest(BaseModel):
    """A completion and its tests."""

    model_config = ConfigDict(extra="ignore")

    dataset: str = ""
    id: int | str = 0
    completion: str
    config: Config


@router.post("/common_evaluate_batch")
async def evaluate_batch(request: SubmitRequest, service: Served) -> dict[str, Any]:
    """Judge a completion on all its tests in one request."""
    config = request.config
    if config.extra.special_judge_program:
        raise invalid("special judges are not run", "config", "extra", "special_judge_program")
    cases = config.provided_data.test_cases
    calls = cases.type == "function_call"
    if calls and not cases.fn_name:
        raise invalid("a function call needs a name", *_CASES, "fn_name")
    truth = {"inputs": cases.input, "outputs": cases.output}
    suite = suite_of(truth, *_CASES, fn_name=cases.fn_name if calls else None)
    program = code_of(request.completion)
    grade = await graded(service, program, suite, cpu_s=config.run_timeout)
    if grade.score() is None:
        raise not_judged(grade)
    tests = []
    for t, code in enumerate(grade.verdict_T):
        tests.append({"passed": code == PASS_CODE, "exec_info": _exec_info(grade.detail_T.get(t))})
        if code != PASS_CODE and not config.extra.run_all_cases:
            break
    return {
        "id": request.id,
        "accepted": grade.score() == 1.0,
        "extracted_code": program,
        "full_code": program,
        "test_code": None,
        "tests": tests,
        "extracted_type": "fenced" if program != request.completion else "heuristic",
        "extra": None,
    }


_CASES = ("config", "provided_data", "test_cases")


def _exec_info(fault: str | None) -> dict[str, Any]:
    result = {
        "status": "Finished",
        "execution_time": 0.0,
        "return_code": 0 if fault is None else 1,
        "stdout": "",
        "stderr": fault or "",
    }
    return {
        "status": "Success" if fault is None else "Failed",
        "message": "",
        "compile_result": None,
        "run_result": result,
        "executor_pod_name": None,
        "files": {},
    }
