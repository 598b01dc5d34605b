"""verl's own client module, unmodified, against the server (verl 0.9).

Its package is not imported whole, which would need torch and ray: the module is loaded from where
it lies, on sys.path or in a wheel that was unpacked.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import logging
import sys
import tomllib
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("requests", reason="verl's client needs requests")
FOUND: Any = importlib.util.find_spec("verl")
if FOUND is None or not FOUND.submodule_search_locations:
    pytest.skip("verl is not installed here (pip install --no-deps verl)", allow_module_level=True)

SERVE = Path(__file__).parent.parent
CASES = tomllib.loads((SERVE / "cases.toml").read_text())["case"]
TAILS = tomllib.loads((SERVE / "tails.toml").read_text())


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    root = Path(FOUND.submodule_search_locations[0])
    names = ("verl", "verl.utils", "verl.utils.reward_score")
    for name in names:  # packages without their __init__
        module = types.ModuleType(name)
        module.__path__ = [str(root.joinpath(*name.split(".")[1:]))]
        sys.modules[name] = module
    logging.disable(logging.CRITICAL)
    yield importlib.import_module("verl.utils.reward_score.sandbox_fusion")
    logging.disable(logging.NOTSET)
    for name in [name for name in sys.modules if name.split(".")[0] == "verl"]:
        del sys.modules[name]


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_what_a_program_earns(client: Any, server_url: str, case: dict[str, Any]) -> None:
    answer = f"Here it is:\n```python\n{case['program']}\n```\n"
    score, told = client.compute_score(
        f"{server_url}/run_code", None, 1024, answer, json.loads(case["truth"]), continuous=True
    )
    assert score == case["score"], [(each["status"], each["stderr"]) for each in told]


@pytest.mark.parametrize("tail", TAILS["tail"], ids=[tail["name"] for tail in TAILS["tail"]])
def test_what_may_follow_a_program(client: Any, server_url: str, tail: dict[str, Any]) -> None:
    truth = {"assert_case": [tail["test"]]}
    if "stdin" in tail:
        truth |= {"inputs": [tail["stdin"]], "outputs": [None]}
    programs = [(tail["program"], 1.0), *((liar["program"], 0.0) for liar in TAILS["liar"])]
    for program, wanted in programs:
        answer = f"```python\n{program}\n```\n"
        score, told = client.compute_score(
            f"{server_url}/run_code", None, 1024, answer, truth, continuous=True
        )
        assert score == wanted, (program, [(each["status"], each["stderr"]) for each in told])


def test_a_time_out_is_told_as_such(client: Any, server_url: str) -> None:
    truth = {"inputs": ["1"], "outputs": ["1"]}
    url, answer = f"{server_url}/run_code", "```python\nwhile True: pass\n```"
    score, told = client.compute_score(url, None, 1024, answer, truth, continuous=True, timeout=1)
    assert (score, told[0]["status"]) == (0.0, "timeout")
