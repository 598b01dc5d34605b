"""Every reference solution of HumanEval and MBPP, shown in every shape of a reply: what is
extracted passes the benchmark's own tests in the sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.engine.reply_shapes import CONTINUED, SHAPES, split_at_body

from sv_engine.problems.extract import Drop, extract_solution
from sv_engine.problems.formats import RolloutFile
from sv_engine.records import Candidates
from sv_sandbox import Limits, Pool, SandboxError, Verdict

DATA = Path(__file__).parents[2].parent / "shared" / "data"


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    try:
        opened = Pool(limits=Limits(cpu_s=10.0))
    except SandboxError as fault:
        pytest.skip(f"the sandbox does not run here: {fault}")
    with opened:
        yield opened


def extracted(rollout: Candidates) -> dict[str, str | Drop]:
    """Shape -> the program in it."""
    problem, found = rollout.problem, {}
    code = (problem.reference_solution or "").replace("\r\n", "\n")
    for name, shape in SHAPES.items():
        reply = shape(code, problem.entry_point)
        found[name] = extract_solution(reply, prompt="", entry_point=problem.entry_point)
    prompt = problem.prompt
    split = (prompt, code[len(prompt) :]) if code.startswith(prompt) else None
    if split := split or split_at_body(code, problem.entry_point):
        for name, go_on in CONTINUED.items():
            reply = go_on(split[1])
            found[name] = extract_solution(reply, prompt=split[0], entry_point=problem.entry_point)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", ["humaneval", "mbpp"])
def test_a_right_program_stays_right_in_every_shape(name: str, pool: Pool) -> None:
    path = DATA / f"{name}.jsonl"
    if not path.exists():
        pytest.skip(f"{path.name} is not on this machine")
    failing = []
    for rollout in RolloutFile(path):
        found = extracted(rollout)
        programs = sorted({source for source in found.values() if isinstance(source, str)})
        matrix = pool.matrix(programs, [test.source for test in rollout.tests])
        right = {
            program
            for row, program in enumerate(programs)
            if all(
                matrix.verdict(row, column) == Verdict.PASS for column in range(len(rollout.tests))
            )
        }
        failing += [
            (rollout.problem.id, shape, source)
            for shape, source in found.items()
            if source not in right
        ]
    assert failing == []
