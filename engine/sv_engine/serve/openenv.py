"""OpenEnv: an environment whose action is a program, over a WebSocket or plain HTTP.

An action is `{code, stdin?, tests?}`; tests may come with `reset` instead, from whoever owns the
problem, and then an action's own are ignored. Without tests a step runs the program and has no
reward; with tests the reward is 1.0 if all of them pass, and the episode is done: where the tests
are the owner's, nobody tries them again before the next `reset`.

A hole is an error message (HTTP 503), never an observation: callers count a missing reward as 0.
Sessions live as long as their socket. Shapes: `openenv` 0.10.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, HTTPException, WebSocket, WebSocketDisconnect
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sv_engine.grading import Suite, SuiteError, read_suite
from sv_engine.serve.admission import Overloaded
from sv_engine.serve.fields import Echo, Seconds, Text
from sv_engine.serve.judging import graded, invalid
from sv_engine.serve.service import Service, service_in, service_of

ENVIRONMENT = "sv"
DEFAULT_CPU_S = 10.0

router = APIRouter(tags=["OpenEnv"], default_response_class=Echo)
Json = dict[str, Any]
Served = Annotated[Service, Depends(service_of)]


class Action(BaseModel):
    """A program, what it reads, and the tests it is to pass."""

    model_config = ConfigDict(extra="forbid")

    code: str
    stdin: Text = ""
    tests: list[Any] | Json | str | None = None
    metadata: Json = {}


class Observation(BaseModel):
    """What the program did, or how it fared on the tests."""

    stdout: str = ""
    stderr: str = ""
    exit_code: int | None = 0
    passed: int = 0
    total: int = 0
    detail: str = ""
    """Why the first test that failed did."""


class State(BaseModel):
    """Where an episode stands."""

    episode_id: str | None = None
    step_count: int = 0


class ResetRequest(BaseModel):
    """A new episode, with the tests of its problem if there are any."""

    model_config = ConfigDict(extra="allow")

    seed: int | None = Field(default=None, ge=0)
    episode_id: str | None = Field(default=None, max_length=255)
    tests: list[Any] | Json | str | None = None


class StepRequest(BaseModel):
    """An action over HTTP."""

    model_config = ConfigDict(extra="ignore")

    action: Action
    timeout_s: Seconds | None = None


class Outcome(BaseModel):
    """What a step comes to."""

    observation: Observation
    reward: float | None = None
    done: bool = False


class _NotJudged(Exception):
    """The sandbox could not say."""


@dataclass
class _Episode:
    """One session."""

    service: Service
    state: State = field(default_factory=State)
    suite: Suite | None = None
    is_done: bool = False

    def reset(self, request: ResetRequest) -> Outcome:
        """Raises SuiteError."""
        self.suite = None if request.tests is None else read_suite(request.tests)
        self.state = State(episode_id=request.episode_id or uuid.uuid4().hex)
        self.is_done = False
        return Outcome(observation=Observation())

    async def step(self, action: Action, cpu_s: float = DEFAULT_CPU_S) -> Outcome:
        """Raises SuiteError, Overloaded and _NotJudged."""
        if self.is_done:
            raise SuiteError("the episode is done: reset begins the next")
        suite = self.suite
        if suite is None and action.tests is not None:
            suite = read_suite(action.tests)
        self.state.step_count += 1
        if suite is None:
            return Outcome(observation=await self._run(action, cpu_s))
        grade = await graded(self.service, action.code, suite, cpu_s=cpu_s)
        score = grade.score()
        if score is None:
            raise _NotJudged(grade.first_fault)
        seen = Observation(
            exit_code=0 if score else 1,
            passed=grade.passed,
            total=len(grade.verdict_T),
            detail=grade.first_fault,
        )
        self.is_done = suite is self.suite  # those of an action are for that action
        return Outcome(observation=seen, reward=score, done=True)

    async def _run(self, action: Action, cpu_s: float) -> Observation:
        terms = self.service.terms(cpu_s)
        ran = await self.service.run(action.code, terms, stdin=action.stdin, deadline_s=cpu_s)
        if ran.verdict == "infra":
            raise _NotJudged(ran.detail)
        return Observation(
            stdout=ran.stdout.decode("utf-8", "replace"),
            stderr=ran.stderr.decode("utf-8", "replace"),
            exit_code=ran.exit_code,
            detail="" if ran.verdict in ("pass", "early_exit") else ran.verdict,
        )


@router.get("/metadata")
async def metadata() -> Json:
    """What this environment is."""
    return {
        "name": ENVIRONMENT,
        "description": "Runs Python in a sandbox and judges it on tests.",
        "readme_content": None,
        "version": "1",
        "author": None,
        "documentation_url": None,
    }


@router.get("/schema")
async def schema() -> Json:
    """JSON schemas of action, observation and state."""
    return {
        "action": Action.model_json_schema(),
        "observation": Observation.model_json_schema(),
        "state": State.model_json_schema(),
    }


@router.get("/state")
async def state() -> State:
    """The state of nobody's episode: over HTTP each step is its own."""
    return State()


