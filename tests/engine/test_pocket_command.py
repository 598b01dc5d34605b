"""`sv-engine pocket build`: what it prints, what it says when it cannot write."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from sv_engine.cli import main
from sv_engine.train import pretrain


def test_it_shows_progress_and_prints_the_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(out: Path, seed: int, on_progress: Callable[[pretrain.Progress], None]) -> None:
        on_progress(pretrain.Progress("B: bugs", 700, 1400, 0.5))
        (out / f"seed-{seed}").mkdir(parents=True)

    monkeypatch.setattr(pretrain, "build", build)
    out = tmp_path / "base"
    result = CliRunner().invoke(main, ["pocket", "build", "--out", str(out), "--seed", "3"])
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{out}\n"
    assert "B: bugs" in result.stderr
    assert (out / "seed-3").is_dir()


def test_a_disk_error_names_the_place_and_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(out: Path, seed: int, on_progress: Callable[[pretrain.Progress], None]) -> None:
        raise OSError(28, "No space left on device", str(out))

    monkeypatch.setattr(pretrain, "build", build)
    result = CliRunner().invoke(main, ["pocket", "build", "--out", str(tmp_path / "base")])
    assert result.exit_code == 1
    assert "No space left on device" in result.stderr
    assert str(tmp_path / "base") in result.stderr.replace("\n", "")
    assert "nothing was changed" in result.stderr


def test_without_torch_it_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def build(out: Path, seed: int, on_progress: Callable[[pretrain.Progress], None]) -> None:
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    monkeypatch.setattr(pretrain, "build", build)
    result = CliRunner().invoke(main, ["pocket", "build", "--out", str(tmp_path / "base")])
    assert result.exit_code == 1
    assert "torch" in result.stderr
    assert "sv-engine[train]" in result.stderr
