"""A run whose trainer, whose sandbox or whose folder is taken away, for real; and what is left."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from click.testing import CliRunner

from sv_engine.cli import main
from sv_engine.config.layers import dump, load
from sv_engine.execute.executor import Executor
from sv_engine.execute.sandbox import SandboxFault
from sv_engine.run.journal import FILE_NAME, Journal, JournalError
from sv_engine.run.loop import run_loop
from sv_engine.run.state import Run
from sv_engine.train import TrainerCrashedError, TrainOutOfMemoryError, train

from .test_loop import SETTINGS, ScriptedTrainer, Watcher, play, write

TRAINER = """
import json, os, pathlib, shutil, signal, sys
spec = json.load(open(sys.argv[-1]))
out = pathlib.Path(spec["output"])
step = {{"phase": "sft", "step": 1, "total": 2, "loss": 1.0, "learning_rate": 0.1, "rows": [0]}}
print(json.dumps({{"event": "step", **step}}), flush=True)
part = out.with_name(f".{{out.name}}.part")
shutil.copytree({base!r}, part / "weights")
killed = pathlib.Path({base!r} + ".killed")
if not killed.exists() and out.parent.name == {iteration!r}:
    killed.touch()
    os.kill(os.getpid(), signal.{signal})
part.rename(out)
phase = {{"steps": 2, "rows": 2, "dropped_rows": 0, "first_loss": 1.0, "last_loss": 0.5}}
phase |= {{"wall_s": 1.0, "metrics": {{}}}}
result = {{"weights": True, "adapter": False, "import_s": 0, "load_s": 0, "save_s": 0}}
print(json.dumps({{"event": "result", "sft": phase, **result}}), flush=True)
"""
"""Stands in for the worker; is killed once, in the middle of its work."""


def fake_model(path: Path) -> Path:
    """A directory that looks like a model from outside."""
    path.mkdir()
    (path / "config.json").write_text("{}")
    (path / "tokenizer.json").write_text("{}")
    (path / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
    return path


def sound(folder: Path) -> dict[str, Any]:
    """What the journal of a finished run holds, but times."""
    with sqlite3.connect(folder / FILE_NAME) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        queries = {
            "samples": "SELECT id, sample, text FROM sample JOIN request ON number = request",
            "selections": "SELECT * FROM selection",
            "rows": "SELECT * FROM training_row",
            "metrics": "SELECT * FROM metric",
        }
        return {
            name: sorted(connection.execute(query), key=repr) for name, query in queries.items()
        }


@pytest.mark.parametrize("fatal", ["SIGKILL", "SIGSEGV"])
@pytest.mark.parametrize("iteration", ["iteration_1", "iteration_2"])
def test_a_killed_trainer(
    tmp_path: Path, scripted: Any, cells: Any, fatal: str, iteration: str
) -> None:
    base = fake_model(tmp_path / "base")
    program = TRAINER.format(base=str(base), iteration=iteration, signal=fatal)
    launch = json.dumps([sys.executable, "-c", program])
    settings = [f"model.path={base}", "dpo.enabled=false", f"train.launch={launch}"]
    config = load(settings=[*SETTINGS, *settings])

    async def run(folder: Path) -> None:
        with Journal(folder) as journal:
            async with scripted(write) as generator:
                await run_loop(Run(config, folder, generator, cells, train, journal, Watcher()))

    for name in ("killed", "whole"):
        (tmp_path / name).mkdir()
    with pytest.raises((TrainOutOfMemoryError, TrainerCrashedError)):
        asyncio.run(run(tmp_path / "killed"))
    assert not (tmp_path / "killed" / iteration / "model").exists()
    asyncio.run(run(tmp_path / "killed"))
    asyncio.run(run(tmp_path / "whole"))
    assert sound(tmp_path / "killed") == sound(tmp_path / "whole")
    assert (tmp_path / "killed" / "iteration_2" / "model" / "weights").is_dir()


class Murderous(Executor):
    """Kills something of its sandbox before some matrices."""

    def __init__(self, victim: str) -> None:
        super().__init__(workers=1)
        self.victim = victim
        self.matrices = 0

    async def judge(self, *given: Any) -> Any:
        self.matrices += 1
        if self.matrices % 6 == 3:
            pool: Any = self._pool
            for zygote in map(psutil.Process, pool.zygotes().values()):
                for one in [zygote] if self.victim == "zygote" else zygote.children():
                    with suppress(ProcessLookupError):  # gone by itself
                        os.kill(one.pid, signal.SIGKILL)
        return await super().judge(*given)


@pytest.mark.parametrize("victim", ["zygote", "its children"])
def test_a_killed_sandbox_process_costs_no_run(tmp_path: Path, scripted: Any, victim: str) -> None:
    """A zygote is replaced, what ran in it runs again: the run comes out as if nothing had been."""
    try:
        executor = Murderous(victim)
    except SandboxFault as fault:
        pytest.skip(f"the sandbox does not run here: {fault}")
    with executor, Executor(workers=1) as quiet:
        for name, cells in (("whole", quiet), ("killed", executor)):
            (tmp_path / name).mkdir()
            play(tmp_path / name, scripted(write), cells, ScriptedTrainer(), "run.iterations=1")
    assert executor.matrices > 12
    assert sound(tmp_path / "killed") == sound(tmp_path / "whole")


@contextmanager
def ordinary_user() -> Iterator[None]:
    """Nobody's rights; root could write anywhere."""
    if os.geteuid():
        yield
        return
    os.setegid(65534)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody can reach."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_a_folder_that_cannot_be_written(open_folder: Path) -> None:
    run = open_folder / "run"
    run.mkdir()
    with Journal(run) as journal:
        journal.add("text", "kept", "kept")
    (run / "config.toml").write_text(dump(load(settings=["run.iterations=0"])))
    for path in (*run.iterdir(), run, open_folder):
        path.chmod(0o555 if path.is_dir() else 0o444)
    with ordinary_user():
        with pytest.raises(JournalError) as caught:
            Journal(run).__enter__()
        assert "writable" in caught.value.remedy
        for arguments in (["--resume", str(run)], ["--out", str(open_folder / "new")]):
            result = CliRunner().invoke(main, ["run", *arguments])
            assert result.exit_code == 1, result.output
            assert "what to do" in result.output
            assert "Traceback" not in result.output
    for path in (open_folder, run, *run.iterdir()):
        path.chmod(0o755)
    with Journal(run) as journal:
        assert journal._find("SELECT text FROM text") == [("kept",)]
