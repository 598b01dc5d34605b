"""`sv-engine exec --executor http`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from sv_engine.cli import main


def run(out: Path, *options: str) -> Any:
    arguments = ["exec", "--out", str(out), "--limit", "2", *options]
    return CliRunner().invoke(main, arguments, catch_exceptions=False)


def test_servers_give_the_verdicts_of_this_machine(server_url: str, tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    assert run(here).exit_code == 0
    assert run(there, "--executor", "http", "--server", server_url).exit_code == 0
    names = sorted(path.name for path in (here / "matrices").iterdir())
    assert len(names) == 2
    for name in names:
        with (
            np.load(here / "matrices" / name) as mine,
            np.load(there / "matrices" / name) as theirs,
        ):
            for key in ("verdict_ST", "trust_ST", "vacuous_T", "held_ST"):
                assert np.array_equal(mine[key], theirs[key])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--executor", "http"], "at least one URL"),
        (["--server", "http://127.0.0.1:1"], "servers are for http"),
        (["--executor", "ray", "--judge", "inline"], "--executor local"),
        (["--executor", "http", "--confirm"], "--executor local"),
    ],
)
def test_what_does_not_fit_is_told(tmp_path: Path, options: list[str], message: str) -> None:
    result = run(tmp_path / "out", *options)
    assert result.exit_code != 0
    assert message in result.output


@pytest.mark.parametrize(
    ("end", "token", "remedy"),
    [
        ("", [], "--server-token"),
        ("", ["--server-token", "wrong"], "--server-token"),
        ("/nowhere", ["--server-token", "secret"], "check the URL"),
    ],
)
def test_a_server_that_refuses_is_told_in_words(
    start_server: Any, tmp_path: Path, end: str, token: list[str], remedy: str
) -> None:
    with start_server("--token", "secret", "--workers", "1") as (url, _):
        result = run(tmp_path / "out", "--executor", "http", "--server", url + end, *token)
    assert result.exit_code == 1
    assert remedy in result.output
