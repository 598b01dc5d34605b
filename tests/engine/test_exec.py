"""`Executor` and `sv-engine exec` on a scripted pool: streaming, storing, failing, interrupting."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from sv_engine import execute
from sv_engine.cli import main
from sv_engine.execute import Budget, Executor, near_limit
from sv_engine.matrix_store import load
from sv_engine.records import Problem, Rollout, Solution, Test

PASS, WRONG, TIMEOUT, INFRA = 1, 2, 4, 0
NAMES = ["infra", "pass", "wrong", "exception", "timeout", "memory", "output", "forbidden", "exit"]


class ScriptedError(RuntimeError):
    """Stands for sv_sandbox.SandboxError."""


class Cells:
    def __init__(self, verdict_ST: Any, cpu_us_ST: Any) -> None:
        self.verdict_ST, self.cpu_us_ST = memoryview(verdict_ST), memoryview(cpu_us_ST)


class ScriptedJob:
    def __init__(self, pool: ScriptedPool, solutions: Sequence[str], tests: Sequence[str]) -> None:
        self.pool, self.solutions, self.tests = pool, solutions, tests
        self.rows_done = 0

    def __await__(self) -> Generator[Any, None, Cells]:
        return self._work().__await__()

    async def _work(self) -> Cells:
        shape = (len(self.solutions), len(self.tests))
        verdict_ST, cpu_us_ST = np.zeros(shape, np.uint8), np.zeros(shape, np.uint32)
        self.pool.running += 1
        self.pool.most_running = max(self.pool.most_running, self.pool.running)
        try:
            for s, solution in enumerate(self.solutions):
                await asyncio.sleep(0)
                for t, test in enumerate(self.tests):
                    verdict_ST[s, t], cpu_us_ST[s, t] = self.pool.script(solution, test)
                self.rows_done += 1
        finally:
            self.pool.running -= 1
        return Cells(verdict_ST, cpu_us_ST)


class ScriptedPool:
    """The pool's API; `script(solution, test)` gives (verdict, CPU time in us)."""

    def __init__(self) -> None:
        self.script: Callable[[str, str], tuple[int, int]] = lambda s, t: (PASS, 10)
        self.jobs: list[tuple[int, int, float]] = []  # solutions, tests, CPU limit
        self.running = self.most_running = 0
        self.closed = False

    def __enter__(self) -> ScriptedPool:
        return self

    def __exit__(self, *exception: object) -> None:
        self.closed = True

    def submit(
        self, solutions: Sequence[str], tests: Sequence[str], *, limits: Any, judge: str
    ) -> ScriptedJob:
        self.jobs.append((len(solutions), len(tests), limits))
        return ScriptedJob(self, solutions, tests)


class Report:
    def text(self) -> str:
        return "level: basic"

    def to_dict(self) -> dict[str, str]:
        return {"level": "basic"}


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> ScriptedPool:
    scripted = ScriptedPool()
    monkeypatch.setattr(execute, "open_pool", lambda workers, require: scripted)
    monkeypatch.setattr(execute, "limits_of", lambda cpu_s: cpu_s)
    monkeypatch.setattr(execute, "sandbox_errors", lambda: ScriptedError)
    monkeypatch.setattr("sv_engine.summary.verdict_names", lambda: NAMES)
    monkeypatch.setattr("sv_engine.commands.compare_command.verdict_names", lambda: NAMES)
    monkeypatch.setattr("sv_engine.commands.exec_command.doctor_report", Report)
    monkeypatch.setattr("sv_engine.commands.doctor_command.doctor_report", Report)
    return scripted


def rollout(name: str, solutions: int = 2, tests: int = 3, test: str | None = "own") -> Rollout:
    return Rollout(
        Problem(name, "", "f", reference_test=test),
        tuple(Solution(f"solution {name} {i}", i + 1) for i in range(solutions)),
        tuple(Test(f"test {name} {i}") for i in range(tests)),
    )


# ---- Executor -----------------------------------------------------------------------------------


def test_execute_gives_the_verdicts_of_every_cell(pool: ScriptedPool) -> None:
    pool.script = lambda s, t: (PASS if s[-1] == "0" or t[-1] == "2" else WRONG, 7)
    with Executor(Budget(0.3, 1.0)) as executor:
        done = asyncio.run(executor.execute(rollout("a")))
    assert done.matrix.verdict_ST.tolist() == [[PASS, PASS, PASS], [WRONG, WRONG, PASS]]
    assert done.matrix.cpu_us_ST.tolist() == [[7] * 3] * 2
    assert done.matrix.weight_S.tolist() == [1, 2]
    assert done.reference_S.tolist() == [PASS, WRONG]
    assert sorted(pool.jobs) == [(2, 1, 1.0), (2, 3, 0.3)]
    assert (executor.rows_done, executor.cells_done) == (4, 8)
    assert pool.closed


