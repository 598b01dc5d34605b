"""Rows to execute: a solution, its tests, and which of them pass where that is known.

CRUXEval: short functions with one pair of input and output each. CodeGen-16B: the first
problems of the matrix job, solutions and tests as that model wrote them.
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
