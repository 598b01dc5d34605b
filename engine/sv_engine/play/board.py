"""The growing pass matrix of one problem, while its samples still arrive.

In: solutions and tests, in any order, as they are sampled; verdicts of rectangles of cells. Out,
once the problem is complete: an `Outcome`. The invariant: the judged cells form a rectangle (the
first so many solutions by the first so many tests), and its border to what has arrived
since is at most two rectangles; so a cell may run as soon as its solution and its test exist, and
none runs twice. Equal texts are one row or column with a weight.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass

from sv_engine.prompts.roles import Call, call_of
from sv_engine.records import (
    Block,
    Candidates,
    Outcome,
    Problem,
    Solution,
    Suite,
    Test,
    Verdicts,
)


@dataclass(frozen=True, slots=True)
class Rectangle:
    """Cells to run: every solution of the first range with every test of the second."""

    rows: range
    columns: range


class Board:
    """See the module. Used from the event loop only."""

    def __init__(self, problem: Problem, cpu_s: float, *, agreement: float | None = None) -> None:
        """cpu_s: limit of a cell. agreement: the tests of one call are votes on its expected value,
        and those of a value with a smaller share of them are no evidence; None: every test counts
        for itself."""
        self.problem = problem
        self.closed = False
        """No more samples will arrive."""
        self.has_all_tests = False
        """No more tests will arrive, maybe programs."""
        self._agreement = agreement
        self._solutions: Counter[str] = Counter()
        self._written: dict[str, str] = {}
        self._tests: dict[str, int] = {}
        self._weight: Counter[str] = Counter()
        self._prompt: dict[str, str] = {}
        self._suites: list[Suite] = []
        self._dropped: Counter[str] = Counter()
        self._ballots: dict[str, Counter[str]] = defaultdict(Counter)
        self._value_of: dict[str, str] = {}
        self.verdicts = Verdicts.unknown(0, 0, cpu_s)
        """The cells that have run."""

    @property
    def solution_count(self) -> int:
        """Distinct solutions so far."""
        return len(self._solutions)

    @property
    def test_count(self) -> int:
        """Distinct tests so far."""
        return len(self._tests)

    def add_solution(self, source: str, written: str = "") -> None:
        """One sampled program, and the completion it was read from (`roles.written`)."""
        self._solutions[source] += 1
        self._written[source] = min(written, self._written.get(source, written))

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
        judged_S, judged_T = self.verdicts.verdict_ST.shape
        new_S, new_T = range(judged_S, len(self._solutions)), range(len(self._tests))
        old_S, late_T = range(judged_S), range(judged_T, len(self._tests))
        candidates = [Rectangle(new_S, new_T), Rectangle(old_S, late_T)]
        return [r for r in candidates if r.rows and r.columns]

    def border_cells(self) -> int:
        """Number of cells that have not run."""
        return len(self._solutions) * len(self._tests) - self.verdicts.verdict_ST.size

    def sources(self, rectangle: Rectangle | None = None) -> tuple[list[str], list[str]]:
        """The programs and the tests of a rectangle; of the whole board without one."""
        solutions, tests = list(self._solutions), list(self._tests)
        if rectangle is None:
            return solutions, tests
        rows, columns = rectangle.rows, rectangle.columns
        return solutions[rows.start : rows.stop], tests[columns.start : columns.stop]

    def fill(self, results: list[tuple[Rectangle, Verdicts]]) -> None:
        """Enter the cells of a whole border."""
        if not results:
            return
        old = self.verdicts
        rows, columns = old.verdict_ST.shape
        self.verdicts = Verdicts.unknown(
            max([rows, *(r.rows.stop for r, _ in results)]),
            max([columns, *(r.columns.stop for r, _ in results)]),
            old.cpu_s,
        )
        self.verdicts.put(old)
        for rectangle, part in results:
            self.verdicts.put(part, rectangle.rows.start, rectangle.columns.start)

    def block(self) -> Block:
        """The verdicts so far with their texts."""
        return Block(self.problem, *self.sources(), self.verdicts)

    def outcome(self) -> Outcome:
        """The complete matrix. A test that lost its vote has weight 0: judged, but no evidence.

        Holds no ground truth: the problem has neither reference solution nor reference test.
        """
        # In the order of their texts: what comes of a matrix must not depend on arrival.
        solutions, tests = list(self._solutions), list(self._tests)
        rows = sorted(range(len(solutions)), key=solutions.__getitem__)
        columns = sorted(range(len(tests)), key=tests.__getitem__)
        place = {column: t for t, column in enumerate(columns)}
        suites = [Suite(s.prompt, tuple(place[t] for t in s.tests)) for s in self._suites]
        candidates = Candidates(
            self.problem,
            tuple(self._solution(solutions[s]) for s in rows),
            tuple(self._test(tests[t]) for t in columns),
            dict(sorted(self._dropped.items())),
            tuple(sorted(suites, key=lambda suite: (suite.prompt, suite.tests))),
        )
        # Without a single cell (no program, or no test) nothing was ever filled in.
        if not rows or not columns:
            return Outcome(
                candidates, Verdicts.unknown(len(rows), len(columns), self.verdicts.cpu_s)
            )
        return Outcome(candidates, self.verdicts.ordered(rows, columns))

    def _solution(self, source: str) -> Solution:
        return Solution(source, self._solutions[source], self._written[source])

    def _test(self, source: str) -> Test:
        return Test(source, self._weight[source], self._prompt[source])

    def _cast(self, call: Call, test: str) -> None:
        self._ballots[call.argument][test] += 1
        self._value_of[test] = call.value

    def _add_test(self, test: str, prompt: str) -> None:
        self._tests.setdefault(test, len(self._tests))
        self._prompt[test] = min(prompt, self._prompt.get(test, prompt))
