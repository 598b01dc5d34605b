"""Rows to execute: a solution, its tests, and which of them pass where that is known.

CRUXEval: short functions with one pair of input and output each, as asserts or as programs.
CodeGen-16B: the first problems of the matrix job, solutions and tests as that model wrote them.
HumanEval: the benchmark's own solutions on its own long tests. NumPy: small programs of ours.
"""

from __future__ import annotations

import ast
import json
import random
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Row:
    """One solution and its tests; rows of one `group` share their tests."""

    group: int
    solution: str
    tests: list[str]
    passes: list[bool] | None
    """What each test must say; None: not known."""
    call: str = ""
    """The argument list of the call, for executors that want inputs instead of tests."""
    answers: tuple[str, ...] = ()
    """The expected value of each test, as source."""

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


def cruxeval(path: Path, tests: int) -> list[Row]:
    """Every pair as a row of `tests` tests, in turn the right answer and a wrong one.

    Left out are the few whose arguments or answer are no literals: not every executor takes them.
    """
    rows = []
    for group, line in enumerate(path.read_text().splitlines()):
        item = json.loads(line)
        try:
            ast.literal_eval(f"({item['input']},)"), ast.literal_eval(item["output"])
        except (ValueError, SyntaxError):
            continue
        wrong = f"({item['output']}, 'wrong')"
        answers = tuple(item["output"] if t % 2 == 0 else wrong for t in range(tests))
        asserts = [f"assert f({item['input']}) == {answer}" for answer in answers]
        passes = [t % 2 == 0 for t in range(tests)]
        rows.append(Row(group, item["code"], asserts, passes, item["input"], answers))
    return rows


def codegen(path: Path, problems: int, solutions: int, tests: int) -> list[Row]:
    """The first `problems` problems, the first `solutions` x `tests` of each.

    In chunks of five solutions, shuffled, so that a slice sees slow problems as well as fast ones.
    """
    from sv_engine.problems.formats import RolloutFile

    chunks = []
    for rollout in islice(RolloutFile(path), problems):
        sources = [test.source for test in rollout.tests[:tests]]
        for at in range(0, min(solutions, len(rollout.solutions)), 5):
            chunks.append((rollout.solutions[at : at + 5], sources))
    random.Random(0).shuffle(chunks)
    return [
        Row(group, solution.source, sources, None)
        for group, (chunk, sources) in enumerate(chunks)
        for solution in chunk
    ]


def without_timeouts(rows: list[Row], limit_s: float) -> list[Row]:
    """Those of which no cell runs out of time under our own inline judge."""
    from sv_sandbox import Limits, Pool, Verdict

    kept = []
    with Pool(limits=Limits(cpu_s=limit_s)) as pool:
        jobs = [pool.submit([row.solution], row.tests, judge="inline") for row in rows]
        for row, job in zip(rows, jobs, strict=True):
            matrix = job.wait()
            if not any(matrix.verdict(0, t) is Verdict.TIMEOUT for t in range(len(row.tests))):
                kept.append(row)
    return kept


def humaneval(path: Path) -> list[Row]:
    """Every reference solution on the one long test of its problem."""
    from sv_engine.problems.formats import RolloutFile

    rows = []
    for group, rollout in enumerate(RolloutFile(path)):
        problem = rollout.problem
        if problem.reference_solution is not None and problem.reference_test is not None:
            rows.append(
                Row(group, problem.reference_solution, [problem.reference_test], passes=[True])
            )
    return rows


def programs(path: Path) -> list[Row]:
    """CRUXEval's functions as programs: a line of arguments in, the answer out."""
    tail = "\n\nimport ast\n\nprint(repr(f(*ast.literal_eval(input()))))\n"
    return [
        Row(
            row.group,
            row.solution + tail,
            [repr(ast.literal_eval(f"({row.call},)"))],
            [True],
            answers=(repr(ast.literal_eval(row.answers[0])) + "\n",),
        )
        for row in cruxeval(path, 1)
    ]


NUMPY = {
    "np.sort(np.array(xs))[::-1].tolist()": "sorted(xs, reverse=True)",
    "int(np.dot(np.array(xs), np.arange(len(xs))))": "sum(x * i for i, x in enumerate(xs))",
    "np.unique(np.array(xs)).tolist()": "sorted(set(xs))",
    "np.cumsum(np.array(xs)).tolist()": "[sum(xs[: i + 1]) for i in range(len(xs))]",
    "int(np.where(np.array(xs) % 2 == 0, 1, 0).sum())": "sum(x % 2 == 0 for x in xs)",
    "np.outer(xs, xs).diagonal().tolist()": "[x * x for x in xs]",
}


def numpy_functions(rows: int = 120) -> list[Row]:
    """Functions that import NumPy, each on a list of its own, with a right and a wrong answer."""
    numbers = random.Random(0)
    found = []
    for group in range(rows):
        body, plain = list(NUMPY.items())[group % len(NUMPY)]
        xs = [numbers.randrange(-50, 50) for _ in range(8)]
        answer = eval(plain, {"xs": xs})  # of our own expressions, above
        solution = f"import numpy as np\n\ndef f(xs):\n    return {body}\n"
        tests = [f"assert f({xs}) == {answer}", f"assert f({xs}) == [{answer!r}, 'wrong']"]
        found.append(Row(group, solution, tests, [True, False]))
    return found
