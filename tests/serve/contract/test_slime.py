"""slime (2026): its `async_rm` and `batched_async_rm` load our function by its path and call it.

slime is on no registry: its source folder has to be on the path, beside torch and aiohttp. What
dispatches rewards and the `Sample` are its own; of its other graders, which want more packages,
empty modules stand in the place.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="torch is not installed here")
pytest.importorskip("aiohttp", reason="aiohttp is not installed here")
pytest.importorskip("sv_engine", reason="our package is not on the path here")
FOUND: Any = importlib.util.find_spec("slime")
if FOUND is None or not FOUND.submodule_search_locations:
    pytest.skip("slime's source is not on the path here", allow_module_level=True)

PATH = "sv_engine.integrations.slime.custom_rm"
RIGHT = "```python\ndef f(x):\n    return x + 1\n```"
WRONG = "```python\ndef f(x):\n    return x\n```"
LIAR = "import os\nos._exit(0)"
TESTS = '["assert f(1) == 2"]'
UNKNOWN = '{"nothing": "that is known"}'


class Anything(types.ModuleType):
    """A module that has every name."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return None


@pytest.fixture(scope="module")
def slime() -> Iterator[Any]:
    hub = Path(FOUND.submodule_search_locations[0]) / "rollout" / "rm_hub"
    others = [path.stem for path in hub.glob("*.py") if path.stem != "__init__"]
    names = [f"slime.rollout.rm_hub.{name}" for name in others]
    sys.modules |= {name: Anything(name) for name in names}
    yield importlib.import_module("slime.rollout.rm_hub")
    for name in [name for name in sys.modules if name.split(".")[0] == "slime"]:
        del sys.modules[name]


@pytest.fixture(autouse=True)
def target(server_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SV_TARGET", server_url)


def samples(slime: Any, *answers: tuple[str, str]) -> list[Any]:
    return [
        slime.Sample(index=n, prompt="Write f.", response=response, label=label)
        for n, (response, label) in enumerate(answers)
    ]


ARGUMENTS = types.SimpleNamespace(custom_rm_path=PATH, rm_type=None, reward_key=None)


@pytest.mark.parametrize(
    ("response", "label", "reward", "is_removed"),
    [
        (RIGHT, TESTS, 1.0, False),
        (WRONG, TESTS, 0.0, False),
        (LIAR, TESTS, 0.0, False),
        ("print(int(input()) + 1)", '{"inputs": ["1"], "outputs": ["2"]}', 1.0, False),
        ("no program", TESTS, 0.0, False),
        (RIGHT, UNKNOWN, 0.0, True),
    ],
)
def test_one_sample(slime: Any, response: str, label: str, reward: float, is_removed: bool) -> None:
    (sample,) = samples(slime, (response, label))
    sample.reward = asyncio.run(slime.async_rm(ARGUMENTS, sample))
    assert sample.get_reward_value(ARGUMENTS) == reward
    assert sample.remove_sample is is_removed


def test_a_group(slime: Any) -> None:
    group = samples(slime, (RIGHT, TESTS), (WRONG, TESTS), (RIGHT, UNKNOWN), (LIAR, TESTS))
    assert asyncio.run(slime.batched_async_rm(ARGUMENTS, group)) == [1.0, 0.0, 0.0, 0.0]
    assert [each.remove_sample for each in group] == [False, False, True, False]


def test_samples_that_name_it_themselves(slime: Any) -> None:
    """As those of a data set for evaluation do; all of a batch at once, on one loop."""
    group = samples(slime, *[(RIGHT, TESTS), (WRONG, TESTS)] * 8)
    for each in group:
        each.custom_rm_path = PATH
    plain = types.SimpleNamespace(custom_rm_path=None, rm_type=None)
    assert asyncio.run(slime.batched_async_rm(plain, group)) == [1.0, 0.0] * 8
