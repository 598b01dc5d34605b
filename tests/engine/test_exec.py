"""`Executor` and `sv-engine exec` on a scripted pool: streaming, storing, failing, interrupting."""

from __future__ import annotations

import asyncio
import dataclasses
import gzip
import json
import signal
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from sv_engine.cli import main
from sv_engine.commands import exec_command
from sv_engine.execute import executor as execute
from sv_engine.execute.executor import Executor
from sv_engine.execute.sandbox import Budget, SandboxFault
from sv_engine.execute.store import load
from sv_engine.execute.timeouts import Allowance
from sv_engine.records import (
    Candidates,
    Outcome,
    Problem,
    Recheck,
    Repeat,
    Solution,
    Test,
    Verdicts,
    near_limit,
)
from sv_sandbox import Level

PASS, WRONG, TIMEOUT, INFRA = 1, 2, 4, 0
PROVEN, INLINE = 3, 1
NAMES = ["infra", "pass", "wrong", "exception", "timeout", "memory", "output", "forbidden", "exit"]


class ScriptedError(RuntimeError):
    """Stands for sv_sandbox.SandboxError."""


class Cells:
    def __init__(
        self, verdict_ST: Any, cpu_us_ST: Any, trust_ST: Any, held_ST: Any, vacuous_T: Any
    ) -> None:
        self.verdict_ST, self.cpu_us_ST = memoryview(verdict_ST), memoryview(cpu_us_ST)
        self.trust_ST, self.held_ST = memoryview(trust_ST), memoryview(held_ST)
        self.vacuous_T = memoryview(vacuous_T)


class ScriptedJob:
    def __init__(
        self,
        pool: ScriptedPool,
        solutions: Sequence[str],
        tests: Sequence[str],
        trust: str,
        below: str,
    ) -> None:
        self.pool, self.solutions, self.tests = pool, solutions, tests
        self.trust, self.below = trust, below
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
        trust_ST = np.where(verdict_ST == INFRA, 0, PROVEN).astype(np.uint8)
        is_inline = ["inline" in test for test in self.tests]
        trust_ST[:, is_inline] = INLINE
        held_ST = (verdict_ST == PASS) & is_inline if self.trust == "proven" else 0 * verdict_ST
        verdict_ST[held_ST != 0] = {"hole": INFRA, "fail": WRONG}[self.below]
        vacuous_T = np.array(["vacuous" in test for test in self.tests], np.uint8)
        return Cells(verdict_ST, cpu_us_ST, trust_ST, held_ST.astype(np.uint8), vacuous_T)


class ScriptedPool:
    """The pool's API; `script(solution, test)` gives (verdict, CPU time in us).

    A test with `inline` or `vacuous` in its text is judged so.
    """

    def __init__(self) -> None:
        self.script: Callable[[str, str], tuple[int, int]] = lambda s, t: (PASS, 10)
        self.jobs: list[tuple[int, int, float]] = []  # solutions, tests, CPU limit
        self.judges: set[tuple[str, str, str]] = set()
        self.entry_points: set[str | None] = set()
        self.running = self.most_running = 0
        self.closed = False

    def __enter__(self) -> ScriptedPool:
        return self

    def __exit__(self, *exception: object) -> None:
        self.closed = True

    def submit(
        self,
        solutions: Sequence[str],
        tests: Sequence[str],
        *,
        limits: Any,
        judge: str,
        trust: str,
        below: str,
        entry_point: str | None,
    ) -> ScriptedJob:
        self.judges.add((judge, trust, below))
        self.entry_points.add(entry_point)
        self.jobs.append((len(solutions), len(tests), limits))
        return ScriptedJob(self, solutions, tests, trust, below)


class Report:
    def text(self) -> str:
        return "level: basic"

    def to_dict(self) -> dict[str, str]:
        return {"level": "basic"}


