"""The verifier that sees a solution: several suites per program, pairs, the same in evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.engine.loop.test_loop import ScriptedTrainer, column, lines, play, write

from sv_engine.config.sections import Roles
from sv_engine.generate import GenerationRequest
from sv_engine.prompts.roles import templates

SEES = ("roles.verifier_sees=solution", "run.iterations=1", "generate.test_sampling=single")


@pytest.mark.parametrize("per", [2, 3, 4, 8])
@pytest.mark.parametrize("recipe", ["sol-ver", "consensus"])
def test_pairs_of_the_verifier_are_made(
    tmp_path: Path, scripted: Any, cells: Any, recipe: str, per: int
) -> None:
    settings = (*SEES, f"recipe.name={recipe}", f"generate.suites_per_solution={per}")
    play(tmp_path, scripted(write), cells, ScriptedTrainer(), *settings, "problems.count=30")
    rows = lines(tmp_path / "iteration_1" / "dpo.jsonl")
    pairs = [row for row in rows if row["role"] == "verify"]
    assert pairs
    prompts = set(column(tmp_path, "SELECT text.text FROM request JOIN text ON key = prompt_key"))
    assert {row["prompt"] for row in pairs} <= prompts
    counts = column(
        tmp_path,
        "SELECT count(*) FROM sample JOIN request ON number = request WHERE role = 'verify'"
        " AND stage = 'play' GROUP BY problem_id",
    )
    assert set(counts) == {8}


@pytest.mark.parametrize("sees", ["problem", "solution"])
def test_evaluation_asks_as_training_did(
    tmp_path: Path, scripted: Any, cells: Any, sees: str
) -> None:
    generator = scripted(write)
    settings = (*SEES, f"roles.verifier_sees={sees}")
    play(tmp_path, generator, cells, ScriptedTrainer(), *settings)
    for request in generator.requests:
        if request.role == "verify":
            assert request.prompt.startswith("def f(xs):") == (sees == "solution")
    heldout = [r for r in generator.requests if r.role == "verify" and "heldout at" in r.label]
    # 5 problems, two evaluations, samples 2, 2 and 1
    assert sum(r.n for r in heldout) == 5 * 2 * 5
    texts = {(r.problem_id, r.prompt, r.sampling.seed) for r in heldout}
    assert len(texts) >= len(heldout) // 2


def test_a_problem_without_a_readable_program_has_suites_all_the_same(
    tmp_path: Path, scripted: Any, cells: Any
) -> None:
    def silent(request: GenerationRequest, index: int) -> str:
        return (
            "" if request.role == "solve" and "heldout" in request.label else write(request, index)
        )

    reports, _, _ = play(tmp_path, scripted(silent), cells, ScriptedTrainer(), *SEES)
    assert reports[0].figures[1.0]["test_parse_rate"].count == 5


@pytest.mark.parametrize("kind", ["pocket", "chat"])
def test_answers_are_read_as_the_template_that_asked_says(kind: Any) -> None:
    roles = Roles(templates=kind, verifier_sees="solution", verify_solution="{solution} {prompt}")
    chosen = templates(roles)
    assert chosen.verify == chosen.verify_solution
    assert chosen.verify.prefill == ""
