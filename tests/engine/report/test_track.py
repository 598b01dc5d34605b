"""Curves reach a tracker in the order of training."""

from __future__ import annotations

import importlib.machinery
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sv_engine.errors import EngineError
from sv_engine.report.track import Tracker, track

MakeRun = Callable[..., Path]


class Fake(types.ModuleType):
    """The functions of wandb and trackio."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__spec__ = importlib.machinery.ModuleSpec(name, None)
        self.calls: list[tuple[str, Any]] = []

    def init(self, *, project: str, name: str) -> None:
        self.calls.append(("init", (project, name)))

    def log(self, values: dict[str, float], *, step: int) -> None:
        self.calls.append(("log", (step, values)))

    def finish(self) -> None:
        self.calls.append(("finish", None))


@pytest.mark.parametrize("tracker", [Tracker.WANDB, Tracker.TRACKIO])
def test_everything_is_handed_over_once(
    made_run: MakeRun, monkeypatch: pytest.MonkeyPatch, tracker: Tracker
) -> None:
    fake = Fake(tracker.value)
    monkeypatch.setitem(sys.modules, tracker.value, fake)
    count = track(made_run(), tracker)
    assert [name for name, _ in fake.calls] == ["init", *["log"] * count, "finish"]
    logged = [call for name, call in fake.calls if name == "log"]
    assert [step for step, _ in logged] == list(range(1, count + 1))
    assert count == 3 + 2 * 60  # evaluations, and steps of two stages in two iterations
    assert logged[0][1]["heldout/test_kill_rate@1"] == 0.5
    assert logged[1][1].keys() == {"sft/loss"}
    assert logged[31][1].keys() == {"dpo/loss", "dpo/margin", "dpo/accuracy"}
    assert logged[-1][1]["iteration"] == 2


@pytest.mark.parametrize("tracker", list(Tracker))
def test_one_that_is_not_installed_is_named(
    made_run: MakeRun, monkeypatch: pytest.MonkeyPatch, tracker: Tracker
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(EngineError, match=f"{tracker.value}.* not installed"):
        track(made_run(), tracker)
