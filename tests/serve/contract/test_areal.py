"""AReaL 1.0: its wrapper around our reward function. Only that module of the package is loaded."""

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

pytest.importorskip("sv_engine", reason="our package is not on the path here")
FOUND: Any = importlib.util.find_spec("areal")
if FOUND is None or not FOUND.submodule_search_locations:
    pytest.skip(
        "areal is not installed here (pip install --no-deps areal)", allow_module_level=True
    )

RIGHT = "```python\ndef f(x):\n    return x + 1\n```"
TESTS = {"inputs": ["1"], "outputs": ["2"], "fn_name": "f"}


@pytest.fixture(scope="module")
def api() -> Iterator[Any]:
    root = Path(FOUND.submodule_search_locations[0])
    for name in ("areal", "areal.utils", "areal.api"):  # packages without their __init__
        module = types.ModuleType(name)
        module.__path__ = [str(root.joinpath(*name.split(".")[1:]))]
        sys.modules[name] = module
    vars(sys.modules["areal.utils"])["logging"] = logging
    yield importlib.import_module("areal.api.reward_api")
    for name in [name for name in sys.modules if name.split(".")[0] == "areal"]:
        del sys.modules[name]


def test_scores_and_holes(api: Any, server_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from sv_engine.integrations.areal import reward_fn

    monkeypatch.setenv("SV_TARGET", server_url)

    async def work() -> None:
        wrapped = api.AsyncRewardWrapper(reward_fn, max_workers=1)
        assert await wrapped("p", RIGHT, [1], [2], tests=TESTS) == 1.0
        assert await wrapped("p", "import os; os._exit(0)", [1], [2], tests=TESTS) == 0.0
        with pytest.raises(Exception, match="ground truth"):
            await wrapped("p", RIGHT, [1], [2], tests="{}")

    asyncio.run(work())
    api.AsyncRewardWrapper._atexit_shutdown_all()
