"""A row executor in the place of the sandbox's pool."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from sv_engine.execute.executor import Executor
from sv_engine.execute.sandbox import Budget, open_pool, submit_options
from sv_engine.executors.row_pool import RowPool, open_rows

SOLUTIONS = ["def f(x): return x + 1", "def f(x): return x", "import os; os._exit(0)"]
TESTS = ["assert f(1) == 2", "assert True", "assert f(0) == 0"]


async def matrix(pool: Any) -> Any:
    job = pool.submit(SOLUTIONS, TESTS, **submit_options(Budget(), 1.0, "f"))
    cells = await job
    assert job.rows_done == len(SOLUTIONS)
    return [
        np.asarray(each).tolist() for each in (cells.verdict_ST, cells.trust_ST, cells.held_ST)
    ], np.asarray(cells.vacuous_T).tolist()


def test_it_is_what_the_pool_gives(server_url: str) -> None:
    with open_pool(1, "basic") as pool:
        wanted = asyncio.run(matrix(pool))
    for rows in (open_rows("local"), open_rows("http", [server_url])):
        with RowPool(rows) as pool:
            assert asyncio.run(matrix(pool)) == wanted


def test_the_engines_executor_runs_on_servers(server_url: str) -> None:
    with Executor(Budget(), pool=RowPool(open_rows("http", [server_url]))) as executor:
        judged = asyncio.run(executor.judge(SOLUTIONS, TESTS, 1.0))
    assert judged.verdict_ST[:2].tolist() == [[1, 1, 2], [2, 1, 1]]


def test_what_cannot_be(server_url: str) -> None:
    with pytest.raises(ValueError, match="URL"):
        open_rows("http")
    with pytest.raises(ValueError, match="servers"):
        open_rows("local", [server_url])
    with RowPool(open_rows("local")) as pool:
        with pytest.raises(ValueError, match="confirm"):
            Executor(Budget(confirm=True), pool=pool)
        with pytest.raises(ValueError, match="judge"):
            pool.submit(SOLUTIONS, TESTS, **submit_options(Budget(judge="inline"), 1.0, None))