@pytest.fixture
def second() -> ScriptedPool:
    """The pool of the other seed."""
    return ScriptedPool()


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch, second: ScriptedPool) -> ScriptedPool:
    scripted = ScriptedPool()
    opened = {0: scripted, 1: second}
    monkeypatch.setattr(execute, "open_pool", lambda workers, require, seed=0: opened[seed])
    monkeypatch.setattr(execute, "overloaded", lambda: False)
    monkeypatch.setattr(
        execute,
        "submit_options",
        lambda budget, cpu_s, entry_point: {
            "limits": cpu_s,
            "judge": budget.judge,
            "trust": budget.trust,
            "below": budget.below,
            "entry_point": entry_point,
        },
    )
    monkeypatch.setattr(execute, "sandbox_errors", lambda: ScriptedError)
    monkeypatch.setattr("sv_engine.evaluate.summary.verdict_names", lambda: NAMES)
    monkeypatch.setattr(
        "sv_engine.evaluate.summary.trust_names",
        lambda: ["none", "inline", "vouched", "proven"],
    )
    monkeypatch.setattr("sv_engine.evaluate.compare.verdict_names", lambda: NAMES)
    monkeypatch.setattr("sv_engine.commands.exec_command.doctor_report", Report)
    monkeypatch.setattr("sv_engine.commands.doctor_command.doctor_report", lambda **_: Report())
    return scripted


def rollout(name: str, solutions: int = 2, tests: int = 3, test: str | None = "own") -> Candidates:
    return Candidates(
        Problem(name, "", "f", reference_test=test),
        tuple(Solution(f"solution {name} {i}", i + 1) for i in range(solutions)),
        tuple(Test(f"test {name} {i}") for i in range(tests)),
    )


def own(done: Outcome) -> Verdicts:
    """The verdicts of the benchmark's own test."""
    assert done.reference is not None
    return done.reference


# ---- Executor -----------------------------------------------------------------------------------


def test_execute_gives_the_verdicts_of_every_cell(pool: ScriptedPool) -> None:
    pool.script = lambda s, t: (PASS if s[-1] == "0" or t[-1] == "2" else WRONG, 7)
    with Executor(Budget(0.3, 1.0)) as executor:
        done = asyncio.run(executor.execute(rollout("a")))
    assert done.tests.verdict_ST.tolist() == [[PASS, PASS, PASS], [WRONG, WRONG, PASS]]
    assert done.tests.cpu_us_ST.tolist() == [[7] * 3] * 2
    assert done.candidates.weight_S.tolist() == [1, 2]
    assert own(done).verdict_ST.tolist() == [[PASS], [WRONG]]
    assert sorted(pool.jobs) == [(2, 1, 1.0), (2, 3, 0.3)]
    assert (executor.rows_done, executor.cells_done) == (4, 8)
    assert pool.closed


@pytest.mark.parametrize(("solutions", "tests"), [(0, 3), (3, 0), (0, 0)])
def test_nothing_to_execute_is_an_empty_matrix(
    pool: ScriptedPool, solutions: int, tests: int
) -> None:
    with Executor() as executor:
        done = asyncio.run(executor.execute(rollout("a", solutions, tests)))
    assert done.tests.verdict_ST.shape == (solutions, tests)
    assert own(done).verdict_ST.shape == (solutions, 1)


def test_without_own_test_there_is_no_reference(pool: ScriptedPool) -> None:
    with Executor() as executor:
        done = asyncio.run(executor.execute(rollout("a", test=None)))
    assert done.reference is None


def test_stream_is_bounded_lazy_and_complete(pool: ScriptedPool) -> None:
    pulled: list[str] = []

    def source() -> Generator[Candidates]:
        for i in range(20):
            pulled.append(str(i))
            yield rollout(str(i), solutions=1 + i % 4, test=None)

    async def collect() -> list[str]:
        names = []
        async for done in executor.stream(source(), in_flight=3):
            names.append(done.problem.id)
            assert len(pulled) <= len(names) + 5
        return names

    with Executor() as executor:
        names = asyncio.run(collect())
    assert sorted(names) == sorted(pulled)
    assert pool.most_running == 3


