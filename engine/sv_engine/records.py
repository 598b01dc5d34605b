"""The nouns of the engine: what flows between its stages.

Axes, wherever they stand in a name: P problems, S distinct solutions of one problem, T distinct
tests of one problem. Duplicates are never stored twice: a distinct text carries its multiplicity
as a weight (`weight_S`, `weight_T`), and every formula that counts samples counts weights.

Verdicts come from the sandbox as uint8 codes (`sv_sandbox.Verdict`); code 0 is INFRA, a hole:
the cell was not judged, and nothing may be concluded from it. So does trust (`sv_sandbox.Trust`).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

INFRA_CODE = 0
PASS_CODE = 1
TIMEOUT_CODE = 4
INLINE_CODE = 2
"""Trust of a cell whose verdict its solution could have forged."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One programming task, as a model sees it, plus what only the evaluation may see."""

    id: str
    prompt: str
    """What the solver completes or answers: a signature with docstring, or a description."""
    entry_point: str
    """Name of the function that tests call."""
    reference_solution: str | None = None
    """Self-contained correct program; for evaluation only, never for selection or training."""
    reference_test: str | None = None
    """Source that raises unless the program before it is right; for evaluation only."""


@dataclass(frozen=True, slots=True)
class Completion:
    """One raw text that a model wrote for one prompt."""

    problem_id: str
    role: str
    """`solve`, `verify` or `describe`."""
    text: str
    finish_reason: str = "stop"
    """`stop`, `length` or `abort`, as vLLM spells them."""
    token_count: int = 0


@dataclass(frozen=True, slots=True)
class Solution:
    """One distinct program, and how many samples were this program."""

    source: str
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Test:
    """One distinct test (one assert statement), and how many samples were this test."""

    __test__ = False  # pytest must not collect this class

    source: str
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Rollout:
    """Everything that is to be executed for one problem: distinct solutions and tests."""

    problem: Problem
    solutions: tuple[Solution, ...]
    tests: tuple[Test, ...]
    dropped: dict[str, int] = field(default_factory=dict)
    """Why raw samples did not become a solution or a test: reason -> count."""

    def sources(self) -> tuple[list[str], list[str]]:
        """The texts of solutions and tests."""
        return [s.source for s in self.solutions], [t.source for t in self.tests]


@dataclass(frozen=True, slots=True)
class PassMatrix:
    """Verdicts of all solutions of one problem on all of its tests."""

    problem_id: str
    verdict_ST: NDArray[np.uint8]
    """Verdict codes; 0 is a hole."""
    cpu_us_ST: NDArray[np.uint32]
    """CPU time of each cell in microseconds."""
    weight_S: NDArray[np.float64]
    weight_T: NDArray[np.float64]
    """0: the test is no evidence."""

    @property
    def passed_ST(self) -> NDArray[np.bool_]:
        """True where the verdict is a pass."""
        return np.asarray(self.verdict_ST == PASS_CODE)

    @property
    def known_ST(self) -> NDArray[np.bool_]:
        """False where the cell is a hole: infrastructure failed, nothing is known."""
        return np.asarray(self.verdict_ST != INFRA_CODE)


class Recheck(IntEnum):
    """What became of a timeout that fell into an overload of the machine. Stored as one byte."""

    NONE = 0
    """There was no such timeout."""
    NOT_CONFIRMED = 1
    """It was not run again: the budget was spent, or the run was interrupted."""
    CONFIRMED = 2
    """Alone on the machine it timed out again, or another cell of its row did."""
    OVERTURNED = 3
    """Alone on the machine it did not time out: what is stored is that verdict."""


@dataclass(frozen=True, slots=True)
class Executed:
    """A rollout with the verdicts of all its cells, and those of the benchmark's own test."""

    rollout: Rollout
    matrix: PassMatrix
    """As judged; `evidence` is what may be concluded from it."""
    trust_ST: NDArray[np.uint8]
    """Trust codes: whether solution and test were kept apart."""
    vacuous_T: NDArray[np.bool_]
    """The test passes with nothing behind it (known to the split judge only)."""
    near_limit_ST: NDArray[np.bool_]
    """CPU time within 20% of the limit: the verdict may differ in another run."""
    recheck_ST: NDArray[np.uint8]
    """Codes of `Recheck`."""
    repeated_ST: NDArray[np.bool_]
    """The cell passed and was judged a second time, under another seed."""
    flipped_ST: NDArray[np.bool_]
    """And did not pass then."""
    reference_S: NDArray[np.uint8]
    """Verdict of `reference_test` on each solution; holes where the problem has none."""
    reference_cpu_us_S: NDArray[np.uint32]
    reference_trust_S: NDArray[np.uint8]
    reference_near_limit_S: NDArray[np.bool_]
    reference_recheck_S: NDArray[np.uint8]

    @property
    def evidence(self) -> PassMatrix:
        """What selectors may see: a vacuous test weighs nothing, a flipped cell is a hole."""
        matrix = self.matrix
        verdict_ST = np.where(self.flipped_ST, np.uint8(INFRA_CODE), matrix.verdict_ST)
        weight_T = np.where(self.vacuous_T, 0.0, matrix.weight_T)
        return replace(matrix, verdict_ST=verdict_ST, weight_T=weight_T)

    @property
    def is_doubtful(self) -> bool:
        """Whether a timeout, the benchmark's own test included, is still to be run again."""
        parts = (self.recheck_ST, self.reference_recheck_S)
        return any(bool((part == Recheck.NOT_CONFIRMED).any()) for part in parts)


@dataclass(frozen=True, slots=True)
class Selection:
    """What a selector believes about one pass matrix."""

    selector: str
    score_S: NDArray[np.float64]
    """Higher is better; equal scores are ties."""
    score_T: NDArray[np.float64]
    accepted_S: NDArray[np.bool_]
    accepted_T: NDArray[np.bool_]
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
