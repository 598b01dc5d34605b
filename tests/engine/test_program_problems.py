"""Problems whose solution reads and writes: read, written, executed, played, learnt, evaluated."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from click.testing import CliRunner

from sv_engine.cli import main
from sv_engine.config.layers import load
from sv_engine.config.sections import Config, Execute, Generate, Roles, RoleSet
from sv_engine.dataset.stage import learn
from sv_engine.evaluate.heldout import Bench, Setting, evaluate, verified
from sv_engine.execute.executor import Executor
from sv_engine.execute.sandbox import Budget
from sv_engine.executors.local import LocalExecutor
from sv_engine.executors.row_pool import RowPool
from sv_engine.generate import GenerationRequest
from sv_engine.play.pipeline import Hooks, Player, play
from sv_engine.play.rounds import solve
from sv_engine.problems import sources
from sv_engine.problems.extract import Drop
from sv_engine.problems.formats import RolloutFile
from sv_engine.problems.programs_io import io_pairs, io_test, read_io_tests, read_output
from sv_engine.prompts import roles
from sv_engine.prompts.roles import CHAT, EXAMPLES, templates
from sv_engine.records import Completion, Heldout, Outcome, Problem

SUM = Problem("sum", "Read two numbers and print their sum.", "")
ADD = "a, b = map(int, input().split())\nprint(a + b)\n"
PRODUCT = "a, b = map(int, input().split())\nprint(a * b)\n"
TESTS = [io_test("2 3", "5"), io_test("2 2", "4"), io_test("-1 1", "0"), io_test("1 1", "3")]


@pytest.mark.parametrize(
    ("text", "tests"),
    [
        ("```\nInput:\n2 3\nOutput:\n5\n```", [("2 3", "5")]),
        ("```text\nInput: 2 3\nOutput: 5\n```\n\n```\nInput: 1 1\nOutput: 2\n```", 2),
        ("**Input:**\n2 3\n**Output:**\n5\n\nInput:\n7\n8\nOutput:\n9\n10", 2),
        ("Here they are:\n\n```\nInput:\n3\n1 2 3\nExpected output:\n6\n```", [("3\n1 2 3", "6")]),
        ('```json\n[{"input": "2 3\\n", "output": "5\\n"}]\n```', [("2 3", "5")]),
        ('```\n{"tests": [{"stdin": "1", "stdout": "2"}]}\n```', [("1", "2")]),
        ("```\nInput:\n\nOutput:\nhello\n```", [("", "hello")]),
        ("```\nInput:\r\n2 3  \r\nOutput:\r\n5  \r\n\r\n```", [("2 3", "5")]),
        ("```\nInput:\n2 3\nOutput:\n```", 0),
        ("I can not write tests.", 0),
        ("", 0),
    ],
)
def test_tests_are_read_as_models_write_them(text: str, tests: int | list[tuple[str, str]]) -> None:
    found, dropped = read_io_tests(text, None)
    pairs = [pair for test in found for pair in io_pairs(test) or ()]
    assert pairs == tests or len(pairs) == tests
    assert bool(dropped) is not bool(found)
    if found:
        answer = roles.answer(CHAT.verify, SUM, found)
        assert answer is not None
        assert roles.read_tests(CHAT.verify, SUM, answer)[0] == found
        assert roles.whole(CHAT.verify, SUM, answer) == "\n".join(found)


@pytest.mark.parametrize(
    ("text", "program"),
    [
        (f"```python\n{ADD}```", ADD),
        (f"Sure:\n```\n{ADD}```\nIt adds.", ADD),
        (ADD, ADD),
        ("```python\nimport sys\nfor line in sys.stdin:\n    print(line)\n```", 3),
        (f"First:\n```python\nx = (\n```\nBetter:\n```python\n{ADD}```", ADD),
        ("```python\nprint(\n```", Drop.DOES_NOT_COMPILE),
        ("", Drop.EMPTY),
    ],
)
@pytest.mark.parametrize("role_set", [CHAT, EXAMPLES])
def test_programs_are_read(
    text: str, program: str | int | Drop, role_set: roles.RoleTemplates
) -> None:
    found = roles.read_solution(role_set.solve, SUM, text)
    if isinstance(program, int):
        assert len(str(found).splitlines()) == program
    else:
        assert found == program
    if not isinstance(found, Drop):
        taught = roles.written(role_set.solve, SUM, text, found)
        answer = taught or roles.answer(role_set.solve, SUM, [found])
        assert answer is not None
        assert roles.read_solution(role_set.solve, SUM, answer) == found


@pytest.mark.parametrize(
    ("text", "output"),
    [
        ("It adds.\n```\n5\n```", "5"),
        ("5", "5"),
        ("```\n2\n```\nso\n```\nOutput:\n5\n6\n```", "5\n6"),
        ("Output: 5", "5"),
        ("", None),
    ],
)
def test_a_derived_output_is_the_last_block(text: str, output: str | None) -> None:
    found = read_output(text)
    assert (found.strip() if found else None) == output
    tests, _ = roles.read_tests(CHAT.derive, SUM, text, argument="2 3")
    assert tests == ([io_test("2 3", output)] if output else [])


def test_prompts_ask_for_programs_and_show_no_function() -> None:
    for role_set in (CHAT, EXAMPLES):
        asked = role_set.solve.fill(SUM) + role_set.verify.fill(SUM)
        asked += role_set.derive.fill(SUM, argument="2 3")
        asked += role_set.verify_solution.fill(SUM, solution=ADD)
        assert "stdin" in asked
        assert "assert" not in asked
        assert "``" not in asked.replace("```", "")  # no empty name of a function


def test_what_a_test_asks_and_how_large_it_is() -> None:
    call = roles.call_of(io_test("2 3\n", "5\n"), "")
    assert call == roles.Call("2 3", "5", 2)
    assert roles.call_of("assert f(1) == 2", "") is None
    assert io_pairs("assert f(1) == 2") is None
    assert io_pairs("[1, 2]") is None
    assert io_pairs('{"input": 1, "output": "2"}') is None


def verdicts(programs: list[str], tests: list[str], pool: RowPool | None = None) -> list[list[int]]:
    async def run() -> list[list[int]]:
        with Executor(Budget(), workers=2, pool=pool) as executor:
            judged = await executor.judge(programs, tests, 1.0, "")
            assert set(judged.trust_ST[judged.verdict_ST > 0].tolist()) <= {3}
            found: list[list[int]] = judged.verdict_ST.tolist()
            return found

    return asyncio.run(run())


PASS, WRONG, EXCEPTION, TIMEOUT, INFRA = 1, 2, 3, 4, 0


@pytest.mark.parametrize("elsewhere", [False, True])
def test_cells_are_runs_compared_outside(elsewhere: bool) -> None:
    programs = [
        ADD,
        PRODUCT,
        "print(int('x'))",
        "while True: pass",
        "import sys\nprint(sys.stdin.read().replace(' ', '+'))",
        "print(5)\nraise SystemExit(0)",
    ]
    both = json.dumps([{"input": "2 2", "output": "4"}, {"input": "2 3", "output": "5"}])
    tests = [io_test("2 3", "5"), both, "assert True"]
    pool = RowPool(LocalExecutor(2)) if elsewhere else None
    assert verdicts(programs, tests, pool) == [
        [PASS, PASS, INFRA],
        [WRONG, WRONG, INFRA],
        [EXCEPTION, EXCEPTION, INFRA],
        [TIMEOUT, TIMEOUT, INFRA],
        [WRONG, WRONG, INFRA],
        [PASS, WRONG, INFRA],
    ]


class Scripted:
    """A model of both roles: programs that add or multiply, tests of which one is wrong."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[Completion, None]:
        self.asked[request.role] += request.n
        for i in range(request.n):
            text = self.write(request, request.first + i)
            yield Completion(request.problem_id, request.role, text, sample=i)

    @staticmethod
    def write(request: GenerationRequest, index: int) -> str:
        if request.role == "solve":
            return f"```python\n{(ADD, ADD, PRODUCT)[index % 3]}```"
        if request.role == "derive":
            stdin = request.prompt.partition("```\n")[2].partition("\n```")[0]
            return f"```\n{sum(map(int, stdin.split()))}\n```"
        ((stdin, output),) = io_pairs(TESTS[index % len(TESTS)]) or [("", "")]
        return f"```\nInput:\n{stdin}\nOutput:\n{output}\n```"


