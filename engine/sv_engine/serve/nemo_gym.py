"""NeMo-Gym's resources server: `/seed_session`, `/verify`, `/aggregate_metrics`, `/reverify_mode`.

Spoken by NeMo-Gym and NeMo-RL, and by verifiers and prime-rl through `resources_url`. A row of the
dataset carries `verifier_metadata.unit_tests`; the model's text is that of an OpenAI Responses
object. `/verify` gives the whole body back with `reward` (verifiers deletes two of its fields
without a default), and 503 for a hole: the trace is then left out of training.
"""

from __future__ import annotations

import secrets
import statistics
import time
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, ConfigDict, Field

from sv_engine.grading import code_of
from sv_engine.serve.fields import Echo
from sv_engine.serve.judging import graded, invalid, livecodebench, not_judged, suite_of
from sv_engine.serve.service import Service, service_of

TASK_INDEX = "_ng_task_index"

router = APIRouter(tags=["NeMo-Gym"])
Json = dict[str, Any]


class VerifyRequest(BaseModel):
    """A row of the dataset with the model's response; whatever else it holds is given back."""

    model_config = ConfigDict(extra="allow")

    responses_create_params: Json
    response: Json
    verifier_metadata: Json


class AggregateRequest(BaseModel):
    """Answers of `/verify`, stripped or whole."""

    verify_responses: list[Json] = Field(max_length=1 << 20)


@router.post("/seed_session")
async def seed_session(body: Json, response: Response) -> Json:
    """Begin a session; nothing is kept of it, a row carries all that `/verify` needs."""
    response.set_cookie("session", secrets.token_urlsafe(16), httponly=True, samesite="lax")
    return {}


@router.post(
    "/verify",
    response_model=Json,
    responses={503: {"description": "Not judged: leave the trace out."}},
)
async def verify(request: VerifyRequest, service: Annotated[Service, Depends(service_of)]) -> Echo:
    """Judge the program in the response on the unit tests of the row."""
    tests = request.verifier_metadata.get("unit_tests")
    if tests is None:
        raise invalid("no unit tests", "verifier_metadata", "unit_tests")
    suite = suite_of(tests, "verifier_metadata", "unit_tests")
    text = _output_text(request.response)
    row = dict(request)
    if not text.strip():
        return Echo({**row, "reward": 0.0, "passed": 0, "result": []})
    program = code_of(text)
    start_s = time.monotonic()
    grade = await graded(service, program, suite)
    score = grade.score()
    if score is None:
        raise not_judged(grade)
    told = {
        "reward": score,
        "passed": grade.passed,
        "extracted_model_output": text,
        "extracted_model_code": program,
        "result": livecodebench(grade),
        "metadata": {"error": grade.first_fault},
        "unit_tests_time_taken": time.monotonic() - start_s,
    }
    return Echo({**row, **told})


@router.get("/reverify_mode")
async def reverify_mode() -> str:
    """Rows can be verified again at any time, by any server."""
    return "stateless"


@router.post("/aggregate_metrics", response_model=Json)
async def aggregate_metrics(request: AggregateRequest) -> Echo:
    """Mean, maximum, minimum, median and deviation of every number, per task and over all."""
    by_task: dict[str, list[Json]] = {}
    for answer in request.verify_responses:
        by_task.setdefault(str(answer.get(TASK_INDEX, 0)), []).append(answer)
    overall = _statistics(request.verify_responses)
    groups = [
        {TASK_INDEX: answers[0].get(TASK_INDEX, 0), **_statistics(answers)}
        for answers in by_task.values()
    ]
    means = {key: value for key, value in overall.items() if key.startswith("mean/")}
    return Echo(
        {"group_level_metrics": groups, "agent_metrics": overall, "key_metrics": means},
    )


def _statistics(answers: list[Json]) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for answer in answers:
        for key, value in answer.items():
            if isinstance(value, bool | int | float) and not key.startswith("_"):
                found.setdefault(key, []).append(_bounded(value))
    return {
        f"{name}/{key}": function(values)
        for key, values in found.items()
        for name, function in _FUNCTIONS.items()
    }


_LARGEST = 1e150
_FUNCTIONS: dict[str, Callable[[list[float]], float]] = {
    "mean": statistics.fmean,
    "max": max,
    "min": min,
    "median": statistics.median,
    "std": statistics.pstdev,
}


def _bounded(value: float) -> float:
    """A float of which means and squares stay finite."""
    if isinstance(value, float) and value != value:  # NaN is no number to count with
        return 0.0
    return float(max(-_LARGEST, min(_LARGEST, value)))


def _output_text(response: Json) -> str:
    """The text of an OpenAI Responses object."""
    texts = []
    output = response.get("output")
    for item in output if isinstance(output, list) else []:
        content = item.get("content") if isinstance(item, dict) else None
        for part in content if isinstance(content, list) else []:
            if isinstance(part, dict) and part.get("type") == "output_text":
                texts.append(str(part.get("text") or ""))
    return "".join(texts)
