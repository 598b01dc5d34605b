"""Rows on a local Ray cluster of three nodes, one of which is killed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

ray = pytest.importorskip("ray", reason="ray is not installed here")
pytest.importorskip("sv_sandbox", reason="our package is not installed here")

TESTS = ["assert f(1) == 2", "assert f(0) == 0"]


@pytest.fixture(scope="module")
def cluster() -> Any:
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    nodes = [cluster.add_node(num_cpus=1) for _ in range(3)]
    ray.init(address=cluster.address, log_to_driver=False)
    yield cluster, nodes
    ray.shutdown()
    cluster.shutdown()


def program(n: int) -> str:
    return f"def f(x):\n    return x + {n % 2}"


def test_every_row_comes_once_although_a_node_is_killed(cluster: Any) -> None:
    from sv_engine.executors import Terms
    from sv_engine.executors.ray_actors import RayExecutor

    whole, nodes = cluster
    solutions = [program(n) for n in range(600)]

    async def work() -> list[Any]:
        executor = RayExecutor()
        assert executor.start() == 3
        rows = []
        async for row in executor.submit(solutions, TESTS, Terms()):
            rows.append(row)
            if len(rows) == 50:
                await asyncio.to_thread(whole.remove_node, nodes[0], False)
        await executor.close()
        return rows

    rows = asyncio.run(work())
    assert sorted(row.index for row in rows) == list(range(600))
    for row in rows:
        assert list(row.verdict_T) == ([1, 2] if row.index % 2 else [2, 1])


def test_ray_data(cluster: Any) -> None:
    from sv_engine.executors.ray_actors import BlockJudge

    rows = [{"n": n, "solution": program(n)} for n in range(40)]
    found = ray.data.from_items(rows).map_batches(
        BlockJudge,
        fn_constructor_kwargs={"tests": TESTS[:1]},
        batch_format="numpy",
        batch_size=20,
        compute=ray.data.ActorPoolStrategy(size=1),
    )
    assert all(row["passed"] == row["n"] % 2 for row in found.take_all())