CONFIG = Config(
    generate=Generate(solutions=6, tests=8, derivations=3, agreement=0.5),
    roles=Roles(templates=RoleSet.CHAT),
    execute=Execute(cpu_s=2.0),
)


def played() -> tuple[Outcome, Scripted]:
    model, found = Scripted(), list[Outcome]()
    player = Player(model, templates(CONFIG.roles), CONFIG.generate, CONFIG.roles, 0)

    async def run() -> None:
        with Executor(Budget(), workers=2) as executor:
            await play([SUM], player, executor, CONFIG.execute, Hooks(on_outcome=found.append))

    asyncio.run(run())
    return found[0], model


def test_the_loop_plays_votes_and_learns() -> None:
    """`1 1 -> 3` loses the vote; addition passes all that is left, multiplication does not."""
    outcome, model = played()
    weights = {test.source: test.weight for test in outcome.candidates.tests}
    assert weights[io_test("1 1", "3")] == 0
    assert weights[io_test("1 1", "2")] > 0
    assert model.asked["derive"] == 4 * 3
    lesson = learn(outcome, CONFIG, 1)
    assert lesson.refusal is None
    best = outcome.candidates.solutions[lesson.selection.best]
    assert best.source == ADD
    solved = [e.completion for e in lesson.data.examples if e.role == "solve"]
    assert solved == [f"```python\n{ADD.strip()}\n```"]
    assert {p.rejected for p in lesson.data.pairs if p.role == "solve"} == {
        f"```python\n{PRODUCT.strip()}\n```"
    }
    taught = [e.completion for e in lesson.data.examples if e.role == "verify"]
    assert taught
    assert all("Input:" in text and "1 1\nOutput:\n3" not in text for text in taught)


