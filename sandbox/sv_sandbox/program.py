"""Programs run as `__main__`: what they get, what they did, and whether that was expected."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

from . import _native
from .asked import as_bytes
from .check import Check, difference, shortest
from .job import Job
from .verdict import Limits, Verdict


@dataclass(frozen=True, slots=True)
class RunResult:
    """What one program did."""

    verdict: Verdict
    """PASS means: it ran to its end and left with exit code 0, and its output was accepted if one
    was expected."""
    exit_code: int | None
    """None when a signal ended it."""
    stdout: bytes
    stderr: bytes
    cpu_s: float
    wall_s: float
    max_rss_bytes: int
    detail: str


def with_room(limits: Limits | None, least: Limits, expected: str | bytes | None) -> Limits:
    """The limits of one program: where the caller names none, those of the pool, and as much output
    as is expected."""
    if limits is not None:
        return limits
    room = max(least.output_bytes, len(as_bytes(expected or b"")) * 5 // 4 + 4096)
    return replace(least, output_bytes=room)


def check_room(expected: str | bytes | None, accept: Check, limits: Limits) -> None:
    """Raises ValueError for an expected output that no program may print."""
    if expected is None or len(expected) * 4 <= limits.output_bytes:
        return
    least = shortest(accept, as_bytes(expected))
    if least > limits.output_bytes:
        raise ValueError(
            f"the expected output has {least} bytes and Limits.output_bytes is"
            f" {limits.output_bytes}: no program could pass"
        )


def result_of(job: Job) -> RunResult:
    """What the program of a finished job did."""
    assert job._handle is not None
    status, cpu_us, wall_us, rss, stdout, stderr = _native.job_result(job._handle)
    exited = os.WIFEXITED(status)
    return RunResult(
        verdict=job._matrix.verdict(0, 0),
        exit_code=os.WEXITSTATUS(status) if exited else None,
        stdout=stdout,
        stderr=stderr,
        cpu_s=cpu_us / 1e6,
        wall_s=wall_us / 1e6,
        max_rss_bytes=rss,
        detail=job._matrix.detail(0, 0),
    )


def judged(
    result: RunResult, stdin: str | bytes, expected: str | bytes | None, accept: Check
) -> RunResult:
    """The result with the verdict that its output earns, where one was expected."""
    left = result.verdict in (Verdict.PASS, Verdict.EARLY_EXIT) and result.exit_code == 0
    if expected is None or not left:
        return result
    if accept(as_bytes(stdin), as_bytes(expected), result.stdout):
        return replace(result, verdict=Verdict.PASS, detail="")
    detail = difference(as_bytes(expected), result.stdout)
    return replace(result, verdict=Verdict.WRONG, detail=detail)
