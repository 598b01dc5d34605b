"""Requests that no decent client sends: each is answered, none with a 500, and the next works."""

from __future__ import annotations

import base64
import json
import signal
import socket
import threading
import time
from typing import Any

import httpx
import pytest

HALF, DEEP = '"\\ud800"', "[" * 500 + "]" * 500
BARE = [
    "[" * 100_000,
    '{"a":' * 100_000,
    "[" * 5_000 + "]" * 5_000,
    "null",
    "[]",
    '"x"',
    "",
    "\x00",
    HALF,
]
PATHS = (
    "/run_code /v1/matrix /verify /seed_session /aggregate_metrics /reset /step /test_program"
    " /test_program_stdio /common_evaluate_batch"
).split()


def verify(tests: str, text: str = '"x"', echo: str = "1") -> str:
    part = f'{{"type": "output_text", "text": {text}}}'
    return (
        f'{{"responses_create_params": {{"a": {echo}}}, "response": {{"output": [{{"content":'
        f' [{part}]}}]}}, "verifier_metadata": {{"unit_tests": {tests}}}, "b": {echo}}}'
    )


def called(name: str, given: str = '"1"') -> str:
    return f'{{"inputs": [{given}], "outputs": ["1"], "fn_name": {name}}}'


BODIES = [
    *(("/run_code", f'{{"code": "1", "run_timeout": {n}}}') for n in ("NaN", "1e999", "9" * 5000)),
    *(("/run_code", f'{{"code": "1", "memory_limit_MB": {n}}}') for n in ("9" * 400, "1.5", HALF)),
    ("/run_code", f'{{"code": "1", "stdin": {HALF}}}'),
    ("/run_code", f'{{"code": "1", "files": {{{HALF}: ""}}}}'),
    ("/run_code", '{"code": "1", "files": {"a\\u0000b": ""}}'),
    ("/run_code", '{"code": "1", "fetch_files": ["{x}", "..", "/etc/passwd", "a\\"b", "\\ud800"]}'),
    ("/run_code", f'{{"code": {HALF}}}'),
    ("/run_code", '{"code": "\\u0000"}'),
    ("/v1/matrix", f'{{"solutions": [{HALF}], "tests": ["assert 1", {HALF}]}}'),
    ("/v1/matrix", f'{{"solutions": ["1"], "tests": [{{"expected": {HALF}}}]}}'),
    ("/v1/matrix", f'{{"solutions": ["1"], "tests": ["assert 1"], "entry_point": {HALF}}}'),
    ("/v1/matrix", '{"solutions": ["1"], "tests": ["assert 1"], "cpu_s": NaN}'),
    ("/verify", verify('["assert 1"]', echo=HALF)),
    ("/verify", verify('["assert 1"]', echo="NaN")),
    ("/verify", verify('["assert 1"]', echo=DEEP)),
    ("/verify", verify('["assert 1"]', text=HALF)),
    ("/verify", verify('["assert 1"]', text='{"a": 1}')),
    ("/verify", verify(f"[{HALF}]")),
    ("/verify", verify(f'{{"inputs": [{HALF}], "outputs": [{HALF}]}}')),
    *(("/verify", verify(called(name))) for name in ("3", '["f"]', '"class"', '"f g"', HALF)),
    ("/verify", verify(called('"f"', DEEP))),
    ("/verify", verify('{"test": {"a": 1}, "entry_point": null}')),
    *(
        ("/aggregate_metrics", f'{{"verify_responses": [{{"_ng_task_index": {at}, "r": 1}}]}}')
        for at in (HALF, DEEP, "NaN")
    ),
    ("/aggregate_metrics", f'{{"verify_responses": [{{{HALF}: 1, "big": {"9" * 400}}}]}}'),
    ("/reset", f'{{"tests": [{HALF}]}}'),
    ("/reset", f'{{"episode_id": {HALF}}}'),
    ("/step", f'{{"action": {{"code": "1", "stdin": {HALF}}}}}'),
    ("/step", f'{{"action": {{"code": "1", "metadata": {{"a": NaN}}, "tests": {DEEP}}}}}'),
    ("/test_program", f'{{"program": {HALF}, "tests": [{HALF}]}}'),
    ("/test_program", '{"program": "", "tests": ["assert 1"], "max_execution_time": 5e-324}'),
    ("/test_program_stdio", '{"program": "1", "tests": [{"input": NaN, "output": null}]}'),
    (
        "/common_evaluate_batch",
        f'{{"id": {HALF}, "completion": {HALF}, "config": {{"provided_data": {{"test_cases":'
        ' {"input": ["1"], "output": ["1"]}}}}',
    ),
]  # fmt: skip


def sane(answer: httpx.Response) -> None:
    assert answer.status_code < 500, answer.text
    if answer.status_code == 422:
        assert answer.json()["detail"]
    for line in filter(None, answer.text.split("\n")):
        json.loads(line, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))


@pytest.mark.parametrize("path", PATHS)
def test_bodies_that_are_none(server_url: str, path: str) -> None:
    headers = {"content-type": "application/json"}
    with httpx.Client(base_url=server_url, headers=headers, timeout=60) as client:
        for body in BARE:
            sane(client.post(path, content=body))


