"""`sv-engine eval`: splits, judgement in the real sandbox, files of other graders, both roles."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from sv_engine.benchmarks import evaluation, samples, score, tasks
from sv_engine.benchmarks.evaluation import Settings
from sv_engine.cli import main
from sv_engine.commands import eval_run
from sv_engine.config.layers import load as load_config
from sv_engine.executors.local import LocalExecutor
from sv_engine.executors.protocol import Terms
from sv_engine.generate import GenerationRequest, Sampling
from sv_engine.prompts.roles import CHAT, EXAMPLES
from sv_engine.records import Completion

MBPP = [
    {
        "task_id": n,
        "text": f"Write a function to add {n} to a number.",
        "code": f"def add(x):\r\n    return x + {n}",
        "test_list": [f"assert add(1) == {n + 1}", f"assert add(-{n}) == 0"],
        "test_setup_code": "",
        "challenge_test_list": [],
    }
    for n in (2, 10, 11, 12, 510, 511, 600, 601, 974)
]
HUMANEVAL = {
    "task_id": "HumanEval/0",
    "prompt": 'def inc(x):\n    """Add one."""\n',
    "entry_point": "inc",
    "canonical_solution": "    return x + 1\n",
    "test": "def check(candidate):\n    assert candidate(1) == 2\n    assert candidate(5) == 6\n",
}
PROGRAM = {
    "problem_id": 1,
    "question": "Double the number.",
    "starter_code": "",
    "input_output": json.dumps({"inputs": ["2\n", "5\n"], "outputs": ["4\n", "10\n"]}),
}


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["eval", *map(str, arguments)])


@pytest.mark.parametrize(
    ("split", "ids"),
    [
        ("test", [11, 12, 510]),
        ("train", [601, 974]),
        ("validation", [511, 600]),
        ("prompt", [2, 10]),
        ("all", [row["task_id"] for row in MBPP]),
    ],
)
def test_mbpp_has_its_own_splits(split: str, ids: list[int], tmp_path: Path) -> None:
    path = written(tmp_path / "mbpp.jsonl", MBPP)
    found = tasks.load(path, "mbpp", split, [])
    assert [task.problem.id for task in found] == [f"MBPP/{n}" for n in ids]


def test_prompts_are_the_usual_ones_and_the_verifier_sees_no_test() -> None:
    task = tasks.task_of(MBPP[2])
    assert task.problem.prompt == (
        "Write a function to add 11 to a number.\n"
        "Your code should pass this test:\nassert add(1) == 12"
    )
    assert "assert" not in task.verifier_prompt
    assert "def add(x):" in task.verifier_prompt
    code = tasks.task_of(HUMANEVAL)
    assert code.problem.prompt == code.prefix == HUMANEVAL["prompt"]


@pytest.mark.parametrize(
    ("rows", "passed"),
    [
        ([{"task_id": "MBPP/11", "solution": "def add(x): return x + 11"}], 1.0),
        ([{"task_id": "Mbpp/11", "completion": "def add(x): return x + 11"}], 1.0),
        ([{"task_id": "mbpp/11", "solution": "def add(x): return 12"}], 0.0),
        ([{"task_id": "MBPP/11", "solution": "import sys; sys.exit(0)"}], 0.0),
        ([{"task_id": "MBPP/11", "solution": ""}], 0.0),
        (
            [
                {"task_id": "MBPP/11", "solution": "def add(x): return x + 11"},
                {"task_id": "MBPP/11", "solution": "def add(x): return x"},
            ],
            0.5,
        ),
    ],
)
def test_samples_of_other_graders(
    rows: list[dict[str, Any]], passed: float, tmp_path: Path
) -> None:
    written(tmp_path / "mbpp.jsonl", MBPP)
    given = written(tmp_path / "samples.jsonl", rows)
    out = tmp_path / "out"
    result = invoke(
        "--benchmark", "mbpp", "--data", tmp_path, "--samples", given, "--out", out, "-n", len(rows)
    )
    assert result.exit_code == 0, result.output
    document = json.loads((out / "evaluation.json").read_text())["benchmarks"]["mbpp"]
    figure = document["figures"]["code_pass_at_1"]
    assert figure["mean"] == passed
    assert figure["count"] == 1
    assert document["solved"] == (["MBPP/11"] if passed else [])
    assert document["counts"]["holes"] == 0


@pytest.mark.parametrize(
    ("completion", "right"),
    [
        ("    return x + 1\n", True),
        ("    return x\n", False),
        ("    pass\n\ndef inc(x): return x+1", 1),
    ],
)
def test_human_eval_puts_the_prompt_first(completion: str, right: bool, tmp_path: Path) -> None:
    bench = written(tmp_path / "some.jsonl", [HUMANEVAL])
    given = written(
        tmp_path / "samples.jsonl", [{"task_id": "HumanEval/0", "completion": completion}]
    )
    out = tmp_path / "out"
    result = invoke("--benchmark", bench, "--samples", given, "--out", out)
    assert result.exit_code == 0, result.output
    document = json.loads((out / "evaluation.json").read_text())["benchmarks"]["some"]
    assert document["figures"]["code_pass_at_1"]["mean"] == float(right)


def test_only_what_an_earlier_evaluation_solved(tmp_path: Path) -> None:
    written(tmp_path / "mbpp.jsonl", MBPP)
    rows = [
        {"task_id": "MBPP/11", "solution": "def add(x): return x + 11"},
        {"task_id": "MBPP/12", "solution": "def add(x): return x"},
        {"task_id": "MBPP/510", "solution": "def add(x): return x + 510"},
    ]
    given = written(tmp_path / "samples.jsonl", rows)
    common = ("--benchmark", "mbpp", "--data", tmp_path, "--samples", given, "-n", 1)
    base, later = tmp_path / "base", tmp_path / "later"
    assert invoke(*common, "--out", base).exit_code == 0
    first = json.loads((base / "evaluation.json").read_text())["benchmarks"]["mbpp"]
    assert first["solved"] == ["MBPP/11", "MBPP/510"]
    assert first["tasks"] == {"MBPP/11": [1, 1], "MBPP/12": [1, 0], "MBPP/510": [1, 1]}
    result = invoke(*common, "--out", later, "--only", base / "evaluation.json")
    assert result.exit_code == 0, result.output
    second = json.loads((later / "evaluation.json").read_text())["benchmarks"]["mbpp"]
    assert list(second["tasks"]) == ["MBPP/11", "MBPP/510"]
    assert second["figures"]["code_pass_at_1"]["mean"] == 1.0
    (tmp_path / "none.json").write_text("{}")
    assert "no evaluation" in invoke(*common, "--only", tmp_path / "none.json").output


def test_samples_are_written_so_that_both_graders_read_them(tmp_path: Path) -> None:
    task = tasks.task_of(HUMANEVAL)
    prefix = task.prefix
    programs = [prefix + "    return x + 1\n", "import math\ndef inc(x):\n    return x + 1\n", ""]
    samples.write_samples(tmp_path / "s.jsonl", [task], {task.problem.id: programs})
    rows = [json.loads(line) for line in (tmp_path / "s.jsonl").read_text().splitlines()]
    assert [row["solution"] for row in rows] == programs
    assert rows[0]["completion"] == "    return x + 1\n"
    space: dict[str, Any] = {}
    exec(prefix + rows[1]["completion"], space)
    assert space["inc"](1) == 2
    read = samples.read_samples(tmp_path / "s.jsonl", [task], [])
    assert read[task.problem.id] == programs


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--benchmark", "mbpp"], "--model or --samples"),
        (["--benchmark", "mbp", "--model", "m"], "no such benchmark"),
        (["--benchmark", "mbpp", "--data", "nowhere", "--model", "m"], "is not here"),
        (["--benchmark", "mbpp", "--model", "m", "--k", "x"], "--k wants"),
        (["--benchmark", "mbpp", "--data", ".", "--model", "m", "--split", "dev"], "no split"),
    ],
)
def test_wrong_usage_says_what(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "mbpp.jsonl", MBPP)
    result = invoke(*arguments)
    assert result.exit_code != 0
    assert message in result.output


class Scripted:
    """A model that writes what it is told to, by role."""

    def __init__(self, answers: dict[str, list[str]]) -> None:
        self.answers = answers
        self.requests: list[GenerationRequest] = []

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[Completion, None]:
        self.requests.append(request)
        for i in range(request.n):
            text = self.answers[request.role][request.first + i]
            yield Completion(request.problem_id, request.role, text, sample=i)


def settings(n: int, *roles: str) -> Settings:
    return Settings(roles, n, [1, n], Sampling(max_tokens=9), Terms(cpu_s=2.0))


def evaluated(
    some: list[tasks.Task], what: Settings, model: Scripted, folder: Path, chat: bool = True
) -> evaluation.Evaluation:
    async def run() -> evaluation.Evaluation:
        executor = LocalExecutor(1)
        try:
            templates = CHAT if chat else EXAMPLES
            store = folder / "completions.jsonl"
            return await evaluation.evaluate(
                some, what, templates, model, executor, folder, store=store
            )
        finally:
            await executor.close()

    return asyncio.run(run())


def test_both_roles_against_tests_and_mutants(tmp_path: Path) -> None:
    some = [tasks.task_of(MBPP[2])]
    model = Scripted(
        {
            "solve": ["```python\ndef add(x):\n    return x + 11\n```", "I can not."],
            "verify": [
                "```python\nassert add(0) == 11\nassert add(1) == 12\n```",
                "```python\nassert add(0) == 3\n```",
            ],
        }
    )
    found = evaluated(some, settings(2, "solver", "verifier"), model, tmp_path)
    figures = {name: figure.mean for name, figure in found.figures.items()}
    assert figures["code_pass_at_1"] == 0.5
    assert figures["code_pass_at_2"] == 1.0
    assert figures["test_validity"] == pytest.approx(2 / 3)
    assert figures["test_mutation_score"] == figures["test_kill_rate"] == 1.0
    bank = json.loads((tmp_path / "bank.jsonl").read_text())["wrong_solutions"]
    assert "def add(x):\n    return x + 12" in bank
    assert found.prompts["solver"].startswith("Write a function to add 11")
    assert found.counts["unreadable"] == 1
    assert json.loads(json.dumps(found.as_json()))["figures"]["test_validity"]["count"] == 1


def test_it_goes_on_where_it_was(tmp_path: Path) -> None:
    some = [tasks.task_of(row) for row in MBPP[2:4]]
    answers = {"solve": [f"```python\ndef add(x):\n    return x + {n}\n```" for n in range(12)]}
    first = Scripted(answers)
    evaluated(some[:1], settings(3, "solver"), first, tmp_path)
    second = Scripted(answers)
    found = evaluated(some, settings(12, "solver"), second, tmp_path)
    asked = {request.problem_id: (request.first, request.n) for request in second.requests}
    assert asked == {"MBPP/11": (3, 9), "MBPP/12": (0, 12)}
    assert found.figures["code_pass_at_1"].mean == pytest.approx((1 / 12 + 0) / 2)


def test_programs_that_read_and_write(tmp_path: Path) -> None:
    some = [tasks.task_of(PROGRAM)]
    answers = [
        "```python\nprint(int(input()) * 2)\n```",
        "Like this:\n```\nn = int(input())\nprint(n + n)\n```\nDone.",
        "print(2 * int(input()))",
        "```python\nprint(4)\n```",
        "no code at all, sorry",
    ]
    found = evaluated(some, settings(5, "solver"), Scripted({"solve": answers}), tmp_path, False)
    assert found.figures["code_pass_at_1"].mean == pytest.approx(3 / 5)
    assert found.counts["unreadable"] == 1


def test_mutants_that_the_tests_do_not_refute_are_left_out() -> None:
    row = MBPP[2] | {"code": "def add(x):\n    waste = 5\n    return x + 11"}

    async def run() -> score.Bank:
        executor = LocalExecutor(1)
        try:
            some = [
                tasks.task_of(row),
                tasks.task_of(MBPP[3] | {"code": "def add(x):\n    return 1"}),
            ]
            return await score.make_bank(some, executor, Terms(cpu_s=2.0))
        finally:
            await executor.close()

    bank = asyncio.run(run())
    assert list(bank) == ["MBPP/11"]  # the other's reference fails its own tests
    assert bank["MBPP/11"]
    assert all("waste = 5" in wrong for wrong in bank["MBPP/11"])


# ---- temperatures -------------------------------------------------------------------------------


def test_each_role_has_the_temperature_that_is_best_on_the_validation_split(tmp_path: Path) -> None:
    by_name = {task.problem.id: task for task in map(tasks.task_of, MBPP)}
    validation = [by_name["MBPP/511"], by_name["MBPP/600"]]
    wanted = tasks.Benchmark("mbpp", [by_name["MBPP/11"], by_name["MBPP/12"]])

    class Tempered(Scripted):
        """Programs are right where it is cold, tests where it is hot."""

        async def generate(self, request: GenerationRequest) -> AsyncGenerator[Completion, None]:
            self.requests.append(request)
            cold, added = request.sampling.temperature < 0.5, int(request.problem_id[5:])
            for i in range(request.n):
                if request.role == "solve":
                    text = f"```python\ndef add(x):\n    return x + {added if cold else 1}\n```"
                else:
                    text = f"```python\nassert add(1) == {3 if cold else 1 + added}\n```"
                yield Completion(request.problem_id, request.role, text, sample=i)

    model = Tempered({})
    call = eval_run.EvalRun(
        replace(
            settings(2, "solver", "verifier"), sampling=Sampling(temperature=0.8, max_tokens=9)
        ),
        load_config(),
        None,
        [0.0, 0.8],
        tmp_path,
        1,
        Console(file=io.StringIO()),
    )

    async def run() -> eval_run.Found:
        executor = LocalExecutor(1)
        try:
            bench = eval_run.Bench(call, executor, model, CHAT)
            return await bench.one(wanted, validation, tmp_path)
        finally:
            await executor.close()

    found = asyncio.run(run())
    assert {role: one.temperature for role, one in found.tuned.items()} == {
        "solver": 0.0,
        "verifier": 0.8,
    }
    assert found.tuned["solver"].figures == {0.0: 1.0, 0.8: 0.0}
    figures = {name: figure.mean for name, figure in found.evaluation.figures.items()}
    assert figures["code_pass_at_1"] == figures["test_validity"] == 1.0
    test_ids = {"MBPP/11", "MBPP/12"}
    for request in model.requests:
        if request.problem_id in test_ids:
            assert request.sampling.temperature == (0.0 if request.role == "solve" else 0.8)
    assert json.loads(json.dumps(found.as_json()))["tuned"]["verifier"]["temperature"] == 0.8


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--model", "m", "--tune", "warm"), "wants temperatures"),
        (("--model", "m", "--tune", "0,-1"), "from 0 on"),
        (("--samples", "{samples}", "--tune", "0.2"), "needs a model"),
        (("--model", "m", "--tune", "0.2", "--split", "train"), "test split"),
        (("--model", "m", "--tune", "0.2", "--benchmark", "humaneval"), "which humaneval has not"),
        (("--model", "m", "--tune", ""), "wants temperatures"),
        (("--model", "m", "--tune", "[0.1, 0.2]"), "wants temperatures"),
        (("--model", "m", "--tune", "nan"), "from 0 on"),
        (("--model", "m", "--temperature", "nan"), "not a number"),
        (("--model", "m", "--top-p", "0"), "--top-p"),
        (("--samples", "{samples}", "--cpu-s", "nan"), "--cpu-s"),
    ],
)
def test_wrong_temperatures_are_told(
    arguments: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    written(tmp_path / "mbpp.jsonl", MBPP)
    written(tmp_path / "humaneval.jsonl", [HUMANEVAL])
    given = written(tmp_path / "samples.jsonl", [{"task_id": "MBPP/11", "solution": "x"}])
    filled = [text.format(samples=given) for text in arguments]
    result = invoke("--benchmark", "mbpp", "--data", tmp_path, "--out", tmp_path / "out", *filled)
    assert result.exit_code != 0
    assert message in result.output + str(result.exception)


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([{"task_id": "HumanEval/0", "completion": "x"}], "no task of this benchmark"),
        ([{"task_id": "MBPP/11"}], "neither solution nor completion"),
        ([], "it is empty"),
    ],
)
def test_samples_of_another_benchmark_are_told(
    rows: list[dict[str, Any]], told: str, tmp_path: Path
) -> None:
    written(tmp_path / "mbpp.jsonl", MBPP)
    given = written(tmp_path / "samples.jsonl", rows)
    common = ("--benchmark", "mbpp", "--data", tmp_path, "--out", tmp_path / "out")
    result = invoke(*common, "--samples", given)
    assert result.exit_code == 1
    assert told in result.output
    assert "'MBPP/11'" in result.output  # what its ids should be like
    # What was asked wrongly is no answer: the folder is free for the right file.
    right = written(tmp_path / "right.jsonl", [{"task_id": "MBPP/11", "solution": "x"}])
    assert invoke(*common, "--samples", right).exit_code == 0


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("journal.sqlite", "", "is that of a run"),
        ("config.json", "{}", "is that of a model"),
        ("asked.json", "{", "cannot be read"),
    ],
)
def test_a_folder_that_is_no_evaluations_is_left_alone(
    name: str, text: str, told: str, tmp_path: Path
) -> None:
    written(tmp_path / "mbpp.jsonl", MBPP)
    given = written(tmp_path / "samples.jsonl", [{"task_id": "MBPP/11", "solution": "x"}])
    out = tmp_path / "out"
    out.mkdir()
    (out / name).write_text(text)
    (out / "completions.jsonl").touch()
    common = ("--benchmark", "mbpp", "--data", tmp_path, "--samples", given)
    result = invoke(*common, "--out", out)
    assert result.exit_code in (1, 2)
    assert told in result.output
    assert sorted(file.name for file in out.iterdir()) == sorted([name, "completions.jsonl"])
    result = invoke(*common, "--out", given / "below")
    assert result.exit_code == 1
    assert "the folder of the results cannot be used: Not a directory" in result.output


def test_the_limit_is_that_of_the_validation_split_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path / "mbpp.jsonl", MBPP)
    seen: list[int] = []

    async def run(self: object, wanted: Any, validation: Any) -> Any:
        seen.extend(len(one.tasks) for one in (*wanted, *validation))
        raise KeyboardInterrupt

    monkeypatch.setattr(eval_run.EvalRun, "run", run)
    options = ("--benchmark", "mbpp", "--data", tmp_path, "--model", tmp_path, "--limit", 1)
    invoke(*options, "--tune", "0,0.8", "--templates", "chat", "--out", tmp_path / "out")
    assert seen == [1, 1]


def test_an_interrupted_call_says_what_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(eval_run.EvalRun, "run", run)
    written(tmp_path / "mbpp.jsonl", MBPP)
    given = written(tmp_path / "samples.jsonl", [{"task_id": "MBPP/11", "solution": "x"}])
    common = ("--benchmark", "mbpp", "--data", tmp_path, "--out")
    result = invoke(*common, tmp_path / "a", "--model", tmp_path, "--templates", "chat")
    assert result.exit_code == 130
    assert f"completions are kept in {tmp_path / 'a'}" in result.output
    result = invoke(*common, tmp_path / "b", "--samples", given)
    assert (result.exit_code, result.output) == (
        130,
        "interrupted; the same command starts again\n",
    )


def test_answers_that_were_sampled_otherwise_are_not_gone_on_with(tmp_path: Path) -> None:
    written(tmp_path / "mbpp.jsonl", MBPP)
    given = written(tmp_path / "samples.jsonl", [{"task_id": "MBPP/11", "solution": "x"}])
    common = (
        "--benchmark",
        "mbpp",
        "--data",
        tmp_path,
        "--samples",
        given,
        "--out",
        tmp_path / "o",
    )
    assert invoke(*common).exit_code == 0
    assert invoke(*common, "-n", 3).exit_code == 0
    other = invoke(*common, "--temperature", 0.3)
    assert other.exit_code == 2
    assert "sampled with temperature 0.8" in other.output
