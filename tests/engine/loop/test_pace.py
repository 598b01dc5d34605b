"""The estimate for a CPU: it grows with the work, and says nothing of a model that is not here."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from sv_engine.config.layers import load
from sv_engine.run.pace import Pace, pace


def weights(folder: Path, millions: int) -> Path:
    """A safetensors file whose header promises this many parameters (of no bytes here)."""
    folder.mkdir()
    header = json.dumps(
        {"w": {"dtype": "BF16", "shape": [millions, 1_000_000], "data_offsets": [0, 0]}}
    ).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    return folder


def estimate(model: Path, *settings: str) -> Pace:
    found = pace(load("smollm2-135m", settings=settings), str(model))
    assert found is not None
    return found


def test_a_larger_model_takes_in_proportion(tmp_path: Path) -> None:
    small, large = (estimate(weights(tmp_path / str(n), n)) for n in (100, 400))
    assert large.hours == pytest.approx(4 * small.hours)
    assert large.tokens_s == pytest.approx(small.tokens_s / 4)


@pytest.mark.parametrize(
    ("setting", "parts"),
    [
        ("problems.count=300", {"play_h": 2.0, "train_h": 2.0, "evaluate_h": 1.0}),
        ("run.iterations=4", {"play_h": 2.0, "train_h": 2.0, "evaluate_h": 5 / 3}),
        ("evaluate.problems=800", {"play_h": 1.0, "train_h": 1.0, "evaluate_h": 2.0}),
        ("run.iterations=0", {"play_h": 0.0, "train_h": 0.0, "evaluate_h": 1 / 3}),
        ("generate.max_tokens=96", {"play_h": 1.0, "train_h": 1.0, "evaluate_h": 1.0}),
    ],
)
def test_each_phase_takes_its_work(setting: str, parts: dict[str, float], tmp_path: Path) -> None:
    model = weights(tmp_path / "m", 100)
    before, after = estimate(model), estimate(model, setting)
    for name, factor in parts.items():
        assert getattr(after, name) == pytest.approx(factor * getattr(before, name)), name


def test_stages_that_are_off_cost_nothing(tmp_path: Path) -> None:
    model = weights(tmp_path / "m", 100)
    none = estimate(model, "sft.enabled=false", "dpo.enabled=false")
    assert none.train_h == 0.0
    assert "0.0 h training" in str(none)


def test_a_model_elsewhere_is_not_estimated() -> None:
    assert pace(load("smollm2-135m"), "organisation/model") is None


def test_the_packaged_run_fits_a_night(tmp_path: Path) -> None:
    """On two cores, as the issue allows it; more cores only shorten the training."""
    assert estimate(weights(tmp_path / "m", 135), "model.dtype=float32").hours < 8 * 1.5
