"""One problem as the report shows it: its sorted matrix, what is suspicious, examples with reasons.

In: an outcome, what was believed about it, what became of it (`used`, or why not). Out: a `Seen`.
A pure function; nothing is looked up. A reason is a plain sentence that the matrix proves.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sv_engine.execute.sandbox import verdict_names
from sv_engine.records import INFRA_CODE, PASS_CODE, Outcome, Recheck, Repeat, Selection
from sv_engine.report.pack import LARGEST_AXIS, Order, cells, sorted_axes
from sv_engine.selection.arrays import groups_of_equal_rows
from sv_engine.selection.quality import Degeneracy, degeneracy

SHOWN_SOLUTIONS = 6
"""Programs of a problem whose text is shown: one of each group, the largest first."""
SHOWN_TESTS = 4
"""Tests of each side, accepted and refused, whose text is shown."""
LONGEST_TEXT = 2_000
"""Characters of a text that are shown."""
BELIEVED = ("used", "accepted")
"""What became of a problem whose accepted texts count; a guard refused the others."""
NEAR_TIE = 0.8
"""A runner-up with this share of the samples of the accepted group is as credible."""
RIVAL = 0.5
"""A group that passes this share of what the accepted programs pass may be right instead."""
TRICKS = re.compile(r"__eq__|_exit|settrace|_getframe|ctypes|\bgc\.|\binspect\.|sys\.modules")
"""What an honest answer to such tasks does not need."""


@dataclass(frozen=True, slots=True)
class Text:
    """A program or a test, and why it was accepted or refused."""

    source: str
    accepted: bool
    weight: int
    """Samples that were this text."""
    reason: str


@dataclass(slots=True)
class Seen:
    """What is shown of one problem."""

    id: str
    iteration: int
    use: str
    prompt: str
    shape: tuple[int, int]
    """Rows and columns that are shown."""
    whole: tuple[int, int]
    """Programs and tests that there are."""
    cells: bytes
    """See `pack.cells`."""
    group_S: list[int]
    weight_S: list[int]
    accepted: tuple[int, int]
    """Accepted programs and tests; they come first on their axes."""
    suspicions: list[tuple[int, str]] = field(default_factory=list)
    """Weight and sentence, the heaviest first."""
    solutions: list[Text] = field(default_factory=list)
    tests: list[Text] = field(default_factory=list)

    @property
    def suspicion(self) -> int:
        """How much there is to look at."""
        return sum(weight for weight, _ in self.suspicions)

    def texts(self) -> dict[str, Any]:
        """What is opened on demand."""
        return {
            "prompt": self.prompt,
            "solutions": [[t.source, t.accepted, t.weight, t.reason] for t in self.solutions],
            "tests": [[t.source, t.accepted, t.weight, t.reason] for t in self.tests],
        }


def see(outcome: Outcome, chosen: Selection, use: str, iteration: int = 0) -> Seen:
    """What is shown of one problem. use: `used`, or why it taught nothing."""
    candidates = outcome.candidates
    rows, columns, group_S = sorted_axes(outcome.tests, candidates.weight_S, chosen)
    shape = min(len(rows), LARGEST_AXIS), min(len(columns), LARGEST_AXIS)
    return Seen(
        id=outcome.problem.id,
        iteration=iteration,
        use=use,
        prompt=_shown(outcome.problem.prompt),
        shape=shape,
        whole=(len(rows), len(columns)),
        cells=cells(outcome.tests, rows, columns),
        group_S=group_S[: shape[0]].tolist(),
        weight_S=candidates.weight_S[rows][: shape[0]].astype(int).tolist(),
        accepted=(int(chosen.accepted_S.sum()), int(chosen.accepted_T.sum())),
        suspicions=sorted(_suspicions(outcome, chosen, use), key=lambda x: -x[0]),
        solutions=list(_solutions(outcome, chosen, use, rows, group_S)),
        tests=list(_tests(outcome, chosen, columns)),
    )


# ---- what is suspicious -------------------------------------------------------------------------


def _suspicions(outcome: Outcome, chosen: Selection, use: str) -> Iterator[tuple[int, str]]:
    """Weight and sentence of everything about the problem that deserves a look."""
    if use in BELIEVED:
        yield from _of_choice(outcome, chosen)
    verdicts, size = outcome.tests, outcome.tests.verdict_ST.size
    accepted_S, accepted_T = chosen.accepted_S, chosen.accepted_T
    names = verdict_names()
    if flips := int((verdicts.repeat_ST == Repeat.FLIPPED).sum()):
        yield 3, f"{_counted(flips, 'pass')} flipped under another seed"
    if held := outcome.held_count:
        yield 1 + (held > 0.05 * size), f"{_counted(held, 'pass')} held back for want of trust"
    holes = int(((verdicts.verdict_ST == INFRA_CODE) & (verdicts.held_ST == 0)).sum())
    if holes:
        yield 1 + (holes > 0.01 * size), f"{_counted(holes, 'cell')} could not be judged"
    if vacuous := int(verdicts.vacuous_T.sum()):
        share = vacuous / len(verdicts.vacuous_T)
        yield 1 + (share > 0.2), f"vacuous: {vacuous} of {len(verdicts.vacuous_T)} tests"
    if doubtful := int((verdicts.recheck_ST == Recheck.NOT_CONFIRMED).sum()):
        yield 1, f"not confirmed: {_counted(doubtful, 'timeout')}"
    ended = Counter(names[v] for v in verdicts.verdict_ST[accepted_S].ravel().tolist())
    for kind in ("early_exit", "forbidden", "memory"):
        if count := ended[kind]:
            how = f"{kind.replace('_', ' ')} on {_counted(count, 'cell')}"
            yield 2, f"an accepted program ended with {how}"
    if any(
        TRICKS.search(outcome.candidates.solutions[s].source) for s in np.flatnonzero(accepted_S)
    ):
        yield 4, "an accepted program reaches for the interpreter's insides"
    if accepted_T.any() and not verdicts.failed_ST[:, accepted_T].any():
        yield 2, "no accepted test rejects any program"
    silence = degeneracy(verdicts.passed_ST, verdicts.known_ST)
    if silence is not Degeneracy.NONE:
        yield 1, f"the matrix says nothing: {silence.value}"


def _of_choice(outcome: Outcome, chosen: Selection) -> Iterator[tuple[int, str]]:
    """What is odd about the accepted programs."""
    weight_S, accepted_S = outcome.candidates.weight_S, chosen.accepted_S
    if outcome.reference is not None and accepted_S.any():
        wrong = int((outcome.reference.failed_ST[:, 0] & accepted_S).sum())
        right = int(outcome.reference.passed_ST[:, 0].sum())
        if wrong:
            also = f"; {right} programs pass it" if right else "; no program passes it"
            yield 3 + 2 * bool(right), f"an accepted program fails the benchmark's own test{also}"
    if not accepted_S.any():
        return
    verdicts = outcome.tests
    group_S = groups_of_equal_rows(verdicts.passed_ST, verdicts.known_ST, weight_S).group_S
    passes_S = verdicts.passed_ST.sum(axis=1)
    credible_S = passes_S >= RIVAL * passes_S[accepted_S].max()
    other_S = ~np.isin(group_S, group_S[accepted_S]) & credible_S
    largest = int(max(np.bincount(group_S[other_S], weights=weight_S[other_S]), default=0))
    accepted, total = int(weight_S[accepted_S].sum()), int(weight_S.sum())
    if largest > accepted:
        yield 3, f"believed: {_counted(accepted, 'sample')}, against a group of {largest}"
    elif largest > NEAR_TIE * accepted and accepted > 1:
        yield 2, f"near tie: believed {accepted} samples, another group has {largest}"
    passed = outcome.tests.passed_ST[accepted_S].mean() if outcome.tests.passed_ST.size else 1
    if passed < 0.3:
        yield 2, f"the accepted programs pass {passed:.0%} of the tests"
    if accepted < 0.1 * total:
        yield 1, f"believed: {accepted} of {total} samples"


# ---- examples with reasons ----------------------------------------------------------------------


def _solutions(
    outcome: Outcome, chosen: Selection, use: str, rows: Order, group_S: Order
) -> Iterator[Text]:
    """The first program of each group, the groups in their order."""
    _, first = np.unique(group_S, return_index=True)
    for s in rows[first[:SHOWN_SOLUTIONS]].tolist():
        solution = outcome.candidates.solutions[s]
        reason = _why_solution(outcome, chosen, use, s)
        accepted = bool(chosen.accepted_S[s])
        yield Text(_shown(solution.source), accepted, solution.weight, reason)


def _why_solution(outcome: Outcome, chosen: Selection, use: str, s: int) -> str:
    verdicts, accepted_T = outcome.tests, chosen.accepted_T
    passed, judged = int(verdicts.passed_ST[s].sum()), int(verdicts.known_ST[s].sum())
    own = ""
    if outcome.reference is not None and outcome.reference.known_ST[s, 0]:
        own = " and passes" if outcome.reference.passed_ST[s, 0] else " and fails"
        own += " the benchmark's own test"
    if chosen.accepted_S[s]:
        return f"passes all {int(accepted_T.sum())} accepted tests{own}"
    if not chosen.accepted_S.any():
        return f"nothing accepted ({use}): passes {passed} of {judged} tests{own}"
    failed_T = verdicts.failed_ST[s] & accepted_T
    if failed_T.any():
        kinds = _kinds(verdicts.verdict_ST[s, failed_T].tolist())
        return (
            f"fails {int(failed_T.sum())} of {int(accepted_T.sum())} accepted tests: {kinds}{own}"
        )
    return f"scores less: passes {passed} of {judged} tests{own}"


def _tests(outcome: Outcome, chosen: Selection, columns: Order) -> Iterator[Text]:
    """Some accepted tests, those that reject most first, then some refused ones."""
    weight_S, failed_ST = outcome.candidates.weight_S, outcome.tests.failed_ST
    rejects_T = (weight_S @ failed_ST) / max(1.0, float(weight_S.sum()))
    accepted_T = chosen.accepted_T
    believed = [int(t) for t in columns if accepted_T[t]]
    refused = [int(t) for t in columns if not accepted_T[t]]
    believed.sort(key=lambda t: -rejects_T[t])
    for t in believed[:SHOWN_TESTS] + _spread(refused):
        test = outcome.candidates.tests[t]
        reason = _why_test(outcome, chosen, t, float(rejects_T[t]))
        yield Text(_shown(test.source), bool(accepted_T[t]), test.weight, reason)


def _spread(found: list[int]) -> list[int]:
    """Some of a list, from all of its length."""
    step = max(1, len(found) // SHOWN_TESTS)
    return found[::step][:SHOWN_TESTS]


def _why_test(outcome: Outcome, chosen: Selection, t: int, rejects: float) -> str:
    verdicts, accepted_S = outcome.tests, chosen.accepted_S
    if chosen.accepted_T[t]:
        return f"every accepted program passes it; it rejects {rejects:.0%} of the samples"
    if verdicts.vacuous_T[t]:
        return "vacuous: it passes with nothing behind it"
    if outcome.candidates.tests[t].weight == 0:
        return "its expected value lost the vote"
    if not verdicts.known_ST[:, t].any():
        return "no cell of it could be judged"
    failed_S = verdicts.failed_ST[:, t] & accepted_S
    if failed_S.any():
        return f"the accepted programs fail it: {_kinds(verdicts.verdict_ST[failed_S, t].tolist())}"
    if not (verdicts.verdict_ST[:, t] == PASS_CODE).any():
        return "no program passes it"
    return f"not accepted by {chosen.selector}; it rejects {rejects:.0%} of the samples"


def _counted(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}{'es' if word == 'pass' else 's'}"


def _kinds(codes: list[int]) -> str:
    names = verdict_names()
    found = Counter(names[code].replace("_", " ") for code in codes)
    return ", ".join(f"{kind} x {n}" if n > 1 else kind for kind, n in found.most_common())


def _shown(text: str) -> str:
    over = len(text) - LONGEST_TEXT
    return text if over <= 0 else f"{text[:LONGEST_TEXT]}\n… {over:,} characters more"
