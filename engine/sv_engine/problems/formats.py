"""Input files: rows of five known formats as rollouts, ready to be executed.

In: a JSONL file in our own format (docs/formats.md), the CodeGen-16B samples, HumanEval, MBPP or
CRUXEval; the format is told from the keys of the first row, unless it is given. Out: one `Rollout`
per usable row, streamed, so that memory does not grow with the file. A row that cannot be used is
skipped and reported in `RolloutFile.bad_rows` with its line and field; a sample that cannot be
used is dropped and counted in `Rollout.dropped`, and never costs its row.

Each benchmark comes as its canonical solution against its own tests.
"""

from __future__ import annotations

import ast
import enum
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sv_engine.problems.distinct import distinct_solutions, distinct_tests
from sv_engine.problems.extract import (
    MAX_SOURCE_CHARS,
    Drop,
    Style,
    check_text,
    extract_solution,
    extract_tests,
    parse,
)
from sv_engine.problems.jsonl import BadRow, FieldError, count_lines, read_rows
from sv_engine.records import Problem, Rollout


class Format(enum.StrEnum):
    """Formats of an input file."""

    SV = "sv"
    CODEGEN = "codegen"
    HUMANEVAL = "humaneval"
    MBPP = "mbpp"
    CRUXEVAL = "cruxeval"


class RolloutFile:
    """The rollouts of one file, in the order of its rows.

    Iterating reads the file; afterwards `bad_rows` says what was skipped.
    """

    def __init__(
        self, path: Path, file_format: Format | None = None, tests_per_sample: int = 5
    ) -> None:
        self.path = path
        self.format = file_format
        """None until the first row tells it."""
        self.tests_per_sample = tests_per_sample
        """How many asserts of one raw test sample are kept, the first ones."""
        self.bad_rows: list[BadRow] = []

    def count(self) -> int:
        """Upper bound of the number of rollouts; raises OSError."""
        return count_lines(self.path)

    def __iter__(self) -> Iterator[Rollout]:
        """Yield the usable rows; raises OSError if the file cannot be read."""
        self.bad_rows.clear()
        line_of_id: dict[str, int] = {}
        for line, row in read_rows(self.path, self.bad_rows):
            try:
                if self.format is None:
                    self.format = _format_of(row)
                rollout = _READERS[self.format](row, self.tests_per_sample)
                first = line_of_id.setdefault(rollout.problem.id, line)
                if first != line:
                    field = "id" if self.format in (Format.SV, Format.CRUXEVAL) else "task_id"
                    problem_id = rollout.problem.id[:80]
                    raise FieldError(field, f"{problem_id!r} was already used in line {first}")
            except FieldError as error:
                self.bad_rows.append(BadRow(str(self.path), line, error.field, error.message))
            except ValidationError as error:
                field, message = _first_error(error)
                self.bad_rows.append(BadRow(str(self.path), line, field, message))
            else:
                yield rollout


# ---- rows as they stand in the files ------------------------------------------------------------


