"""The cache of verdicts: what was judged is not judged again, and what may change is."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sv_engine.execute import cache as cache_module
from sv_engine.execute.cache import VerdictCache
from sv_engine.execute.sandbox import Budget
from sv_engine.records import CELL_ARRAYS, Recheck, Verdicts

SOLUTIONS, TESTS = [f"s{s}" for s in range(4)], [f"t{t}" for t in range(6)]


class Cells:
    """Judges by the texts; counts what it was asked."""

    workers = 1
    idle = True

    def __init__(self, budget: Budget | None = None) -> None:
        self.budget = budget or Budget()
        self.asked: list[tuple[str, str]] = []
        self.change: Any = lambda verdicts: None

    async def judge(
        self,
        solutions: Sequence[str],
        tests: Sequence[str],
        cpu_s: float,
        entry_point: str | None = None,
    ) -> Verdicts:
        self.asked += [(s, t) for s in solutions for t in tests]
        verdicts = Verdicts.unknown(len(solutions), len(tests), cpu_s)
        for s, solution in enumerate(solutions):
            for t, test in enumerate(tests):
                number = (sum(map(ord, solution)) * 7 + sum(map(ord, test))) % 5
                verdicts.verdict_ST[s, t] = (1, 2, 3, 1, 5)[number]
                verdicts.cpu_us_ST[s, t] = 100 + number
                verdicts.trust_ST[s, t] = 3 if verdicts.verdict_ST[s, t] == 1 else 0
        verdicts.vacuous_T[:] = [test.endswith("5") for test in tests]
        self.change(verdicts)
        return verdicts


def ask(
    path: Path,
    cells: Any,
    solutions: Sequence[str] = SOLUTIONS,
    tests: Sequence[str] = TESTS,
    *,
    cpu_s: float = 1.0,
    entry_point: str = "f",
    max_bytes: int = 1 << 20,
) -> tuple[Verdicts, VerdictCache]:
    async def main() -> Verdicts:
        with cache:
            return await cache.judge(solutions, tests, cpu_s, entry_point)

    cache = VerdictCache(cells, path, max_bytes)
    return asyncio.run(main()), cache


def same(a: Verdicts, b: Verdicts) -> bool:
    names = [*CELL_ARRAYS, "vacuous_T"]
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in names)


def test_the_second_run_asks_nothing_and_gets_the_same(tmp_path: Path) -> None:
    first, second = Cells(), Cells()
    before, _ = ask(tmp_path / "c", first)
    after, cache = ask(tmp_path / "c", second)
    assert same(before, after)
    assert same(before, asyncio.run(Cells().judge(SOLUTIONS, TESTS, 1.0)))
    assert second.asked == []
    assert cache.figures() == {"cells": 24, "hits": 24}


@pytest.mark.parametrize(
    ("solutions", "tests", "runs"),
    [
        (SOLUTIONS[::-1], TESTS[::-1], []),
        (SOLUTIONS[:1], TESTS[2:4], []),
        ([*SOLUTIONS, "new"], TESTS, ["new"]),
        (SOLUTIONS[:2], [*TESTS, "new"], SOLUTIONS[:2]),
        (["new", "s0", "newer"], TESTS[:3], ["new", "newer"]),
        (SOLUTIONS, [], []),
    ],
)
def test_a_solution_is_run_unless_all_its_cells_are_there(
    tmp_path: Path, solutions: list[str], tests: list[str], runs: list[str]
) -> None:
    ask(tmp_path / "c", Cells())
    cells = Cells()
    found, _ = ask(tmp_path / "c", cells, solutions, tests)
    assert same(found, asyncio.run(Cells().judge(solutions, tests, 1.0)))
    assert cells.asked == [(s, t) for s in runs for t in tests]


@pytest.mark.parametrize(
    ("cells", "more"),
    [
        (Cells(), {"cpu_s": 2.0}),
        (Cells(), {"entry_point": "g"}),
        (Cells(Budget(judge="inline")), {}),
        (Cells(Budget(trust="vouched")), {}),
        (Cells(Budget(below="fail")), {}),
        (Cells(Budget(timeouts="exact")), {}),
    ],
)
def test_whatever_decides_a_verdict_is_part_of_its_name(
    tmp_path: Path, cells: Cells, more: dict[str, Any]
) -> None:
    ask(tmp_path / "c", Cells())
    _, cache = ask(tmp_path / "c", cells, **more)
    assert cache.hits == 0
    assert len(cells.asked) == 24


def test_another_sandbox_or_python_asks_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(tmp_path / "c", Cells())
    monkeypatch.setattr(cache_module, "versions", lambda: ("other", "3.99", "9"))
    _, cache = ask(tmp_path / "c", Cells())
    assert cache.hits == 0


def hole(verdicts: Verdicts) -> None:
    verdicts.verdict_ST[0, 0] = 0


def open_timeout(verdicts: Verdicts) -> None:
    verdicts.verdict_ST[0, 0] = 4
    verdicts.recheck_ST[0, 0] = Recheck.NOT_CONFIRMED


def near_limit(verdicts: Verdicts) -> None:
    verdicts.cpu_us_ST[0, 0] = 950_000


@pytest.mark.parametrize("change", [hole, open_timeout, near_limit])
def test_what_another_run_may_decide_otherwise_is_not_kept(tmp_path: Path, change: Any) -> None:
    cells, again = Cells(), Cells()
    cells.change = change
    ask(tmp_path / "c", cells)
    found, _ = ask(tmp_path / "c", again)
    assert {s for s, _ in again.asked} == {"s0"}
    assert same(found, asyncio.run(Cells().judge(SOLUTIONS, TESTS, 1.0)))


def test_a_held_pass_is_known(tmp_path: Path) -> None:
    def hold(verdicts: Verdicts) -> None:
        verdicts.verdict_ST[1, :] = 0
        verdicts.held_ST[1, :] = 1

    cells, again = Cells(), Cells()
    cells.change = hold
    before, _ = ask(tmp_path / "c", cells)
    after, _ = ask(tmp_path / "c", again)
    assert again.asked == []
    assert same(before, after)


def test_a_timeout_that_was_assumed_is_known(tmp_path: Path) -> None:
    def endless(verdicts: Verdicts) -> None:
        verdicts.verdict_ST[2, :] = 4
        verdicts.cpu_us_ST[2, :] = [1_300_000, *[170_000] * 5]
        verdicts.recheck_ST[2, 1:] = Recheck.ASSUMED

    cells, again = Cells(), Cells()
    cells.change = endless
    before, _ = ask(tmp_path / "c", cells)
    after, _ = ask(tmp_path / "c", again)
    assert again.asked == []
    assert same(before, after)


def test_the_file_stays_below_its_bound_and_the_oldest_go(tmp_path: Path) -> None:
    path, bound = tmp_path / "c", 200_000
    for part in range(12):
        programs = [f"{part} {n}" for n in range(100)]
        ask(path, Cells(), ["kept", *programs], max_bytes=bound)
    with sqlite3.connect(path) as connection:
        (count,) = connection.execute("SELECT count(*) FROM row").fetchone()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert 100 < count < 1200
    assert path.stat().st_size < 1.2 * bound
    latest, oldest, used = Cells(), Cells(), Cells()
    ask(path, latest, [f"11 {n}" for n in range(100)])
    ask(path, oldest, [f"0 {n}" for n in range(100)])
    ask(path, used, ["kept"])
    assert latest.asked == []
    assert len(oldest.asked) == 600
    assert used.asked == []


@pytest.mark.parametrize("content", [b"", b"no database at all" * 100, b"SQLite format 3\0junk"])
def test_a_broken_file_costs_nothing_but_itself(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "c").write_bytes(content)
    cells = Cells()
    found, _ = ask(tmp_path / "c", cells)
    assert same(found, asyncio.run(Cells().judge(SOLUTIONS, TESTS, 1.0)))
    assert len(cells.asked) == 24


def test_a_locked_or_absent_place_costs_nothing_but_itself(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    _, cache = ask(tmp_path / "file" / "c", Cells())
    assert cache.hits == 0
    ask(tmp_path / "c", Cells())
    other = sqlite3.connect(tmp_path / "c", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    cells = Cells()
    ask(tmp_path / "c", cells, ["another"])
    assert len(cells.asked) == 6
    other.close()
