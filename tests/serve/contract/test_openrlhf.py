"""OpenRLHF 0.11: its single-turn agent loads our file and asks it for rewards."""

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
FOUND = importlib.util.find_spec("openrlhf")
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
    logs.init_logger = logging.getLogger
    sys.modules[logs.__name__] = logs
    yield importlib.import_module("openrlhf.utils.agent")
    for name in [name for name in sys.modules if name.split(".")[0] == "openrlhf"]:
        del sys.modules[name]


def test_rewards(agent: Any, server_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from sv_engine.integrations import openrlhf

    monkeypatch.setenv("SV_TARGET", server_url)
    executor = agent.SingleTurnAgentExecutor(openrlhf.__file__)

    def rewards(answer: str, label: str) -> Any:
        work = executor._fetch_rewards_via_func([f"Write f. {answer}"], ["Write f. "], [label])
        return asyncio.run(work)

    tests = '["assert f(1) == 2"]'
    assert "1." in str(rewards(RIGHT, tests))
    assert "1." not in str(rewards("import os; os._exit(0)", tests))
