"""verifiers 0.4: its NeMo-Gym task against the server, and our reward plugged into its scoring."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

vf = pytest.importorskip("verifiers.v1", reason="verifiers is not installed here")

RIGHT = "```python\ndef f(x):\n    return x + 1\n```"
LEAVES = "```python\nimport os\nos._exit(0)\n```"
TESTS = {"inputs": ["1"], "outputs": ["2"], "fn_name": "f"}
ROW = {
    "responses_create_params": {"input": [{"role": "user", "content": "Write f."}]},
    "verifier_metadata": {"unit_tests": TESTS},
}


def trace_of(task: Any, answer: str, state: Any) -> Any:
    """A trace in which the model has answered once."""
    from verifiers.v1.graph import MessageNode
    from verifiers.v1.trace import Trace
    from verifiers.v1.types import AssistantMessage, UserMessage

    nodes = [
        MessageNode(message=UserMessage(content="Write f.")),
        MessageNode(parent=0, message=AssistantMessage(content=answer), sampled=True),
    ]
    traced = {"type": type(task).__name__, "data": task.data}
    trace = Trace.model_construct(task=traced, nodes=nodes, id="t", state=state)
    trace.rewards, trace.metrics, trace.info = {}, {}, {}
    return trace


@pytest.mark.parametrize(("answer", "reward"), [(RIGHT, 1.0), (LEAVES, 0.0), ("none", 0.0)])
def test_its_nemo_gym_task_is_scored_by_the_server(
    server_url: str, answer: str, reward: float
) -> None:
    from verifiers.v1.tasksets.nemo_gym.taskset import (
        NeMoGymData,
        NeMoGymState,
        NeMoGymTask,
        NeMoGymTaskConfig,
    )

    config = NeMoGymTaskConfig(resources_url=server_url)
    task = NeMoGymTask(NeMoGymData(prompt="Write f.", row=ROW), config)

    async def scored() -> Any:
        trace = trace_of(task, answer, NeMoGymState())
        await task.setup(trace, None)
        await task.score(trace)
        return trace

    trace = asyncio.run(scored())
    assert trace.rewards["nemo_gym"].value == reward
    assert trace.metrics["passed"] == reward


class Data(vf.TaskData):  # type: ignore[misc, name-defined]  # a package that is Any here
    """A problem with its tests."""

    tests: Any = None


def plugged(tests: Any) -> Any:
    pytest.importorskip("sv_engine", reason="our package is not on the path here")
    from verifiers.v1.configs.task import TaskConfig

    config = TaskConfig.model_validate(
        {"rewards": {"sv": {"fn": "sv_engine.integrations.verifiers:solved"}}}
    )
    return vf.Task[Data](Data(prompt="Write f.", tests=tests), config)


@pytest.mark.parametrize(("answer", "reward"), [(RIGHT, 1.0), (LEAVES, 0.0)])
def test_our_reward_is_plugged_in_by_configuration(
    server_url: str, monkeypatch: pytest.MonkeyPatch, answer: str, reward: float
) -> None:
    monkeypatch.setenv("SV_TARGET", server_url)
    task = plugged(TESTS)
    trace = trace_of(task, answer, None)
    asyncio.run(task.score(trace))
    assert trace.rewards["sv"].value == reward


def test_a_hole_is_a_sandbox_error(server_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from verifiers.v1.errors import SandboxError

    monkeypatch.setenv("SV_TARGET", server_url)
    task = plugged([3])
    with pytest.raises(SandboxError, match="not judged"):
        asyncio.run(task.score(trace_of(task, RIGHT, None)))
