"""A control is the run that its settings would have made alone, without its base and first play."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from sv_engine.cli import main
from sv_engine.config.layers import dump, load
from sv_engine.errors import EngineError
from sv_engine.generate import GenerationRequest
from sv_engine.run import phase
from sv_engine.run.changes import ChangedError
from sv_engine.run.control import begin_control, differences
from sv_engine.run.journal import FILE_NAME, Journal

from .test_deaths import fake_model
from .test_loop import SETTINGS, ScriptedTrainer, column, play, write
from .test_resume import TABLES

VARIANTS = {
    "selector": ("select.selector=random",),
    "recipe": ("recipe.name=ssd",),
    "training": ("recipe.solutions_per_problem=1", "dpo.enabled=false"),
}
PLAYS = {"drawn": (), "described": ("problems.source=describe",)}


def played_first(request: GenerationRequest) -> bool:
    return request.label.startswith(("0 ", "1 play", "1 describe"))


def rows(folder: Path) -> dict[str, list[tuple[Any, ...]]]:
    with sqlite3.connect(folder / FILE_NAME) as connection:
        return {
            table: sorted(connection.execute(f"SELECT {columns} FROM {table}"), key=repr)
            for table, columns in TABLES.items()
        }


@pytest.fixture
def made(tmp_path: Path, scripted: Any, cells: Any) -> Callable[..., tuple[Path, Any]]:
    """A run of some settings: its folder, and what its model was asked."""

    def make(name: str, *settings: str) -> tuple[Path, Any]:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        (folder / "config.toml").write_text(dump(load(settings=[*SETTINGS, *settings])))
        generator = scripted(write)
        play(folder, generator, cells, ScriptedTrainer(), *settings)
        return folder, generator

    return make


@pytest.mark.parametrize("played", PLAYS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_control_equals_a_run_of_its_own(
    made: Callable[..., tuple[Path, Any]], tmp_path: Path, played: str, variant: str
) -> None:
    common, changed = PLAYS[played], VARIANTS[variant]
    run, first = made("run", *common)
    alone, _ = made("alone", *common, *changed)
    (tmp_path / "control").mkdir()
    begin_control(run, tmp_path / "control")
    control, generator = made("control", *common, *changed)
    assert rows(control) == rows(alone)
    assert any(played_first(request) for request in first.requests)
    assert generator.requests
    assert not any(played_first(request) for request in generator.requests)


def test_a_control_has_spent_no_time_of_what_it_does_itself(
    made: Callable[..., tuple[Path, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(phase, "KEEP_S", 0.0)
    run, _ = made("run")
    (tmp_path / "control").mkdir()
    begin_control(run, tmp_path / "control")
    kept = "SELECT key FROM run WHERE key LIKE 'seconds of iteration 1: %'"
    assert column(run, kept)
    assert not column(tmp_path / "control", kept)


def test_a_run_that_has_not_played_has_no_control(
    tmp_path: Path, scripted: Any, cells: Any
) -> None:
    generator = scripted(write)
    generator.fail_after = 12
    with pytest.raises(Exception, match="died"):
        play(tmp_path, generator, cells, ScriptedTrainer())
    (tmp_path / "control").mkdir()
    with pytest.raises(EngineError, match="has not been played"):
        begin_control(tmp_path, tmp_path / "control")


def test_a_control_of_another_model_in_the_same_place_is_refused(
    made: Callable[..., tuple[Path, Any]], tmp_path: Path
) -> None:
    model = f"model.path={fake_model(tmp_path / 'model')}"
    run, _ = made("run", model)
    (tmp_path / "control").mkdir()
    begin_control(run, tmp_path / "control")
    (tmp_path / "model" / "tokenizer.json").write_text("[]")
    with pytest.raises(ChangedError, match="other files"):
        made("control", model)


def test_while_the_run_is_going_on(made: Callable[..., tuple[Path, Any]], tmp_path: Path) -> None:
    run, _ = made("run")
    (tmp_path / "control").mkdir()
    with Journal(run):
        begin_control(run, tmp_path / "control")
    assert rows(tmp_path / "control")["outcome"]


def test_what_is_sampled_stays_as_it_is() -> None:
    config = load(settings=SETTINGS)
    assert differences(config, load(settings=[*SETTINGS, "select.selector=mbr"])) == []
    other = load(settings=[*SETTINGS, "generate.temperature=0.3", "run.seed=4"])
    assert differences(config, other) == ["generate.temperature", "run.seed"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("pocket", "--control-of", "{run}"), "takes the configuration of its run"),
        (("--resume", "{run}", "--control-of", "{run}"), "nothing beside it"),
        (("--control-of", "{run}", "--set", "generate.solutions=7"), "generate.solutions"),
        (("--control-of", "{empty}"), "holds no run"),
    ],
)
def test_wrong_usage_is_told(
    made: Callable[..., tuple[Path, Any]], tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    run, _ = made("run")
    empty = tmp_path / "empty"
    empty.mkdir()
    filled = [text.format(run=run, empty=empty) for text in arguments]
    result = CliRunner().invoke(main, ["run", *filled, "--out", str(tmp_path / "out")])
    assert result.exit_code in (1, 2)
    assert message in result.output
    assert not (tmp_path / "out").exists()


def damage(path: Path) -> None:
    """Other bytes in a page that tells nothing of whether the run has played."""
    query = "SELECT rootpage FROM sqlite_master WHERE name = 'selection'"
    with closing(sqlite3.connect(path)) as connection:
        ((page,),) = connection.execute(query)
    with path.open("r+b") as journal:
        journal.seek(4096 * (page - 1))
        journal.write(b"\xa5" * 4096)


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (damage, "journal is damaged"),
        (lambda path: path.write_text("no database " * 1000), "not a database"),
    ],
)
@pytest.mark.parametrize("is_there", [True, False])
def test_a_control_of_a_damaged_run_leaves_nothing(
    tmp_path: Path,
    made: Callable[..., tuple[Path, Any]],
    monkeypatch: pytest.MonkeyPatch,
    harm: Callable[[Path], object],
    told: str,
    is_there: bool,
) -> None:
    base, _ = made("base")
    harm(base / FILE_NAME)
    monkeypatch.setattr("sv_engine.commands.run_command._check", lambda *_: None)
    out = tmp_path / "control"
    if is_there:
        out.mkdir()
    result = CliRunner().invoke(main, ["run", "--control-of", str(base), "--out", str(out)])
    assert result.exit_code == 1
    assert told in result.output, result.output
    assert f"{base / FILE_NAME}" in result.output
    assert out.exists() == is_there
    assert not is_there or not list(out.iterdir())


def test_a_control_that_fails_stays(
    tmp_path: Path, made: Callable[..., tuple[Path, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It holds the base and the first play, although nothing was asked for it yet."""
    base, _ = made("base")

    def fails(*_: object) -> None:
        raise EngineError("nothing was learnt", where="here", remedy="resume it")

    monkeypatch.setattr("sv_engine.commands.run_command._run", fails)
    monkeypatch.setattr("sv_engine.commands.run_command._check", lambda *_: None)
    out = tmp_path / "control"
    result = CliRunner().invoke(main, ["run", "--control-of", str(base), "--out", str(out)])
    assert "nothing was learnt" in result.output, result.output
    assert (out / FILE_NAME).exists()
    assert (out / "config.toml").exists()
