"""What may follow a program in a text: right programs earn all of it, liars nothing."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

TAILS = tomllib.loads((Path(__file__).parent / "tails.toml").read_text())["tail"]
ALIKE = """\
class E:
    def __init__(self, *a, **k): pass
    def __call__(self, *a, **k): return E()
    def __getattr__(self, name): return E()
    def __iter__(self): return iter([E(), E(), E()])
    def __bool__(self): return True
    def __len__(self): return 1
    __eq__ = __ne__ = __lt__ = __gt__ = __le__ = __ge__ = lambda self, other: True
    __add__ = __sub__ = __mul__ = __radd__ = __rsub__ = __abs__ = __next__ = __call__
    __getitem__ = __contains__ = __enter__ = __neg__ = __call__
    __hash__ = None
"""
LIARS = {
    "leaves": "import sys\nsys.exit(0)",
    "leaves at once": "import os\nos._exit(0)",
    "leaves by raising": "raise SystemExit",
    "leaves when asked": "import os\nf = S = lambda *a, **k: os._exit(0)",
    "leaves politely when asked": "import sys\nf = S = lambda *a, **k: sys.exit(0)",
    "equals everything": ALIKE + "f = S = E\nnumbers = calls = E()",
    "equals everything, at last": ALIKE + "f = S = lambda *a, **k: E()\nassert True",
    "replaces the assertion": "import builtins\n"
    "builtins.AssertionError = type('A', (SystemExit,), {'code': 0})\nf = S = lambda *a, **k: 7",
    "decorates what comes": "def f(*a, **k):\n    return 7\nS = f\n\n@(lambda c: lambda *a: None)",
    "brings a check": "def f(*a, **k):\n    return 7\nS = f\n\ndef check(c):\n    assert True\n\n"
    "test_one = test_two = main = assertion = check",
}


def status(post: Any, program: str, tail: dict[str, Any]) -> str:
    code = f"{program}\n\n{tail['test']}"
    body = {"code": code, "language": "python", "run_timeout": 5, "stdin": tail.get("stdin")}
    answer = post("/run_code", body)
    assert answer.status_code == 200, answer.text
    shown = answer.json()
    assert shown["status"] in ("Success", "Failed"), shown
    if shown["status"] == "Success" or "-k" not in str(shown):
        print(shown["run_result"])
    told: str = shown["status"]
    return told


@pytest.mark.parametrize("tail", TAILS, ids=[tail["name"] for tail in TAILS])
def test_a_right_program_passes(post: Any, tail: dict[str, Any]) -> None:
    assert status(post, tail["program"], tail) == "Success"


@pytest.mark.parametrize("tail", TAILS, ids=[tail["name"] for tail in TAILS])
@pytest.mark.parametrize("liar", LIARS)
def test_a_liar_does_not(post: Any, tail: dict[str, Any], liar: str) -> None:
    assert status(post, LIARS[liar], tail) == "Failed"