def test_idle_means_fewer_rows_left_than_workers(pool: ScriptedPool) -> None:
    seen: list[bool] = []

    def script(solution: str, test: str) -> tuple[int, int]:
        seen.append(executor.idle)
        return PASS, 1

    pool.script = script
    with Executor(workers=2) as executor:
        assert (executor.workers, executor.idle) == (2, True)
        asyncio.run(executor.judge(["a", "b", "c"], ["t"], 0.3))
        assert executor.idle
    assert seen == [False, False, True]  # three rows are left, two, one


def test_near_limit_tells_cells_just_over_from_endless_ones() -> None:
    us = np.array([0, 239_000, 240_000, 300_000, 359_000, 360_000, 5_000_000], np.uint32)
    assert near_limit(us, 0.3).tolist() == [False, False, True, True, True, False, False]
    us = np.array([799_000, 801_000, 1_090_000, 1_100_000], np.uint32)  # the overrun is capped
    assert near_limit(us, 1.0).tolist() == [False, True, True, False]


def test_trust_and_vacuous_tests_are_kept_and_are_no_evidence(pool: ScriptedPool) -> None:
    given = rollout("a", solutions=2, tests=0)
    tests = (Test("plain"), Test("vacuous", 4), Test("inline"))
    with Executor() as executor:
        done = asyncio.run(executor.execute(dataclasses.replace(given, tests=tests)))
        judged = asyncio.run(executor.judge(["s"], ["plain", "vacuous"], 0.3))
    assert done.tests.trust_ST.tolist() == [[PROVEN, PROVEN, INLINE]] * 2
    assert own(done).trust_ST.tolist() == [[PROVEN], [PROVEN]]
    assert done.tests.vacuous_T.tolist() == [False, True, False]
    assert done.candidates.weight_T.tolist() == [1, 4, 1]
    assert done.evidence.weight_T.tolist() == [1, 0, 1]
    assert judged.known_ST.tolist() == judged.passed_ST.tolist() == [[True, False]]


def test_confirm_runs_what_passed_under_another_seed(
    pool: ScriptedPool, second: ScriptedPool
) -> None:
    pool.script = lambda s, t: (PASS if s[-1] == "0" or t[-1] != "2" else WRONG, 7)
    second.script = lambda s, t: (WRONG if (s[-1], t[-1]) == ("1", "0") else PASS, 7)
    with Executor(Budget(confirm=True)) as executor:
        done = asyncio.run(executor.execute(rollout("a", solutions=3)))
    repeated_ST = done.tests.repeat_ST != Repeat.NONE
    assert repeated_ST.tolist() == [[True] * 3, [True, True, False], [True, True, False]]
    assert np.argwhere(done.tests.repeat_ST == Repeat.FLIPPED).tolist() == [[1, 0]]
    assert sum(s * t for s, t, _ in second.jobs) == 7  # those that passed, and no other
    assert done.tests.verdict_ST[1, 0] == PASS
    assert done.evidence.passed_ST.tolist() == [[1, 1, 1], [0, 1, 0], [1, 1, 0]]
    assert np.argwhere(~done.evidence.known_ST).tolist() == [[1, 0]]
    assert second.closed


@pytest.mark.parametrize(("verdict", "full"), [(INFRA, False), (TIMEOUT, True)])
def test_a_second_run_that_tells_nothing_is_no_flip(
    pool: ScriptedPool,
    second: ScriptedPool,
    monkeypatch: pytest.MonkeyPatch,
    verdict: int,
    full: bool,
) -> None:
    monkeypatch.setattr(execute, "overloaded", lambda: full)
    second.script = lambda s, t: (verdict if t[-1] == "0" else PASS, 7)
    with Executor(Budget(confirm=True)) as executor:
        done = asyncio.run(executor.execute(rollout("a", solutions=1)))
    assert done.tests.repeat_ST.tolist() == [[Repeat.NONE, Repeat.PASSED, Repeat.PASSED]]


