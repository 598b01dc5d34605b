"""Honest tests hold under the split judge as they do inline, and their wrong twins fail.

In: `honest/*.txt` (format: its README). Out: one test per file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from sv_sandbox import Limits, Pool, Trust, Verdict

FOLDER = Path(__file__).parent / "honest"
FILES = sorted(FOLDER.glob("*.txt"))
JUDGES = ("split", "inline")
KINDS = ("holds", "holds inline", "differs", "fails")
_MARK = re.compile(r"^(?:===|---) (.*)\n", re.MULTILINE)


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with Pool(2, limits=Limits(cpu_s=2.0)) as pool:
        yield pool


def cases(path: Path) -> list[tuple[str, list[tuple[str, str]]]]:
    """Each solution of a file with its tests, each with its kind."""
    first, *parts = _MARK.split(path.read_text())
    assert not first
    found: list[tuple[str, list[tuple[str, str]]]] = []
    for kind, text in zip(parts[::2], parts[1::2], strict=True):
        if kind == "solution":
            found.append((text, []))
        else:
            assert kind in KINDS, kind
            found[-1][1].append((kind, text))
    return found


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_honest_tests_are_judged_alike(pool: Pool, path: Path) -> None:
    if path.stem == "numpy":
        pytest.importorskip("numpy")
    jobs = [
        (
            tests,
            [
                pool.submit([solution], [t for _, t in tests], judge=j, unsplit="count")
                for j in JUDGES
            ],
        )
        for solution, tests in cases(path)
    ]
    wrong = []
    for tests, (first, second) in jobs:
        split, inline = first.wait(), second.wait()
        for t, (kind, test) in enumerate(tests):
            passed = inline.verdict(0, t) is Verdict.PASS, split.verdict(0, t) is Verdict.PASS
            trust = Trust.INLINE if kind == "holds inline" else Trust.SPLIT
            if passed != (kind != "fails", kind.startswith("holds")):
                wrong.append((kind, test, inline.detail(0, t), split.detail(0, t)))
            elif kind != "fails" and split.trust_ST[0, t] != trust:
                wrong.append((kind, test, Trust(split.trust_ST[0, t]).name))
    assert not wrong, wrong
