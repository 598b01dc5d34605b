"""What is told to requests that do not end in time, when the server does."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

pytest.importorskip("fastapi", reason="needs the extra `serve`")
ENDLESS = "while True: pass"
SAID = "interrupted; the same command starts again\n"
FUNCTION = f"def f():\n    {ENDLESS}"
MAIN = "from sv_engine.cli import main; main()"
STEP = {"action": {"code": ENDLESS}, "timeout_s": 500}
PROVIDED = {"test_cases": {"input": ["1"], "output": ["1"]}}
RESPONSE = {"output": [{"content": [{"type": "output_text", "text": ENDLESS}]}]}
REQUESTS: list[tuple[str, dict[str, Any] | None]] = [
    ("/run_code", {"code": ENDLESS, "run_timeout": 500}),
    ("/run_code", {"code": f"{FUNCTION}\n\nassert f()", "run_timeout": 500}),
    ("/v1/matrix", {"solutions": [FUNCTION] * 9, "tests": ["assert f()"], "cpu_s": 500}),
    ("/test_program", {"program": ENDLESS, "tests": ["assert f()"], "max_execution_time": 500}),
    ("/step", STEP),
    (
        "/common_evaluate_batch",
        {"completion": ENDLESS, "config": {"run_timeout": 500, "provided_data": PROVIDED}},
    ),
    (
        "/verify",
        {
            "responses_create_params": {},
            "response": RESPONSE,
            "verifier_metadata": {"unit_tests": {"inputs": ["1"], "outputs": ["1"]}},
        },
    ),
]


def busy(metrics: str, waiting: int) -> bool:
    return "sv_running 0\n" not in metrics and f"sv_waiting {waiting}\n" in metrics


@contextmanager
def ending(
    start: Callable[[str], Any], *options: str, signals: int = 1, waiting: int = 0
) -> Iterator[tuple[Future[Any], str]]:
    """A server that is told to end while `start` runs; yields what that gives, and, at the end of
    the block, what the server said."""
    command = [sys.executable, "-c", MAIN, "serve", "--port", "0", "--workers", "1", *options]
    with (
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process,
        ThreadPoolExecutor(1) as threads,
    ):
        assert process.stdout is not None
        assert process.stderr is not None
        url = process.stdout.readline().split()[-1]
        asked = threads.submit(start, url)
        while not busy(httpx.get(f"{url}/metrics").text, waiting):
            pass
        for _ in range(signals):
            process.send_signal(signal.SIGINT)
            try:
                process.wait(0.5)
            except subprocess.TimeoutExpired:
                continue
        assert process.wait(60) == 130
        yield asked, process.stderr.read()


@pytest.mark.parametrize(("path", "body"), REQUESTS)
def test_it_is_503_in_words(path: str, body: Any) -> None:
    def ask(url: str) -> httpx.Response:
        return httpx.post(f"{url}{path}", json=body, timeout=60)

    with ending(ask, "--drain-s", "0.2") as (asked, said):
        answer = asked.result()
    assert answer.status_code == 503
    assert "the server is ending" in answer.json()["detail"]
    assert said == SAID


def test_a_stream_that_has_begun_has_no_end_line() -> None:
    solutions = ["def f():\n    return 1", *[FUNCTION] * 5]
    body = {"solutions": solutions, "tests": ["assert f()"] * 600, "cpu_s": 500}

    def ask(url: str) -> str:
        return str(httpx.post(f"{url}/v1/matrix", json=body, timeout=60).text)

    with ending(ask, "--drain-s", "2") as (asked, said):
        lines = [json.loads(line) for line in asked.result().split("\n") if line]
    assert [line["row"] for line in lines[1:]] == [0]
    assert not any("end" in line for line in lines)
    assert said == SAID


def test_a_second_ctrl_c_does_not_wait() -> None:
    def ask(url: str) -> httpx.Response:
        return httpx.post(f"{url}/step", json=STEP, timeout=60)

    with ending(ask, "--drain-s", "500", signals=2) as (asked, said):
        assert asked.result().status_code == 503
    assert said == SAID


def test_a_session_is_closed() -> None:
    from websockets.exceptions import ConnectionClosed
    from websockets.sync.client import connect

    def ask(url: str) -> str:
        with connect(url.replace("http", "ws") + "/ws") as socket:
            socket.send(json.dumps({"type": "step", "data": STEP["action"]}))
            with pytest.raises(ConnectionClosed) as closed:
                socket.recv()
        assert closed.value.rcvd is not None
        return str(closed.value.rcvd.code)

    with ending(ask, "--drain-s", "0.2") as (asked, said):
        assert asked.result() == "1012"
    assert said == SAID


def test_what_waits_for_a_worker_is_told_as_well() -> None:
    def ask(url: str) -> set[int]:
        body = {"code": ENDLESS, "run_timeout": 500}

        def one(_: int) -> int:
            return int(httpx.post(f"{url}/run_code", json=body, timeout=60).status_code)

        with ThreadPoolExecutor(20) as threads:
            return set(threads.map(one, range(20)))

    with ending(ask, "--drain-s", "0.2", waiting=19) as (asked, said):
        assert asked.result() == {503}
    assert said == SAID
