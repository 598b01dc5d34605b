"""`sv-engine run`: configuration, run directory, clear failures, interruption."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sv_engine.cli import main
from sv_engine.config.layers import load
from sv_engine.pocket import grammar
from sv_engine.run.journal import FILE_NAME


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["run", *arguments])


def recording(path: Path) -> Path:
    """One sample per held-out problem and role."""
    with path.open("w") as file:
        for item in grammar.heldout_problems(6):
            for role, text in (("solve", "\n    return xs"), ("verify", "[1]) == ([1])")):
                line = {
                    "problem_id": item.problem.id,
                    "role": role,
                    "request": 0,
                    "prompt_tokens": 1,
                    "after_s": 0.0,
                    "text": text,
                    "finish_reason": "stop",
                    "token_count": 1,
                }
                file.write(json.dumps(line) + "\n")
    return path


def settings(path: Path, **more: object) -> list[str]:
    chosen: dict[str, object] = {
        "generate.backend": "recorded",
        "generate.recording": path,
        "run.iterations": 0,
        "evaluate.problems": 6,
        "evaluate.samples": 1,
        "evaluate.k": [1],
        **more,
    }
    return [text for key, value in chosen.items() for text in ("--set", f"{key}={value}")]


def test_a_useless_file_is_told_before_the_engine_starts(tmp_path: Path) -> None:
    path = tmp_path / "held.jsonl"
    path.write_text("3\n")
    chosen = {"generate.recording": path, "evaluate.source": "jsonl", "evaluate.path": path}
    result = invoke("--out", str(tmp_path / "run"), *settings(path, **chosen))
    assert result.exit_code == 1
    assert "no usable row" in result.output
    assert not (tmp_path / "run").exists()


def test_skipped_rows_stand_in_the_summary(tmp_path: Path) -> None:
    item = grammar.heldout_problems(1)[0].problem
    good = {
        "id": item.id,
        "prompt": item.prompt,
        "entry_point": item.entry_point,
        "reference_solution": item.reference_solution,
        "reference_test": item.reference_test,
    }
    path = tmp_path / "held.jsonl"
    path.write_text(f"{json.dumps(good)}\n3\n")
    chosen = {"evaluate.source": "jsonl", "evaluate.path": path, "evaluate.problems": 1}
    recorded = recording(tmp_path / "recorded.jsonl")
    result = invoke("--out", str(tmp_path / "run"), *settings(recorded, **chosen))
    assert result.exit_code == 0, result.output
    bad_rows = json.loads((tmp_path / "run" / "summary.json").read_text())["bad_rows"]
    assert bad_rows["count"] == 1
    assert bad_rows["first"][0].startswith(f"{path}:2: ")
    assert f"skipped {path}:2: " in result.output


def test_dry_run_prints_a_configuration_that_loads_back(tmp_path: Path) -> None:
    result = invoke("--dry-run", "--set", "run.seed=5")
    assert result.exit_code == 0
    path = tmp_path / "resolved.toml"
    path.write_text(result.stdout)
    assert "at most" in result.stderr
    assert load(str(path)) == load(settings=["run.seed=5"])


def test_the_environment_is_read() -> None:
    result = CliRunner(env={"SV_ENGINE_RUN__SEED": "7"}).invoke(main, ["run", "--dry-run"])
    assert "seed = 7" in result.output


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--set", "run.iteration=1"], "run.iterations"),
        (["nowhere.toml"], "cannot read the configuration"),
        (["pockett"], "did you mean pocket?"),
        (["--set", "generate.solutions=0"], "generate.solutions"),
        (["--set", "select.selector=b44"], "did you mean b4?"),
        (["--set", "select.options={tua=1}", "--set", "select.selector=threshold"], "mean tau?"),
        (["--set", "execute.require=most"], "execute.require"),
        (["--set", "roles.solve='{foo}'", "--dry-run"], "unknown placeholder {foo}"),
        (["--set", "evaluate.path=nowhere.jsonl"], "evaluate.path cannot be read"),
    ],
)
def test_a_bad_configuration_is_one_clear_error(
    arguments: list[str], text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert text in result.output
    assert "what to do" in result.output
    assert "Traceback" not in result.output
    assert not Path("runs").exists()


def test_a_used_run_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "something").touch()
    result = invoke("--out", str(tmp_path))
    assert result.exit_code == 1
    assert "not empty" in result.output


def test_a_run_on_a_recording(tmp_path: Path) -> None:
    pytest.importorskip("sv_sandbox._native", reason="the sandbox is not built")
    path, out = recording(tmp_path / "r.jsonl"), tmp_path / "out"
    result = invoke("--out", str(out), *settings(path))
    assert result.exit_code == 0, result.output
    summary = json.loads((out / "summary.json").read_text())
    assert len(summary["iterations"]) == 1
    assert summary["iterations"][0]["heldout"]["code_pass_at_1"]["n"] == 6
    assert load(str(out / "config.toml")).evaluate.problems == 6
    assert summary["peak_memory_bytes"] > 10 << 20


def test_the_same_command_again_says_how_to_go_on(tmp_path: Path) -> None:
    pytest.importorskip("sv_sandbox._native", reason="the sandbox is not built")
    path, out = recording(tmp_path / "r.jsonl"), tmp_path / "out"
    assert invoke("--out", str(out), *settings(path)).exit_code == 0
    before = json.loads((out / "summary.json").read_text())
    again = invoke("--out", str(out), *settings(path))
    assert again.exit_code == 1
    assert f"sv-engine run --resume {out}" in "".join(again.output.split("\n"))
    path.write_text("")  # nothing is asked again
    assert invoke("--resume", str(out)).exit_code == 0
    after = json.loads((out / "summary.json").read_text())
    assert after["iterations"] == before["iterations"]
    assert invoke("--resume", str(out), "--set", "run.seed=1").exit_code == 2


def test_another_run_finds_the_verdicts_of_the_first(tmp_path: Path) -> None:
    pytest.importorskip("sv_sandbox._native", reason="the sandbox is not built")
    path = recording(tmp_path / "r.jsonl")
    chosen = settings(path, **{"execute.cache": tmp_path / "verdicts.sqlite"})
    found = []
    for name in ("first", "second"):
        result = invoke("--out", str(tmp_path / name), *chosen)
        assert result.exit_code == 0, result.output
        assert "verdict cache" in result.output
        found.append(json.loads((tmp_path / name / "summary.json").read_text()))
    first, second = (summary["verdict_cache"] for summary in found)
    assert first["cells"] == second["cells"] == second["hits"] > first["hits"]
    assert found[0]["iterations"][0]["heldout"] == found[1]["iterations"][0]["heldout"]
    result = invoke("--out", str(tmp_path / "third"), *chosen, "--set", "execute.cpu_s=0.9")
    assert result.exit_code == 0, result.output
    third = json.loads((tmp_path / "third" / "summary.json").read_text())["verdict_cache"]
    assert third["hits"] < third["cells"]


@pytest.mark.parametrize(
    "where",
    ["commands.run_command.load", "run.budget.cost", "run.room.check_room", "run.doors.base_model"],
)
def test_ctrl_c_before_anything_has_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    def interrupted(*given: object, **named: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(f"sv_engine.{where}", interrupted)
    result = invoke("--out", str(tmp_path / "out"))
    assert (result.exit_code, result.output.splitlines()[-1]) == (
        130,
        "interrupted; the same command starts again",
    )
    assert not (tmp_path / "out").exists()


def test_ctrl_c_once_finishes_what_is_in_flight(tmp_path: Path) -> None:
    pytest.importorskip("sv_sandbox._native", reason="the sandbox is not built")
    path, out = recording(tmp_path / "r.jsonl"), tmp_path / "out"
    script = (
        "import os, signal, sys\n"
        "from sv_engine.cli import main\n"
        "from sv_engine.run import journalled\n"
        "seen = []\n"
        "class Generator(journalled.JournalledGenerator):\n"
        "    async def generate(self, request):\n"
        "        async for completion in super().generate(request):\n"
        "            seen.append(1)\n"
        "            if len(seen) == 3: os.kill(os.getpid(), signal.SIGINT)\n"
        "            yield completion\n"
        "if '--resume' not in sys.argv: journalled.JournalledGenerator = Generator\n"
        "main()\n"
    )
    command = [sys.executable, "-c", script, "run"]
    few = settings(path, **{"generate.problems_in_flight": 1})
    first = subprocess.run(
        [*command, "--out", str(out), *few], capture_output=True, text=True, check=False
    )
    assert first.returncode == 130, first.stderr
    with sqlite3.connect(out / FILE_NAME) as connection:
        query = "SELECT count(DISTINCT problem_id) FROM outcome WHERE stage LIKE 'heldout%code'"
        # The third sample is the second problem's first: that one is finished, none is begun.
        assert connection.execute(query).fetchone() == (2,)
        assert connection.execute("SELECT count(*) FROM completion").fetchone() == (4,)
    second = subprocess.run(
        [*command, "--resume", str(out)], capture_output=True, text=True, check=False
    )
    assert second.returncode == 0, second.stderr
    assert json.loads((out / "summary.json").read_text())["iterations"]


def test_ctrl_c_while_the_engine_starts_waits_for_nothing(tmp_path: Path) -> None:
    pytest.importorskip("sv_sandbox._native", reason="the sandbox is not built")
    path, out = recording(tmp_path / "r.jsonl"), tmp_path / "out"
    script = (
        "import asyncio, contextlib, os, signal\n"
        "from sv_engine.cli import main\n"
        "from sv_engine.run import doors\n"
        "@contextlib.asynccontextmanager\n"
        "async def starting(*_):\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    await asyncio.sleep(3600)\n"
        "    yield\n"
        "doors.open_generator = starting\n"
        "main()\n"
    )
    command = [sys.executable, "-c", script, "run", "--out", str(out), *settings(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 130, done.stderr
    assert done.stderr.splitlines()[-1] == f"interrupted; `sv-engine run --resume {out}` goes on"
    assert "in flight" not in done.stderr


def test_prometheus_is_served_while_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scraped: list[str] = []

    def on_summary(path: Path, summary: object) -> None:
        (address,) = re.findall(r"http://127\.0\.0\.1:\d+/metrics", told.getvalue())
        scraped.append(urllib.request.urlopen(address, timeout=30).read().decode())

    told = io.StringIO()
    monkeypatch.setattr("sv_engine.run.summary.write_summary", on_summary)
    monkeypatch.setattr("sys.stderr", told)
    chosen = settings(recording(tmp_path / "recorded.jsonl"))
    arguments = ["run", "--out", str(tmp_path / "run"), "--metrics-port", "0", *chosen]
    main(arguments, standalone_mode=False)
    assert 'sv_engine_heldout{iteration="0",figure="code_pass_at_1"' in scraped[0]


def test_a_recording_that_lacks_a_problem_is_one_clear_error(tmp_path: Path) -> None:
    pytest.importorskip("sv_sandbox._native", reason="the sandbox is not built")
    path = recording(tmp_path / "r.jsonl")
    more = settings(path, **{"evaluate.problems": 7})
    result = invoke("--out", str(tmp_path / "out"), *more)
    assert result.exit_code == 1
    assert "nothing was recorded" in result.output


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_a_sound_journal(tmp_path: Path, number: signal.Signals, code: int) -> None:
    pytest.importorskip("sv_sandbox._native", reason="the sandbox is not built")
    ids = [item.problem.id for item in grammar.heldout_problems(6)]
    path, out = recording(tmp_path / "r.jsonl"), tmp_path / "out"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:  # the last problem never answers
        line["after_s"] = 1e6 if line["problem_id"] == ids[-1] else 0.0
    path.write_text("\n".join(map(json.dumps, lines)) + "\n")
    script = "import sys; from sv_engine.cli import main; main()"
    arguments = ["run", "--out", str(out), *settings(path, **{"generate.time_scale": 1.0})]
    with subprocess.Popen(
        [sys.executable, "-c", script, *arguments], stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        wait_for_completions(out / FILE_NAME, 10)
        os.kill(process.pid, number)
        first = process.stderr.readline() if number == signal.SIGINT else ""
        while "Ctrl-C again" not in first and number == signal.SIGINT:
            first = process.stderr.readline()
        if number == signal.SIGINT:  # what is in flight never ends: once more
            os.kill(process.pid, number)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == code, errors
    assert "interrupted" in errors
    assert f"sv-engine run --resume {out}" in "".join(errors.split("\n"))
    assert "Traceback" not in errors
    with sqlite3.connect(out / FILE_NAME) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def wait_for_completions(path: Path, count: int) -> None:
    """Until the journal holds that many; the test's own timeout ends a run that never does."""
    while True:
        if path.exists():
            try:
                with sqlite3.connect(path) as connection:
                    found = connection.execute("SELECT count(*) FROM completion").fetchone()[0]
            except sqlite3.OperationalError:
                found = 0
            if found >= count:
                return
        time.sleep(0.1)


