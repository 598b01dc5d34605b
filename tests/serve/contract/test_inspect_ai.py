"""inspect_ai 0.3: an evaluation with a mock model in the sandbox `sv`, and the provider itself."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

inspect_ai = pytest.importorskip("inspect_ai", reason="inspect_ai is not installed here")
pytest.importorskip("sv_sandbox", reason="our package is not installed here")


@pytest.fixture
def box() -> Any:
    from sv_engine.integrations.inspect_ai import SvSandboxEnvironment, _executor

    box = SvSandboxEnvironment()
    yield box
    asyncio.run(_executor.close())


def run(work: Any) -> Any:
    return asyncio.run(work)


def test_commands_see_the_folder_and_leave_files(box: Any) -> None:
    async def work() -> None:
        await box.write_file("data/in.txt", "hello\r\n")
        await box.write_file("/tmp/sample/tool.py", "import sys\nprint(sys.argv[1:], input())")
        told = await box.exec(["python3", "tool.py", "a"], input="typed\n")
        assert (told.success, told.stdout) == (True, "['a'] typed\n")
        told = await box.exec(
            ["bash", "--login", "-c", "cat in.txt; echo x > out; pwd"], cwd="data"
        )
        assert told.stdout == "hello\r\n/tmp/sample/data\n"
        assert await box.read_file("data/out") == "x\n"
        assert await box.read_file("data/in.txt", text=False) == b"hello\r\n"
        await box.exec(["rm", "data/out"])
        with pytest.raises(FileNotFoundError):
            await box.read_file("data/out")
        with pytest.raises(IsADirectoryError):
            await box.read_file("data")
        with pytest.raises(PermissionError):
            await box.write_file("/etc/passwd", "")

    run(work())


def test_how_commands_end(box: Any) -> None:
    from inspect_ai.util import SandboxUserUnsupportedError

    async def work() -> None:
        assert (await box.exec(["bash", "-c", "exit 3"])).returncode == 3
        assert (await box.exec(["no-such-command"])).returncode == 127
        told = await box.exec(["bash", "-c", "echo $WORD >&2"], env={"WORD": "w"})
        assert told.stderr == "w\n"
        with pytest.raises(TimeoutError):
            await box.exec(["sleep", "60"], timeout=1)
        with pytest.raises(SandboxUserUnsupportedError):
            await box.exec(["id"], user="root")
        told = await box.exec(["python3", "-c", "print('x' * 30_000_000)"])
        assert told.stdout.endswith("x\n")
        assert len(told.stdout) <= 10 << 20

    run(work())


def test_an_evaluation(tmp_path: Path) -> None:
    from inspect_ai import Task
    from inspect_ai import eval as evaluate
    from inspect_ai.dataset import Sample
    from inspect_ai.model import ModelOutput, ModelUsage, get_model
    from inspect_ai.scorer import Score, accuracy, scorer
    from inspect_ai.solver import generate, use_tools
    from inspect_ai.tool import python
    from inspect_ai.util import sandbox

    @scorer(metrics=[accuracy()])  # type: ignore[untyped-decorator]  # as above
    def wrote_file() -> Any:
        async def score(state: Any, target: Any) -> Score:
            text = await sandbox().read_file("answer.txt")
            return Score(value="C" if text == target.text else "I")

        return score

    call = ModelOutput.for_tool_call(
        "mockllm/model", "python", {"code": "open('answer.txt', 'w').write(open('q').read() * 2)"}
    )
    outputs = [call, ModelOutput.from_content("mockllm/model", "done")]
    for output in outputs:  # else it counts tokens with a file from the network
        output.usage = ModelUsage()
    model = get_model("mockllm/model", custom_outputs=outputs)
    task = Task(
        dataset=[Sample(input="Double it.", target="abab", files={"q": "ab"})],
        solver=[use_tools(python(timeout=60)), generate()],
        scorer=wrote_file(),
        sandbox="sv",
    )
    log = evaluate(task, model=model, log_dir=str(tmp_path), display="none")[0]
    assert log.status == "success", log.error
    assert log.results.scores[0].metrics["accuracy"].value == 1.0
