"""What may follow a program in a text: right programs earn all of it, liars nothing."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

READ = tomllib.loads((Path(__file__).parent / "tails.toml").read_text())
TAILS, LIARS = READ["tail"], READ["liar"]
PROGRAMS = tomllib.loads((Path(__file__).parent / "programs.toml").read_text())["program"]


def status(post: Any, program: str, tail: dict[str, Any]) -> str:
    code = f"{program}\n\n{tail['test']}"
    body = {"code": code, "language": "python", "run_timeout": 5, "stdin": tail.get("stdin")}
    answer = post("/run_code", body)
    assert answer.status_code == 200, answer.text
    shown = answer.json()
    assert shown["status"] in ("Success", "Failed"), shown
    told: str = shown["status"]
    return told


@pytest.mark.parametrize("tail", TAILS, ids=[tail["name"] for tail in TAILS])
def test_a_right_program_passes(post: Any, tail: dict[str, Any]) -> None:
    assert status(post, tail["program"], tail) == "Success"


@pytest.mark.parametrize("tail", TAILS, ids=[tail["name"] for tail in TAILS])
@pytest.mark.parametrize("liar", LIARS, ids=[liar["name"] for liar in LIARS])
def test_a_liar_does_not(post: Any, tail: dict[str, Any], liar: dict[str, Any]) -> None:
    assert status(post, liar["program"], tail) == "Failed"


@pytest.mark.parametrize("test", ["assert f(1) == 2\nassert f(5) == 6", "check"])
@pytest.mark.parametrize("program", PROGRAMS, ids=[each["name"] for each in PROGRAMS])
def test_a_right_program_passes_whatever_it_is_made_of(
    post: Any, program: dict[str, Any], test: str
) -> None:
    if test == "check":
        test = "def check(candidate):\n    assert candidate(1) == 2\n\ncheck(f)"
    assert status(post, program["program"], {"test": test}) == "Success"
