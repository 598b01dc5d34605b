"""A matrix over several servers: python examples/matrix_over_servers.py URL [URL ...]."""

from __future__ import annotations

import asyncio
import sys

from sv_engine.executors import Terms
from sv_engine.executors.servers import HttpExecutor

SOLUTIONS = [f"def f(x):\n    return x + {n}" for n in range(4)]
TESTS = ["assert f(1) == 2", "assert f(0) == 2"]


async def main() -> None:
    """Print each row as it comes."""
    executor = HttpExecutor(sys.argv[1:] or ["http://127.0.0.1:8080"])
    async for row in executor.submit(SOLUTIONS, TESTS, Terms()):
        print(row.index, list(row.verdict_T), row.detail_T)
    await executor.close()


if __name__ == "__main__":
    asyncio.run(main())
