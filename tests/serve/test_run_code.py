"""`/run_code`: the cases of `cases.toml` as verl would send them, and the shape of the answer.

`contract/test_verl.py` sends the same cases by verl's own client, where that is installed.
"""

from __future__ import annotations

import base64
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

CASES = tomllib.loads((Path(__file__).parent / "cases.toml").read_text())["case"]

WRAPPER = """
import traceback
from typing import *
from collections import *
import sys
import json

# === User's Original Code START ===
{program}
# === User's Original Code END ===

_SANDBOX_FN_NAME = "{name}"

def _call():
    text = sys.stdin.read()
    try:
        arguments = [json.loads(line) for line in text.split("\\n")] if text.strip() else []
        space = globals()
        target = space.get(_SANDBOX_FN_NAME) or getattr(space["Solution"](), _SANDBOX_FN_NAME)
        return target(*arguments), False
    except Exception:
        traceback.print_exc()
        return None, True

if __name__ == '__main__':
    result, failed = _call()
    if not failed:
        plain = isinstance(result, (dict, list, tuple, bool)) or result is None
        print(json.dumps(result) if plain else str(result))
"""
"""Ours, with the marks of verl's: it leaves with 0 whatever happens."""


def body(code: str, stdin: str | None = None, **more: Any) -> dict[str, Any]:
    return {
        "compile_timeout": 10,
        "run_timeout": 10,
        "code": code,
        "stdin": stdin,
        "memory_limit_MB": 1024,
        "language": "python",
        "files": {},
        "fetch_files": [],
        **more,
    }


def earned(post: Any, program: str, truth: dict[str, Any]) -> float:
    """What verl's client would pay."""
    asserts = truth.get("assert_case")
    inputs = truth.get("inputs") or [""] * len(asserts or [])
    outputs = truth.get("outputs") or [None] * len(inputs)
    passed = 0
    for index, (stdin, expected) in enumerate(zip(inputs, outputs, strict=True)):
        code = "\n" + program + "\n" + "\n\n" + (asserts[index] if asserts else "")
        if truth.get("fn_name"):
            code = WRAPPER.format(program=code, name=truth["fn_name"])
        limit = 1 if "while" in program else 10
        answer = post("/run_code", body(code, stdin, run_timeout=limit)).json()
        result = answer["run_result"]
        if answer["status"] == "Success" and result["status"] == "Finished":
            same = expected is None or result["stdout"].rstrip("\n") == expected.rstrip("\n")
            passed += same
    return passed / len(inputs)


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_what_a_program_earns(post: Any, case: dict[str, Any]) -> None:
    assert earned(post, case["program"], json.loads(case["truth"])) == case["score"]


def test_the_answer_has_no_nulls_where_text_is_expected(post: Any) -> None:
    for code in ("pass", "raise ValueError", "import os; os.abort()", "while True: pass"):
        answer = post("/run_code", body(code, run_timeout=0.5)).json()
        assert isinstance(answer["message"], str)
        assert isinstance(answer["run_result"]["stdout"], str)
        assert isinstance(answer["run_result"]["stderr"], str)
        assert answer["compile_result"] is None


def test_a_time_out_is_failed_and_time_limit_exceeded(post: Any) -> None:
    for code in ("while True: pass", "import time; time.sleep(60)"):
        answer = post("/run_code", body(code, run_timeout=0.5)).json()
        assert answer["status"] == "Failed"
        assert answer["run_result"]["status"] == "TimeLimitExceeded"


@pytest.mark.parametrize(
    ("code", "return_code"),
    [
        ("raise ValueError", 1),
        ("import sys; sys.exit(7)", 7),
        ("import os; os._exit(3)", 3),
        ("import os; os.abort()", -6),
        ("def f(:", 1),
        ("x = 'a' * 10**10", 1),
    ],
)
def test_the_return_code_of_a_failure(post: Any, code: str, return_code: int) -> None:
    answer = post("/run_code", body(code)).json()
    assert answer["status"] == "Failed"
    assert answer["run_result"]["return_code"] == return_code


