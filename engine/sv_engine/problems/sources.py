"""Where problems come from: those that are played, and those that are held out.

What `unlabelled` and `snippets` return has no ground truth: it is never read, so it cannot leak.
Held-out problems come with references and go to the evaluation only.
"""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import TypeVar

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError

from sv_engine.config.sections import Config, Evaluate, ProblemSource
from sv_engine.errors import EngineError
from sv_engine.evaluate.heldout import Heldout
from sv_engine.pocket import grammar
from sv_engine.pocket.tasks import Split
from sv_engine.problems.formats import RolloutFile
from sv_engine.problems.jsonl import BadRow, read_rows
from sv_engine.records import Problem

Row = TypeVar("Row", bound=BaseModel)


class SourceError(EngineError):
    """A file of problems or snippets that cannot be used."""


class _ProblemRow(BaseModel):
    """Other keys, references among them, are not read."""

    model_config = ConfigDict(extra="ignore", strict=True)

    id: str = Field(validation_alias=AliasChoices("id", "task_id"), min_length=1)
    prompt: str = Field(min_length=1)
    entry_point: str = Field(pattern=r"^[^\W\d]\w*$")


class _SnippetRow(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    text: str = Field(min_length=1)


def unlabelled(config: Config, iteration: int) -> list[Problem]:
    """The problems of one iteration, without references; other ones at each iteration while
    there are enough. Not for `describe`, where the model writes them."""
    count, seed = config.problems.count, config.run.seed
    if config.problems.source is ProblemSource.POCKET:
        return grammar.sample_problems(Split.SELFPLAY, count, seed=1000 * seed + iteration)
    path = config.problems.path
    assert path is not None
    problems = [Problem(r.id, r.prompt, r.entry_point) for r in _rows(path, _ProblemRow)]
    Random(seed).shuffle(problems)
    start = (iteration - 1) * count % len(problems)
    return [*problems[start:], *problems[:start]][:count]


def snippets(config: Config, iteration: int) -> list[str]:
    """Seed snippets for the describe role, in a random order."""
    path = config.problems.path
    if path is None:  # the pocket model invents from programs of its own grammar
        return grammar.seed_snippets(4 * config.problems.count, seed=config.run.seed)
    texts = [row.text for row in _rows(path, _SnippetRow)]
    Random(f"{config.run.seed}-{iteration}").shuffle(texts)
    return texts


def heldout(evaluate: Evaluate) -> list[Heldout]:
    """The evaluation set. In a file, a row's programs other than its reference are its bank of
    wrong ones; any of the formats of `problems` will do."""
    if evaluate.source == "pocket":
        found = grammar.heldout_problems(evaluate.problems)
        return [Heldout(item.problem, item.wrong_solutions) for item in found]
    assert evaluate.path is not None
    file = RolloutFile(evaluate.path)
    try:
        rollouts = [rollout for rollout, _ in zip(file, range(evaluate.problems), strict=False)]
    except OSError as error:
        raise _unreadable(evaluate.path, error) from error
    items = [
        Heldout(
            rollout.problem,
            tuple(
                solution.source
                for solution in rollout.solutions
                if solution.source != rollout.problem.reference_solution
            ),
        )
        for rollout in rollouts
        if rollout.problem.reference_solution and rollout.problem.reference_test
    ]
    if not items:
        raise _nothing(evaluate.path, file.bad_rows, "reference_solution and reference_test")
    return items


def _rows(path: Path, schema: type[Row]) -> list[Row]:
    """The usable rows; SourceError where there is none."""
    bad_rows: list[BadRow] = []
    rows = []
    try:
        for line, row in read_rows(path, bad_rows):
            try:
                rows.append(schema.model_validate(row))
            except ValidationError as error:
                first = error.errors(include_url=False, include_context=False)[0]
                name = ".".join(map(str, first["loc"]))
                bad_rows.append(BadRow(str(path), line, name, first["msg"]))
    except OSError as error:
        raise _unreadable(path, error) from error
    if not rows:
        raise _nothing(path, bad_rows, ", ".join(schema.model_fields))
    return rows


def _unreadable(path: Path, error: OSError) -> SourceError:
    return SourceError(
        f"the file cannot be read: {error.strerror}", where=str(path), remedy="give a JSONL file"
    )


def _nothing(path: Path, bad_rows: list[BadRow], fields: str) -> SourceError:
    first = f"; first bad row: {bad_rows[0]}" if bad_rows else ""
    return SourceError(f"no usable row{first}", where=str(path), remedy=f"each row needs {fields}")
