"""The growing pass matrix of one problem, while its samples still arrive.

In: solutions and tests, in any order, as they are sampled; verdicts of rectangles of cells. Out,
once the problem is complete: a `Played`. The invariant: the judged cells form a rectangle (the
first so many solutions by the first so many tests), and its border to what has arrived
since is at most two rectangles; so a cell may run as soon as its solution and its test exist, and
none runs twice. Equal texts are one row or column with a weight.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass

import numpy as np

from sv_engine.execute.executor import Judged
from sv_engine.prompts.roles import Call, call_of
from sv_engine.records import PassMatrix, Problem, Rollout, Solution, Test


@dataclass(frozen=True, slots=True)
class Suite:
    """The tests of one completion of the verifier."""

    prompt: str
    tests: tuple[int, ...]
    """Columns of the matrix, in the order of the text."""


@dataclass(frozen=True, slots=True)
class Played:
    """One problem with all its samples and verdicts: what selection and training data are made of.

    Holds no ground truth: `rollout.problem` has neither reference solution nor reference test.
    """

    rollout: Rollout
    matrix: PassMatrix
    prompt_T: tuple[str, ...]
    """The verifier's prompt under which each test was first sampled."""
    suites: tuple[Suite, ...]


@dataclass(frozen=True, slots=True)
class Rectangle:
    """Cells to run: every solution of the first range with every test of the second."""

    rows: range
    columns: range


class Board:
    """See the module. Used from the event loop only."""

    def __init__(self, problem: Problem, *, agreement: float | None = None) -> None:
        """agreement: the tests of one call are votes on its expected value, and those of a value
        with a smaller share of them are no evidence; None: every test counts for itself."""
        self.problem = problem
        self.closed = False
        """No more samples will arrive."""
        self.has_all_tests = False
        """No more tests will arrive, maybe programs."""
        self._agreement = agreement
        self._solutions: Counter[str] = Counter()
        self._tests: dict[str, int] = {}
        self._weight: Counter[str] = Counter()
        self._prompt: dict[str, str] = {}
        self._suites: list[Suite] = []
        self._dropped: Counter[str] = Counter()
        self._ballots: dict[str, Counter[str]] = defaultdict(Counter)
        self._value_of: dict[str, str] = {}
        self.judged = Judged.holes(0, 0)
        """The cells that have run."""

    @property
    def solution_count(self) -> int:
        """Distinct solutions so far."""
        return len(self._solutions)

    @property
    def test_count(self) -> int:
        """Distinct tests so far."""
        return len(self._tests)

    def add_solution(self, source: str) -> None:
        """One sampled program."""
        self._solutions[source] += 1

    def add_suite(self, prompt: str, tests: list[str]) -> list[str]:
        """The tests of one completion. Returns the arguments of calls that are put to the vote
        and were not seen before."""
        new_arguments = []
        for test in tests:
            self._add_test(test, prompt)
            call = call_of(test, self.problem.entry_point) if self._agreement is not None else None
            if call is None:
                self._weight[test] += 1
                continue
            if call.argument not in self._ballots:
                new_arguments.append(call.argument)
            self._cast(call, test)
        self._suites.append(Suite(prompt, tuple(self._tests[test] for test in tests)))
        return new_arguments

    def add_derived(self, prompt: str, test: str) -> None:
        """A test whose expected value was derived again: one vote. prompt: of the first sample."""
        call = call_of(test, self.problem.entry_point)
        if call is not None and call.argument in self._ballots:
            self._add_test(test, prompt)
            self._cast(call, test)

    def drop(self, reasons: Counter[str]) -> None:
        """Count samples that gave no solution or no test."""
        self._dropped.update(reasons)

    def close(self) -> None:
        """Every sample has arrived; the votes are counted.

        A test weighs as many samples and derivations as said just this, or nothing where its
        expected value has too small a share of the votes on its call.
        """
        self.closed = True
        for ballot in self._ballots.values():
            votes: Counter[str] = Counter()
            for test, count in ballot.items():
                votes[self._value_of[test]] += count
            for test, count in ballot.items():
                if votes[self._value_of[test]] >= (self._agreement or 0) * votes.total():
                    self._weight[test] += count

    def border(self) -> list[Rectangle]:
        """What has not run: at most two rectangles, in the order in which they are to be filled."""
        judged_S, judged_T = self.judged.verdict_ST.shape
        new_S, new_T = range(judged_S, len(self._solutions)), range(len(self._tests))
        old_S, late_T = range(judged_S), range(judged_T, len(self._tests))
        candidates = [Rectangle(new_S, new_T), Rectangle(old_S, late_T)]
        return [r for r in candidates if r.rows and r.columns]

    def border_cells(self) -> int:
        """Number of cells that have not run."""
        return len(self._solutions) * len(self._tests) - self.judged.verdict_ST.size

    def sources(self, rectangle: Rectangle | None = None) -> tuple[list[str], list[str]]:
        """The programs and the tests of a rectangle; of the whole board without one."""
        solutions, tests = list(self._solutions), list(self._tests)
        if rectangle is None:
            return solutions, tests
        rows, columns = rectangle.rows, rectangle.columns
        return solutions[rows.start : rows.stop], tests[columns.start : columns.stop]

    def fill(self, results: list[tuple[Rectangle, Judged]]) -> None:
        """Enter the cells of a whole border."""
        if not results:
            return
        old = self.judged
        rows, columns = old.verdict_ST.shape
        self.judged = Judged.holes(
            max([rows, *(r.rows.stop for r, _ in results)]),
            max([columns, *(r.columns.stop for r, _ in results)]),
        )
        self.judged.put(old)
        for rectangle, part in results:
            self.judged.put(part, rectangle.rows.start, rectangle.columns.start)

    def played(self) -> Played:
        """The complete matrix. A test that lost its vote has weight 0: judged, but no evidence."""
        solutions = tuple(Solution(source, n) for source, n in self._solutions.items())
        tests = tuple(Test(source, self._weight[source]) for source in self._tests)
        shape = (len(solutions), len(tests))
        # Without a single cell (no program, or no test) nothing was ever filled in.
        judged = self.judged if 0 not in shape else Judged.holes(*shape)
        matrix = PassMatrix(
            problem_id=self.problem.id,
            verdict_ST=judged.evidence_ST,
            cpu_us_ST=judged.cpu_us_ST,
            weight_S=np.array([s.weight for s in solutions], dtype=np.float64),
            weight_T=np.array([t.weight for t in tests], dtype=np.float64),
        )
        return Played(
            rollout=Rollout(self.problem, solutions, tests, dict(self._dropped)),
            matrix=matrix,
            prompt_T=tuple(self._prompt[source] for source in self._tests),
            suites=tuple(self._suites),
        )

    def _cast(self, call: Call, test: str) -> None:
        self._ballots[call.argument][test] += 1
        self._value_of[test] = call.value

    def _add_test(self, test: str, prompt: str) -> None:
        self._tests.setdefault(test, len(self._tests))
        self._prompt.setdefault(test, prompt)