def test_evaluation_measures_both_roles() -> None:
    reference_test = json.dumps(
        [{"input": f"{a} {b}", "output": f"{a + b}"} for a, b in ((2, 3), (0, 5))]
    )
    whole = Problem("sum", SUM.prompt, "", ADD, reference_test)

    async def run() -> dict[str, float]:
        with Executor(Budget(), workers=2) as executor:
            bench = Bench(Scripted(), executor, CHAT, 2.0, 2.0)
            kept = await verified([Heldout(whole, (PRODUCT, ADD))], bench)
            assert kept == [Heldout(whole, (PRODUCT,))]
            figures = await evaluate(kept, Setting(1.0, 8, (1,), 64), bench)
            return {name: figure.mean for name, figure in figures.items()}

    figures = asyncio.run(run())
    assert figures["code_pass_at_1"] == pytest.approx(6 / 8)
    assert figures["test_validity"] == pytest.approx(6 / 8)
    assert figures["test_mutation_score"] == 1.0
    assert 0 < figures["test_kill_rate"] < 1  # 2 2 -> 4 does not tell
    assert figures["test_input_size"] == pytest.approx(2.0)


def test_solve_chooses_a_program() -> None:
    player = Player(Scripted(), CHAT, CONFIG.generate, CONFIG.roles, 0)

    async def run() -> str | None:
        with Executor(Budget(), workers=2) as executor:
            found = await solve(SUM, player, executor, CONFIG.execute, rounds=2)
            return found.program

    assert asyncio.run(run()) == ADD


def test_files_of_program_problems(tmp_path: Path) -> None:
    row = {
        "id": "sum",
        "prompt": SUM.prompt,
        "entry_point": "",
        "reference_solution": ADD,
        "reference_test": json.dumps([{"input": "2 3", "output": "5"}]),
        "wrong_solutions": [PRODUCT],
    }
    path = tmp_path / "programs.jsonl"
    path.write_text(json.dumps(row) + "\n")
    settings = ["problems.source=jsonl", f"problems.path={path}"]
    settings += ["evaluate.source=jsonl", f"evaluate.path={path}"]
    config = load("pocket", settings=settings)
    assert sources.unlabelled(config, 1) == [SUM]
    (item,) = sources.heldout(config.evaluate)
    assert item.problem.is_program
    out = tmp_path / "out"
    rows = row | {"solutions": [ADD, PRODUCT], "tests": TESTS}
    path.write_text(json.dumps(rows) + "\n")
    result = CliRunner().invoke(main, ["exec", str(path), "--out", str(out)])
    assert result.exit_code == 0, result.output
    summary = json.loads((out / "summary.json").read_text())
    assert summary["verdicts"]["infra"] == 0
    assert summary["selectors"]["b4"]["pass_at_1"] == 1.0
    raw = {
        "solution_completions": [f"```python\n{ADD}```"],
        "test_completions": ["Input:\n1 1\nOutput:\n2"],
    }
    path.write_text(json.dumps({"id": "raw", "entry_point": "", **raw}) + "\n")
    (rollout,) = RolloutFile(path)
    assert rollout.sources() == ([ADD], [io_test("1 1", "2")])
    path.write_text(json.dumps(row | {"reference_test": "assert True"}) + "\n")
    with pytest.raises(sources.SourceError, match="reference_test"):
        sources.heldout(config.evaluate)
