"""Ctrl-C and SIGTERM, whatever the command, however early: a sentence, an exit code, no trace."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from sv_engine import cli

ENDS = [(signal.SIGINT, 130), (signal.SIGTERM, 143)]


@pytest.mark.parametrize(("number", "code"), ENDS)
@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_ends_with_a_sentence(
    name: str, number: signal.Signals, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    @click.command(name)
    def interrupted() -> None:
        signal.raise_signal(number)

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(cli.LazyGroup, "get_command", lambda *_: interrupted)
    result = CliRunner().invoke(cli.main, [name])
    assert (result.exit_code, result.output) == (
        code,
        "interrupted; the same command starts again\n",
    )
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_forked_child_just_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """As what multiprocessing forks is told to end."""
    status = []

    @click.command("x")
    def forks() -> None:
        if not (child := os.fork()):
            try:
                signal.raise_signal(signal.SIGTERM)
            finally:
                os._exit(7)
        status.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

    monkeypatch.setattr(cli.LazyGroup, "get_command", lambda *_: forks)
    assert CliRunner().invoke(cli.main, ["run"]).exit_code == 0
    assert status == [-signal.SIGTERM]


def test_a_command_may_say_how_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command("x")
    def interrupted() -> None:
        raise KeyboardInterrupt(" after 3 of 4; the rest is kept")

    monkeypatch.setattr(cli.LazyGroup, "get_command", lambda *_: interrupted)
    result = CliRunner().invoke(cli.main, ["run"])
    assert (result.exit_code, result.output) == (
        130,
        "interrupted after 3 of 4; the rest is kept\n",
    )


@pytest.mark.parametrize(("number", "code"), ENDS)
def test_the_list_of_commands_may_be_interrupted(
    number: signal.Signals, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        signal.raise_signal(number)

    monkeypatch.setattr(cli.LazyGroup, "get_command", interrupted)
    result = CliRunner().invoke(cli.main, ["--help"])
    assert (result.exit_code, result.output.split(";")[0]) == (code, "interrupted")


def test_a_second_ctrl_c_shows_no_trace_of_a_task(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def twice() -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    async def both() -> None:
        task = asyncio.create_task(twice())
        await asyncio.sleep(60)
        await task

    @click.command("x")
    def interrupted() -> None:
        asyncio.run(both())

    monkeypatch.setattr(cli.LazyGroup, "get_command", lambda *_: interrupted)
    result = CliRunner().invoke(cli.main, ["run"])
    gc.collect()
    assert (result.exit_code, result.output) == (
        130,
        "interrupted; the same command starts again\n",
    )
    assert not caplog.records


def started(script: str, tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    file = tmp_path / "started.py"
    file.write_text(f"import signal, sys\n{script}\nfrom sv_engine.start import main\nmain()\n")
    return subprocess.run(
        [sys.executable, file, *arguments], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(("number", "code"), ENDS)
@pytest.mark.parametrize("module", ["click", "sv_engine.commands.exec_command"])
def test_a_signal_while_modules_are_imported(
    module: str, number: signal.Signals, code: int, tmp_path: Path
) -> None:
    """Also where Python drops the exception, as in a callback of importlib's locks."""
    script = (
        "class Dropped:\n"
        f"    def __del__(self): signal.raise_signal({number})\n"
        "class Finder:\n"
        "    def find_spec(self, name, *rest):\n"
        f"        if name == {module!r}: Dropped()\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "sys.meta_path.insert(0, Finder())"
    )
    done = started(script, tmp_path, "exec", "--help")
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr == "interrupted; nothing was begun\n"


def test_ctrl_c_when_all_is_done_changes_nothing(tmp_path: Path) -> None:
    script = (
        "import atexit\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "atexit.register(signal.raise_signal, signal.SIGINT)"
    )
    done = started(script, tmp_path, "--version")
    assert (done.returncode, done.stderr) == (0, "")