@pytest.mark.parametrize(("path", "body"), BODIES)
def test_values_that_are_none(server_url: str, path: str, body: str) -> None:
    headers = {"content-type": "application/json"}
    sane(httpx.post(f"{server_url}{path}", content=body, headers=headers, timeout=60))


@pytest.mark.parametrize(
    ("fields", "code"),
    [({"files": {f"{n}/f": "" for n in range(1025)}}, 422), ({"files": {"a": "x" * 9}}, 422)],
)
def test_files_that_are_too_many_or_none(post: Any, fields: dict[str, Any], code: int) -> None:
    answer = post("/run_code", {"code": "1", **fields})
    assert answer.status_code == code
    assert "files" in answer.json()["detail"][0]["loc"]


def test_large_files_go_in_and_come_back(post: Any) -> None:
    content = base64.b64encode(b"x" * (12 << 20)).decode()
    code = "import os; os.rename('a', 'b'); open('c', 'wb').write(b'x' * (20 << 20))"
    body = {"code": code, "files": {"a": content}, "fetch_files": ["b", "c"]}
    answer = post("/run_code", body).json()
    assert answer["status"] == "Success"
    assert answer["files"] == {"b": content}, "one that is too large is left out"


def test_sockets_answer_too(server_url: str) -> None:
    from websockets.sync.client import connect

    messages = [
        *BARE,
        f'{{"type": {HALF}}}',
        '{"type": {"a": 1}}',
        '{"type": "step", "data": null}',
        f'{{"type": "step", "data": {{"code": "1", "stdin": {HALF}}}}}',
        f'{{"type": "step", "data": {{"code": "1", "tests": [{HALF}]}}}}',
        f'{{"type": "reset", "data": {{"episode_id": {HALF}}}}}',
        '{"type": "reset", "data": {"seed": NaN}}',
        f'{{"type": "reset", "data": {DEEP}}}',
    ]
    with connect(server_url.replace("http", "ws") + "/ws") as talk:
        for message in messages:
            talk.send(message)
            assert json.loads(talk.recv())["type"] == "error", message[:80]
        talk.send('{"type": "step", "data": {"code": "print(1)"}}')
        assert json.loads(talk.recv())["data"]["observation"]["stdout"] == "1\n"


def test_slow_clients_hold_nobody_up(server_url: str, post: Any) -> None:
    """Halves of requests on many connections; some close one side, some all."""
    url = httpx.URL(server_url)
    halves = [b"", b"POST /run_code HTTP/1.1\r\nx-", b"\x16\x03\x01", b"PRI * HTTP/2.0\r\n\r\n"]
    halves.append(b"POST /run_code HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{")
    halves.append(b"POST /run_code HTTP/1.1\r\nhost: x\r\ncontent-length: -5\r\n\r\n")
    open_now = [socket.create_connection((url.host, url.port)) for _ in range(300)]
    try:
        for at, connection in enumerate(open_now):
            connection.sendall(halves[at % len(halves)])
            if at % 3 == 0:
                connection.shutdown(socket.SHUT_WR)
        assert post("/run_code", {"code": "print(1)"}).json()["status"] == "Success"
    finally:
        for connection in open_now:
            connection.close()
    assert post("/run_code", {"code": "print(1)"}).json()["status"] == "Success"


def test_rows_that_hang_leave_a_worker_to_others(start_server: Any) -> None:
    """One request holds fewer workers than there are, however many rows it asks for at once."""
    quick, asleep = "def f(): return 1", "import time\ndef f(): time.sleep(300)"
    rows = {"solutions": [quick] * 9 + [asleep] * 300, "tests": ["assert f() == 1"], "cpu_s": 60}
    with start_server("--workers", "2") as (url, _), httpx.Client(timeout=60) as client:
        with client.stream("POST", f"{url}/v1/matrix", json=rows) as answer:
            lines = answer.iter_lines()
            for _ in range(10):  # the head, and the rows that do not hang
                json.loads(next(lines))
            for n in range(5):
                shown = client.post(f"{url}/run_code", json={"code": f"print({n})"}).json()
                assert shown["run_result"]["stdout"] == f"{n}\n"


def test_sigterm_under_load_answers_what_it_took(start_server: Any) -> None:
    """Whoever was let in is answered; whoever comes later finds no server, not half an answer."""
    answers: list[int] = []
    refused: list[httpx.TransportError] = []
    with start_server("--workers", "2") as (url, process):

        def client() -> None:
            while True:
                try:
                    answers.append(
                        httpx.post(f"{url}/run_code", json=SHORT, timeout=60).status_code
                    )
                except httpx.TransportError as error:
                    return refused.append(error)

        threads = [threading.Thread(target=client) for _ in range(8)]
        for thread in threads:
            thread.start()
        while len(answers) < 40:
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        for thread in threads:
            thread.join()
        assert process.wait(60) == 143
    assert set(answers) == {200}
    assert {type(error) for error in refused} <= {
        httpx.ConnectError,
        httpx.ReadError,
        httpx.RemoteProtocolError,
    }


SHORT = {"code": "import time; time.sleep(0.05); print(1)"}
