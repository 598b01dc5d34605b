"""What can be known before the first token is told then; a start that fails leaves nothing."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from tests.engine.loop.test_deaths import fake_model
from tests.engine.loop.test_loop_command import invoke, recording, settings

from sv_engine.cli import main
from sv_engine.commands import run_command
from sv_engine.config.layers import ConfigError, dump, load
from sv_engine.errors import EngineError
from sv_engine.execute.cache import check_cache
from sv_engine.generate import EngineDiedError
from sv_engine.pocket import grammar
from sv_engine.run.folder import FILE_NAME, JournalError, remove
from sv_engine.run.forecast import Forecast
from sv_engine.run.journal import Journal
from sv_engine.run.ready import check_sense
from sv_engine.run.schema import MIGRATIONS
from sv_engine.train.names import check_hub, check_optimiser


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ('train.launch=["torchrunn", "-n", "2"]', "train.launch: there is no program 'torchrunn'"),
        ('train.launch=["torchrunn"]', f"where: {Path(sys.executable).parent}, and PATH"),
        ("model.path=/nonexist", "the model directory does not exist"),
        ("evaluate.k=[8]", "evaluate.k: 8 is above evaluate.samples = 4"),
        ("generate.max_tokens=100000", "generate.max_tokens = 100000 leaves no room"),
        ("sft.micro_batch_size=7", "sft.batch_size = 48 is no multiple of"),
        ("execute.cache=/no/such/cache", "execute.cache: its folder is not there"),
        ("problems.path=/no/such", "problems.path cannot be read"),
        ('model.prompt_format="chat"', "the model has no chat template to be trained with"),
    ],
)
def test_it_is_told_before_anything_is_begun(tmp_path: Path, setting: str, told: str) -> None:
    path = recording(tmp_path / "r.jsonl")
    more = settings(path, **{"run.iterations": 1, "evaluate.samples": 4})
    chosen = [*more, "--set", setting]
    result = invoke("--out", str(tmp_path / "out"), *chosen)
    assert result.exit_code == 2
    assert told in result.output
    assert "what to do: " in result.output
    assert not (tmp_path / "out").exists()
    dry = invoke("--dry-run", *chosen)
    assert told in dry.output
    assert dry.exit_code in (0, 2)  # what is wrong on this machine alone is a warning


def test_a_dry_run_names_the_rows_that_a_run_would_skip(tmp_path: Path) -> None:
    rows = tmp_path / "problems.jsonl"
    good = {"id": "a", "prompt": "Double it.", "entry_point": "f"}
    rows.write_text(f"{json.dumps(good)}\nnot json\n")
    more = ["problems.source=jsonl", f"problems.path={rows}"]
    result = invoke("--dry-run", *(part for one in more for part in ("--set", one)))
    assert result.exit_code == 0
    assert f"warning: skipped {rows}:2: " in result.output


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("name", "told"),
    [("adamm", "sft.optimiser: unknown optimiser"), ("lomo", "sft.optimiser: You need to install")],
)
def test_an_optimiser_that_cannot_be_had(name: str, told: str) -> None:
    pytest.importorskip("transformers")
    with pytest.raises(ConfigError, match=told):
        check_optimiser("sft.optimiser", name)
    check_optimiser("sft.optimiser", "adamw_torch_fused")


@pytest.mark.heavy
def test_a_name_on_the_hub_that_the_trainer_could_not_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither whole in the cache nor to be had; where nothing is trained nobody needs it."""
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    path, kept = recording(tmp_path / "r.jsonl"), tmp_path / "models--some--name"

    def told(iterations: int) -> str:
        more = {"model.path": "some/name", "run.iterations": iterations}
        result = invoke("--out", str(tmp_path / "out"), *settings(path, **more))
        assert result.exit_code == 2 * iterations, result.output
        assert (tmp_path / "out").exists() == (iterations == 0)
        return " ".join(result.output.split())

    monkeypatch.setattr(run_command, "_run", lambda *_: None)
    assert "the trainer cannot load this model" in told(1)
    for name in ("refs", "snapshots"):
        (kept / name).mkdir(parents=True)
    (kept / "refs" / "main").write_text("a1")
    whole = fake_model(kept / "snapshots" / "a1")
    (whole / "tokenizer.json").rename(tmp_path / "tokenizer.json")
    assert "where: some/name what to do: " in told(1)
    (tmp_path / "tokenizer.json").rename(whole / "tokenizer.json")
    check_hub("some/name")
    told(0)


def other(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE run (key TEXT PRIMARY KEY, value TEXT)")


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda path: path.write_text("no database " * 100), "cannot be used"),
        (lambda path: path.mkdir(), "cannot be used"),
        (other, "something else"),
        (lambda path: path.touch(), ""),
        (lambda path: None, ""),
    ],
)
def test_what_is_no_cache_is_left_alone(
    tmp_path: Path, make: Callable[[Path], object], told: str
) -> None:
    path = tmp_path / "cache"
    make(path)
    before = path.read_bytes() if path.is_file() else b""
    if told:
        with pytest.raises(ConfigError, match=told) as caught:
            check_cache(path)
        assert "execute.cache" in str(caught.value)
    else:
        check_cache(path)
    assert (path.read_bytes() if path.is_file() else b"") == before


