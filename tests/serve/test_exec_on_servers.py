"""`sv-engine exec --executor http`."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
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


@pytest.mark.parametrize(
    "url",
    [
        "notaurl",
        "",
        "http://",
        "127.0.0.1:8080",
        "ftp://127.0.0.1:8080",
        "http://127.0.0.1:99999",
        "http://127.0.0.1:x",
        "http://[::1",
        "http://user:word@127.0.0.1",
        "http://127.0.0.1:8080?a=b",
        " http://127.0.0.1:8080",
    ],
)
def test_what_is_no_url_is_wrong_usage(tmp_path: Path, url: str) -> None:
    good = ["--server", "http://127.0.0.1:1"]
    result = run(tmp_path / "out", "--executor", "http", *good, "--server", url)
    assert result.exit_code == 2
    assert "--server" in result.output
    assert repr(url) in result.output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://127.0.0.1:1", "Connection refused"),
        ("http://localhost:1", "Connection refused"),
        ("http://nosuchhost.invalid", ""),
        ("SILENT", "silent for"),
        ("CLOSED", ""),
    ],
)
def test_a_server_that_is_not_there_is_told_with_its_holes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any, url: str, why: str
) -> None:
    from sv_engine.executors import servers

    monkeypatch.setattr(servers, "SILENCE_S", 0.5)
    monkeypatch.setattr(servers.HttpExecutor.__init__, "__kwdefaults__", PATIENT)
    with listening(closes=url == "CLOSED") as port:
        url = url if url.startswith("http") else f"http://127.0.0.1:{port}"
        result = run(tmp_path / "out", "--executor", "http", "--server", url)
    told = [record.getMessage() for record in caplog.records if record.name == servers.__name__]
    assert len(told) == 1  # once, whatever was asked of it
    assert told[0].startswith(f"{url}: ")
    assert why in told[0]
    assert result.exit_code == 1
    assert f"cells were not judged: no server answered ({url}: " in result.output
    assert "no cell was judged" in result.output
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert len(summary["not_judged"]) == 1


PATIENT = {"token": None, "patience_s": 0.5}


@contextlib.contextmanager
def listening(closes: bool) -> Iterator[int]:
    """A port that takes connections, and closes them or says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken: list[socket.socket] = []

        def take() -> None:
            with contextlib.suppress(OSError):
                while True:
                    taken.append(server.accept()[0])
                    if closes:
                        taken.pop().close()

        thread = threading.Thread(target=take)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
        for each in taken:
            each.close()
