"""Input files: rows of seven known formats as rollouts, ready to be executed.

In: a JSONL file, perhaps compressed, in our own format (docs/formats.md), the CodeGen-16B samples,
or a benchmark (`benchmarks`); the format is told from the keys of the first row, unless it is
given. Out: one `Candidates` per usable row, streamed, so that memory does not grow with the file. A
row that cannot be used is skipped and reported in `RolloutFile.bad_rows` with its line and field; a
sample that cannot be used is dropped and counted in `Candidates.dropped`, and costs its row only
where nothing is left to execute.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from sv_engine.problems import benchmarks, evalplus
from sv_engine.problems.benchmarks import (
    HumanEvalRow,
    Row,
    check_entry_point,
    check_fields,
    humaneval_problem,
)
from sv_engine.problems.distinct import distinct_solutions, distinct_tests
from sv_engine.problems.extract import (
    Drop,
    Style,
    check_text,
    extract_solution,
    extract_tests,
)
from sv_engine.problems.jsonl import BadRow, FieldError, count_lines, read_rows
from sv_engine.problems.programs_io import io_pairs, read_io_tests, read_program
from sv_engine.records import Candidates, Problem, plain


class Format(enum.StrEnum):
    """Formats of an input file."""

    SV = "sv"
    CODEGEN = "codegen"
    HUMANEVAL = "humaneval"
    MBPP = "mbpp"
    CRUXEVAL = "cruxeval"
    LEETCODE = "leetcode"
    EVALPLUS = "evalplus"


class RolloutFile:
    """The rollouts of one file, in the order of its rows.

    Iterating reads the file; afterwards `bad_rows` says what was skipped.
    """

    def __init__(
        self,
        path: Path,
        file_format: Format | None = None,
        tests_per_sample: int = 5,
        *,
        name: str = "",
        heldout: bool = False,
    ) -> None:
        """heldout: a row without a reference solution and a reference test cannot be used."""
        self.path = path
        self._needed = ("reference_solution", "reference_test") if heldout else ()
        self.name = name or str(path)
        """What messages and summaries call the file."""
        self.format = file_format
        """None until the first row tells it."""
        self.tests_per_sample = tests_per_sample
        """How many asserts of one raw test sample are kept, the first ones."""
        self.bad_rows: list[BadRow] = []

    def count(self) -> int:
        """Upper bound of the number of rollouts; raises OSError."""
        return count_lines(self.path)

    def __iter__(self) -> Iterator[Candidates]:
        """Yield the usable rows; raises OSError if the file cannot be read."""
        self.bad_rows.clear()
        line_of_id: dict[str, int] = {}
        for line, row in read_rows(self.path, self.bad_rows, self.name):
            try:
                if self.format is None:
                    self.format = format_of(row)
                if {"id", "entry_point"} <= row.keys():  # of our own format, and no other flaw
                    self._check_needed(row)
                rollout = rollout_of(row, self.format, self.tests_per_sample)
                self._check_needed(plain(rollout.problem))
                first = line_of_id.setdefault(rollout.problem.id, line)
                if first != line:
                    field = "id" if self.format in (Format.SV, Format.CRUXEVAL) else "task_id"
                    problem_id = rollout.problem.id[:80]
                    raise FieldError(field, f"{problem_id!r} was already used in line {first}")
            except FieldError as error:
                self.bad_rows.append(BadRow(self.name, line, error.field, error.message))
            except ValidationError as error:
                field, message = first_error(error)
                self.bad_rows.append(BadRow(self.name, line, field, message))
            else:
                yield rollout

    def _check_needed(self, fields: dict[str, Any]) -> None:
        for name in self._needed:
            if not fields.get(name):
                raise FieldError(name, "a held-out problem needs one")


# ---- rows as they stand in the files ------------------------------------------------------------


class _Weighted(Row):
    source: Any
    weight: int = Field(1, ge=1)


class _SvRow(Row):
    id: str = Field(min_length=1)
    entry_point: str
    """Empty: programs that read and write."""
    prompt: str = ""
    solutions: list[Any] = Field([])
    tests: list[Any] = Field([])
    solution_completions: list[Any] = Field([])
    test_completions: list[Any] = Field([])
    wrong_solutions: list[Any] = Field([])
    completion_style: str = Style.AUTO.value
    reference_solution: str | None = None
    reference_test: str | None = None


class _CodeGenRow(HumanEvalRow):
    solution_samples: list[Any] = Field(min_length=1)
    test_samples: list[Any] = Field(min_length=1)


def format_of(row: dict[str, Any]) -> Format:
    """Tell the format from the keys; raises FieldError."""
    signs: list[tuple[Format, set[str]]] = [
        (Format.CODEGEN, {"solution_samples", "test_samples"}),
        (Format.EVALPLUS, {"canonical_solution", "base_input", "plus_input"}),
        (Format.LEETCODE, {"entry_point", "test", "completion"}),
        (Format.HUMANEVAL, {"canonical_solution", "test"}),
        (Format.MBPP, {"test_list", "code"}),
        (Format.CRUXEVAL, {"code", "input", "output"}),
        (Format.SV, {"entry_point", "solutions"}),
        (Format.SV, {"entry_point", "solution_completions"}),
        (Format.SV, {"entry_point", "reference_solution"}),
        (Format.SV, {"entry_point", "reference_test"}),
        (Format.SV, {"entry_point", "tests"}),
    ]
    for file_format, keys in signs:
        if keys <= row.keys():
            return file_format
    keys_found = ", ".join(sorted(row)[:12])[:200] or "none"
    raise FieldError(
        "", f"cannot tell the format from the keys ({keys_found}); give it with --format"
    )


def rollout_of(row: dict[str, Any], file_format: Format, tests_per_sample: int = 5) -> Candidates:
    """What one row of a format says; raises FieldError and pydantic's ValidationError."""
    return _READERS[file_format](row, tests_per_sample)