def test_too_much_output_is_a_failure(post: Any) -> None:
    answer = post("/run_code", body("while True: print('x' * 1000)", run_timeout=5)).json()
    assert answer["status"] == "Failed"


def test_unknown_keys_and_a_missing_language_are_fine(post: Any) -> None:
    answer = post("/run_code", {"code": "print(1)", "expected_stdout": "1", "anything": [{}]})
    assert answer.json()["run_result"]["stdout"] == "1\n"


def test_files_lie_beside_the_program(post: Any) -> None:
    files = {"a/b.txt": base64.b64encode(b"hi").decode(), "empty": None}
    code = "print(open('a/b.txt').read(), open('empty').read())"
    assert post("/run_code", body(code, files=files)).json()["run_result"]["stdout"] == "hi \n"


def test_files_come_back_also_from_a_program_that_leaves(post: Any) -> None:
    code = "from __future__ import annotations\nimport sys\nopen('o', 'w').write('x')\nsys.exit(0)"
    answer = post("/run_code", body(code, fetch_files=["o", "p"])).json()
    assert answer["status"] == "Success"
    assert answer["files"] == {"o": base64.b64encode(b"x").decode()}
    assert answer["run_result"]["stderr"] == ""


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"language": "cpp"}, "language"),
        ({"run_timeout": 0}, "run_timeout"),
        ({"run_timeout": "soon"}, "run_timeout"),
        ({"code": None}, "code"),
        ({"files": {"a": "not base64!"}}, "files"),
        ({"files": {"/etc/passwd": ""}}, "files"),
        ({"files": {"../up": ""}}, "files"),
        ({"memory_limit_MB": "much"}, "memory_limit_MB"),
    ],
)
def test_a_bad_request_names_the_field(post: Any, change: dict[str, Any], field: str) -> None:
    answer = post("/run_code", body("pass") | change)
    assert answer.status_code == 422
    assert any(field in each["loc"] for each in answer.json()["detail"])


def test_a_long_text_is_cut_apart_as_well(post: Any) -> None:
    padding = "# " + "x" * 100 + "\n"
    liar = "class E:\n    def __eq__(s, o): return True\ndef f(x): return E()\n"
    honest = "def f(x): return x + 1\n"
    for program, status in ((liar, "Failed"), (honest, "Success")):
        code = program + padding * 600 + "\n\nassert f(1) == 2"
        assert post("/run_code", body(code)).json()["status"] == status


def test_the_program_finds_the_modules_of_a_wrapper(post: Any) -> None:
    program = "def f(xs: List[int]):\n    return Counter(xs).most_common(1)[0][0]\n"
    code = WRAPPER.format(program=program, name="f")
    answer = post("/run_code", body(code, "[1, 2, 2]")).json()
    assert (answer["status"], answer["run_result"]["stdout"]) == ("Success", "2\n")


SCRIPTS = [
    "x = 3\nif x > 5:\n    raise ValueError(x)\nprint(x)",
    "import sys\nif sys.version_info < (3, 8):\n    raise RuntimeError('old')\nprint('ok')",
    "def main():\n    print('hi')\n\nif __name__ == '__main__':\n    raise SystemExit(main())",
    "import sys\ndef main():\n    print('hi')\n    return 0\n\nsys.exit(main())",
    "import asyncio\nasync def main():\n    print('hi')\n\nasyncio.run(main())",
    "try:\n    x = int('3')\nexcept ValueError as e:\n    raise SystemExit(1) from e\nprint(x)",
    "def f():\n    return 3\ntry:\n    print(f())\nexcept Exception as e:\n    print(e)\n    raise",
    "n = 12\nwhile n:\n    n -= 1\n    if n < 0:\n        raise OverflowError\nprint(n)",
]
"""Programs that raise, or leave, and ask nothing."""


@pytest.mark.parametrize("code", SCRIPTS)
def test_what_asks_nothing_is_left_as_it_is(post: Any, code: str) -> None:
    answer = post("/run_code", body(code)).json()
    assert answer["status"] == "Success", answer


OWN_WORD = (
    "class P:\n    def __eq__(self, other):\n        return True\n\ndef f(x):\n    return P()\n"
)