@pytest.mark.parametrize(("solutions", "tests"), [(0, 3), (3, 0), (0, 0)])
def test_nothing_to_execute_is_an_empty_matrix(
    pool: ScriptedPool, solutions: int, tests: int
) -> None:
    with Executor() as executor:
        done = asyncio.run(executor.execute(rollout("a", solutions, tests)))
    assert done.matrix.verdict_ST.shape == (solutions, tests)
    assert done.reference_S.shape == (solutions,)


def test_without_own_test_the_reference_is_unknown(pool: ScriptedPool) -> None:
    with Executor() as executor:
        done = asyncio.run(executor.execute(rollout("a", test=None)))
    assert done.reference_S.tolist() == [INFRA, INFRA]


def test_stream_is_bounded_lazy_and_complete(pool: ScriptedPool) -> None:
    pulled: list[str] = []

    def source() -> Generator[Rollout]:
        for i in range(20):
            pulled.append(str(i))
            yield rollout(str(i), solutions=1 + i % 4, test=None)

    async def collect() -> list[str]:
        names = []
        async for done in executor.stream(source(), in_flight=3):
            names.append(done.matrix.problem_id)
            assert len(pulled) <= len(names) + 5
        return names

    with Executor() as executor:
        names = asyncio.run(collect())
    assert sorted(names) == sorted(pulled)
    assert pool.most_running == 3


def test_near_limit_tells_cells_just_over_from_endless_ones() -> None:
    us = np.array([0, 239_000, 240_000, 300_000, 359_000, 360_000, 5_000_000], np.uint32)
    assert near_limit(us, 0.3).tolist() == [False, False, True, True, True, False, False]
    us = np.array([799_000, 801_000, 1_090_000, 1_100_000], np.uint32)  # the overrun is capped
    assert near_limit(us, 1.0).tolist() == [False, True, True, False]


# ---- sv-engine exec -----------------------------------------------------------------------------


def write_input(path: Path, problems: int = 3) -> Path:
    rows = [
        {
            "id": f"p/{i}",
            "entry_point": "f",
            "solutions": [{"source": "right", "weight": 1}, {"source": "wrong", "weight": 3}],
            "tests": ["test 0", "test 1"],
            "reference_test": "own",
        }
        for i in range(problems)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def right_passes(solution: str, test: str) -> tuple[int, int]:
    return (PASS if solution == "right" else WRONG), 1000


def test_exec_keeps_every_verdict_and_sums_up(pool: ScriptedPool, tmp_path: Path) -> None:
    pool.script = right_passes
    out = tmp_path / "out"
    result = invoke("exec", write_input(tmp_path / "in.jsonl"), "--out", out)
    assert result.exit_code == 0, result.output
    assert "maxpass" in result.output

    summary = json.loads((out / "summary.json").read_text())
    assert summary["problems"] == 3
    assert summary["cells"] == 12
    assert summary["reference_cells"] == 6
    assert summary["verdicts"]["pass"] == 6
    assert summary["verdicts"]["wrong"] == 6
    assert summary["cpu_s"] == pytest.approx(0.018)
    assert summary["interrupted"] is False
    assert summary["sandbox"] == {"level": "basic"}
    assert summary["selectors"]["random"]["pass_at_1"] == pytest.approx(0.25)
    assert summary["selectors"]["maxpass"]["pass_at_1"] == 1.0

    stored = [load(path) for path in sorted((out / "matrices").glob("*.npz"))]
    assert [done.matrix.problem_id for done in stored] == ["p/0", "p/1", "p/2"]
    assert stored[0].matrix.verdict_ST.tolist() == [[PASS, PASS], [WRONG, WRONG]]
    assert stored[0].rollout.solutions == (Solution("right", 1), Solution("wrong", 3))


def test_exec_limit_and_default_sample(
    pool: ScriptedPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = invoke("exec", "--limit", 2)
    assert result.exit_code == 0, result.output
    assert json.loads((tmp_path / "runs/sample/summary.json").read_text())["problems"] == 2


def test_exec_refuses_overwrites_or_resumes(pool: ScriptedPool, tmp_path: Path) -> None:
    source, out = write_input(tmp_path / "in.jsonl"), tmp_path / "out"
    assert invoke("exec", source, "--out", out, "--limit", 2).exit_code == 0
    jobs = len(pool.jobs)

    refused = invoke("exec", source, "--out", out)
    assert refused.exit_code == 1
    assert "already holds results" in refused.output
    assert len(pool.jobs) == jobs

    resumed = invoke("exec", source, "--out", out, "--existing", "resume")
    assert resumed.exit_code == 0
    assert len(pool.jobs) == jobs + 2  # one problem: its matrix and its own test
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["problems"], summary["problems_resumed"]) == (3, 2)

    changed = invoke("exec", source, "--out", out, "--existing", "resume", "--cpu-s", 0.5)
    assert changed.exit_code == 0
    assert len(pool.jobs) == jobs + 2 + 6

    assert invoke("exec", source, "--out", out, "--existing", "overwrite").exit_code == 0
    assert len(pool.jobs) == jobs + 2 + 6 + 6
    assert len(list((out / "matrices").iterdir())) == 3


def test_resume_executes_problems_with_holes_again(pool: ScriptedPool, tmp_path: Path) -> None:
    source, out = write_input(tmp_path / "in.jsonl", problems=1), tmp_path / "out"
    pool.script = lambda s, t: (INFRA if t == "test 1" else PASS, 1)
    assert invoke("exec", source, "--out", out).exit_code == 0
    pool.script = right_passes
    assert invoke("exec", source, "--out", out, "--existing", "resume").exit_code == 0
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["problems_resumed"], summary["verdicts"]["infra"]) == (0, 0)


