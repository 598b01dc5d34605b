"""The real benchmarks through the real sandbox: right answers pass, changed ones do not.

Needs the data beside the repository and a machine that can run the sandbox; skips otherwise.
"""

from __future__ import annotations

import ast
import asyncio
import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from sv_engine.cli import main
from sv_engine.execute.executor import Executor
from sv_engine.execute.sandbox import Budget, SandboxFault
from sv_engine.problems.formats import RolloutFile
from sv_engine.records import Candidates, Outcome, Test

DATA = Path(__file__).parents[2].parent / "shared" / "data"
PASS, WRONG, EXCEPTION = 1, 2, 3

SLOW = {"MBPP/123"}
"""Takes about a CPU second: trial division of all numbers below 9,999."""


@pytest.fixture(scope="module")
def executor() -> Iterator[Executor]:
    try:
        opened = Executor(Budget(cpu_s=10.0, reference_cpu_s=10.0))
    except SandboxFault as fault:
        pytest.skip(f"the sandbox does not run here: {fault}")
    with opened:
        yield opened


def rollouts(name: str) -> list[Candidates]:
    path = DATA / f"{name}.jsonl"
    if not path.exists():
        pytest.skip(f"{path.name} is not on this machine")
    return list(RolloutFile(path))


def execute(executor: Executor, given: list[Candidates]) -> list[Outcome]:
    async def collect() -> list[Outcome]:
        return [done async for done in executor.stream(given)]

    return asyncio.run(collect())


class _Mutation(ast.NodeTransformer):
    """Changes the first expectation: what should equal x should equal (x, None), others `not`."""

    def __init__(self, callee: str) -> None:
        self.callee = callee
        self.done = False

    def visit_Assert(self, node: ast.Assert) -> ast.Assert:
        calls = [n for n in ast.walk(node.test) if isinstance(n, ast.Call)]
        if self.done or not any(ast.unparse(call.func) == self.callee for call in calls):
            return node
        self.done = True
        test = node.test
        if isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.Eq):
            test.comparators[0] = ast.Tuple([test.comparators[0], ast.Constant(None)], ast.Load())
        else:
            node.test = ast.UnaryOp(ast.Not(), test)
        return node


def mutated(rollout: Candidates) -> Candidates | None:
    """The problem with one wrong expectation in each test; None if no assert calls the solution."""
    tests = []
    for test in rollout.tests:
        humaneval = "def check(candidate)" in test.source
        mutation = _Mutation("candidate" if humaneval else rollout.problem.entry_point)
        tree = ast.fix_missing_locations(mutation.visit(ast.parse(test.source)))
        if mutation.done:
            tests.append(Test(ast.unparse(tree)))
    problem = dataclasses.replace(rollout.problem, reference_test=None)
    return dataclasses.replace(rollout, problem=problem, tests=tuple(tests)) if tests else None


@pytest.mark.slow
@pytest.mark.parametrize("name", ["humaneval", "mbpp", "cruxeval"])
def test_right_answers_pass_and_changed_expectations_fail(name: str, executor: Executor) -> None:
    given = [r for r in rollouts(name) if r.problem.id not in SLOW]
    failing = {
        done.problem.id: done.tests.verdict_ST.tolist()
        for done in execute(executor, given)
        if not all(b.verdicts.passed_ST.all() for b in done.blocks())
    }
    assert failing == {}

    changed = [wrong for r in given if (wrong := mutated(r)) is not None]
    assert len(changed) > 0.95 * len(given)
    believed = {
        done.problem.id: done.tests.verdict_ST.tolist()
        for done in execute(executor, changed)
        if not (done.tests.verdict_ST == WRONG).all()
    }
    assert believed == {}


def test_the_sample_ends_as_its_authors_meant(executor: Executor, tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["exec", "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["problems"] == 8
    assert summary["reference_verdicts"]["infra"] == 0
    assert summary["verdicts"]["infra"] == summary["held_back"]["passes"]  # one of gcds
    assert summary["selectors"]["random"]["pass_at_1"] < 0.5
    assert summary["selectors"]["b4"]["pass_at_1"] > 0.9