def first_error(error: ValidationError) -> tuple[str, str]:
    """Return `(field, message)` of the first thing that is wrong."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    return ".".join(map(str, first["loc"])), first["msg"]


# ---- from rows to rollouts ----------------------------------------------------------------------


def _sv(row: dict[str, Any], tests_per_sample: int) -> Candidates:
    r = _SvRow.model_validate(row)
    check_fields(r, "id", "entry_point", "prompt", "reference_solution", "reference_test")
    if r.entry_point:
        check_entry_point(r.entry_point)
    elif r.reference_test is not None and io_pairs(r.reference_test) is None:
        raise FieldError("reference_test", "of a program: JSON of input and output, or a list")
    if r.completion_style not in list(Style):
        raise FieldError("completion_style", f"expected one of {', '.join(Style)}")
    ready, tests_given = r.solutions, r.tests
    if not (ready or r.solution_completions) and r.reference_solution is not None:
        ready = [r.reference_solution]
    if not (tests_given or r.test_completions) and r.reference_test is not None:
        tests_given = [r.reference_test]
    ready = ready + r.wrong_solutions
    if not (ready or r.solution_completions):
        raise FieldError("solutions", "no solution: give `solutions` or `solution_completions`")
    if not (tests_given or r.test_completions):
        raise FieldError("tests", "no test: give `tests` or `test_completions`")
    problem = Problem(r.id, r.prompt, r.entry_point, r.reference_solution, r.reference_test)
    style = Style(r.completion_style)
    dropped: Counter[str] = Counter()
    solutions = _ready(ready, "solution", dropped)
    solutions.update(_solutions_of(r.solution_completions, problem, style, dropped))
    tests = _ready(tests_given, "test", dropped)
    tests.update(_tests_of(r.test_completions, problem, style, tests_per_sample, dropped))
    if not tests and (r.tests or r.reference_test is None):
        raise FieldError(*_unusable("test", "tests" if r.tests else "test_completions", dropped))
    if r.solutions and not solutions:
        raise FieldError(*_unusable("solution", "solutions", dropped))
    return _rollout(problem, solutions, tests, dropped)


def _codegen(row: dict[str, Any], tests_per_sample: int) -> Candidates:
    r = _CodeGenRow.model_validate(row)
    problem = humaneval_problem(r)
    dropped: Counter[str] = Counter()
    style = Style.CONTINUATION
    solutions = _solutions_of(r.solution_samples, problem, style, dropped)
    tests = _tests_of(r.test_samples, problem, style, tests_per_sample, dropped)
    return _rollout(problem, solutions, tests, dropped)


def _whole(
    read: Callable[[dict[str, Any]], Candidates],
) -> Callable[[dict[str, Any], int], Candidates]:
    """A reader whose tests are those of the benchmark, however many."""
    return lambda row, _tests_per_sample: read(row)


_READERS: dict[Format, Callable[[dict[str, Any], int], Candidates]] = {
    Format.SV: _sv,
    Format.CODEGEN: _codegen,
    Format.HUMANEVAL: _whole(benchmarks.humaneval),
    Format.MBPP: _whole(benchmarks.mbpp),
    Format.CRUXEVAL: _whole(benchmarks.cruxeval),
    Format.LEETCODE: _whole(benchmarks.leetcode),
    Format.EVALPLUS: _whole(evalplus.evalplus),
}


def _unusable(kind: str, field: str, dropped: Counter[str]) -> tuple[str, str]:
    """The field and the words for samples of which none could be used."""
    reasons = "; ".join(
        f"{count} x {reason.removeprefix(f'{kind}: ')}"
        for reason, count in dropped.most_common(3)
        if reason.startswith(kind)
    )
    return field, f"no usable {kind} ({reasons})"


def _rollout(
    problem: Problem, solutions: Iterable[str], tests: Iterable[str], dropped: Counter[str]
) -> Candidates:
    return Candidates(problem, distinct_solutions(solutions), distinct_tests(tests), dict(dropped))


def _ready(samples: list[Any], kind: str, dropped: Counter[str]) -> Counter[str]:
    """Count the sources that need no extraction, by their weights."""
    ready: Counter[str] = Counter()
    for sample in samples:
        weight = 1
        if isinstance(sample, dict):
            try:
                weighted = _Weighted.model_validate(sample)
            except ValidationError as error:
                field, message = first_error(error)
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
        if problem.is_program:
            found = read_program(completion)
        else:
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
        if problem.is_program:
            tests, reasons = read_io_tests(completion, limit)
        else:
            tests, reasons = extract_tests(
                completion, entry_point=problem.entry_point, style=style, limit=limit
            )
        dropped.update({f"test: {reason.value}": n for reason, n in reasons.items()})
        yield from tests
