"""What is taught is what was sampled: texts of the solver where the prompt is code itself."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest
from tests.engine.loop.test_loop import ScriptedTrainer, column, lines, play

from sv_engine.dataset import recipes
from sv_engine.dataset.recipes import TrainingData
from sv_engine.dataset.stage import NotSampledError, check_sampled
from sv_engine.execute.store import pack, unpack
from sv_engine.generate import GenerationRequest
from sv_engine.play.board import Board
from sv_engine.prompts.roles import CHAT, read_solution, written
from sv_engine.records import Example, Problem, Verdicts

STUB = 'import math\n\ndef half(n: int) -> float:\n    """Half of n, rounded down."""\n'
HELPER = 'def double(n):\n    return 2 * n\n\ndef half(n):\n    """Half of n."""\n'
SENTENCE = "Half of n, rounded down."
METHOD = "class Solution:\n    def half(self, n: int) -> int:\n"

CASES = [
    (STUB, "half", "```python\ndef half(n):\n    return n // 2\n```"),
    (STUB, "half", "Sure!\n```python\ndef half(n):\n    return math.floor(n / 2)\n```\nDone."),
    (STUB, "half", "    return math.floor(n / 2)\n"),
    (STUB, "half", "```python\n    return n // 2\n```"),
    (STUB, "half", "return n // 2"),
    (HELPER, "half", "```python\ndef half(n):\n    return double(n) // 4\n```"),
    (HELPER, "half", "def half(n):\n    return double(n) // 4\n\nprint(half(3))\n"),
    (SENTENCE, "half", "```python\ndef half(n):\n    return n // 2\nprint(half(4))\n```"),
    (SENTENCE, "half", "def half(n):\n    x = n // 2\n    return x\n\nAs you see, x is half."),
    (METHOD, "Solution().half", "```python\ndef half(self, n):\n    return n // 2\n```"),
    (METHOD, "Solution().half", "        return n // 2\n"),
]


@pytest.mark.parametrize(("prompt", "entry_point", "completion"), CASES)
def test_a_program_is_taught_as_it_was_written(
    prompt: str, entry_point: str, completion: str
) -> None:
    problem = Problem("p", prompt, entry_point)
    source = read_solution(CHAT.solve, problem, completion)
    assert isinstance(source, str)
    board = Board(problem, 1.0)
    board.add_solution(source, written(CHAT.solve, problem, completion, source))
    (solution,) = board.outcome().candidates.solutions
    taught = recipes.program_text(solution, CHAT.solve, problem)
    assert taught is not None
    inner = taught.removeprefix("```python\n").removesuffix("\n```")
    assert taught == completion or all(line in completion for line in inner.split("\n"))
    assert taught.count("def half") <= completion.count("def half")
    # What is taught reads as the program that was judged.
    read = read_solution(CHAT.solve, problem, taught)
    assert isinstance(read, str)
    assert read.strip() == source.strip()


def test_the_text_is_stored_with_the_outcome() -> None:
    board = Board(Problem("p", STUB, "half"), 1.0)
    board.add_solution("a", "written a")
    board.add_solution("b")
    outcome = board.outcome()
    again = unpack(pack(outcome), "here")
    assert [s.written for s in again.candidates.solutions] == ["written a", ""]
    assert again.candidates == outcome.candidates


@pytest.mark.parametrize(
    ("role", "text"),
    [
        ("solve", "```python\ndef half(n):\n    return n\n```"),
        ("solve", STUB + "    return n // 2"),
        ("solve", "def half(n):\n    return n // 2"),
        ("verify", "```python\nassert half(2) == 2\n```"),
        ("verify", "```python\nassert half(2) == 1\nassert half(3) == 1\n```"),
    ],
)
def test_a_text_that_nobody_wrote_stops_the_loop(role: str, text: str) -> None:
    board = Board(Problem("p", STUB, "half"), 1.0)
    board.add_solution("def half(n):\n    return n // 2")
    board.add_suite("ask", ["assert half(2) == 1"])
    board.fill([(part, Verdicts.unknown(1, 1, 1.0)) for part in board.border()])
    outcome = board.outcome()
    good = Example("p", "solve", "", "```python\ndef half(n):\n    return n // 2\n```")
    check_sampled(outcome, TrainingData((good,)), CHAT)
    with pytest.raises(NotSampledError, match=role):
        check_sampled(outcome, TrainingData((Example("p", role, "", text),)), CHAT)


def test_a_run_on_stubs_teaches_sampled_texts_only(
    tmp_path: Path, scripted: Any, cells: Any
) -> None:
    """Bodies alone, whole functions that need the prompt's import, and wrong ones."""
    file = tmp_path / "problems.jsonl"
    rows = [
        {"id": f"p{k}", "prompt": STUB.replace("Half", f"Half ({k})"), "entry_point": "half"}
        for k in range(4)
    ]
    file.write_text("\n".join(map(json.dumps, rows)))
    programs = [
        "    return math.floor(n / 2)\n",
        "```python\ndef half(n):\n    return math.floor(n / 2)\n```",
        "```python\ndef half(n):\n    return n // 2\n```\nDone.",
        "    return n - 1\n",
    ]

    def write(request: GenerationRequest, index: int) -> str:
        if request.problem_id.startswith("p") and request.role == "solve":
            return programs[index % len(programs)]
        n = int(Random(f"{request.prompt}{index}").random() * 50)
        return f"```python\nassert half({n}) == {n // 2}\n```"

    settings = (
        'roles.templates="chat"', 'problems.source="jsonl"', f'problems.path="{file}"',
        "problems.near_duplicate=1", "run.iterations=1", 'generate.test_sampling="single"',
        "problems.count=4",
    )  # fmt: skip
    play(tmp_path, scripted(write), cells, ScriptedTrainer(), *settings)
    sampled = set(column(tmp_path, "SELECT text FROM sample"))
    fenced = {text.removesuffix("\nDone.") for text in sampled}
    taught = [r["completion"] for r in lines(tmp_path / "iteration_1" / "sft.jsonl")]
    for row in lines(tmp_path / "iteration_1" / "dpo.jsonl"):
        taught += [row["chosen"], row["rejected"]]
    assert len(taught) > 10
    assert set(taught) <= sampled | fenced
