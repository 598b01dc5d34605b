"""A program on a suite, for the protocols that send both."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import HTTPException
from fastapi.exceptions import RequestValidationError

from sv_engine.executors.protocol import Row, Terms, Test
from sv_engine.grading import Grade, Suite, SuiteError, grade, read_suite
from sv_engine.records import PASS_CODE
from sv_engine.serve.service import Service

DEFAULT_CPU_S = 10.0
DEFAULT_WAIT_S = 20.0
LIVECODEBENCH = {2: -2, 3: -4, 4: -3, 5: -4, 6: -2, 7: -4, 8: -4}
"""Verdict code -> that of LiveCodeBench: wrong answer -2, time -3, run-time error -4; holes -5."""


@dataclass(frozen=True, slots=True)
class Queued:
    """The service as an executor that waits its turn; raises Overloaded."""

    service: Service
    wait_s: float = DEFAULT_WAIT_S

    def submit(
        self, solutions: Sequence[str], tests: Sequence[Test], terms: Terms
    ) -> AsyncIterator[Row]:
        """Judge every solution on every test."""
        return self.service.rows(solutions, tests, terms, self.wait_s)

    async def close(self) -> None:
        """Nothing to end: the service outlives a request."""


async def graded(
    service: Service, program: str, suite: Suite, *, cpu_s: float = DEFAULT_CPU_S
) -> Grade:
    """The grade of a program, holes asked for once more; raises Overloaded."""
    terms = service.terms(cpu_s)
    for _ in range(2):
        result = await grade(Queued(service), program, suite, terms)
        if not result.holes:
            break
    return result


def suite_of(truth: Any, *loc: str, fn_name: str | None = None, check: str = "decimals") -> Suite:
    """The suite in a request; a bad one is a 422 that names the field `loc`."""
    try:
        return read_suite(truth, fn_name=fn_name, check=check)
    except SuiteError as error:
        raise invalid(str(error), *loc) from None


def invalid(message: str, *loc: str) -> RequestValidationError:
    """A 422 for a field of the body."""
    return RequestValidationError([{"loc": ("body", *loc), "msg": message, "type": "value_error"}])


def not_judged(grade: Grade) -> HTTPException:
    """A 503: the sandbox could not judge, which says nothing about the program."""
    return HTTPException(503, f"not judged: {grade.first_fault}")


def livecodebench(grade: Grade) -> list[bool | int]:
    """Per test True, or LiveCodeBench's code of the failure."""
    return [True if code == PASS_CODE else LIVECODEBENCH.get(code, -5) for code in grade.verdict_T]