@pytest.mark.parametrize("full", [True, False])
def test_timeouts_are_doubtful_only_under_overload(
    pool: ScriptedPool, monkeypatch: pytest.MonkeyPatch, full: bool
) -> None:
    monkeypatch.setattr(execute, "overloaded", lambda: full)
    pool.script = lambda s, t: (TIMEOUT if t[-1] in "2n" else PASS, 7)
    with Executor() as executor:
        done = asyncio.run(executor.execute(rollout("a", solutions=1)))
    mark = Recheck.NOT_CONFIRMED if full else Recheck.NONE
    assert done.tests.recheck_ST.tolist() == [[0, 0, mark]]
    assert own(done).recheck_ST.tolist() == [[mark]]
    assert done.is_doubtful == full


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


def stored(out: Path) -> list[Outcome]:
    return [load(path) for path in sorted((out / "matrices").glob("*.npz"))]


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

    kept = stored(out)
    assert [done.problem.id for done in kept] == ["p/0", "p/1", "p/2"]
    assert kept[0].tests.verdict_ST.tolist() == [[PASS, PASS], [WRONG, WRONG]]
    assert kept[0].candidates.solutions == (Solution("right", 1), Solution("wrong", 3))


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


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_keeps_what_is_finished(
    pool: ScriptedPool, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    source, out = write_input(tmp_path / "in.jsonl", problems=200), tmp_path / "out"
    calls = 0

    def script(solution: str, test: str) -> tuple[int, int]:
        nonlocal calls
        calls += 1
        if calls == 300:
            signal.raise_signal(number)
        return PASS, 1

    pool.script = script
    result = invoke("exec", source, "--out", out)
    assert result.exit_code == code
    assert signal.getsignal(signal.SIGTERM) is before
    summary = json.loads((out / "summary.json").read_text())
    kept = list((out / "matrices").glob("*.npz"))
    assert summary["interrupted"] is True
    assert 0 < summary["problems"] == len(kept) < 200
    assert pool.closed
    assert "Traceback" not in result.output

    pool.script = right_passes
    assert invoke("exec", source, "--out", out, "--existing", "resume").exit_code == 0
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["problems"], summary["problems_resumed"]) == (200, len(kept))


def test_sigterm_counts_where_ctrl_c_is_ignored(pool: ScriptedPool, tmp_path: Path) -> None:
    def script(solution: str, test: str) -> tuple[int, int]:
        signal.raise_signal(signal.SIGTERM)
        return PASS, 1

    pool.script = script
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        result = invoke("exec", write_input(tmp_path / "in.jsonl"), "--out", tmp_path / "out")
    finally:
        signal.signal(signal.SIGINT, before)
    assert result.exit_code == 143


def test_the_progress_line_does_not_count_unusable_rows(pool: ScriptedPool, tmp_path: Path) -> None:
    source = write_input(tmp_path / "in.jsonl", problems=4)
    source.write_text("nonsense\n" + source.read_text() + "[]\n")
    result = invoke("exec", source, "--out", tmp_path / "out")
    assert result.exit_code == 3
    assert "4/4 problems" in result.output
    limited = invoke("exec", source, "--out", tmp_path / "less", "--limit", "2")
    assert "2/2 problems" in limited.output