@pytest.mark.parametrize(
    ("trust", "code", "status"),
    [
        ("proven", OWN_WORD + "assert f(1) == P()", "Failed"),
        ("vouched", OWN_WORD + "assert f(1) == P()", "Success"),
        ("inline", OWN_WORD + "assert f(1) == P()", "Success"),
        ("vouched", OWN_WORD + "assert f(1) != P()", "Failed"),
        ("vouched", "import sys\nsys.exit(0)\n\nassert f(1) == 2", "Failed"),
        ("none", "import sys\nsys.exit(0)\n\nassert f(1) == 2", "Success"),
        ("none", "assert 1 == 2", "Failed"),
    ],
)
def test_the_url_says_what_trust_a_pass_needs(
    post: Any, trust: str, code: str, status: str
) -> None:
    assert post(f"/run_code?trust={trust}", body(code)).json()["status"] == status


def test_an_unknown_trust_is_a_bad_request(post: Any) -> None:
    answer = post("/run_code?trust=much", body("pass"))
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["query", "trust"]


def test_the_answer_says_when_a_pass_has_too_little_trust(post: Any, server_url: str) -> None:
    import httpx

    def held() -> int:
        lines = httpx.get(f"{server_url}/metrics").text.splitlines()
        return int(
            next(line.split()[1] for line in lines if line.startswith("sv_held_back_total "))
        )

    before = held()
    result = post("/run_code", body(OWN_WORD + "assert f(1) == P()")).json()["run_result"]
    assert "the program passes, but that is not proven" in result["stderr"]
    assert held() > before
    result = post("/run_code", body("def f(x):\n    return 3\n\nassert f(1) == 2")).json()
    assert "the program fails" in result["run_result"]["stderr"] or result["status"] == "Failed"


@pytest.mark.parametrize(
    "program",
    [
        "def f(x):\n    return 3\n\ndef abs(x):\n    return 2\n",
        "def abs(x):\n    return 2\n\nf = len\n",
        "def abs(x):\n    return 2\n\ndef len(x):\n    return 1\n",
        "def abs(x):\n    return 2\n\nfor f in (len,):\n    pass\n",
        "def abs(x):\n    return 2\n\nf = type([])\n",
        "def abs(x):\n    return 2\n\nfrom math import fsum as f\n",
        "def abs(x):\n    return 2\n\nf = lambda x: 0\n",
        "def abs(x):\n    return 2\n\nf = [].count\n",
    ],
)
def test_a_name_of_pythons_is_the_tests_own_where_it_is_not_all_that_is_asked(
    post: Any, program: str
) -> None:
    answer = post("/run_code", body(f"{program}\nassert abs(f([])) == 2")).json()
    assert answer["status"] == "Failed"


UNREADABLE = {
    "utf-7": "# coding: utf-7\nimport os\n+AG8AcwAuAF8AZQB4AGkAdAAoADAAKQ-",
    "escapes": "# coding: unicode_escape\nimport os\n\\x6fs._exit(0)",
    "raw escapes": "# coding: raw_unicode_escape\nimport os\n\\u006fs._exit(0)",
    "a lone surrogate": "# \ud800\nimport os\nos._exit(0)",
    "a byte order mark": "\ufeffimport os\nos._exit(0)",
    "a line in a comment": "# coding: utf-7\n#+AAo-import os; os._exit(0)",
    "the end of a string": "# coding: utf-7\nimport os\n'''+ACcAJwAn-; os._exit(0)\n'''",
}


@pytest.mark.parametrize("rest", ["", "#" * 17_000], ids=["short", "long"])
@pytest.mark.parametrize("name", UNREADABLE)
def test_a_text_that_reads_otherwise_where_it_runs_is_guarded(
    server_url: str, name: str, rest: str
) -> None:
    import httpx

    code = f"{UNREADABLE[name]}\n{rest}\ndef f(x): return 0\n\nassert f(1) == 2"
    escaped = json.dumps({"code": code, "language": "python"})
    answer = httpx.post(
        f"{server_url}/run_code",
        content=escaped,
        headers={"content-type": "application/json"},
        timeout=60,
    ).json()
    assert answer["status"] == "Failed", answer
