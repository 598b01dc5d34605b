"""On whose word a pass rests: small inputs, each with what it comes to under either trust.

In: `provenance/*.txt` (format: honest/README.md), where a test is one of KINDS. Out: one test per
solution; both trusts are read from one job each.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sv_sandbox import Below, Limits, Matrix, Pool, Trust, Verdict

FILES = sorted((Path(__file__).parent / "provenance").glob("*.txt"))
KINDS = ("proven", "vouched", "not proven", "fails")
"""Passes; passes where the word of an object counts, and is a hole else; never passes proven (it
fails, or is held back); fails under both."""


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with Pool(2, limits=Limits(cpu_s=10.0)) as pool:
        yield pool


def fits(kind: str, proven: Matrix, vouched: Matrix, t: int) -> bool:
    """Whether a test came to what its kind says."""
    under, trust = proven.verdict(0, t), proven.trust_ST[0, t]
    held = under is Verdict.INFRA and bool(proven.held_ST[0, t])
    passes = vouched.verdict(0, t) is Verdict.PASS
    if kind == "proven":
        return under is Verdict.PASS and trust == Trust.PROVEN and passes
    if kind == "vouched":
        return held and trust == Trust.VOUCHED and passes
    if kind == "not proven":
        return held or under not in (Verdict.PASS, Verdict.INFRA)
    return kind == "fails" and not {under, vouched.verdict(0, t)} & {Verdict.PASS, Verdict.INFRA}


def under_proven(vouched: Matrix) -> Matrix:
    """What the same job comes to under the stricter trust. A job is judged the same whatever it
    asks for, and what rests on less is held back at its end; that a pool does so says test_trust.
    """
    matrix: Matrix = pickle.loads(pickle.dumps(vouched))
    matrix._hold_back(Trust.PROVEN, Below.HOLE)
    return matrix


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_each_input_comes_to_what_its_kind_says(
    pool: Pool, path: Path, cases: Callable[[Path], list[tuple[str, list[tuple[str, str]]]]]
) -> None:
    pytest.importorskip("numpy")
    jobs = []
    for solution, tests in cases(path):
        assert {kind for kind, _ in tests} <= set(KINDS)
        texts = [text for _, text in tests]
        jobs.append((tests, pool.submit([solution], texts, trust="vouched")))
    wrong = []
    for tests, job in jobs:
        vouched = job.wait()
        proven = under_proven(vouched)
        for t, (kind, test) in enumerate(tests):
            if not fits(kind, proven, vouched, t):
                told = [(m.verdict(0, t).name, m.detail(0, t)) for m in (proven, vouched)]
                wrong.append((kind, test, told))
    assert not wrong, "\n\n".join(map(repr, wrong))
