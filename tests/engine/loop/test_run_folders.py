"""Folders that are not those of a run, or of one that we cannot read: what, where, what to do."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result
from tests.engine.loop.conftest import ScriptedGenerator
from tests.engine.report.made_run import make_run

from sv_engine.cli import main
from sv_engine.commands import ui_command
from sv_engine.config.layers import load
from sv_engine.run.folder import open_for_reading
from sv_engine.run.journal import FILE_NAME, Journal
from sv_engine.run.schema import MIGRATIONS

CONTROL = ("run", "--control-of", "{}", "--out", "{out}")
RUNS_ONLY = {
    "resume": ("run", "--resume", "{}", "--dry-run"),
    "control": CONTROL,
    "replay": ("replay", "{}"),
    "export": ("export", "{}", "--format", "sft", "--to", "{out}.jsonl"),
}
READERS = {
    "report": ("report", "{}", "--out", "{out}"),
    "a control of the report": ("report", "{good}", "{}", "--out", "{out}"),
    "ui": ("ui", "{}", "--port", "0"),
    "track": ("track", "{}", "--to", "tensorboard"),
    "select": ("select", "{}"),
    "compare": ("compare", "{good}", "{}"),
}
ALL = {**RUNS_ONLY, **READERS}


def empty(path: Path) -> None:
    path.mkdir()


def of_exec(path: Path) -> None:
    (path / "matrices").mkdir(parents=True)


def of_a_model(path: Path) -> None:
    path.mkdir()
    (path / "config.json").write_text("{}")


def newer(path: Path) -> None:
    with sqlite3.connect(path / FILE_NAME) as connection:
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")


def no_database(path: Path) -> None:
    for file in path.glob(f"{FILE_NAME}*"):
        file.unlink()
    (path / FILE_NAME).write_bytes(b"no database " * 1000)


def older(path: Path) -> None:
    for file in path.glob(f"{FILE_NAME}*"):
        file.unlink()
    with sqlite3.connect(path / FILE_NAME) as connection:
        connection.execute("CREATE TABLE run (key TEXT PRIMARY KEY, value TEXT NOT NULL)")
        connection.execute("PRAGMA user_version = 1")


def foreign(path: Path) -> None:
    for file in path.glob(f"{FILE_NAME}*"):
        file.unlink()
    with closing(sqlite3.connect(path / FILE_NAME)) as database:
        database.execute("CREATE TABLE something (other TEXT)")


def emptied(path: Path) -> None:
    for file in path.glob(f"{FILE_NAME}*"):
        file.unlink()
    (path / FILE_NAME).touch()


def not_begun(path: Path) -> None:
    for file in path.glob("journal.*"):
        file.unlink()


def emptied_of_a_run_with_results(path: Path) -> None:
    emptied(path)
    (path / "summary.json").write_text("{}")


def without_its_log(path: Path) -> None:
    emptied_of_a_run_with_results(path)
    with sqlite3.connect(path / FILE_NAME) as connection:
        connection.execute("PRAGMA journal_mode = WAL")  # the file has one page, and says nothing
    connection.close()


def cut_short(path: Path) -> None:
    whole = (path / FILE_NAME).read_bytes()
    emptied_of_a_run_with_results(path)
    (path / FILE_NAME).write_bytes(whole[:2000])


def lost(path: Path) -> None:
    not_begun(path)
    (path / "iteration_1" / "model").mkdir(parents=True)


def of_tomorrow(path: Path) -> None:
    (path / "config.toml").write_text("[run]\nof_tomorrow = 1\n")


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run, which no test changes."""
    path = tmp_path_factory.mktemp("folders") / "runs" / "good"
    make_run(path, ScriptedGenerator(lambda *_: "return xs"), problems=1, iterations=1)
    return path


@pytest.fixture
def folder(good: Path) -> Iterator[Path]:
    """Where another folder is to be made, beside it."""
    path = good.parent / "other"
    yield path
    shutil.rmtree(path)


def invoke(command: tuple[str, ...], folder: Path, good: Path) -> Result:
    """A command that must fail, and leaves nothing behind."""
    out = good.parent.parent / "out"
    filled = [text.replace("{}", str(folder)).format(good=good, out=out) for text in command]
    result = CliRunner().invoke(main, filled)
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code in (1, 2), result.output
    assert not any(out.parent.glob("out*"))
    return result