@pytest.mark.heavy
def test_a_wrong_model_path_is_one_clear_error(tmp_path: Path) -> None:
    pytest.importorskip("vllm", reason="needs the cpu or cuda extra")
    out = tmp_path / "out"
    result = invoke("--out", str(out), "--set", f"model.path={tmp_path / 'nowhere'}")
    assert result.exit_code == 2
    assert "nowhere" in result.output
    assert "what to do" in result.output
    assert "Traceback" not in result.output
    assert not Path("runs").exists()


@pytest.mark.heavy
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_real_loop_in_small(tmp_path: Path) -> None:
    """Real vLLM, real sandbox, real training, on a tenth of the default run's problems."""
    pytest.importorskip("vllm", reason="needs the cpu or cuda extra")
    pytest.importorskip("sv_sandbox._native", reason="the sandbox is not built")
    out = tmp_path / "out"
    chosen = ("problems.count=30", "evaluate.problems=30", "run.iterations=1")
    arguments = [text for setting in chosen for text in ("--set", setting)]
    script = "from sv_engine.cli import main; main()"
    command = [sys.executable, "-c", script, "run", "--out", str(out), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    before, after = json.loads((out / "summary.json").read_text())["iterations"]
    assert after["trained"]["sft"]["steps"] > 0
    assert after["trained"]["dpo"]["steps"] > 0
    assert after["heldout"] != before["heldout"]  # the engine serves the new weights
    assert (out / "iteration_1" / "model" / "weights" / "model.safetensors").exists()
