"""Disk, memory and context: what cannot end well is told before anything is generated."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from tests.engine.loop.test_loop import ScriptedTrainer, play, write

from sv_engine.config.layers import load
from sv_engine.run import room
from sv_engine.run.budget import cost
from sv_engine.run.room import RoomError, check_prompts, check_room

WEIGHTS = 1_000_000
LORA = ["train.method=lora"]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A file of as many weights, of two bytes each, that are not there."""
    path = tmp_path / "model"
    path.mkdir()
    tensor = {"dtype": "BF16", "shape": [1000, 1000], "data_offsets": [0, 2 * WEIGHTS]}
    header = json.dumps({"w": tensor}).encode()
    with (path / "model.safetensors").open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + 2 * WEIGHTS)
    return path


def check(
    model: Path,
    monkeypatch: pytest.MonkeyPatch,
    *settings: str,
    free: float = 1e15,
    memory: float = 1e15,
    folder: Path | None = None,
) -> list[str]:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=int(free)))
    memory_now = SimpleNamespace(available=int(memory))
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory_now)
    monkeypatch.setattr(room, "is_cpu_build", lambda: True)
    monkeypatch.setattr("sv_engine.run.doors.is_cpu_build", lambda: True)
    config = load(settings=[f"model.path={model}", "generate.kv_cache_mib=1", *settings])
    return check_room(config, folder or model, cost(config, str(model)))


@pytest.mark.parametrize(
    ("settings", "needed"),
    [
        (["train.method=full", "run.iterations=2"], 4 * 2 * WEIGHTS),
        (["train.method=lora", "run.iterations=3"], 6 * 2 * WEIGHTS),
        (["train.method=lora", "generate.backend=openai", 'generate.urls=["x"]'], 0.4 * WEIGHTS),
    ],
)
def test_weights_that_the_disk_has_no_room_for(
    model: Path, monkeypatch: pytest.MonkeyPatch, settings: list[str], needed: float
) -> None:
    check(model, monkeypatch, *settings, free=1.01 * needed)
    with pytest.raises(RoomError, match="disk") as caught:
        check(model, monkeypatch, *settings, free=0.99 * needed)
    assert "run.out" in caught.value.remedy
    check(model, monkeypatch, *settings, "run.iterations=0", free=0)


@pytest.mark.parametrize(
    ("settings", "needed"),
    [
        (["model.dtype=float32", "train.method=full"], (4 + 16) * WEIGHTS + (1 << 20)),
        (["model.dtype=bfloat16", "train.method=full"], (2 + 16) * WEIGHTS + (1 << 20)),
        (["model.dtype=float32", "train.method=lora"], (4 + 4) * WEIGHTS + (1 << 20)),
        (["model.dtype=auto", "run.iterations=0"], 2 * WEIGHTS + (1 << 20)),
        (
            ["generate.backend=openai", 'generate.urls=["x"]', "train.precision=bf16", *LORA],
            2 * WEIGHTS,
        ),
    ],
)
def test_weights_that_the_memory_has_no_room_for(
    model: Path, monkeypatch: pytest.MonkeyPatch, settings: list[str], needed: float
) -> None:
    check(model, monkeypatch, *settings, memory=1.01 * needed)
    with pytest.raises(RoomError, match="memory"):
        check(model, monkeypatch, *settings, memory=0.99 * needed)


def test_less_than_the_upper_bound_is_a_warning(
    model: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert check(model, monkeypatch) == []
    absent = tmp_path / "to" / "be" / "made"
    (said,) = check(model, monkeypatch, free=9e6, folder=absent)
    assert str(tmp_path) in said
    assert not absent.exists()


def test_samples_that_the_disk_has_no_room_for(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = ["generate.solutions=100000000", "run.iterations=1"]
    with pytest.raises(RoomError, match="samples alone") as caught:
        check(model, monkeypatch, *many, free=78e9)
    assert "generate.solutions" in caught.value.remedy
    (said,) = check(model, monkeypatch, *many, "generate.enough_solutions=9", free=78e9)
    assert "GB" in said
    (said,) = check(model, monkeypatch, "run.iterations=0", free=40e3)
    assert said.startswith("0.0 MB are free")


def test_prompts_without_room_are_named_before_anything_is_sampled(
    tmp_path: Path, scripted: Any, cells: Any
) -> None:
    def small(prompt: str) -> int:
        return 60 - len(prompt)

    generator = scripted(write)
    generator.room_after = small
    _, _, watcher = play(tmp_path, generator, cells, ScriptedTrainer(), "run.iterations=0")
    assert "prompts are too long for the model: pocket-" in watcher.notes[0]
    generator = scripted(write)
    generator.room_after = lambda prompt: 0
    (tmp_path / "none").mkdir()
    with pytest.raises(RoomError, match="no prompt"):
        play(tmp_path / "none", generator, cells, ScriptedTrainer(), "run.iterations=0")
    assert generator.requests == []


@pytest.mark.parametrize(
    ("rooms", "said"),
    [([5, 5], []), ([None, None], []), ([5, 0], ["1 of 2 prompts are too long for the model: b"])],
)
def test_what_is_said_of_prompts(rooms: list[int | None], said: list[str]) -> None:
    generator: Any = SimpleNamespace(room_after=lambda prompt: rooms[int(prompt)])
    assert check_prompts(generator, [("a", "0"), ("b", "1")]) == said