@router.post("/reset")
async def reset(service: Served, request: ResetRequest | None = None) -> Outcome:
    """Begin an episode; over HTTP nothing is kept of it."""
    try:
        return _Episode(service).reset(request or ResetRequest())
    except SuiteError as error:
        raise invalid(str(error), "tests") from None


@router.post("/step", responses={503: {"description": "Not judged."}})
async def step(request: StepRequest, service: Served) -> Outcome:
    """Run a program, or judge it on the tests of the action."""
    try:
        return await _Episode(service).step(request.action, request.timeout_s or DEFAULT_CPU_S)
    except SuiteError as error:
        raise invalid(str(error), "action", "tests") from None
    except _NotJudged as error:
        raise HTTPException(503, f"not judged: {error}") from None


Code = Literal[
    "INVALID_JSON", "UNKNOWN_TYPE", "VALIDATION_ERROR", "EXECUTION_ERROR", "CAPACITY_REACHED"
]


@router.websocket("/ws")
async def socket(websocket: WebSocket) -> None:
    """One episode after another, until the socket closes."""
    service = service_in(websocket)
    await websocket.accept()
    if service.sessions >= service.settings.max_sessions:
        await websocket.send_json(_error("too many sessions", "CAPACITY_REACHED"))
        return await websocket.close(1013)
    service.sessions += 1
    episode = _Episode(service)
    try:
        while True:
            answer = await _answered(episode, await websocket.receive_text())
            if answer is None:
                return await websocket.close()
            await websocket.send_text(json.dumps(answer))
    except WebSocketDisconnect:
        return
    except KeyError:  # a frame of bytes is no message
        return await websocket.close(1003)
    finally:
        service.sessions -= 1


async def _answered(episode: _Episode, text: str) -> Json | None:
    """The answer to one message; None: the client wants to leave."""
    try:
        message = json.loads(text)
    except (ValueError, RecursionError) as error:
        return _error(f"not JSON: {error}", "INVALID_JSON")
    if not isinstance(message, dict):
        return _error("a message is an object with `type`", "VALIDATION_ERROR")
    data = message.get("data", {})
    try:
        match message.get("type"):
            case "reset":
                outcome = episode.reset(ResetRequest.model_validate(data))
            case "step":
                outcome = await episode.step(Action.model_validate(data))
            case "state":
                return {"type": "state", "data": episode.state.model_dump()}
            case "close":
                return None
            case kind:
                return _error(f"unknown type {kind!r}", "UNKNOWN_TYPE")
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()]
        return _error("; ".join(faults), "VALIDATION_ERROR")
    except SuiteError as error:
        return _error(f"tests: {error}", "VALIDATION_ERROR")
    except Overloaded:
        return _error("overloaded: no worker is free in time", "EXECUTION_ERROR")
    except _NotJudged as error:
        return _error(f"not judged: {error}", "EXECUTION_ERROR")
    return {"type": "observation", "data": outcome.model_dump()}


def _error(message: str, code: Code) -> Json:
    return {"type": "error", "data": {"message": message, "code": code}}
