"""The client of SandboxFusion's own PyPI package against the server (sandbox-fusion 0.3)."""

from __future__ import annotations

import base64

import pytest

sandbox_fusion = pytest.importorskip(
    "sandbox_fusion", reason="sandbox-fusion is not installed here"
)


@pytest.fixture
def run(server_url: str):  # type: ignore[no-untyped-def]
    def call(**request):  # type: ignore[no-untyped-def]
        body = sandbox_fusion.RunCodeRequest(language="python", **request)
        return sandbox_fusion.run_code(body, endpoint=server_url, max_attempts=1)

    return call


def test_a_program(run) -> None:  # type: ignore[no-untyped-def]
    answer = run(code="print(input())", stdin="hello")
    assert answer.status == sandbox_fusion.RunStatus.Success
    assert answer.run_result.stdout == "hello\n"


def test_a_failure(run) -> None:  # type: ignore[no-untyped-def]
    answer = run(code="raise ValueError('no')")
    assert answer.status == sandbox_fusion.RunStatus.Failed
    assert answer.run_result.return_code == 1
    assert "ValueError: no" in answer.run_result.stderr


def test_files_go_in_and_come_back(run) -> None:  # type: ignore[no-untyped-def]
    answer = run(
        code="import helper\nopen('out.txt', 'w').write(helper.WORD * 2)",
        files={"helper.py": base64.b64encode(b"WORD = 'ab'").decode()},
        fetch_files=["out.txt", "absent.txt"],
    )
    assert answer.files == {"out.txt": base64.b64encode(b"abab").decode()}


def test_an_assertion_that_is_not_reached(run) -> None:  # type: ignore[no-untyped-def]
    answer = run(code="import os\nos._exit(0)\n\nassert f(1) == 2")
    assert answer.status == sandbox_fusion.RunStatus.Failed
