"""Folders to report on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.engine.loop.conftest import InProcessCells, ScriptedGenerator
from tests.engine.report.made_run import make_run

MakeRun = Callable[..., Path]


@pytest.fixture
def made_run(tmp_path: Path) -> MakeRun:
    """Makes the folder of a run; options as of `make_run`, `answer` is what the model says."""

    def make(name: str = "run", answer: str = "return xs[:1]", **options: Any) -> Path:
        make_run(tmp_path / name, ScriptedGenerator(lambda *_: answer), **options)
        return tmp_path / name

    return make


@pytest.fixture
def cells() -> InProcessCells:
    """An executor for trusted programs."""
    return InProcessCells()
