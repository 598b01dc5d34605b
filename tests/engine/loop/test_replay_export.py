"""`replay` and `export` on a run that was played by a script, through the real commands."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from sv_engine.cli import main
from sv_engine.config.layers import dump, load
from sv_engine.dataset.export import Layout
from sv_engine.dataset.export import write as write_export
from sv_engine.execute.executor import Executor
from sv_engine.execute.sandbox import SandboxFault
from sv_engine.execute.store import pack
from sv_engine.run.journal import FILE_NAME
from sv_engine.run.outcomes import outcomes_of_run

from .test_loop import SETTINGS, ScriptedTrainer, play

PROVENANCE = {"run", "iteration", "problem_id", "role", "selector"}
COLUMNS = {
    Layout.SFT: {"prompt", "completion"},
    Layout.DPO: {"prompt", "chosen", "rejected"},
    Layout.KTO: {"prompt", "completion", "label"},
    Layout.GRPO: {
        *("prompt", "entry_point", "tests"),
        *("data_source", "ability", "reward_model", "extra_info"),
    },
}


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, list(map(str, arguments)))


@pytest.fixture
def folder(tmp_path: Path, scripted: Any, cells: Any) -> Path:
    """A run of one iteration."""
    from .test_loop import write

    path = tmp_path / "run"
    path.mkdir()
    settings = ("run.iterations=1", "execute.cpu_s=5.0", "execute.reference_cpu_s=5.0")
    _, config, _ = play(path, scripted(write), cells, ScriptedTrainer(), *settings)
    (path / "config.toml").write_text(dump(config))
    return path


@pytest.mark.parametrize("layout", Layout)
@pytest.mark.parametrize("chat", [True, False])
def test_rows_have_the_columns_that_trainers_read(folder: Path, layout: Layout, chat: bool) -> None:
    target = folder / "out.jsonl"
    option = "--chat" if chat else "--plain"
    result = invoke("export", folder, "--format", layout, "--to", target, option)
    assert result.exit_code == 0, result.output
    rows = [json.loads(line) for line in target.read_text().splitlines()]
    assert rows
    assert f"{len(rows):,} rows" in result.output
    for row in rows:
        assert row.keys() == COLUMNS[layout] | PROVENANCE
        assert isinstance(row["prompt"], list if chat else str)
    if layout is Layout.KTO:
        assert {row["label"] for row in rows} == {True, False}


def test_what_is_exported_is_what_was_trained_on(folder: Path) -> None:
    for layout, name in ((Layout.SFT, "sft"), (Layout.DPO, "dpo")):
        target = folder / f"{name}_out.jsonl"
        assert invoke("export", folder, "--format", layout, "--to", target).exit_code == 0
        keys = sorted(COLUMNS[layout])
        trained = (folder / "iteration_1" / f"{name}.jsonl").read_text().splitlines()
        exported = target.read_text().splitlines()
        texts = [
            sorted([json.loads(line)[k] for k in keys] for line in f) for f in (trained, exported)
        ]
        assert texts[0] == texts[1]


@pytest.mark.parametrize("name", ["out.csv", "out"])
def test_another_file_format_is_refused(folder: Path, name: str) -> None:
    result = invoke("export", folder, "--format", "sft", "--to", folder / name)
    assert result.exit_code == 1
    assert ".parquet" in result.output


def test_a_folder_without_a_run_is_told(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(dump(load(settings=SETTINGS)))
    result = invoke("export", tmp_path, "--format", "sft", "--to", tmp_path / "x.jsonl")
    assert result.exit_code == 1
    assert "holds no run" in result.output
    assert not list(tmp_path.glob("*x.jsonl"))


def test_an_export_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def rows() -> Iterator[dict[str, Any]]:
        yield {"prompt": "p"}
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_export(tmp_path / "x.jsonl", rows())
    assert not any(tmp_path.iterdir())


@pytest.mark.heavy
@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
@pytest.mark.parametrize("layout", Layout)
@pytest.mark.parametrize("chat", ["--chat", "--plain"])
def test_datasets_loads_each(folder: Path, layout: Layout, suffix: str, chat: str) -> None:
    datasets = pytest.importorskip("datasets", reason="needs the cpu or cuda extra")
    target = folder / f"out{suffix}"
    assert invoke("export", folder, "--format", layout, "--to", target, chat).exit_code == 0
    kind = {".jsonl": "json", ".parquet": "parquet"}[suffix]
    cache = str(folder / "cache")
    table = datasets.load_dataset(kind, data_files=str(target), split="train", cache_dir=cache)
    assert set(table.column_names) == COLUMNS[layout] | PROVENANCE
    assert len(table) > 0


def test_replay_gives_the_same_matrices_and_selections(folder: Path) -> None:
    try:
        Executor(workers=1).__exit__(None, None, None)
    except SandboxFault as fault:
        pytest.skip(f"the sandbox does not run here: {fault}")
    result = invoke("replay", folder)
    # The scripted cells know one exception code, and no CPU time.
    assert "problems" in result.output, result.output
    assert ": 0 differ; passes held back" in result.output
    with sqlite3.connect(folder / FILE_NAME) as connection:  # believe something else
        scope, outcome = next(
            o for o in outcomes_of_run(folder, "play") if o[1].evidence.passed_ST.any()
        )
        outcome.tests.verdict_ST[outcome.tests.verdict_ST == 1] = 2
        key = (pack(outcome), scope.iteration, scope.stage, outcome.problem.id)
        connection.execute(
            "UPDATE outcome SET packed = ? WHERE iteration = ? AND stage = ? AND problem_id = ?",
            key,
        )
    result = invoke("replay", folder)
    assert result.exit_code == 1
    assert "wrong, then pass" in result.output
    assert "selections: 1 differ" in result.output
