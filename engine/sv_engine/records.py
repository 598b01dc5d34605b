"""The nouns of the engine: what flows between its stages.

Axes, wherever they stand in a name: P problems, S distinct solutions of one problem, T distinct
tests of one problem. Duplicates are never stored twice: a distinct text carries its multiplicity
as a weight (`weight_S`, `weight_T`), and every formula that counts samples counts weights.

Verdicts come from the sandbox as uint8 codes (`sv_sandbox.Verdict`); code 0 is INFRA, a hole:
the cell was not judged, and nothing may be concluded from it. So does trust (`sv_sandbox.Trust`).
`Outcome.evidence` is the one place where it is decided what may be concluded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]

INFRA_CODE = 0
PASS_CODE = 1
TIMEOUT_CODE = 4
NEAR_LIMIT = 0.2
"""Cells within this share of their CPU limit are marked: another run may decide otherwise."""
OVERRUN_S = 0.1
"""The sandbox ends an endless cell at limit + min(20%, this), so that a cell just over its limit
is told from one without end."""


def plain(record: Any) -> dict[str, Any]:
    """The fields of a flat record by name; what `dataclasses.asdict` gives, without its copies."""
    return {name: getattr(record, name) for name in record.__dataclass_fields__}


@dataclass(frozen=True, slots=True)
class Problem:
    """One programming task, as a model sees it, plus what only the evaluation may see."""

    id: str
    prompt: str
    """What the solver completes or answers: a signature with docstring, or a description."""
    entry_point: str
    """Name of the function that tests call; empty where the solution is a program that reads and
    writes."""
    reference_solution: str | None = None
    """Self-contained correct program; for evaluation only, never for selection or training."""
    reference_test: str | None = None
    """Source that raises unless the program before it is right; for evaluation only. Of a program
    that reads and writes: inputs and outputs (`problems.programs_io`)."""

    @property
    def is_program(self) -> bool:
        """Whether the solution reads and writes, instead of being called."""
        return not self.entry_point


@dataclass(frozen=True, slots=True)
class Heldout:
    """A problem with what only the evaluation may see."""

    problem: Problem
    """With reference solution and reference test."""
    wrong_solutions: tuple[str, ...] = ()
    """The frozen bank: programs that the reference test refutes."""

    @property
    def has_reference(self) -> bool:
        """Whether it can be judged."""
        problem = self.problem
        return None not in (problem.reference_solution, problem.reference_test)

    @property
    def texts(self) -> list[str]:
        """What self-play must not come near."""
        problem = self.problem
        texts = (problem.prompt, problem.reference_solution, problem.reference_test)
        return [text for text in texts if text]


@dataclass(frozen=True, slots=True)
class Completion:
    """One raw text that a model wrote for one prompt."""

    problem_id: str
    role: str
    """`solve`, `verify`, `derive`, `critique` or `describe`."""
    text: str
    finish_reason: str = "stop"
    """`stop`, `length` or `abort`, as vLLM spells them."""
    token_count: int = 0
    sample: int = 0
    """Which sample of its request, from 0; it used the request's seed plus this."""


@dataclass(frozen=True, slots=True)
class Solution:
    """One distinct program, and how many samples were this program."""

    source: str
    weight: int = 1
    written: str = ""
    """The completion that it was read from, in normal form (`roles.written`), the least of several;
    empty where that is `roles.answer`."""


@dataclass(frozen=True, slots=True)
class Test:
    """One distinct test (one assert statement), and how many samples were this test."""

    __test__ = False  # pytest must not collect this class

    source: str
    weight: int = 1
    """0: the test was judged, but is no evidence."""
    prompt: str = ""
    """The verifier's prompt under which it was sampled, the least of several; empty where none is
    known."""


