"""lm-eval 0.4: its HumanEval and MBPP utilities, judged by our `code_eval`."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import pytest

pytest.importorskip("lm_eval", reason="lm-eval is not installed here")
pytest.importorskip("evaluate", reason="evaluate is not installed here")
pytest.importorskip("sv_engine", reason="our package is not on the path here")


@pytest.fixture(autouse=True)
def installed(server_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import evaluate

    from sv_engine.integrations.code_eval import install

    monkeypatch.setenv("SV_TARGET", server_url)
    monkeypatch.setattr(evaluate, "load", evaluate.load)
    monkeypatch.setenv("HF_ALLOW_CODE_EVAL", "1")
    install()


def utils(task: str) -> Any:
    name = f"lm_eval.tasks.{task}.utils"
    sys.modules.pop(name, None)
    return importlib.import_module(name)


def test_humaneval() -> None:
    check = "def check(candidate):\n    assert candidate(1) == 2\n\ncheck(f)"
    programs = ["def f(x): return x + 1", "import os; os._exit(0)"]
    told = utils("humaneval").pass_at_k([check], [programs], k=[1, 2])
    assert told == {"pass@1": 0.5, "pass@2": 1.0}


def test_mbpp() -> None:
    tests = "assert f(1) == 2\nassert f(2) == 3"
    module = utils("mbpp")
    assert module.pass_at_1([tests], [["def f(x): return x + 1"]]) == 1.0
    assert (
        module.pass_at_1([tests], [["class E:\n  __eq__ = lambda s, o: True\nf = lambda x: E()"]])
        == 0.0
    )
