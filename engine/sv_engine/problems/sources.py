"""Where problems come from: those that are played, and those that are held out.

What `unlabelled` and `snippets` return has no ground truth: it is never read, so it cannot leak.
Held-out problems come with references and go to the evaluation only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError

from sv_engine.config.sections import Config, Evaluate, ProblemSource
from sv_engine.errors import EngineError
from sv_engine.pocket import grammar, starter
from sv_engine.pocket.tasks import Split
from sv_engine.problems.formats import (
    Format,
    RolloutFile,
    first_error,
    format_of,
    rollout_of,
)
from sv_engine.problems.jsonl import BadRow, FieldError, read_rows
from sv_engine.records import Heldout, Problem


class SourceError(EngineError):
    """A file of problems or snippets that cannot be used."""


class _ProblemRow(BaseModel):
    """Other keys, references among them, are not read."""

    model_config = ConfigDict(extra="ignore", strict=True)

    id: str = Field(validation_alias=AliasChoices("id", "task_id"), min_length=1)
    prompt: str = Field(min_length=1)
    entry_point: str = Field(pattern=r"^([^\W\d]\w*(\(\)\.[^\W\d]\w*)?)?$")
    """Empty: a program that reads and writes."""


class _SnippetRow(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    text: str = Field(min_length=1)


def unlabelled(config: Config, iteration: int) -> list[Problem]:
    """Candidates for the problems of one iteration, without references, more than it plays where
    there are more: those of earlier iterations are left out by `decontaminate.clean`. Not for
    `describe`, where the model writes them."""
    count, seed = config.problems.count, config.run.seed
    if config.problems.source is ProblemSource.POCKET:
        return grammar.sample_problems(Split.SELFPLAY, 2 * count, seed=1000 * seed + iteration)
    if config.problems.source is ProblemSource.STARTER:
        return starter.train_problems(2 * count, seed=1000 * seed + iteration)
    path = config.problems.path
    assert path is not None
    problems = problems_of(path, [])
    Random(seed).shuffle(problems)
    start = (iteration - 1) * count % len(problems)
    return [*problems[start:], *problems[:start]]


def snippets(config: Config, iteration: int) -> list[str]:
    """Seed snippets for the describe role, in a random order; each iteration begins with those
    that the ones before are unlikely to have used."""
    path, count, seed = config.problems.path, config.problems.count, config.run.seed
    if path is None:  # the pocket model invents from programs of its own grammar
        return grammar.seed_snippets(4 * count, seed=1000 * seed + iteration)
    texts = _texts(path, [])
    Random(seed).shuffle(texts)
    start = (iteration - 1) * 2 * count % len(texts)
    return [*texts[start:], *texts[:start]]


def heldout(evaluate: Evaluate, bad_rows: list[BadRow] | None = None) -> list[Heldout]:
    """The evaluation set; rows that cannot be used are added to `bad_rows`. In a file, a row's
    programs other than its reference are its bank of wrong ones; any of the formats of `formats`
    will do."""
    if evaluate.source == "pocket":
        found = grammar.heldout_problems(evaluate.problems)
        return [Heldout(item.problem, item.wrong_solutions) for item in found]
    if evaluate.source == "starter":
        return starter.heldout_problems(evaluate.problems)
    assert evaluate.path is not None
    file = RolloutFile(evaluate.path, heldout=True)
    try:
        rollouts = list(file)  # every row, so that a bad one is met now
    except OSError as error:
        raise _unreadable(evaluate.path, error) from error
    repeated = [bad for bad in file.bad_rows if "already used in line" in bad.message]
    if repeated:
        raise SourceError(
            f"line {repeated[0].line}: {repeated[0].message}",
            where=str(evaluate.path),
            remedy="give every problem an id of its own",
        )
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
    ]
    if not items:
        raise _nothing(evaluate.path, file.bad_rows, "reference_solution and reference_test")
    if bad_rows is not None:
        bad_rows += file.bad_rows
    return items[: evaluate.problems]


def check_files(config: Config) -> list[BadRow]:
    """Read every row of every file that a run will need, before anything is paid for.

    Returns the rows that cannot be used, to be shown; raises SourceError where nothing can be used,
    where a file cannot be read, or where two rows have one id.
    """
    bad_rows: list[BadRow] = []
    if config.problems.path is not None:
        if config.problems.source is ProblemSource.DESCRIBE:
            _texts(config.problems.path, bad_rows)
        else:
            problems_of(config.problems.path, bad_rows)
    if config.evaluate.source != "pocket":
        heldout(config.evaluate, bad_rows)
    return bad_rows


def problems_of(path: Path, bad_rows: list[BadRow]) -> list[Problem]:
    """The usable rows without their references; SourceError where there is none."""
    file_format: Format | None = None
    line_of_id: dict[str, int] = {}
    found: list[Problem] = []
    for line, row in _read(path, bad_rows):
        try:
            if not line_of_id:
                file_format = _benchmark(row)
            problem = _problem(row, file_format)
        except FieldError as error:
            bad_rows.append(BadRow(str(path), line, error.field, error.message))
            continue
        except ValidationError as error:
            bad_rows.append(BadRow(str(path), line, *first_error(error)))
            continue
        first = line_of_id.setdefault(problem.id, line)
        if first != line:
            raise SourceError(
                f"id {problem.id[:80]!r} stands in lines {first} and {line}",
                where=str(path),
                remedy="give every problem an id of its own",
            )
        found.append(problem)
    if not found:
        raise _nothing(path, bad_rows, "id, prompt, entry_point")
    return found


def _benchmark(row: dict[str, Any]) -> Format | None:
    """The format of a benchmark whose rows need its own reader to be understood as problems."""
    try:
        found = format_of(row)
    except FieldError:
        return None
    return found if found in (Format.MBPP, Format.LEETCODE) else None


def _problem(row: dict[str, Any], file_format: Format | None) -> Problem:
    """What a row asks for; what it answers is not kept."""
    if file_format is None:
        r = _ProblemRow.model_validate(row)
        return Problem(r.id, r.prompt, r.entry_point)
    problem = rollout_of(row, file_format).problem
    return replace(problem, reference_solution=None, reference_test=None)


def _texts(path: Path, bad_rows: list[BadRow]) -> list[str]:
    """The usable snippets; SourceError where there is none."""
    texts: list[str] = []
    for line, row in _read(path, bad_rows):
        try:
            texts.append(_SnippetRow.model_validate(row).text)
        except ValidationError as error:
            bad_rows.append(BadRow(str(path), line, *first_error(error)))
    if not texts:
        raise _nothing(path, bad_rows, "text")
    return texts


def _read(path: Path, bad_rows: list[BadRow]) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        yield from read_rows(path, bad_rows)
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> SourceError:
    return SourceError(
        f"the file cannot be read: {error.strerror}", where=str(path), remedy="give a JSONL file"
    )


def _nothing(path: Path, bad_rows: list[BadRow], fields: str) -> SourceError:
    first = f"; {len(bad_rows)} bad rows, the first: {bad_rows[0]}" if bad_rows else ""
    return SourceError(f"no usable row{first}", where=str(path), remedy=f"each row needs {fields}")