class _Row(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", hide_input_in_errors=True)


class _Weighted(_Row):
    source: Any
    weight: int = Field(1, ge=1)


class _SvRow(_Row):
    id: str = Field(min_length=1)
    entry_point: str = Field(min_length=1)
    prompt: str = ""
    solutions: list[Any] = []
    tests: list[Any] = []
    solution_completions: list[Any] = []
    test_completions: list[Any] = []
    completion_style: str = Style.AUTO.value
    reference_solution: str | None = None
    reference_test: str | None = None


class _HumanEvalRow(_Row):
    task_id: str = Field(min_length=1)
    prompt: str
    entry_point: str = Field(min_length=1)
    canonical_solution: str
    test: str


class _CodeGenRow(_HumanEvalRow):
    solution_samples: list[Any] = Field(min_length=1)
    test_samples: list[Any] = Field(min_length=1)


class _MbppRow(_Row):
    task_id: int | str
    text: str
    code: str
    test_list: list[str] = Field(min_length=1)
    test_setup_code: str = ""


class _CruxEvalRow(_Row):
    id: str = Field(min_length=1)
    code: str
    input: str
    output: str


def _format_of(row: dict[str, Any]) -> Format:
    """Tell the format from the keys; raises FieldError."""
    signs: list[tuple[Format, set[str]]] = [
        (Format.CODEGEN, {"solution_samples", "test_samples"}),
        (Format.HUMANEVAL, {"canonical_solution", "test"}),
        (Format.MBPP, {"test_list", "code"}),
        (Format.CRUXEVAL, {"code", "input", "output"}),
        (Format.SV, {"entry_point", "solutions"}),
        (Format.SV, {"entry_point", "solution_completions"}),
    ]
    for file_format, keys in signs:
        if keys <= row.keys():
            return file_format
    keys_found = ", ".join(sorted(row)[:12])[:200] or "none"
    raise FieldError(
        "", f"cannot tell the format from the keys ({keys_found}); give it with --format"
    )


def _first_error(error: ValidationError) -> tuple[str, str]:
    """Return `(field, message)` of the first thing that is wrong."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    return ".".join(map(str, first["loc"])), first["msg"]


def _checked(row: BaseModel, *fields: str) -> None:
    """Raise FieldError unless each of `fields` can be source text."""
    for field in fields:
        value = getattr(row, field)
        if value is not None and (reason := check_text(value)):
            raise FieldError(field, _spoken(reason))


def _spoken(reason: Drop) -> str:
    if reason is Drop.TOO_LARGE:
        return f"longer than {MAX_SOURCE_CHARS} characters"
    return f"cannot be source text: {reason.value}"


# ---- from rows to rollouts ----------------------------------------------------------------------


def _sv(row: dict[str, Any], tests_per_sample: int) -> Rollout:
    r = _SvRow.model_validate(row)
    _checked(r, "id", "entry_point", "prompt", "reference_solution", "reference_test")
    if not r.entry_point.isidentifier():
        raise FieldError("entry_point", f"not the name of a function: {r.entry_point[:80]!r}")
    if r.completion_style not in list(Style):
        raise FieldError("completion_style", f"expected one of {', '.join(Style)}")
    if not (r.solutions or r.solution_completions):
        raise FieldError("solutions", "no solution: give `solutions` or `solution_completions`")
    if not (r.tests or r.test_completions):
        raise FieldError("tests", "no test: give `tests` or `test_completions`")
    problem = Problem(r.id, r.prompt, r.entry_point, r.reference_solution, r.reference_test)
    style = Style(r.completion_style)
    dropped: Counter[str] = Counter()
    solutions = _ready(r.solutions, "solution", dropped)
    solutions.update(_solutions_of(r.solution_completions, problem, style, dropped))
    tests = _ready(r.tests, "test", dropped)
    tests.update(_tests_of(r.test_completions, problem, style, tests_per_sample, dropped))
    return _rollout(problem, solutions, tests, dropped)


def _codegen(row: dict[str, Any], tests_per_sample: int) -> Rollout:
    r = _CodeGenRow.model_validate(row)
    problem = _humaneval_problem(r)
    dropped: Counter[str] = Counter()
    style = Style.CONTINUATION
    solutions = _solutions_of(r.solution_samples, problem, style, dropped)
    tests = _tests_of(r.test_samples, problem, style, tests_per_sample, dropped)
    return _rollout(problem, solutions, tests, dropped)


def _humaneval(row: dict[str, Any], _tests_per_sample: int) -> Rollout:
    problem = _humaneval_problem(_HumanEvalRow.model_validate(row))
    return _benchmark(problem, [problem.reference_test or ""])


def _humaneval_problem(r: _HumanEvalRow) -> Problem:
    _checked(r, "task_id", "prompt", "entry_point", "canonical_solution", "test")
    if not r.entry_point.isidentifier():
        raise FieldError("entry_point", f"not the name of a function: {r.entry_point[:80]!r}")
    return Problem(
        id=r.task_id,
        prompt=r.prompt,
        entry_point=r.entry_point,
        reference_solution=r.prompt + r.canonical_solution,
        reference_test=f"{_helpers(r)}{r.test}\ncheck({r.entry_point})\n",
    )


def _helpers(r: _HumanEvalRow) -> str:
    """Functions that the prompt defines for the solution and that the test calls as well: its own,
    so that a solution which defines them anew does not judge itself."""
    try:
        module = ast.parse(r.prompt)
    except SyntaxError:  # a prompt that ends within its function
        return ""
    kept: list[ast.stmt] = [
        node
        for node in module.body
        if isinstance(node, ast.Import | ast.ImportFrom)
        or (isinstance(node, ast.FunctionDef) and node.name != r.entry_point)
    ]
    named = {node.name for node in kept if isinstance(node, ast.FunctionDef)}
    if not any(re.search(rf"\b{name}\b", r.test) for name in named):
        return ""
    return ast.unparse(ast.Module(kept, [])) + "\n"


def _mbpp(row: dict[str, Any], _tests_per_sample: int) -> Rollout:
    r = _MbppRow.model_validate(row)
    _checked(r, "text", "code", "test_setup_code")
    tests = [f"{r.test_setup_code}\n{test}" if r.test_setup_code else test for test in r.test_list]
    for number, test in enumerate(tests):
        if reason := check_text(test):
            raise FieldError(f"test_list.{number}", _spoken(reason))
    entry_point = _called_function(r.code, r.test_list)
    if entry_point is None:
        raise FieldError("test_list", "no test calls a function that `code` defines")
    return _benchmark(
        Problem(
            id=f"MBPP/{r.task_id}",
            prompt=r.text,
            entry_point=entry_point,
            reference_solution=r.code,
            reference_test="\n".join([r.test_setup_code, *r.test_list]),
        ),
        tests,
    )


def _cruxeval(row: dict[str, Any], _tests_per_sample: int) -> Rollout:
    r = _CruxEvalRow.model_validate(row)
    _checked(r, "id", "code", "input", "output")
    test = f"assert f({r.input}) == {r.output}"
    return _benchmark(
        Problem(
            id=f"CRUXEval/{r.id}",
            prompt=r.code,
            entry_point="f",
            reference_solution=r.code,
            reference_test=test,
        ),
        [test],
    )


_READERS: dict[Format, Callable[[dict[str, Any], int], Rollout]] = {
    Format.SV: _sv,
    Format.CODEGEN: _codegen,
    Format.HUMANEVAL: _humaneval,
    Format.MBPP: _mbpp,
    Format.CRUXEVAL: _cruxeval,
}


def _called_function(code: str, tests: list[str]) -> str | None:
    """The function of `code` that the tests call first."""
    tree, calls = parse(code), parse("\n".join(tests))
    if tree is None or calls is None:
        return None
    defined = {node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    for node in ast.walk(calls):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id in defined:
                return node.func.id
    return None


def _benchmark(problem: Problem, tests: list[str]) -> Rollout:
    solution = problem.reference_solution or ""
    return Rollout(problem, distinct_solutions([solution]), distinct_tests(tests))


def _rollout(
    problem: Problem, solutions: Iterable[str], tests: Iterable[str], dropped: Counter[str]
) -> Rollout:
    return Rollout(problem, distinct_solutions(solutions), distinct_tests(tests), dict(dropped))


def _ready(samples: list[Any], kind: str, dropped: Counter[str]) -> Counter[str]:
    """Count the sources that need no extraction, by their weights."""
    ready: Counter[str] = Counter()
    for sample in samples:
        weight = 1
        if isinstance(sample, dict):
            try:
                weighted = _Weighted.model_validate(sample)
            except ValidationError as error:
                field, message = _first_error(error)
                dropped[f"{kind}: field `{field}`: {message}"] += 1
                continue
            sample, weight = weighted.source, weighted.weight
        reason = check_text(sample)
        if reason is None and not sample.strip():
            reason = Drop.EMPTY
        if reason:
            dropped[f"{kind}: {reason.value}"] += weight
        else:
            ready[sample] += weight
    return ready


def _solutions_of(
    completions: list[Any], problem: Problem, style: Style, dropped: Counter[str]
) -> Iterator[str]:
    for completion in completions:
        found = extract_solution(
            completion, prompt=problem.prompt, entry_point=problem.entry_point, style=style
        )
        if isinstance(found, Drop):
            dropped[f"solution: {found.value}"] += 1
        else:
            yield found


def _tests_of(
    completions: list[Any], problem: Problem, style: Style, limit: int, dropped: Counter[str]
) -> Iterator[str]:
    for completion in completions:
        tests, reasons = extract_tests(
            completion, entry_point=problem.entry_point, style=style, limit=limit
        )
        dropped.update({f"test: {reason.value}": n for reason, n in reasons.items()})
        yield from tests
