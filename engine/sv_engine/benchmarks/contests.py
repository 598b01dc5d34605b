"""Rows of contest benchmarks: LiveCodeBench, APPS and TACO, CodeContests.

In: a row as the data set releases it. Out: a problem with its suite of calls, or of inputs with the
output that should come. Private tests of LiveCodeBench are JSON, or base64 of zlib of a pickle of
JSON text: that pickle is read by an unpickler that knows no class at all, and is bounded. Raises
FieldError or SuiteError.

- LiveCodeBench (Jain et al. 2024, arXiv 2403.07974): `question_content`, `starter_code`,
  `public_test_cases`, `private_test_cases`, `metadata` with `func_name`; `functional` or `stdin`.
- APPS (Hendrycks et al. 2021) and TACO: `question`, `starter_code`, `solutions`, `input_output`
with
  or without `fn_name`.
- CodeContests: `description`, `public_tests`, `private_tests`, `generated_tests`.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
import pickle
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Never

from sv_engine.grading.suite import Suite, SuiteError, read_suite
from sv_engine.problems.jsonl import FieldError
from sv_engine.problems.python_text import check_text
from sv_engine.records import Problem

MAX_TESTS_BYTES = 256 << 20
"""Of unpacked private tests; LiveCodeBench's largest row has about 100 MB."""
_FUNCTION = (
    "{question}\n\nYou will use the following starter code to write the solution to the problem, "
    "and enclose your code within delimiters.\n```python\n{starter}\n```"
)
_PROGRAM = (
    "{question}\n\nRead the inputs from stdin, solve the problem and write the answer to stdout. "
    "Enclose your code within delimiters; do not test it on the sample inputs."
)


@dataclass(frozen=True, slots=True)
class ContestTask:
    """A problem and its suite."""

    problem: Problem
    suite: Suite


Reader = Callable[[dict[str, Any]], ContestTask]


def reader_of(row: dict[str, Any]) -> Reader | None:
    """The reader for a row with these keys; None: it is of no contest."""
    if "private_test_cases" in row or "public_test_cases" in row:
        return livecodebench
    if "input_output" in row:
        return apps
    return codecontests if "public_tests" in row and "description" in row else None


def livecodebench(row: dict[str, Any]) -> ContestTask:
    """One row of LiveCodeBench's code generation."""
    metadata = _json(row, "metadata", {})
    name = metadata.get("func_name") if isinstance(metadata, dict) else None
    tests = [*_cases(row, "public_test_cases"), *_cases(row, "private_test_cases")]
    if not tests:
        raise FieldError("private_test_cases", "no test")
    starter = _text(row, "starter_code", "")
    if not any(case.get("testtype") == "functional" for case in tests):
        name = None
    suite = read_suite(tests, fn_name=name)
    return _task(
        f"LCB/{_id(row, 'question_id')}", _text(row, "question_content"), starter, name, suite
    )


def apps(row: dict[str, Any]) -> ContestTask:
    """One row of APPS or TACO."""
    found = _json(row, "input_output", None)
    if not isinstance(found, dict):
        raise FieldError("input_output", "not an object with inputs and outputs")
    name = found.get("fn_name")
    suite = read_suite(found, fn_name=name)
    key = next((key for key in ("problem_id", "id", "task_id") if key in row), "problem_id")
    question = _text(row, "question")
    starter = _text(row, "starter_code", "")
    return _task(f"APPS/{_id(row, key)}", question, starter, name, suite)


def codecontests(row: dict[str, Any]) -> ContestTask:
    """One row of CodeContests: programs only."""
    pairs: dict[str, list[Any]] = {"inputs": [], "outputs": []}
    for kind in ("public_tests", "private_tests", "generated_tests"):
        some = _json(row, kind, {})
        if not isinstance(some, dict):
            raise FieldError(kind, "not an object with input and output")
        pairs["inputs"] += some.get("input", [])
        pairs["outputs"] += some.get("output", [])
    suite = read_suite(pairs)
    return _task(_id(row, "name"), _text(row, "description"), "", None, suite)


def _task(task_id: str, question: str, starter: str, name: str | None, suite: Suite) -> ContestTask:
    if name is not None and not isinstance(name, str):
        raise FieldError("fn_name", "not a name")
    text = _PROGRAM if name is None else _FUNCTION
    prompt = text.format(question=question, starter=starter.rstrip() or f"def {name}(...):")
    entry_point = name or ""
    if name and "class Solution" in starter:
        entry_point = f"Solution().{name}"
    return ContestTask(Problem(task_id, prompt, entry_point), suite)


def _cases(row: dict[str, Any], field: str) -> list[dict[str, Any]]:
    """Test cases that are JSON, or packed."""
    value = row.get(field) or []
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            value = unpacked(value, field)
    if not isinstance(value, list) or not all(isinstance(case, dict) for case in value):
        raise FieldError(field, "not a list of test cases")
    return value


def unpacked(text: str, field: str = "private_test_cases") -> Any:
    """What base64 of zlib of a pickle of JSON text holds; FieldError for anything else."""
    try:
        inflater = zlib.decompressobj()
        data = inflater.decompress(base64.b64decode(text, validate=True), MAX_TESTS_BYTES)
        if inflater.unconsumed_tail or not inflater.eof:
            raise FieldError(field, f"more than {MAX_TESTS_BYTES >> 20} MiB, or cut off")
        inner = _DataOnly(io.BytesIO(data)).load()
        if not isinstance(inner, str):
            raise FieldError(field, f"the pickle holds {type(inner).__name__}, not text")
        return json.loads(inner)
    except FieldError:
        raise
    except (binascii.Error, zlib.error, ValueError, RecursionError) as error:
        raise FieldError(field, f"neither JSON nor packed test cases: {error}") from None
    except Exception as error:  # a broken pickle raises whatever its opcodes run into
        raise FieldError(field, f"not a pickle of text: {type(error).__name__}: {error}") from None


class _DataOnly(pickle.Unpickler):
    """Reads texts and numbers; there is no class that it would find."""

    def find_class(self, module: str, name: str, /) -> Never:
        raise pickle.UnpicklingError(f"it names {module}.{name}")

    def persistent_load(self, pid: Any, /) -> Never:
        raise pickle.UnpicklingError("it refers to something outside")


def _json(row: dict[str, Any], field: str, default: Any) -> Any:
    value = row.get(field)
    if not isinstance(value, str):
        return default if value is None else value
    try:
        return json.loads(value) if value.strip() else default
    except (ValueError, RecursionError) as error:
        raise FieldError(field, f"not JSON: {error}") from None


def _text(row: dict[str, Any], field: str, default: str | None = None) -> str:
    value = row.get(field, default)
    if value is None and default is not None:
        return default
    if not isinstance(value, str):
        raise FieldError(field, "not text")
    if reason := check_text(value):
        raise FieldError(field, reason.value)
    return value


def _id(row: dict[str, Any], field: str) -> str:
    value = row.get(field)
    if not isinstance(value, str | int) or not str(value):
        raise FieldError(field, "no id")
    return str(value)


__all__ = [
    "ContestTask",
    "SuiteError",
    "apps",
    "codecontests",
    "livecodebench",
    "reader_of",
    "unpacked",
]
