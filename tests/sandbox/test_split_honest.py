"""Honest tests hold under the split judge as they do inline, and their wrong twins fail.

In: `honest/*.txt` (format: its README). Out: one test per file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sv_sandbox import Layer, Limits, Pool, Trust, Verdict

FILES = sorted((Path(__file__).parent / "honest").glob("*.txt"))
KINDS = ("holds", "holds inline", "holds private", "differs", "fails")


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with Pool(2, limits=Limits(cpu_s=10.0), trust=Trust.VOUCHED) as pool:
        yield pool


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_honest_tests_are_judged_alike(
    pool: Pool, path: Path, cases: Callable[[Path], list[tuple[str, list[tuple[str, str]]]]]
) -> None:
    if path.stem == "numpy":
        pytest.importorskip("numpy")
    jobs = []
    for solution, tests in cases(path):
        texts = [text for _, text in tests]
        both = [pool.submit([solution], texts, judge=one) for one in ("split", "inline")]
        jobs.append((tests, both))
    wrong = []
    for tests, both in jobs:
        split, inline = (job.wait() for job in both)
        for t, (kind, test) in enumerate(tests):
            assert kind in KINDS
            if kind == "holds private":
                kind = "holds" if Layer.MOUNT_NAMESPACE in pool.layers else "holds inline"
            passed = inline.verdict(0, t) is Verdict.PASS, split.verdict(0, t) is Verdict.PASS
            left_out = split.trust_ST[0, t] == Trust.INLINE
            expected = not kind.startswith("fails"), kind == "holds"
            if passed != expected or left_out is not kind.endswith("inline"):
                wrong.append((kind, test, inline.detail(0, t), split.detail(0, t)))
    assert not wrong, "\n\n".join(map(repr, wrong))
