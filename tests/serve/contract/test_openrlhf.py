"""OpenRLHF 0.11: its single-turn agent loads our file and asks it for rewards.

Of the package (`pip install --no-deps openrlhf`, beside torch and aiohttp) the agent alone is
loaded: the others want flash-attn and deepspeed. The agent's own code runs; the engine that
generates is ours and gives a fixed answer.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import logging
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="torch is not installed here")
pytest.importorskip("aiohttp", reason="aiohttp is not installed here")
pytest.importorskip("sv_engine", reason="our package is not on the path here")
FOUND: Any = importlib.util.find_spec("openrlhf")
if FOUND is None or not FOUND.submodule_search_locations:
    pytest.skip("openrlhf is not installed here", allow_module_level=True)

RIGHT = "```python\ndef f(x):\n    return x + 1\n```"


@pytest.fixture(scope="module")
def agent() -> Iterator[Any]:
    root = Path(FOUND.submodule_search_locations[0])
    for name in ("openrlhf", "openrlhf.utils"):  # packages without their __init__
        module = types.ModuleType(name)
        module.__path__ = [str(root.joinpath(*name.split(".")[1:]))]
        sys.modules[name] = module
    logs = types.ModuleType("openrlhf.utils.logging_utils")
    vars(logs)["init_logger"] = logging.getLogger
    sys.modules[logs.__name__] = logs
    yield importlib.import_module("openrlhf.utils.agent")
    for name in [name for name in sys.modules if name.split(".")[0] == "openrlhf"]:
        del sys.modules[name]


class Tokenizer:
    """A character is a token."""

    def __call__(self, text: str, **_: Any) -> dict[str, Any]:
        import torch

        return {"input_ids": torch.tensor([[ord(each) for each in text]])}

    def decode(self, tokens: list[int], **_: Any) -> str:
        return "".join(map(chr, tokens))


class Engine:
    """Always gives the same answer."""

    def __init__(self, answer: str) -> None:
        self.answer = answer

    async def generate(self, prompt: list[int], parameters: Any, **_: Any) -> Any:
        tokens = [ord(each) for each in self.answer]
        one = types.SimpleNamespace(token_ids=tokens, finish_reason="stop", logprobs=None)
        return types.SimpleNamespace(outputs=[one])


TESTS = '["assert f(1) == 2"]'
HONEST_OF_STATE = "def f():\n    f.n = getattr(f, 'n', 0) + 1\n    return f.n"


@pytest.mark.parametrize(
    ("answer", "label", "reward"),
    [
        (RIGHT, TESTS, 1.0),
        ("```python\ndef f(x):\n    return x\n```", TESTS, 0.0),
        ("import os; os._exit(0)", TESTS, 0.0),
        ("class E:\n    __eq__ = lambda s, o: True\n\ndef f(x):\n    return E()", TESTS, 0.0),
        ("print(int(input()) + 1)", '{"inputs": ["1"], "outputs": ["2"]}', 1.0),
        ("no program", TESTS, 0.0),
        (HONEST_OF_STATE, '["assert f() == 1\\nassert f() == 2"]', 1.0),
        (RIGHT, '{"nothing": "that is known"}', None),  # a hole: unset, and not 0
    ],
)
def test_rewards(
    agent: Any,
    server_url: str,
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    label: str,
    reward: float | None,
) -> None:
    from sv_engine.integrations import openrlhf

    monkeypatch.setenv("SV_TARGET", server_url)
    executor = agent.SingleTurnAgentExecutor(openrlhf.__file__)
    parameters = types.SimpleNamespace(max_tokens=500, logprobs=None)
    told = asyncio.run(
        executor.execute("Write f. ", label, parameters, 1000, Tokenizer(), Engine(answer))
    )
    if reward is None:
        assert told["reward"] is None
        assert told["scores"] is None
    else:
        assert (float(told["reward"]), float(told["scores"])) == (reward, reward)
        assert float(told["extra_logs"]["sv_passed"]) == reward