@pytest.mark.parametrize(
    ("error", "what", "remedy"),
    [
        (OSError(errno.ENOSPC, "No space left", "/x"), "the disk is full", "free space"),
        (OSError(errno.EDQUOT, "Quota", "/x"), "the disk is full", "free space"),
        (FileNotFoundError(errno.ENOENT, "No such file", "/x/f"), "No such file", "put /x/f in"),
        (PermissionError(errno.EACCES, "Permission denied", "/x/f"), "denied", "write /x/f"),
        (OSError(errno.EROFS, "Read-only file system", "/x/f"), "Read-only", "write /x/f"),
        (OSError(errno.EMFILE, "Too many open files"), "Too many", "ulimit -n"),
        (OSError(errno.EIO, "Input/output error", "/x/f"), "Input/output", "wrong with /x/f"),
    ],
)
def test_the_systems_errors_name_what_they_are_about(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, what: str, remedy: str
) -> None:
    def failing(*_: object) -> None:
        raise error

    monkeypatch.setattr(run_command, "_run", failing)
    path = recording(tmp_path / "r.jsonl")
    result = invoke("--out", str(tmp_path / "out"), *settings(path))
    assert result.exit_code == 1
    assert what in result.output
    told = result.output.split("what to do: ")[1]
    assert remedy in told
    assert ("free space" in told) == (what == "the disk is full")
    assert "--resume" not in told  # nothing was begun
    assert not (tmp_path / "out").exists()


def test_a_start_that_fails_does_not_block_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("sv_sandbox._native", reason="the sandbox is not built")
    path, out = recording(tmp_path / "r.jsonl"), tmp_path / "out"

    def dead(*_: object) -> None:
        raise EngineDiedError("the engine died", where="here", remedy="start it")

    with monkeypatch.context() as patch:
        patch.setattr("sv_engine.run.doors.open_generator", dead)
        assert invoke("--out", str(out), *settings(path)).exit_code == 1
    assert not out.exists()
    assert invoke("--out", str(out), *settings(path)).exit_code == 0
    with monkeypatch.context() as patch:  # what has samples stays
        patch.setattr("sv_engine.run.doors.open_generator", dead)
        assert invoke("--resume", str(out)).exit_code == 1
    assert invoke("--resume", str(out)).exit_code == 0
    again = invoke("--out", str(out), *settings(path))
    assert "under its config.toml" in " ".join(again.output.split())


def test_what_another_process_has_just_begun_stays(tmp_path: Path) -> None:
    with Journal(tmp_path):
        remove(tmp_path, itself=True)
        assert (tmp_path / FILE_NAME).exists()
    remove(tmp_path, itself=False)
    assert not list(tmp_path.iterdir())
    remove(tmp_path, itself=True)
    assert not tmp_path.exists()


def test_a_k_that_nobody_chose_is_no_contradiction() -> None:
    check_sense(load(None, environment={}, settings=["evaluate.samples=2", "evaluate.k=[1, 8]"]))


@pytest.mark.parametrize("link", [False, True])
def test_a_folder_that_was_there_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, link: bool
) -> None:
    pytest.importorskip("sv_sandbox._native", reason="the sandbox is not built")
    path, mine = recording(tmp_path / "r.jsonl"), tmp_path / "mine"
    mine.mkdir()
    out = tmp_path / "link" if link else mine
    if link:
        out.symlink_to(mine)

    def dead(*_: object) -> None:
        raise EngineDiedError("the engine died", where="here", remedy="start it")

    monkeypatch.setattr("sv_engine.run.doors.open_generator", dead)
    assert "the engine died" in invoke("--out", str(out), *settings(path)).output
    assert not list(mine.iterdir())


def test_what_an_older_version_wrote_at_the_beginning_is_not_compared(tmp_path: Path) -> None:
    script = "".join(MIGRATIONS[:-1]) + f"PRAGMA user_version = {len(MIGRATIONS) - 1};"
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as database:
        database.executescript(script + "INSERT INTO run VALUES ('config', 'old');")
    with Journal(tmp_path) as journal:
        assert journal.stored("SELECT key, value FROM run WHERE value = 'old'") == [
            ("config at the beginning", "old")
        ]


def test_a_run_that_has_samples_stays_when_it_fails(tmp_path: Path) -> None:
    pytest.importorskip("sv_sandbox._native", reason="the sandbox is not built")
    path, out = recording(tmp_path / "r.jsonl"), tmp_path / "out"
    result = invoke("--out", str(out), *settings(path, **{"evaluate.problems": 7}))
    assert result.exit_code == 1
    assert (out / FILE_NAME).exists()


