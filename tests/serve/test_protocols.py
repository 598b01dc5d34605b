"""NeMo-Gym's, OpenEnv's, open-instruct's and ScaleBox's routes."""

from __future__ import annotations

import base64
import json
import pickle
import zlib
from typing import Any

import httpx
import pytest

RIGHT, LIAR = "def f(x): return x + 1", "import os; os._exit(0)"
CALLS = {"inputs": ["1", "4"], "outputs": ["2", "5"], "fn_name": "f"}
LINES = {"inputs": ["3\n"], "outputs": ["6\n"], "fn_name": None}


def response(text: str) -> dict[str, Any]:
    parts = [{"type": "output_text", "text": text, "annotations": []}]
    message = {"type": "message", "role": "assistant", "content": parts}
    return {"id": "r", "output": [{"type": "reasoning", "summary": []}, message]}


def row(text: str, tests: Any) -> dict[str, Any]:
    return {
        "responses_create_params": {"input": [{"role": "user", "content": "Write f."}]},
        "response": response(text),
        "verifier_metadata": {"unit_tests": tests, "difficulty": "easy"},
        "uuid": "u-1",
    }


@pytest.mark.parametrize(
    ("text", "tests", "reward"),
    [
        (f"```python\n{RIGHT}\n```", CALLS, 1.0),
        (f"```python\n{LIAR}\n```", CALLS, 0.0),
        ("```python\nprint(int(input()) * 2)\n```", LINES, 1.0),
        ("```python\nprint(6)\nraise ValueError\n```", LINES, 0.0),
        ("```python\nclass Solution:\n    def f(self, x): return (x + 1)\n```", CALLS, 1.0),
        (f"<think>```python\nx\n```</think>\n```python\n{RIGHT}\n```", CALLS, 1.0),
        ("no code at all", CALLS, 0.0),
        ("", CALLS, 0.0),
    ],
)
def test_nemo_gym_verifies(post: Any, text: str, tests: Any, reward: float) -> None:
    sent = row(text, tests)
    answer = post("/verify", sent).json()
    assert answer["reward"] == reward
    assert {key: answer[key] for key in sent} == sent


def test_nemo_gym_says_what_failed(post: Any) -> None:
    answer = post("/verify", row(f"```python\n{RIGHT}\n```", {**CALLS, "outputs": ["2", "9"]}))
    assert answer.json()["result"] == [True, -2]


def test_nemo_gym_sessions_and_metrics(server_url: str) -> None:
    seeded = httpx.post(f"{server_url}/seed_session", json={"x": 1})
    assert seeded.json() == {}
    assert seeded.cookies
    assert httpx.get(f"{server_url}/reverify_mode").json() == "stateless"
    answers = [
        {"_ng_task_index": 0, "reward": 1.0, "passed": 3},
        {"_ng_task_index": 0, "reward": 0.0, "passed": 1},
        {"_ng_task_index": 1, "reward": 1.0, "passed": 3, "note": "x"},
    ]
    told = httpx.post(f"{server_url}/aggregate_metrics", json={"verify_responses": answers}).json()
    assert told["agent_metrics"]["mean/passed"] == pytest.approx(7 / 3)
    assert [each["mean/reward"] for each in told["group_level_metrics"]] == [0.5, 1.0]
    assert set(told["key_metrics"]) == {"mean/reward", "mean/passed"}


@pytest.mark.parametrize("tests", [None, {}, {"inputs": ["1"], "outputs": []}, 3, {"a": 1}])
def test_nemo_gym_names_bad_tests(post: Any, tests: Any) -> None:
    answer = post("/verify", row("x", tests))
    assert answer.status_code == 422
    assert "unit_tests" in answer.json()["detail"][0]["loc"]


def test_open_instruct(post: Any) -> None:
    body = {"program": RIGHT, "tests": ["assert f(1) == 2", "assert f(1) == 3"]}
    answer = post("/test_program", body).json()
    assert answer["results"] == [1, 0]
    assert len(answer["runtimes"]) == 2
    assert post("/test_program", body | {"program": LIAR}).json()["results"] == [0, 0]
    as_text = body | {"tests": json.dumps(body["tests"])}
    assert post("/test_program", as_text).json()["results"] == [1, 0]