def test_bad_rows_are_skipped_named_and_counted(pool: ScriptedPool, tmp_path: Path) -> None:
    source, out = write_input(tmp_path / "in.jsonl"), tmp_path / "out"
    source.write_text("{broken\n" + source.read_text() + '{"id": "x", "entry_point": 3}\n')
    result = invoke("exec", source, "--out", out)
    assert result.exit_code == 3
    assert f"{source}:1: not JSON" in result.output
    assert f"{source}:5: field `entry_point`" in result.output
    summary = json.loads((out / "summary.json").read_text())
    assert summary["problems"] == 3
    assert summary["bad_rows"]["count"] == 2


def test_an_unusable_file_is_an_error(pool: ScriptedPool, tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_bytes(b"\xff\xfe\x00garbage\n[1, 2]\n")
    result = invoke("exec", source, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "no usable row" in result.output
    assert f"{source}:1" in result.output


@pytest.mark.parametrize("where", ["file", "below a file", "proc"])
def test_an_unwritable_output_folder_is_an_error(
    pool: ScriptedPool, tmp_path: Path, where: str
) -> None:
    (tmp_path / "taken").write_text("")
    out = {"file": tmp_path / "taken", "below a file": tmp_path / "taken/out", "proc": "/proc/x"}
    result = invoke("exec", write_input(tmp_path / "in.jsonl"), "--out", out[where])
    assert result.exit_code != 0
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert str(out[where]) in result.output
    assert not pool.jobs


def test_ctrl_c_keeps_what_is_finished(pool: ScriptedPool, tmp_path: Path) -> None:
    source, out = write_input(tmp_path / "in.jsonl", problems=200), tmp_path / "out"
    calls = 0

    def script(solution: str, test: str) -> tuple[int, int]:
        nonlocal calls
        calls += 1
        if calls == 300:
            signal.raise_signal(signal.SIGINT)
        return PASS, 1

    pool.script = script
    result = invoke("exec", source, "--out", out)
    assert result.exit_code == 130
    summary = json.loads((out / "summary.json").read_text())
    stored = list((out / "matrices").glob("*.npz"))
    assert summary["interrupted"] is True
    assert 0 < summary["problems"] == len(stored) < 200
    assert pool.closed
    assert "Traceback" not in result.output

    pool.script = right_passes
    assert invoke("exec", source, "--out", out, "--existing", "resume").exit_code == 0
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["problems"], summary["problems_resumed"]) == (200, len(stored))


def test_a_lost_job_leaves_holes_and_costs_nothing_else(pool: ScriptedPool, tmp_path: Path) -> None:
    def script(solution: str, test: str) -> tuple[int, int]:
        if test == "test 1":
            raise ScriptedError("no cell could be judged")
        return PASS, 1

    pool.script = script
    out = tmp_path / "out"
    assert invoke("exec", write_input(tmp_path / "in.jsonl"), "--out", out).exit_code == 0
    summary = json.loads((out / "summary.json").read_text())
    assert summary["verdicts"]["infra"] == summary["cells"] == 12
    assert summary["reference_verdicts"]["pass"] == 6


def test_many_tests_are_spread_over_jobs(
    pool: ScriptedPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execute, "TESTS_PER_JOB", 4)
    pool.script = lambda s, t: (PASS, int(t.split()[-1]))
    with Executor() as executor:
        done = asyncio.run(executor.execute(rollout("a", 2, 10, test=None)))
    assert done.matrix.cpu_us_ST.tolist() == [list(range(10))] * 2
    assert [tests for _, tests, _ in pool.jobs] == [4, 4, 2]
    monkeypatch.setattr(execute, "TEST_CHARS_PER_JOB", 20)  # two of "test a 0"
    with Executor() as executor:
        done = asyncio.run(executor.execute(rollout("a", 2, 5, test=None)))
    assert done.matrix.cpu_us_ST.tolist() == [list(range(5))] * 2
    assert [tests for _, tests, _ in pool.jobs[3:]] == [2, 2, 1]


def test_a_failing_sandbox_is_named_and_keeps_the_rest(pool: ScriptedPool, tmp_path: Path) -> None:
    source, out = write_input(tmp_path / "in.jsonl", problems=50), tmp_path / "out"
    calls = 0

    def script(solution: str, test: str) -> tuple[int, int]:
        nonlocal calls
        calls += 1
        if calls > 200:
            raise ScriptedError("the zygote died")
        return PASS, 1

    pool.script = script
    result = invoke("exec", source, "--out", out)
    assert result.exit_code == 1
    assert "the zygote died" in result.output
    summary = json.loads((out / "summary.json").read_text())
    assert summary["interrupted"] is True
    assert "the zygote died" in summary["stopped_by"]
    assert 0 < summary["problems"] == len(list((out / "matrices").glob("*.npz"))) < 50


def test_a_full_disk_is_named(
    pool: ScriptedPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def save(path: Path, *rest: object) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("sv_engine.commands.exec_command.save", save)
    result = invoke("exec", write_input(tmp_path / "in.jsonl"), "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "No space left on device" in result.output


# ---- select, compare, doctor --------------------------------------------------------------------


def test_select_gives_the_same_figures_as_exec(pool: ScriptedPool, tmp_path: Path) -> None:
    pool.script = right_passes
    out, figures = tmp_path / "out", tmp_path / "figures.json"
    invoke("exec", write_input(tmp_path / "in.jsonl"), "--out", out)
    result = invoke("select", out, "--json", figures)
    assert result.exit_code == 0, result.output
    again, before = json.loads(figures.read_text()), json.loads((out / "summary.json").read_text())
    assert again == {name: before[name] for name in again}

    one = invoke("select", out / "matrices", "--selector", "b4")
    assert "b4" in one.output
    assert "codet" not in one.output


def test_select_names_a_file_that_is_no_matrix(pool: ScriptedPool, tmp_path: Path) -> None:
    (tmp_path / "x.npz").write_bytes(b"PK\x03\x04 not a zip")
    result = invoke("select", tmp_path)
    assert result.exit_code == 1
    assert "x.npz: not a stored matrix" in result.output
    (tmp_path / "empty").mkdir()
    assert "holds no matrix" in invoke("select", tmp_path / "empty").output


def test_compare_excuses_only_cells_near_their_limit(pool: ScriptedPool, tmp_path: Path) -> None:
    source = write_input(tmp_path / "in.jsonl", problems=1)
    pool.script = right_passes
    invoke("exec", source, "--out", tmp_path / "a")
    invoke("exec", source, "--out", tmp_path / "b")
    assert invoke("compare", tmp_path / "a", tmp_path / "b").exit_code == 0

    slow = {("wrong", "test 1"): (TIMEOUT, 310_000)}
    pool.script = lambda s, t: slow.get((s, t)) or right_passes(s, t)
    invoke("exec", source, "--out", tmp_path / "c")
    excused = invoke("compare", tmp_path / "a", tmp_path / "c")
    assert excused.exit_code == 0
    assert "besides 1 near" in excused.output

    slow = {("wrong", "test 1"): (TIMEOUT, 999_000), ("right", "own"): (WRONG, 1)}
    invoke("exec", source, "--out", tmp_path / "d")
    differing = invoke("compare", tmp_path / "a", tmp_path / "d")
    assert differing.exit_code == 1
    assert "2 differ" in differing.output
    assert "wrong, then timeout" in differing.output


def test_doctor_prints_the_report(pool: ScriptedPool) -> None:
    assert invoke("doctor").output == "level: basic\n"
    assert json.loads(invoke("doctor", "--json").output) == {"level": "basic"}