@dataclass(frozen=True, slots=True)
class Suite:
    """The tests of one completion of the verifier."""

    prompt: str
    tests: tuple[int, ...]
    """Columns of the matrix, in the order of the text."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """Everything that is to be executed for one problem: distinct solutions and tests."""

    problem: Problem
    solutions: tuple[Solution, ...]
    tests: tuple[Test, ...]
    dropped: dict[str, int] = field(default_factory=dict)
    """Why raw samples did not become a solution or a test: reason -> count."""
    suites: tuple[Suite, ...] = ()
    """Which tests were sampled together; empty where that is not known."""

    def sources(self) -> tuple[list[str], list[str]]:
        """The texts of solutions and tests."""
        return [s.source for s in self.solutions], [t.source for t in self.tests]

    @property
    def weight_S(self) -> Floats:
        """How many samples were each solution."""
        return np.array([s.weight for s in self.solutions], dtype=np.float64)

    @property
    def weight_T(self) -> Floats:
        """How many samples were each test; 0: it is no evidence."""
        return np.array([t.weight for t in self.tests], dtype=np.float64)


class Recheck(IntEnum):
    """What a timeout rests on that was not simply run to its limit. Stored as one byte."""

    NONE = 0
    """There was no such timeout."""
    NOT_CONFIRMED = 1
    """It was not run again: the budget was spent, or the run was interrupted."""
    CONFIRMED = 2
    """Alone on the machine it timed out again, or another cell of its row did."""
    OVERTURNED = 3
    """Alone on the machine it did not time out: what is stored is that verdict."""
    ASSUMED = 4
    """It timed out under a short limit, and another cell of its row under the whole one."""


class Repeat(IntEnum):
    """What a second run of a passed cell, under another seed, told. Stored as one byte."""

    NONE = 0
    """There was none, or it told nothing."""
    PASSED = 1
    FLIPPED = 2
    """It did not pass again."""


@dataclass(frozen=True, slots=True)
class Verdicts:
    """The cells of S solutions on T tests under one CPU limit, as judged."""

    cpu_s: float
    """CPU limit of a cell."""
    verdict_ST: NDArray[np.uint8]
    """Verdict codes; 0 is a hole."""
    cpu_us_ST: NDArray[np.uint32]
    """CPU time of each cell in microseconds."""
    trust_ST: NDArray[np.uint8]
    """Trust codes: on whose word a pass rests."""
    held_ST: NDArray[np.uint8]
    """1 where a pass was held back for want of trust."""
    recheck_ST: NDArray[np.uint8]
    """Codes of `Recheck`."""
    repeat_ST: NDArray[np.uint8]
    """Codes of `Repeat`."""
    vacuous_T: Bools
    """The test passes with nothing behind it (known to the split judge only)."""

    @classmethod
    def unknown(cls, solutions: int, tests: int, cpu_s: float) -> Verdicts:
        """Nothing has run yet: holes."""
        shape = (solutions, tests)
        return cls(
            cpu_s=cpu_s,
            verdict_ST=np.zeros(shape, np.uint8),
            cpu_us_ST=np.zeros(shape, np.uint32),
            trust_ST=np.zeros(shape, np.uint8),
            held_ST=np.zeros(shape, np.uint8),
            recheck_ST=np.zeros(shape, np.uint8),
            repeat_ST=np.zeros(shape, np.uint8),
            vacuous_T=np.zeros(tests, np.bool_),
        )

    def put(self, part: Verdicts, row: int = 0, column: int = 0) -> None:
        """Copy `part` in, its first cell to (row, column)."""
        rows, columns = part.verdict_ST.shape
        cells = np.s_[row : row + rows, column : column + columns]
        for name in CELL_ARRAYS:
            getattr(self, name)[cells] = getattr(part, name)
        self.vacuous_T[column : column + columns] |= part.vacuous_T

    def place(self, part: Verdicts, rows: Sequence[int], columns: Sequence[int]) -> None:
        """Copy `part` in, its rows and columns to these."""
        cells = np.ix_(rows, columns)
        for name in CELL_ARRAYS:
            getattr(self, name)[cells] = getattr(part, name)
        self.vacuous_T[list(columns)] |= part.vacuous_T

    def ordered(self, rows: Sequence[int], columns: Sequence[int]) -> Verdicts:
        """The same cells with rows and columns in another order."""
        cells = np.ix_(rows, columns)
        arrays = {name: getattr(self, name)[cells] for name in CELL_ARRAYS}
        return Verdicts(self.cpu_s, **arrays, vacuous_T=self.vacuous_T[list(columns)])

    @property
    def known_ST(self) -> Bools:
        """False where nothing may be concluded: holes, vacuous tests, passes that flipped."""
        holes_ST = (self.verdict_ST == INFRA_CODE) | (self.repeat_ST == Repeat.FLIPPED)
        return np.asarray(~(holes_ST | self.vacuous_T))

    @property
    def passed_ST(self) -> Bools:
        """True where the cell is known to pass."""
        return np.asarray(self.known_ST & (self.verdict_ST == PASS_CODE))

    @property
    def failed_ST(self) -> Bools:
        """True where the cell is known not to pass."""
        return np.asarray(self.known_ST & (self.verdict_ST != PASS_CODE))

    @property
    def near_limit_ST(self) -> Bools:
        """True where another run may decide otherwise: the CPU time is within 20% of the limit,
        or the timeout was overturned, or assumed."""
        near_ST = near_limit(self.cpu_us_ST, self.cpu_s)
        return near_ST | np.isin(self.recheck_ST, (Recheck.OVERTURNED, Recheck.ASSUMED))

    @property
    def is_doubtful(self) -> bool:
        """Whether a timeout is still to be run again."""
        return bool((self.recheck_ST == Recheck.NOT_CONFIRMED).any())


CELL_ARRAYS = tuple(f.name for f in fields(Verdicts) if f.name.endswith("_ST"))
"""The arrays of `Verdicts` with a value per cell."""


def near_limit(cpu_us: NDArray[np.uint32], cpu_s: float) -> Bools:
    """True where the CPU time is within 20% of the limit, on either side; shape as given."""
    low_us = (1 - NEAR_LIMIT) * cpu_s * 1e6
    high_us = (cpu_s + min(NEAR_LIMIT * cpu_s, OVERRUN_S)) * 1e6
    return np.asarray((cpu_us >= low_us) & (cpu_us < high_us))


class Block(NamedTuple):
    """Verdicts with the texts they are about."""

    problem: Problem
    solutions: list[str]
    tests: list[str]
    verdicts: Verdicts


@dataclass(frozen=True, slots=True)
class Evidence:
    """What may be concluded about one problem, and all that a selector sees."""

    passed_ST: Bools
    known_ST: Bools
    """False where the cell is a hole."""
    weight_S: Floats
    weight_T: Floats
    """0: the test is no evidence."""

    @property
    def failed_ST(self) -> Bools:
        """True where the cell is known not to pass."""
        return np.asarray(self.known_ST & ~self.passed_ST)

    @property
    def weighted(self) -> Evidence:
        """The same without the tests of weight 0."""
        kept_T = self.weight_T > 0
        return Evidence(
            self.passed_ST[:, kept_T],
            self.known_ST[:, kept_T],
            self.weight_S,
            self.weight_T[kept_T],
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """One problem with its candidates and all their verdicts."""

    candidates: Candidates
    tests: Verdicts
    """S solutions on the T tests of the candidates."""
    reference: Verdicts | None = None
    """S solutions on the benchmark's own test, one column; None where the problem has none."""

    @property
    def problem(self) -> Problem:
        """The problem."""
        return self.candidates.problem

    @property
    def evidence(self) -> Evidence:
        """The rule, the same for every command: holes, flipped passes and vacuous tests tell
        nothing, and a vacuous test weighs nothing."""
        weight_T = np.where(self.tests.vacuous_T, 0.0, self.candidates.weight_T)
        return Evidence(
            self.tests.passed_ST, self.tests.known_ST, self.candidates.weight_S, weight_T
        )

    def blocks(self) -> Iterator[Block]:
        """The verdicts with their texts: those of the tests, and of the benchmark's own test."""
        problem, (solutions, tests) = self.problem, self.candidates.sources()
        yield Block(problem, solutions, tests, self.tests)
        if self.reference is not None:
            yield Block(problem, solutions, [problem.reference_test or ""], self.reference)

    @property
    def is_doubtful(self) -> bool:
        """Whether a timeout, the benchmark's own test included, is still to be run again."""
        return any(block.verdicts.is_doubtful for block in self.blocks())

    @property
    def held_count(self) -> int:
        """Passes that were held back for want of trust."""
        return sum(int(block.verdicts.held_ST.sum()) for block in self.blocks())


@dataclass(frozen=True, slots=True)
class Selection:
    """What a selector believes about one pass matrix."""

    selector: str
    score_S: Floats
    """Higher is better; equal scores are ties."""
    score_T: Floats
    accepted_S: Bools
    accepted_T: Bools
    diagnostics: dict[str, float] = field(default_factory=dict)

    @property
    def best(self) -> int:
        """Index of the chosen solution: the highest score, the first of equals."""
        return int(np.argmax(self.score_S))


@dataclass(frozen=True, slots=True)
class Example:
    """One row of supervised fine-tuning data."""

    problem_id: str
    role: str
    prompt: str
    completion: str


@dataclass(frozen=True, slots=True)
class PreferencePair:
    """One row of preference data: `chosen` was accepted, `rejected` refuted, on the same prompt."""

    problem_id: str
    role: str
    prompt: str
    chosen: str
    rejected: str