@pytest.fixture(autouse=True)
def never_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    """A `ui` that waits for Ctrl-C has not seen what is wrong."""

    class Event:
        def wait(self) -> None:
            raise KeyboardInterrupt(" although it serves")

    monkeypatch.setattr(ui_command, "threading", SimpleNamespace(Event=Event))


@pytest.mark.parametrize(
    ("make", "told", "command"),
    [
        (make, told, command)
        for make, told, commands in [
            (empty, "it is empty", [*ALL]),
            (of_exec, "it is that of `sv-engine exec`", [*RUNS_ONLY, "select"]),
            (of_a_model, "it is that of a model", [*ALL]),
        ]
        for command in commands
    ],
)
def test_a_folder_of_another_kind(
    good: Path, folder: Path, make: Callable[[Path], None], told: str, command: str
) -> None:
    make(folder)
    output = invoke(ALL[command], folder, good).output
    assert "this folder holds no" in output
    assert told in output
    assert f"where: {folder}\n" in output
    assert f"there is {good}" in output  # a run nearby
    assert "TOML" not in output


BACKUP = "take the directory from a backup, or begin the run again with another --out"
# A run that goes on begins with these, and a live page waits for them to begin.
BEGUN = set(ALL) - {"resume", "ui"}


@pytest.mark.parametrize(
    ("spoil", "what", "remedy", "command"),
    [
        (*case, command)
        for *case, commands in [
            (newer, "a newer sv-engine wrote this journal", "use that version of sv-engine", ALL),
            (no_database, "not a database", "take the directory from a backup", ALL),
            (older, "an older sv-engine wrote this journal", "run --resume", BEGUN),
            (emptied, "this journal is empty", "run --resume", BEGUN),
            (emptied_of_a_run_with_results, "the journal of this run is empty", BACKUP, ALL),
            (without_its_log, "the journal of this run is empty", BACKUP, ALL),
            (cut_short, "the journal of this run is empty", BACKUP, ALL),
            (lost, "the journal of this run is gone", BACKUP, ALL),
            (foreign, "no journal of sv-engine", "name the folder of a run", BEGUN),
            (not_begun, "this folder holds no run yet", "run --resume", BEGUN),
            (of_tomorrow, "unknown key run.of_tomorrow", "the version of sv-engine", RUNS_ONLY),
        ]
        for command in sorted(commands)
    ],
)
def test_a_run_that_cannot_be_read(
    good: Path, folder: Path, spoil: Callable[[Path], None], what: str, remedy: str, command: str
) -> None:
    shutil.copytree(good, folder)
    spoil(folder)
    output = invoke(ALL[command], folder, good).output
    assert what in output
    assert f"where: {folder}" in output
    assert remedy in output.split("what to do: ")[1]


@pytest.mark.parametrize("command", ALL)
def test_a_name_that_is_mistyped(good: Path, command: str) -> None:
    output = invoke(ALL[command], good.parent / "goood", good).output
    assert "does not exist" in output
    assert f"Did you mean {good}?" in output or command == "select"


@pytest.mark.parametrize("command", [name for name in ALL if name != "select"])
def test_a_file_in_place_of_a_folder(good: Path, command: str) -> None:
    output = invoke(ALL[command], good / FILE_NAME, good).output
    assert "is a file" in output
    assert f"Did you mean {good}?" in output


def test_without_its_file_the_configuration_is_that_of_the_journal(
    good: Path, folder: Path
) -> None:
    shutil.copytree(good, folder)
    (folder / "config.toml").unlink()
    result = CliRunner().invoke(main, ["run", "--resume", str(folder), "--dry-run"])
    assert result.exit_code == 0, result.output
    (folder / "again.toml").write_text(result.stdout)
    assert load(str(folder / "again.toml")) == load(str(good / "config.toml"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("command", ALL)
def test_what_may_not_be_read(good: Path, folder: Path, command: str) -> None:
    shutil.copytree(good, folder)
    (folder / FILE_NAME).chmod(0)
    output = invoke(ALL[command], folder, good).output
    assert "the journal of this run may not be read" in output
    assert f"where: {folder}" in output
    folder.chmod(0o400)
    try:
        output = invoke(ALL[command], folder, good).output
    finally:
        folder.chmod(0o700)
    assert "may not be read" in output


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_run_in_a_folder_that_is_not_ours_is_read(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.add("text", "key", "text")
    tmp_path.chmod(0o500)
    try:
        connection = open_for_reading(tmp_path / FILE_NAME)
        assert connection.execute("SELECT text FROM text").fetchall() == [("text",)]
        connection.close()
    finally:
        tmp_path.chmod(0o700)
