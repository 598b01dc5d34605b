"""Test time: the choice, further rounds, and `sv-engine solve`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from sv_engine.cli import main
from sv_engine.config.sections import Execute, Generate, Roles, RoleSet, TestSampling
from sv_engine.generate import GenerationRequest
from sv_engine.play.pipeline import Player
from sv_engine.play.rounds import Solved, solve
from sv_engine.prompts.roles import EXAMPLES
from sv_engine.prompts.template import turns_of
from sv_engine.records import Problem
from sv_engine.selection import SELECTORS

PROBLEM = Problem("p", "Return the largest number of the list.", "f")
GENERATE = Generate(solutions=6, tests=3, test_sampling=TestSampling.SINGLE, derivations=2)
RIGHT, LAST, FIRST = (f"xs):\n    return {e}" for e in ("max(xs)", "xs[-1]", "xs[0]"))
Write = Callable[[GenerationRequest, int], str]


def asked(request: GenerationRequest) -> str:
    return str(turns_of(request.prompt)[0][-1]["content"])


def disagreeing(request: GenerationRequest, index: int) -> str:
    """Three write the maximum and three the last; the first tests cannot tell, later ones can."""
    if request.role == "solve":
        return (RIGHT, LAST)[index % 2]
    if "disagree" in asked(request):
        return "[9, 1]) == 9\nassert f([1, 2]) == 2"
    if "What does" in asked(request):
        return " 5"
    return ("[1, 2]) == 2", "[5]) == 4", "[5]) == 4")[index]


def solved(
    write: Write, scripted: Any, cells: Any, rounds: int, selector: str = "b4"
) -> tuple[Solved, Any]:
    async def run() -> tuple[Solved, Any]:
        async with scripted(write) as generator:
            player = Player(generator, EXAMPLES, GENERATE, Roles(templates=RoleSet.EXAMPLES), 0)
            found = await solve(PROBLEM, player, cells, Execute(), selector=selector, rounds=rounds)
            return found, generator

    return asyncio.run(run())


def test_one_round_cannot_tell_and_a_second_can(scripted: Any, cells: Any) -> None:
    before, _ = solved(disagreeing, scripted, cells, 1)
    assert len(before.groups) == 1
    assert before.groups[0].samples == before.samples == 6
    assert before.rounds == 1


def test_losing_tests_are_asked_again_and_only_new_tests_run(scripted: Any, cells: Any) -> None:
    """`f([5]) == 4` loses; asked again it is 5. Nothing runs twice."""
    found, generator = solved(disagreeing, scripted, cells, 2)
    derived = [r for r in generator.requests if "What does" in asked(r)]
    assert [turns_of(r.prompt)[1] for r in derived] == ["```python\nassert f([5]) =="]
    sources = [test.source for test in found.outcome.candidates.tests]
    assert "assert f([5]) == 5" in sources
    assert len(set(sources)) == len(sources)
    assert max(cells.cells.values()) == 1
    weights = {t.source: t.weight for t in found.outcome.candidates.tests}
    assert weights["assert f([5]) == 5"] == 2
    assert found.rounds == 2


def split(request: GenerationRequest, index: int) -> str:
    if request.role == "solve":
        return (RIGHT, RIGHT, LAST, LAST, LAST, FIRST)[index]
    if "disagree" in asked(request):
        return "[9, 1, 3]) == 9\nassert f([8, 2]) == 8"
    if "What does" in asked(request):
        return " 7"
    return ("[1, 7]) == 7", "[7, 1]) == 1", "[2, 3]) == 3")[index]


def test_programs_that_disagree_are_asked_for_tests_that_tell_them_apart(
    scripted: Any, cells: Any
) -> None:
    first, _ = solved(split, scripted, cells, 1)
    assert first.program == f"def f({LAST}\n"  # the popular one, and a wrong test for it
    found, generator = solved(split, scripted, cells, 3)
    apart = [asked(r) for r in generator.requests if "disagree" in asked(r)]
    assert "max(xs)" in apart[0]
    assert "xs[-1]" in apart[0]
    assert found.program == f"def f({RIGHT}\n"
    assert found.groups[0].samples == 2
    assert found.believed >= 3


@pytest.mark.parametrize("selector", SELECTORS)
def test_any_selector_chooses(selector: str, scripted: Any, cells: Any) -> None:
    found, _ = solved(split, scripted, cells, 2, selector)
    assert found.program is not None
    scores = [group.score for group in found.groups]
    assert scores == sorted(scores, reverse=True)
    assert sum(group.samples for group in found.groups) == found.samples == 6
    assert 0 <= found.agreement <= 1


def test_agreement_is_whole_where_all_agree_and_less_where_some_do_not(
    scripted: Any, cells: Any
) -> None:
    def agreed(request: GenerationRequest, index: int) -> str:
        return RIGHT if request.role == "solve" else split(request, index)

    whole, _ = solved(agreed, scripted, cells, 1)
    parted, _ = solved(split, scripted, cells, 1)
    assert len(whole.groups) == 1
    assert 0 < parted.agreement < whole.agreement <= 1


@pytest.mark.parametrize("text", ["I can not.", ""])
def test_without_a_program_there_is_no_choice(text: str, scripted: Any, cells: Any) -> None:
    def silent(request: GenerationRequest, index: int) -> str:
        return "xs" if request.role == "solve" else text

    found, _ = solved(silent, scripted, cells, 2)
    assert found.program is None
    assert found.groups == ()
    assert found.agreement == 0.0


def test_without_a_test_the_most_frequent_program_is_shown(scripted: Any, cells: Any) -> None:
    def untested(request: GenerationRequest, index: int) -> str:
        return (RIGHT, LAST, LAST, LAST, LAST, LAST)[index] if request.role == "solve" else "no"

    found, _ = solved(untested, scripted, cells, 2)
    assert found.tests == 0
    assert found.program == f"def f({LAST}\n"


# ---- the command --------------------------------------------------------------------------------


def recording(path: Path, ids: list[str]) -> Path:
    """Two right programs and a wrong one, and a test that refutes it, for each problem."""
    with path.open("w") as file:
        for problem_id in ids:
            answers = {
                "solve": ["\n    return max(xs)", "\n    return max(xs)", "\n    return xs[-1]"],
                "verify": ["[9, 1]) == (9)", "[1, 2]) == (2)", "[4]) == (4)"],
            }
            for role, texts in answers.items():
                for text in texts:
                    line = {"problem_id": problem_id, "role": role, "request": 0}
                    line |= {"prompt_tokens": 1, "after_s": 0.0, "text": text}
                    line |= {"finish_reason": "stop", "token_count": 1}
                    file.write(json.dumps(line) + "\n")
    return path


def invoke(problem: str, path: Path, *more: object) -> Result:
    chosen = ["generate.backend=recorded", f"generate.recording={path}"]
    chosen += ["generate.test_sampling=single"]
    arguments = [problem, "--model", "pocket", "-s", "3", "-t", "3", *map(str, more)]
    for setting in chosen:
        arguments += ["--set", setting]
    return CliRunner().invoke(main, ["solve", *arguments])


def test_a_problem_in_words(tmp_path: Path) -> None:
    path = recording(tmp_path / "r.jsonl", ["problem"])
    result = invoke("return the largest value.", path, "--entry-point", "f")
    assert result.exit_code == 0, result.output
    assert result.stdout == "def f(xs):\n    return max(xs)\n"
    assert "2 of 3 programs behave alike and pass 3 of 3 tests" in result.stderr
    assert "programs by behaviour" in result.stderr


def test_a_file_with_references_compares_the_choice(tmp_path: Path) -> None:
    rows = [
        {
            "id": f"q{n}",
            "prompt": "return the largest value.",
            "entry_point": "f",
            "reference_solution": "def f(xs): return max(xs)",
            "reference_test": "assert f([3, 1]) == 3",
        }
        for n in range(2)
    ]
    file = tmp_path / "problems.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    out = tmp_path / "out.jsonl"
    path = recording(tmp_path / "r.jsonl", ["q0", "q1"])
    result = invoke(str(file), path, "--out", out)
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert {line["id"] for line in lines} == {"q0", "q1"}
    assert all(line["passes_reference"] for line in lines)
    assert all(line["groups"][0]["samples"] == 2 for line in lines)
    assert "random sample" in result.stdout
    assert "66.7" in result.stdout


@pytest.mark.parametrize(("problem", "message"), [("nowhere.jsonl", "neither"), (" ", "neither")])
def test_what_is_no_problem(problem: str, message: str, tmp_path: Path) -> None:
    result = invoke(problem, recording(tmp_path / "r.jsonl", ["problem"]))
    assert result.exit_code == 1
    assert message in result.output


def test_what_the_model_fails_with_is_one_clear_error(tmp_path: Path) -> None:
    result = invoke("return the largest value.", recording(tmp_path / "r.jsonl", ["another"]))
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert result.output.startswith("Error: nothing was recorded for problem problem")
