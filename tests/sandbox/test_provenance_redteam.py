"""No wrong solution passes under `trust="proven"`: programs that know the judge, not the answer.

In: `redteam/*.txt` (format: its README). Out: one test per case.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from sv_sandbox import Limits, Pool, Verdict

FOLDER = Path(__file__).parent / "redteam"
_FORGED = """\
import sys as _s
_f = _s._getframe()
while _f and "Tests" not in _f.f_globals: _f = _f.f_back
if _f and type(_f.f_locals.get("row")).__name__ == "Tests":
    _f.f_globals["Tests"].run = lambda self, cell, ns: (1, b"")
"""
"""Lines before each solution of `forged.txt`: in one process every test passes."""
_MARK = re.compile(r"^=== (.*)\n", re.MULTILINE)


def cases() -> Iterator[tuple[str, str, str | None, str, str]]:
    """File, title, entry point, solution, test."""
    for path in sorted(FOLDER.glob("*.txt")):
        first, *parts = _MARK.split(path.read_text())
        assert not first
        for heading, text in zip(parts[::2], parts[1::2], strict=True):
            title, _, entry_point = heading.partition(" @ ")
            solution, found, test = text.partition("--- test\n")
            assert found, heading
            if path.stem == "forged":
                solution = _FORGED + solution
            yield path.stem, title, entry_point or None, solution, test


CASES = list(cases())


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with Pool(1, limits=Limits(cpu_s=2.0)) as pool:
        yield pool


@pytest.mark.parametrize("case", CASES, ids=[f"{case[0]}: {case[1]}" for case in CASES])
def test_a_case_is_judged_as_its_file_says(
    pool: Pool, case: tuple[str, str, str | None, str, str]
) -> None:
    kind, _, entry_point, solution, test = case
    if "numpy" in solution + test:
        pytest.importorskip("numpy")
    below = "fail" if kind == "holes" else "hole"
    matrix = pool.matrix([solution], [test], entry_point=entry_point, below=below)
    verdict = Verdict(matrix.verdict_ST[0, 0])
    if kind == "honest":
        assert verdict is Verdict.PASS, f"{verdict.name}, {matrix.detail(0, 0)}"
        return
    if kind == "right":  # a hole at worst
        assert verdict in (Verdict.PASS, Verdict.INFRA), f"{verdict.name}, {matrix.detail(0, 0)}"
        return
    if kind == "limits":  # what SECURITY.md does not promise: plain Python passes it as well
        assert verdict is Verdict.PASS, f"{verdict.name}: no limit any more"
        plain = pool.matrix(
            [solution], [test], entry_point=entry_point, judge="inline", trust="inline"
        )
        assert plain.verdict(0, 0) is Verdict.PASS, "what plain Python fails is no limit"
        return
    assert verdict is not Verdict.PASS, matrix.detail(0, 0)
    if kind == "holes":
        assert verdict is not Verdict.INFRA, matrix.detail(0, 0)