def test_what_the_table_and_the_summary_say_of_trust(pool: ScriptedPool, tmp_path: Path) -> None:
    row: dict[str, Any]
    row = {"id": "a", "entry_point": "f", "solutions": ["s", "r"], "reference_test": "own"}
    row["tests"] = ["plain", "vacuous", {"source": "inline", "weight": 2}]
    (tmp_path / "in.jsonl").write_text(json.dumps(row))
    # Only the vacuous test would set the two apart.
    pool.script = lambda s, t: (PASS if (s == "r") == (t in ("vacuous", "own")) else WRONG, 7)
    result = invoke("exec", tmp_path / "in.jsonl", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    shown = " ".join(result.output.split())
    assert "trust of 6 cells: 2 inline, 4 proven; 1 of 3 tests vacuous" in shown
    assert "1 passes of 1 problems held back for want of trust: a (1)" in shown
    summary = json.loads((tmp_path / "out/summary.json").read_text())
    assert summary["trust"] == {"none": 0, "inline": 2, "vouched": 0, "proven": 4}
    assert summary["reference_trust"] == {"none": 0, "inline": 0, "vouched": 0, "proven": 2}
    assert summary["held_back"] == {"passes": 1, "problems": 1, "most": {"a": 1}}
    assert summary["vacuous_tests"] == 1
    assert summary["budget"]["trust"] == "proven"
    assert summary["confirm"] == {"cells": 0, "flips": 0, "flip_rate": None}
    assert summary["selectors"]["maxpass"]["pass_at_1"] == 0  # "s" passes what is evidence
    assert pool.judges == {("split", "proven", "hole")}
    assert pool.entry_points == {"f"}


@pytest.mark.parametrize(
    ("options", "verdict", "held"),
    [
        ([], "infra", 2),
        (["--below", "fail"], "wrong", 2),
        (["--trust", "vouched", "--below", "fail"], "pass", 0),
        (["--trust", "inline"], "pass", 0),
        (["--judge", "inline"], "pass", 0),
    ],
)
def test_a_pass_without_the_wanted_trust_becomes_what_is_asked(
    pool: ScriptedPool, tmp_path: Path, options: list[str], verdict: str, held: int
) -> None:
    row = {"id": "a", "entry_point": "f", "solutions": ["s", "r"], "tests": ["inline"]}
    (tmp_path / "in.jsonl").write_text(json.dumps(row))
    out = tmp_path / "out"
    result = invoke("exec", tmp_path / "in.jsonl", "--out", out, *options)
    assert result.exit_code == 0, result.output
    summary = json.loads((out / "summary.json").read_text())
    assert summary["verdicts"][verdict] == 2
    assert summary["held_back"]["passes"] == held
    invoke("exec", tmp_path / "in.jsonl", "--out", out, *options, "--existing", "resume")
    assert json.loads((out / "summary.json").read_text())["problems_resumed"] == 1
    assert f"then {held}" in invoke("compare", out, out).output


@pytest.mark.parametrize(
    ("option", "value"),
    [("--cpu-s", "nan"), ("--reference-cpu-s", "inf"), ("--cpu-s", "0"), ("--require", "total")],
)
def test_a_wrong_option_is_wrong_usage(
    pool: ScriptedPool, tmp_path: Path, option: str, value: str
) -> None:
    out = tmp_path / "out"
    result = invoke("exec", write_input(tmp_path / "in.jsonl"), "--out", out, option, value)
    assert result.exit_code == 2, result.output
    assert option in result.output
    assert not out.exists()


def test_levels_are_those_of_the_sandbox() -> None:
    assert [level.name.lower() for level in sorted(Level)] == list(exec_command.LEVELS)


def test_a_run_that_finished_nothing_leaves_nothing_in_the_way(
    pool: ScriptedPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, out = write_input(tmp_path / "in.jsonl"), tmp_path / "out"
    with monkeypatch.context() as patched:

        def refuse(*_: object, **__: object) -> None:
            raise SandboxFault("below the level")

        patched.setattr(execute, "open_pool", refuse)
        failed = invoke("exec", source, "--out", out)
    assert failed.exit_code == 1
    assert "below the level" in failed.output
    assert "maxpass" not in failed.output
    assert invoke("exec", source, "--out", out).exit_code == 0


def test_exec_confirm_reports_the_flip_rate(
    pool: ScriptedPool, second: ScriptedPool, tmp_path: Path
) -> None:
    pool.script = right_passes
    second.script = lambda s, t: (WRONG if t == "test 1" else PASS, 7)
    source, out = write_input(tmp_path / "in.jsonl"), tmp_path / "out"
    result = invoke("exec", source, "--out", out, "--confirm")
    assert result.exit_code == 0, result.output
    summary = json.loads((out / "summary.json").read_text())
    assert summary["confirm"] == {"cells": 6, "flips": 3, "flip_rate": 0.5}
    assert summary["verdicts"]["pass"] == 6
    assert "3 of 6 passes flipped" in " ".join(result.output.split())
    assert all(
        np.argwhere(done.tests.repeat_ST == Repeat.FLIPPED).tolist() == [[0, 1]]
        for done in stored(out)
    )

    assert invoke("exec", source, "--out", out, "--existing", "resume").exit_code == 0
    assert json.loads((out / "summary.json").read_text())["problems_resumed"] == 0


def test_exec_runs_timeouts_of_an_overload_again_alone(
    pool: ScriptedPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execute, "overloaded", lambda: True)
    seen: Counter[tuple[str, str]] = Counter()

    def script(solution: str, test: str) -> tuple[int, int]:
        seen[solution, test] += 1
        if (solution, test) == ("right", "test 1") and seen[solution, test] <= 3:
            return TIMEOUT, 310_000  # near its limit, and only while the others run
        return (PASS, 1000) if solution == "right" else (TIMEOUT, 360_000)

    pool.script = script
    source, out = write_input(tmp_path / "in.jsonl"), tmp_path / "out"
    result = invoke("exec", source, "--out", out)
    assert result.exit_code == 0, result.output
    assert "run again alone" in result.output
    assert "9 confirmed, 3 overturned" in " ".join(result.output.split())
    summary = json.loads((out / "summary.json").read_text())
    assert summary["timeouts"] == {
        "confirmed": 9,
        "overturned": 3,
        "not_confirmed": 0,
        "assumed": 0,
    }
    assert summary["verdicts"]["timeout"] == summary["verdicts"]["pass"] == 6
    assert summary["problems"] == 3
    assert seen["right", "test 1"] == 6
    assert seen["wrong", "test 0"] == 6  # one of the row
    assert seen["wrong", "test 1"] == 3  # went with it
    assert [done.tests.verdict_ST.tolist() for done in stored(out)] == [[[1, 1], [4, 4]]] * 3

    figures = tmp_path / "figures.json"
    assert invoke("select", out, "--json", figures).exit_code == 0
    again = json.loads(figures.read_text())
    assert again == {name: summary[name] for name in again}

    resumed = invoke("exec", source, "--out", out, "--existing", "resume")
    assert resumed.exit_code == 0
    assert json.loads((out / "summary.json").read_text())["problems_resumed"] == 3


def test_what_the_allowance_leaves_is_counted_and_taken_up_by_resume(
    pool: ScriptedPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execute, "overloaded", lambda: True)
    monkeypatch.setattr(exec_command, "Allowance", lambda: Allowance(0.65))  # two of 0.3 s
    pool.script = lambda s, t: (TIMEOUT if t == "test 1" else PASS, 310_000)
    source, out = write_input(tmp_path / "in.jsonl"), tmp_path / "out"
    for rest in (4, 2, 0):
        invoke("exec", source, "--out", out, "--existing", "resume")
        summary = json.loads((out / "summary.json").read_text())
        assert summary["timeouts"]["not_confirmed"] == rest
        assert summary["verdicts"]["timeout"] == 6
        assert summary["problems"] == 3


def test_ctrl_c_while_timeouts_run_again_counts_them_as_they_are(
    pool: ScriptedPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execute, "overloaded", lambda: True)
    calls = 0

    def script(solution: str, test: str) -> tuple[int, int]:
        nonlocal calls
        calls += 1
        if calls == 3 * 6 + 1:  # all problems are done
            signal.raise_signal(signal.SIGINT)
        return TIMEOUT, 310_000

    pool.script = script
    out = tmp_path / "out"
    result = invoke("exec", write_input(tmp_path / "in.jsonl"), "--out", out)
    assert result.exit_code == 130
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["interrupted"], summary["problems"]) == (True, 3)
    assert summary["timeouts"] == {
        "confirmed": 0,
        "overturned": 0,
        "not_confirmed": 18,
        "assumed": 0,
    }


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
    assert done.tests.cpu_us_ST.tolist() == [list(range(10))] * 2
    assert [tests for _, tests, _ in pool.jobs] == [4, 4, 2]
    monkeypatch.setattr(execute, "TEST_CHARS_PER_JOB", 20)  # two of "test a 0"
    with Executor() as executor:
        done = asyncio.run(executor.execute(rollout("a", 2, 5, test=None)))
    assert done.tests.cpu_us_ST.tolist() == [list(range(5))] * 2
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

    monkeypatch.setattr("sv_engine.commands.exec_run.save", save)
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


def test_compare_names_the_folder_without_results(pool: ScriptedPool, tmp_path: Path) -> None:
    full, empty = tmp_path / "full", tmp_path / "empty"
    empty.mkdir()
    invoke("exec", write_input(tmp_path / "in.jsonl"), "--out", full)
    result = invoke("compare", full, empty)
    assert result.exit_code == 1
    assert "holds no matrix; it is empty" in result.output
    assert f"where: {empty}\n" in result.output


def test_a_mistyped_command_is_told_the_nearest() -> None:
    result = invoke("exce")
    assert result.exit_code == 2
    assert "Did you mean 'exec'?" in result.output
    assert "Did you mean" not in invoke("zzz").output


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


# ---- what is read, and what is said -------------------------------------------------------------

ROW = {"id": "a", "entry_point": "f", "solutions": ["one", "two"], "tests": ["t"]}


@pytest.mark.parametrize(
    "tests",
    [
        [{"input": "3", "output": "6"}],
        [""],
        [None],
        [{"source": 3}],
        [{"source": "t", "weight": 0}],
    ],
)
@pytest.mark.parametrize("others", [0, 1])
def test_a_row_whose_tests_are_all_unusable_is_said(
    pool: ScriptedPool, tmp_path: Path, tests: list[object], others: int
) -> None:
    rows = [ROW | {"tests": tests}, *[ROW | {"id": "b"}] * others]
    source = tmp_path / "in.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = invoke("exec", source, "--out", tmp_path / "out")
    assert result.exit_code == (exec_command.EXIT_BAD_ROWS if others else 1)
    assert "in.jsonl:1: field `tests`: no usable test" in result.output.replace("\n", "")


@pytest.mark.parametrize("kind", ["plain", "packed", "stdin", "stdin packed"])
def test_compressed_files_and_standard_input(
    pool: ScriptedPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.chdir(tmp_path)
    data = json.dumps(ROW).encode()
    if "packed" in kind:
        data = gzip.compress(data)
    name = "in.jsonl.gz" if kind == "packed" else "in.jsonl"
    (tmp_path / name).write_bytes(data)
    if "stdin" in kind:
        result = CliRunner().invoke(main, ["exec", "-"], input=data)
    else:
        result = invoke("exec", name)
    assert result.exit_code == 0, result.output
    out = tmp_path / "runs" / ("stdin" if "stdin" in kind else "in")
    summary = json.loads((out / "summary.json").read_text())
    assert summary["cells"] == 2
    assert summary["input"]["file"] == ("<stdin>" if "stdin" in kind else name)


def test_verdicts_are_shown_where_no_test_tells_right_from_wrong(
    pool: ScriptedPool, tmp_path: Path
) -> None:
    pool.script = lambda s, t: (PASS if s == "one" else WRONG, 1)
    source = tmp_path / "in.jsonl"
    source.write_text(json.dumps(ROW))
    shown = invoke("exec", source, "--out", tmp_path / "out").output
    assert "no problem has a reference_test" in shown
    assert "50.0" in shown
    source.write_text(json.dumps(ROW | {"reference_test": "r", "solutions": ["one", "", "two"]}))
    shown = invoke("exec", source, "--out", tmp_path / "out2").output
    assert "verdicts: 1 pass, 1 wrong" in shown
    assert "dropped samples: 1 x solution: empty" in shown
