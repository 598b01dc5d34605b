"""Rows of public benchmarks as rollouts: the canonical solution against the benchmark's own tests.

In: rows of HumanEval, MBPP (also sanitized), CRUXEval and LeetCodeDataset (`evalplus` has those of
EvalPlus). Out: `Candidates` with one solution. Raises FieldError, or pydantic's ValidationError,
where a row does not have what its format asks for.
"""

from __future__ import annotations

import ast
import re
from typing import Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from sv_engine.problems.distinct import distinct_solutions, distinct_tests
from sv_engine.problems.jsonl import FieldError
from sv_engine.problems.program import prelude
from sv_engine.problems.python_text import (
    MAX_SOURCE_CHARS,
    Drop,
    check_text,
    is_entry_point,
    parse,
)
from sv_engine.records import Candidates, Problem


class Row(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", hide_input_in_errors=True)


class HumanEvalRow(Row):
    task_id: str = Field(min_length=1)
    prompt: str
    entry_point: str = Field(min_length=1)
    canonical_solution: str
    test: str


class _MbppRow(Row):
    task_id: int | str
    text: str = Field(validation_alias=AliasChoices("text", "prompt"))
    """`prompt` in the sanitized form."""
    code: str
    test_list: list[str] = Field(min_length=1)
    test_setup_code: str = ""
    test_imports: list[str] = []


class _LeetCodeRow(Row):
    task_id: str = Field(min_length=1)
    prompt: str = ""
    """The imports that every solution may use."""
    problem_description: str = ""
    starter_code: str = ""
    query: str = ""
    completion: str
    entry_point: str = Field(min_length=1)
    test: str


class _CruxEvalRow(Row):
    id: str = Field(min_length=1)
    code: str
    input: str
    output: str


def check_fields(row: BaseModel, *fields: str) -> None:
    """Raise FieldError unless each of `fields` can be source text."""
    for field in fields:
        value = getattr(row, field)
        if value is not None and (reason := check_text(value)):
            raise FieldError(field, spoken(reason))


def spoken(reason: Drop) -> str:
    if reason is Drop.TOO_LARGE:
        return f"longer than {MAX_SOURCE_CHARS} characters"
    return f"cannot be source text: {reason.value}"


def check_entry_point(name: str) -> None:
    if not is_entry_point(name):
        raise FieldError(
            "entry_point", f"not the name of a function, nor `Class().method`: {name[:80]!r}"
        )


def humaneval(row: dict[str, Any]) -> Candidates:
    problem = humaneval_problem(HumanEvalRow.model_validate(row))
    return one_solution(problem, [problem.reference_test or ""])


def humaneval_problem(r: HumanEvalRow) -> Problem:
    check_fields(r, "task_id", "prompt", "entry_point", "canonical_solution", "test")
    check_entry_point(r.entry_point)
    return Problem(
        id=r.task_id,
        prompt=r.prompt,
        entry_point=r.entry_point,
        reference_solution=r.prompt + r.canonical_solution,
        reference_test=f"{_helpers(r)}{r.test}\ncheck({r.entry_point})\n",
    )


def _helpers(r: HumanEvalRow) -> str:
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


def mbpp(row: dict[str, Any]) -> Candidates:
    r = _MbppRow.model_validate(row)
    check_fields(r, "text", "code", "test_setup_code")
    setup = "\n".join([*r.test_imports, r.test_setup_code]).strip("\n")
    tests = [f"{setup}\n{test}" if setup else test for test in r.test_list]
    for number, test in enumerate(tests):
        if reason := check_text(test):
            raise FieldError(f"test_list.{number}", spoken(reason))
    entry_point = _called_function(r.code, r.test_list)
    if entry_point is None:
        raise FieldError("test_list", "no test calls a function that `code` defines")
    imports = prelude("\n".join(r.test_imports), r.code, entry_point)  # one namespace, there
    return one_solution(
        Problem(
            id=f"MBPP/{r.task_id}",
            prompt=r.text,
            entry_point=entry_point,
            reference_solution=f"{imports}\n{r.code}" if imports else r.code,
            reference_test="\n".join([setup, *r.test_list]),
        ),
        tests,
    )


def leetcode(row: dict[str, Any]) -> Candidates:
    r = _LeetCodeRow.model_validate(row)
    check_fields(r, "task_id", "prompt", "completion", "entry_point", "test")
    check_entry_point(r.entry_point)
    described = "\n\n".join(part for part in (r.problem_description, r.starter_code) if part)
    test = f"{r.prompt}\n{r.test}\ncheck({r.entry_point})\n"
    problem = Problem(
        id=r.task_id,
        prompt=described or r.query or r.prompt,
        entry_point=r.entry_point,
        reference_solution=f"{r.prompt}\n{r.completion}",
        reference_test=test,
    )
    return one_solution(problem, [test])


def cruxeval(row: dict[str, Any]) -> Candidates:
    r = _CruxEvalRow.model_validate(row)
    check_fields(r, "id", "code", "input", "output")
    test = f"assert f({r.input}) == {r.output}"
    return one_solution(
        Problem(
            id=f"CRUXEval/{r.id}",
            prompt=r.code,
            entry_point="f",
            reference_solution=r.code,
            reference_test=test,
        ),
        [test],
    )


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


def one_solution(problem: Problem, tests: list[str]) -> Candidates:
    solution = problem.reference_solution or ""
    return Candidates(problem, distinct_solutions([solution]), distinct_tests(tests))