def test_open_instruct_stdio(post: Any) -> None:
    tests = [{"input": "3\n", "output": "6\n"}, {"input": "1", "output": "3"}]
    body = {"program": "print(int(input()) * 2)", "tests": tests, "max_execution_time": 2.0}
    assert post("/test_program_stdio", body).json()["results"] == [1, 0]


def test_nothing_is_unpickled(post: Any) -> None:
    pickled = base64.b64encode(zlib.compress(pickle.dumps(json.dumps(["assert True"])))).decode()
    answer = post("/test_program", {"program": "pass", "tests": pickled})
    assert answer.status_code == 422
    assert "tests" in answer.json()["detail"][0]["loc"]


def scalebox(program: str, **cases: Any) -> dict[str, Any]:
    return {
        "dataset": "d",
        "id": 7,
        "completion": f"```python\n{program}\n```",
        "config": {
            "language": "python",
            "provided_data": {"test_cases": cases},
            "extra": {"run_all_cases": True},
        },
    }


def test_scalebox(post: Any) -> None:
    calls = {"type": "function_call", "input": ["1", "2"], "output": ["2", "9"], "fn_name": "f"}
    answer = post("/common_evaluate_batch", scalebox(RIGHT, **calls)).json()
    assert (answer["id"], answer["accepted"]) == (7, False)
    assert [test["passed"] for test in answer["tests"]] == [True, False]
    lines = {"type": "stdin_stdout", "input": ["3"], "output": ["6"]}
    program = "print(int(input()) * 2)"
    assert post("/common_evaluate_batch", scalebox(program, **lines)).json()["accepted"] is True


def test_scalebox_refuses_what_it_does_not_do(post: Any) -> None:
    body = scalebox("pass", type="function_call", input=["1"], output=["1"])
    assert post("/common_evaluate_batch", body).status_code == 422
    body = scalebox("pass", input=["1"], output=["1"])
    body["config"]["extra"]["special_judge_program"] = "import os"
    assert post("/common_evaluate_batch", body).status_code == 422


@pytest.fixture
def talk(server_url: str) -> Any:
    from websockets.sync.client import connect

    with connect(server_url.replace("http", "ws") + "/ws") as socket:

        def say(message: Any) -> Any:
            socket.send(message if isinstance(message, str) else json.dumps(message))
            return json.loads(socket.recv())

        yield say


def test_an_openenv_episode(talk: Any) -> None:
    reset = {"type": "reset", "data": {"tests": ["assert f(1) == 2"], "seed": 1}}
    assert talk(reset)["type"] == "observation"
    wrong = talk({"type": "step", "data": {"code": LIAR}})["data"]
    assert (wrong["reward"], wrong["done"]) == (0.0, True)
    again = talk({"type": "step", "data": {"code": RIGHT}})
    assert (again["type"], again["data"]["code"]) == ("error", "VALIDATION_ERROR")
    assert talk({"type": "state"})["data"]["step_count"] == 1
    talk(reset)
    right = talk({"type": "step", "data": {"code": RIGHT}})["data"]
    assert (right["reward"], right["observation"]["passed"]) == (1.0, 1)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("{", "INVALID_JSON"),
        ("[]", "VALIDATION_ERROR"),
        ({"type": "jump"}, "UNKNOWN_TYPE"),
        ({"type": "step", "data": {}}, "VALIDATION_ERROR"),
        ({"type": "step", "data": {"code": "1", "tests": 3}}, "VALIDATION_ERROR"),
        ({"type": "step", "data": {"code": "1", "tests": []}}, "VALIDATION_ERROR"),
        ({"type": "reset", "data": {"tests": [None]}}, "VALIDATION_ERROR"),
        ({"type": "mcp", "data": {}}, "UNKNOWN_TYPE"),
    ],
)
def test_an_openenv_error_keeps_the_session(talk: Any, message: Any, code: str) -> None:
    assert talk(message)["data"]["code"] == code
    assert talk({"type": "step", "data": {"code": "print(1)"}})["data"]["reward"] is None


def test_openenv_over_http(post: Any, server_url: str) -> None:
    action = {"code": RIGHT, "tests": ["assert f(1) == 2"]}
    assert post("/step", {"action": action}).json()["reward"] == 1.0
    assert post("/reset", {}).json()["done"] is False
    schema = httpx.get(f"{server_url}/schema").json()
    assert set(schema["action"]["properties"]) >= {"code", "stdin", "tests"}
    assert post("/step", {"action": {"tests": []}}).status_code == 422
