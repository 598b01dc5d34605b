"""The page live, and figures for Prometheus: on the loopback, GET only, for this machine alone."""

from __future__ import annotations

import http.client
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sv_engine.errors import EngineError
from sv_engine.report.prometheus import exposition
from sv_engine.report.server import HOST, Live, metrics_of, serving

MakeRun = Callable[..., Path]
LINE = re.compile(r'[a-z_]+(\{[a-z_]+="[^"\n]*"(,[a-z_]+="[^"\n]*")*\})? -?[0-9.e+-]+')


def ask(port: int, path: str, host: str = HOST, method: str = "GET") -> tuple[int, str]:
    connection = http.client.HTTPConnection(HOST, port, timeout=30)
    connection.request(method, path, headers={"Host": host})
    reply = connection.getresponse()
    found = reply.status, reply.read().decode()
    connection.close()
    return found


def test_the_page_is_live(made_run: MakeRun) -> None:
    folder = made_run()
    with serving(Live(folder).routes(), 0) as port:
        status, page = ask(port, "/")
        assert status == 200
        assert '"live": true' in page
        before = ask(port, "/stamp")[1]
        assert ask(port, "/stamp")[1] == before
        (folder / "summary.json").write_text("{}")
        assert ask(port, "/stamp")[1] != before
        assert ask(port, "/metrics")[1].startswith("# HELP")


@pytest.mark.parametrize("path", ["/config.toml", "/../config.toml", "//x", "/metrics/", "/%2e%2e"])
def test_no_file_is_served(made_run: MakeRun, path: str) -> None:
    with serving(Live(made_run()).routes(), 0) as port:
        assert ask(port, path)[0] == 404


@pytest.mark.parametrize("host", ["example.org", "example.org:80", "127.0.0.1.example.org", ""])
def test_another_name_is_refused(made_run: MakeRun, host: str) -> None:
    with serving(Live(made_run()).routes(), 0) as port:
        assert ask(port, "/", host)[0] == 403


@pytest.mark.parametrize("host", ["localhost", "localhost:8400", "127.0.0.1:1", "[::1]:8400"])
def test_names_of_this_machine_are_served(made_run: MakeRun, host: str) -> None:
    with serving(metrics_of(made_run()), 0) as port:
        assert ask(port, "/metrics", host)[0] == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_only_get(made_run: MakeRun, method: str) -> None:
    with serving(metrics_of(made_run()), 0) as port:
        assert ask(port, "/metrics", method=method)[0] == 501


def test_a_folder_that_holds_nothing_yet_says_so(tmp_path: Path) -> None:
    with serving(Live(tmp_path).routes(), 0) as port:
        status, text = ask(port, "/")
        assert status == 503
        assert "holds no run" in text
        assert ask(port, "/metrics") == (200, "")


def test_a_port_that_is_taken_is_named(made_run: MakeRun) -> None:
    routes = metrics_of(made_run())
    with serving(routes, 0) as port, pytest.raises(EngineError, match="cannot listen"):
        with serving(routes, port):
            pass


def test_figures_are_those_of_the_journal(made_run: MakeRun) -> None:
    text = exposition(made_run(problems=6, marks=['say "hello" \\ x']))
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert all(LINE.fullmatch(line) for line in lines), lines
    assert text.endswith("\n")
    values = dict(line.rsplit(" ", 1) for line in lines)
    assert float(values['sv_engine_problems_judged_total{stage="play"}']) == 6
    assert float(values['sv_engine_samples_total{role="solve",finish_reason="stop"}']) == 24
    heldout = 'sv_engine_heldout{iteration="2",figure="test_kill_rate",temperature="1.0"}'
    assert float(values[heldout]) == 0.6
    assert float(values['sv_engine_phase_seconds{iteration="1",phase="play"}']) == 60


def test_the_command_serves_until_it_is_stopped(made_run: MakeRun) -> None:
    start = "from sv_engine.cli import main; main()"
    command = [sys.executable, "-u", "-c", start, "ui", str(made_run()), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/\n", process.stdout.readline())
        assert found
        assert ask(int(found[1]), "/")[0] == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 143