@pytest.mark.parametrize("existing", ["refuse", "overwrite", "resume"])
def test_exec_leaves_the_folder_of_a_run_alone(tmp_path: Path, existing: str) -> None:
    (tmp_path / FILE_NAME).touch()
    (tmp_path / "summary.json").write_text("{}")
    result = CliRunner().invoke(main, ["exec", "--out", str(tmp_path), "--existing", existing])
    assert result.exit_code == 1
    assert "the folder of a run of `sv-engine run`; choose another --out" in result.output
    assert "overwrite" not in result.output
    assert sorted(path.name for path in tmp_path.iterdir()) == [FILE_NAME, "summary.json"]


def test_a_damaged_journal_is_called_so(tmp_path: Path) -> None:
    pytest.importorskip("sv_sandbox._native", reason="the sandbox is not built")
    path, out = recording(tmp_path / "r.jsonl"), tmp_path / "out"
    assert invoke("--out", str(out), *settings(path)).exit_code == 0
    file = out / FILE_NAME
    pages = file.stat().st_size // 4096
    with file.open("r+b") as journal:
        journal.seek(4096 * (pages // 3))
        journal.write(os.urandom(4096 * (pages // 3)))
    result = invoke("--resume", str(out))
    assert result.exit_code == 1
    assert "from a backup, or begin the run again" in result.output
    assert "intact" not in result.output


@pytest.mark.parametrize("is_there", [True, False])
def test_a_run_without_its_journal_is_not_paid_for_again(tmp_path: Path, is_there: bool) -> None:
    """An empty file would be taken for a run that was just begun, and its weights be removed."""
    path, out = recording(tmp_path / "r.jsonl"), tmp_path / "out"
    weights = out / "iteration_1" / "model" / "weights"
    weights.mkdir(parents=True)
    (out / "config.toml").write_text(dump(load(settings=settings(path)[1::2])))
    if is_there:
        (out / FILE_NAME).touch()
    result = invoke("--resume", str(out))
    assert result.exit_code == 1
    assert "to go on would pay for everything again" in result.output
    assert "--out" in result.output.split("what to do: ")[1]
    assert weights.exists()
    with pytest.raises(JournalError, match="pay for everything again"), Journal(out):
        pass
    assert (out / FILE_NAME).exists() == is_there
    assert not is_there or not (out / FILE_NAME).stat().st_size


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("SV_ENGINE_GENERATE_SOLUTIONS", "SV_ENGINE_GENERATE__SOLUTIONS"),
        ("SV_ENGINE_FOO", "unset it"),
    ],
)
def test_a_variable_that_names_no_key_is_told(name: str, meant: str) -> None:
    with pytest.raises(ConfigError, match=name) as caught:
        load(environment={name: "3"})
    assert meant in caught.value.remedy


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("[run]\nseed = 5\n", "utf-8-sig")
    assert load(str(path)).run.seed == 5


def test_the_time_left_is_not_known_while_the_trainer_starts() -> None:
    forecast = Forecast(load(settings=["run.iterations=1"]))
    for name, at_s in (("0: evaluate", 0.0), ("1: play", 10.0), ("1: train", 40.0)):
        forecast.begin(f"iteration {name}", at_s)
    assert forecast.left_s(41.0) is None
    forecast.begin("iteration 1: sft", 70.0)
    assert forecast.left_s(71.0) is not None


def test_select_without_references_shows_the_cells(tmp_path: Path) -> None:
    pytest.importorskip("sv_sandbox._native", reason="the sandbox is not built")
    item = grammar.heldout_problems(1)[0].problem
    row = {
        "id": item.id,
        "prompt": item.prompt,
        "entry_point": item.entry_point,
        "solutions": [item.reference_solution],
        "tests": ["assert f([]) == []"],
    }
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row))
    runner = CliRunner()
    assert runner.invoke(main, ["exec", str(path), "--out", str(tmp_path / "out")]).exit_code == 0
    result = runner.invoke(main, ["select", str(tmp_path / "out")])
    assert result.exit_code == 0
    assert "no problem has a reference_test" in result.output
    assert "- to -" not in result.output


def test_wrong_configuration_is_wrong_usage() -> None:
    assert (EngineError("x").exit_code, ConfigError("x").exit_code) == (1, 2)


@pytest.mark.parametrize("free", [10, 10**15])
def test_a_disk_without_room_is_told_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=free))
    monkeypatch.setattr(run_command, "_run", lambda *_: None)
    path = recording(tmp_path / "r.jsonl")
    chosen = settings(path, **{"run.iterations": 1})
    result = invoke("--out", str(tmp_path / "out"), *chosen)
    assert result.exit_code == (2 if free == 10 else 0), result.output
    assert ("the disk has 0.0 MB free" in result.output) == (free == 10)
