"""The server itself: health, token, sizes, overload, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

SLOW = {"code": "import time\ntime.sleep(1)\nprint('done')"}


def test_health_runs_a_program(server_url: str) -> None:
    before = _metric(server_url, "sv_rows_total")
    assert httpx.get(f"{server_url}/health").json() == {"status": "healthy"}
    assert _metric(server_url, "sv_rows_total") > before


def _metric(url: str, name: str) -> float:
    text = httpx.get(f"{url}/metrics").text
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(name + " "))


def test_ping(server_url: str) -> None:
    assert httpx.get(f"{server_url}/v1/ping").json() == "pong"


def test_every_route_is_in_the_openapi_document(server_url: str) -> None:
    paths = httpx.get(f"{server_url}/openapi.json").json()["paths"]
    wanted = "/run_code /v1/ping /v1/matrix /verify /seed_session /reset /step /test_program"
    assert set(wanted.split()) <= set(paths)


def test_a_body_that_is_no_json(server_url: str) -> None:
    headers = {"content-type": "application/json"}
    for content in (b"{", b"\xff\xfe", b"[1", b'"\\ud800"'):
        answer = httpx.post(f"{server_url}/run_code", content=content, headers=headers)
        assert answer.status_code in (400, 422), answer.text


@pytest.fixture(scope="module")
def guarded(start_server: Any) -> Any:
    with start_server("--token", "secret", "--max-body-mb", "1", "--workers", "1") as (url, _):
        yield url


def test_without_the_token_nothing_is_done(guarded: str) -> None:
    for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": "secret"}):
        answer = httpx.post(f"{guarded}/run_code", json={"code": "1"}, headers=headers)
        assert answer.status_code == 401
        assert httpx.get(f"{guarded}/metrics", headers=headers).status_code == 401
    assert httpx.get(f"{guarded}/v1/ping").status_code == 200


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
def test_with_the_token_it_is(guarded: str, scheme: str) -> None:
    headers = {"authorization": f"{scheme} secret"}
    answer = httpx.post(f"{guarded}/run_code", json={"code": "print(1)"}, headers=headers)
    assert answer.json()["status"] == "Success"


def test_too_large_a_body_is_refused(guarded: str) -> None:
    headers = {"authorization": "Bearer secret"}
    body = {"code": "#" * (2 << 20)}
    assert httpx.post(f"{guarded}/run_code", json=body, headers=headers).status_code == 413

    def chunks() -> Any:
        yield b'{"code": "'
        for _ in range(64):
            yield b"#" * 65536
        yield b'"}'

    answer = httpx.post(f"{guarded}/run_code", content=chunks(), headers=headers)
    assert answer.status_code == 413


def test_a_socket_needs_the_token(guarded: str) -> None:
    from websockets.exceptions import InvalidStatus
    from websockets.sync.client import connect

    with pytest.raises(InvalidStatus), connect(guarded.replace("http", "ws") + "/ws"):
        pass


def test_an_overloaded_server_says_so_at_once(start_server: Any) -> None:
    """One worker and programs that hold it: those that would wait too long get 504."""
    slow = {"code": "import time\ntime.sleep(3)", "compile_timeout": 0.001}
    with start_server("--workers", "1") as (url, _), httpx.Client(timeout=120) as client:
        client.post(f"{url}/run_code", json=slow)
        with ThreadPoolExecutor(24) as threads:
            answers = list(
                threads.map(lambda _: client.post(f"{url}/run_code", json=slow), range(24))
            )
        codes = {answer.status_code for answer in answers}
        assert codes == {200, 504}
        refused = next(answer for answer in answers if answer.status_code == 504)
        assert "overloaded" in refused.json()["detail"]
        assert client.post(f"{url}/run_code", json={"code": "1"}).json()["status"] == "Success"


def test_sigterm_lets_requests_end(start_server: Any) -> None:
    with start_server() as (url, process):
        answers: list[httpx.Response] = []
        asked = threading.Thread(
            target=lambda: answers.append(httpx.post(f"{url}/run_code", json=SLOW, timeout=60))
        )
        asked.start()
        while _metric(url, "sv_running") < 1:
            pass
        process.send_signal(signal.SIGTERM)
        asked.join()
        assert answers[0].json()["run_result"]["stdout"] == "done\n"
        assert process.wait(60) == 143


def test_a_port_that_is_taken_is_told(start_server: Any) -> None:
    with start_server() as (url, _):
        import subprocess
        import sys

        command = [sys.executable, "-c", "from sv_engine.cli import main; main()", "serve"]
        port = url.rpartition(":")[2]
        ended = subprocess.run([*command, "--port", port], capture_output=True, text=True)
        assert ended.returncode == 1
        assert "cannot listen" in ended.stderr
        assert "Traceback" not in ended.stderr


def test_an_open_address_needs_a_token() -> None:
    from click.testing import CliRunner

    from sv_engine.commands.serve_command import serve_command

    result = CliRunner().invoke(serve_command, ["--host", "0.0.0.0"])
    assert result.exit_code == 2
    assert "--token" in result.output


ENDLESS = "while True: pass"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/run_code", {"code": ENDLESS, "language": "python", "run_timeout": 100}),
        ("/run_code", {"code": f"def f():\n    {ENDLESS}\n\nassert f() == 1", "run_timeout": 100}),
        (
            "/v1/matrix",
            {"solutions": [f"def f():\n    {ENDLESS}"], "tests": ["assert f() == 1"], "cpu_s": 100},
        ),
        (
            "/test_program",
            {"program": ENDLESS, "tests": ["assert f() == 1"], "max_execution_time": 100},
        ),
    ],
)
def test_whoever_hangs_up_keeps_no_worker(start_server: Any, path: str, body: Any) -> None:
    """And who waits for one gets it, long before the abandoned programs would have ended."""
    with (
        start_server("--workers", "1") as (url, _),
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        for _ in range(3):
            with pytest.raises(httpx.ReadTimeout):
                client.post(path, json=body, timeout=1)
        answer = client.post("/run_code", json={"code": "print(1)", "language": "python"}).json()
        assert answer["run_result"]["stdout"] == "1\n"
        assert client.get("/v1/ping").json() == "pong"


def test_an_empty_token_is_no_token() -> None:
    from click.testing import CliRunner

    from sv_engine.cli import main

    result = CliRunner().invoke(main, ["serve", "--host", "0.0.0.0", "--token", ""])
    assert result.exit_code == 2
    assert "is empty: is the variable set" in result.output


FUNCTION = f"def f():\n    {ENDLESS}"
MANY = {"inputs": ["1"] * 200, "outputs": ["1"] * 200}


@pytest.mark.parametrize(
    ("path", "body", "count"),
    [
        ("/run_code", {"code": ENDLESS, "run_timeout": 500}, 12),
        ("/run_code", {"code": f"{FUNCTION}\n\nassert f()", "run_timeout": 500}, 9),
        ("/v1/matrix", {"solutions": [FUNCTION] * 600, "tests": ["assert f()"], "cpu_s": 500}, 1),
        (
            "/v1/matrix",
            {"solutions": [ENDLESS] * 60, "tests": [{"expected": ""}] * 20, "cpu_s": 500},
            3,
        ),
        (
            "/test_program",
            {"program": FUNCTION, "tests": ["assert f()"] * 3, "max_execution_time": 500},
            9,
        ),
        (
            "/common_evaluate_batch",
            {
                "completion": ENDLESS,
                "config": {"run_timeout": 500, "provided_data": {"test_cases": {
                    "input": MANY["inputs"], "output": MANY["outputs"]}}},
            },
            2,
        ),
    ],
)  # fmt: skip
def test_what_does_not_end_keeps_nobody_waiting(
    start_server: Any, path: str, body: Any, count: int
) -> None:
    """Small programs are answered while any number of endless ones run and wait."""
    ended: list[int] = []

    def endless() -> None:
        with contextlib.suppress(httpx.TransportError):
            ended.append(httpx.post(f"{url}{path}", json=body, timeout=300).status_code)

    with start_server("--workers", "2", "--drain-s", "0") as (url, process):
        threads = [threading.Thread(target=endless) for _ in range(count)]
        for thread in threads:
            thread.start()
        while _metric(url, "sv_running") < min(2, count):
            pass
        for _ in range(3):
            answer = httpx.post(f"{url}/run_code", json={"code": "print(1)"}, timeout=60)
            assert answer.json()["run_result"]["stdout"] == "1\n"
        assert ended == []
        process.terminate()
        for thread in threads:
            thread.join()


@pytest.mark.parametrize(
    ("running", "waiting", "interval_s", "status"),
    [
        (0, 0, 0.0, 200),
        (1, 0, 100.0, 200),
        (2, 0, 0.1, 200),
        (2, 100, 0.1, 200),
        (2, 100, 5.0, 504),
        (2, 500, 0.001, 504),
    ],
)
def test_ping_tells_of_overload(running: int, waiting: int, interval_s: float, status: int) -> None:
    from sv_engine.serve.app import create_app
    from sv_engine.serve.settings import Settings

    app = create_app(Settings(max_waiting=500))
    queue = app.state.service.admission
    queue.slots, queue.running, queue.waiting, queue.interval_s = 2, running, waiting, interval_s

    async def ping() -> int:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            return int((await client.get("/v1/ping")).status_code)

    assert asyncio.run(ping()) == status
