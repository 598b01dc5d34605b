"""A program on a suite: what it passed, and what is not known.

A hole is never a failure: where a hole might change the score, there is no score (`None`), and each
caller says that in its own words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sv_engine.executors.protocol import RowExecutor, Terms, Test, collect
from sv_engine.grading.suite import Call, Suite
from sv_engine.records import INFRA_CODE, PASS_CODE


@dataclass(frozen=True, slots=True)
class Grade:
    """Verdict codes of one program on the T tests of its suite."""

    verdict_T: bytes
    cpu_us_T: Sequence[int]
    detail_T: dict[int, str]

    @property
    def passed(self) -> int:
        """Number of tests passed."""
        return self.verdict_T.count(PASS_CODE)

    @property
    def holes(self) -> int:
        """Number of tests that could not be judged."""
        return self.verdict_T.count(INFRA_CODE)

    def score(self, *, partial: bool = False) -> float | None:
        """1.0 if every test passed and 0.0 otherwise, or the share passed; None: not known."""
        failed = len(self.verdict_T) - self.passed - self.holes
        if partial:
            return None if self.holes else self.passed / len(self.verdict_T)
        if failed:
            return 0.0
        return None if self.holes else 1.0

    @property
    def first_fault(self) -> str:
        """Why the first test that was not passed was not; empty if all were."""
        for t, code in enumerate(self.verdict_T):
            if code != PASS_CODE:
                return f"test {t + 1}: {self.detail_T.get(t) or 'not passed'}"
        return ""


async def grade(executor: RowExecutor, program: str, suite: Suite, terms: Terms) -> Grade:
    """Run a program on a suite.

    A call whose plain comparison fails is asked again with the comparisons that public graders use
    (`Call.tolerant`); the first is much faster, and mostly enough.
    """
    prepared = suite.prepared(program)
    tests: list[Test] = [test.strict if isinstance(test, Call) else test for test in suite.tests]
    row = (await collect(executor, [prepared], tests, terms))[0]
    verdict_T, cpu_us_T = bytearray(row.verdict_T), list(row.cpu_us_T)
    detail_T = dict(row.detail_T)
    again = [
        (t, source)
        for t, test in enumerate(suite.tests)
        if isinstance(test, Call) and row.verdict_T[t] == WRONG_CODE
        for source in test.tolerant
    ]
    for t, source in again:
        if verdict_T[t] == PASS_CODE:
            continue
        second = (await collect(executor, [prepared], [source], terms))[0]
        cpu_us_T[t] += second.cpu_us_T[0]
        if second.verdict_T[0] in (PASS_CODE, INFRA_CODE):
            verdict_T[t] = second.verdict_T[0]
            detail_T.pop(t, None)
            detail_T.update({t: second.detail_T[0]} if 0 in second.detail_T else {})
    return Grade(bytes(verdict_T), cpu_us_T, detail_T)


WRONG_CODE = 2
