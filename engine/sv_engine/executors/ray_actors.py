"""Rows on a Ray cluster: one actor a node, each with a pool of its own.

Blocks of rows are as large as `BLOCK_S` of work needs, from how long rows took so far, so that the
cost of a call to an actor (about a millisecond) stays small. What comes back is bytes, less than
the 100 KB that Ray passes along without its object store. An actor that dies is started again by
Ray on a node that lives; the rows of its block are given to others, and no row comes twice.

Needs the extra `ray`. `BlockJudge` is the class for `ray.data`:

    ds.map_batches(BlockJudge, fn_constructor_kwargs={"tests": [...]}, batch_format="numpy",
                   compute=ray.data.ActorPoolStrategy(size=nodes))
"""

from __future__ import annotations

import asyncio
import pickle
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sv_engine.executors.protocol import Row, Terms, Test, lost_row

BLOCK_S = 0.2
"""Work of one block; never less than 0.05 s of it once the time of a row is known."""
MAX_RESULT_BYTES = 90_000
BYTES_PER_CELL = 40
"""Of a row that comes back, details included, with room to spare."""
FIRST_ROWS = 4
PER_ACTOR = 2
"""Blocks at one actor: one runs, one waits."""
REST_S = 1.0
"""How long an actor that was lost is left alone, doubled with each time up to 32 times."""
TRIES = 4
"""How often a block is given to an actor before its rows are holes."""


class RayExecutor:
    """Judges rows on every node of the cluster that Ray is connected to.

    cpus: of each actor; None: all that its node has. nodes: how many at most. Raises RuntimeError
    where Ray is not initialised.
    """

    def __init__(self, *, cpus: float | None = None, nodes: int | None = None) -> None:
        self.cpus, self.nodes = cpus, nodes
        self._actors: list[_Actor] = []
        self._row_s = 0.0
        """Running mean of the seconds an actor needs for a row."""

    def start(self) -> int:
        """Start the actors; returns how many there are."""
        if not self._actors:
            self._actors = [_Actor(handle) for handle in _start_actors(self.cpus, self.nodes)]
        return len(self._actors)

    async def submit(
        self, solutions: Sequence[str], tests: Sequence[Test], terms: Terms
    ) -> AsyncIterator[Row]:
        """Judge every solution on every test; rows come as their block is finished."""
        self.start()
        waiting = list(range(len(solutions) - 1, -1, -1))
        tries = [0] * len(solutions)
        running: dict[asyncio.Task[list[Row]], tuple[list[int], _Actor, float]] = {}
        try:
            while waiting or running:
                while waiting and (actor := self._free()) is not None:
                    count = self._block_rows(len(tests), len(waiting))
                    indices = [waiting.pop() for _ in range(count)]
                    block = [solutions[index] for index in indices]
                    task = asyncio.create_task(actor.judge(indices, block, tests, terms))
                    actor.blocks += 1
                    running[task] = (indices, actor, time.monotonic())
                if not running:  # every actor rests
                    await asyncio.sleep(0.1)
                    continue
                done, _ = await asyncio.wait(
                    running, timeout=REST_S, return_when=asyncio.FIRST_COMPLETED
                )
                for task in done:
                    indices, actor, start_s = running.pop(task)
                    actor.blocks -= 1
                    if (error := task.exception()) is None:
                        actor.failures = 0
                        self._learn(len(indices), time.monotonic() - start_s)
                        for row in task.result():
                            yield row
                        continue
                    if not _is_lost(error):
                        raise error
                    actor.failed()
                    for index in reversed(indices):
                        tries[index] += 1
                        if tries[index] < TRIES:
                            waiting.append(index)
                        else:
                            yield lost_row(index, len(tests), f"lost with its node: {error}")
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def close(self) -> None:
        """End the actors."""
        import ray

        actors, self._actors = self._actors, []
        for actor in actors:
            ray.kill(actor.handle)

    # -- inside

    def _free(self) -> _Actor | None:
        now_s = time.monotonic()
        awake = [actor for actor in self._actors if actor.rests_until_s <= now_s]
        free = [actor for actor in awake if actor.blocks < PER_ACTOR]
        return min(free, key=lambda actor: (actor.failures, actor.blocks), default=None)

    def _block_rows(self, tests: int, left: int) -> int:
        """Rows of the next block, of `left` that wait."""
        most = max(1, MAX_RESULT_BYTES // (BYTES_PER_CELL * max(1, tests)))
        rows = FIRST_ROWS if not self._row_s else round(BLOCK_S / self._row_s)
        share = -(-left // (PER_ACTOR * len(self._actors)))  # the end is shared by all
        least = 1 if not self._row_s else round(BLOCK_S / 4 / self._row_s)
        return max(1, min(left, most, max(min(rows, share), least)))

    def _learn(self, rows: int, wall_s: float) -> None:
        row_s = max(1e-5, wall_s / rows / PER_ACTOR)
        self._row_s = row_s if not self._row_s else 0.7 * self._row_s + 0.3 * row_s


@dataclass
class _Actor:
    handle: Any
    blocks: int = 0
    failures: int = 0
    rests_until_s: float = 0.0

    def failed(self) -> None:
        """Leave it alone for a while: Ray starts it again, which takes seconds."""
        self.failures += 1
        self.rests_until_s = time.monotonic() + REST_S * 2 ** min(self.failures - 1, 5)

    async def judge(
        self, indices: list[int], block: list[str], tests: Sequence[Test], terms: Terms
    ) -> list[Row]:
        """Rows of a block, with the numbers that they have in the whole."""
        packed = await self.handle.judge.remote(block, list(tests), terms)
        rows: list[Row] = pickle.loads(packed)  # written by our own actor
        return [replace(row, index=indices[row.index]) for row in rows]


class Judge:
    """What an actor is: a pool, and the rows of a block."""

    def __init__(self, workers: int | None) -> None:
        from sv_engine.executors.local import LocalExecutor

        self.executor = LocalExecutor(workers)

    async def judge(self, solutions: list[str], tests: list[Test], terms: Terms) -> bytes:
        """Rows of a block, pickled; details are cut where they would be too long."""
        rows = [row async for row in self.executor.submit(solutions, tests, terms)]
        packed = pickle.dumps(rows)
        if len(packed) > MAX_RESULT_BYTES:
            rows = [replace(row, detail_T={}) for row in rows]
            packed = pickle.dumps(rows)
        return packed


class BlockJudge:
    """A callable for `ray.data`: a column of solutions in, columns of verdicts and passes out."""

    def __init__(
        self, tests: Sequence[Test], column: str = "solution", terms: Terms | None = None
    ) -> None:
        self.tests, self.column, self.terms = list(tests), column, terms or Terms()
        self._judge = Judge(None)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """The batch with `verdict_T` (bytes) and `passed` (number of tests) for each row."""
        import numpy as np

        solutions = [str(each) for each in batch[self.column]]
        packed = asyncio.run(self._judge.judge(solutions, self.tests, self.terms))
        rows = sorted(pickle.loads(packed), key=lambda row: int(row.index))
        verdicts = np.array([row.verdict_T for row in rows], dtype=object)
        return {**batch, "verdict_T": verdicts, "passed": np.array([row.passed for row in rows])}


def _start_actors(cpus: float | None, most: int | None) -> list[Any]:
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    if not ray.is_initialized():
        raise RuntimeError("Ray is not initialised: call ray.init(address=...) first")
    actors = []
    able = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) > 0]
    for node in able[:most]:
        here = float(node["Resources"]["CPU"])
        wanted = min(cpus or here, here)
        strategy = NodeAffinitySchedulingStrategy(node["NodeID"], soft=True)
        actor = ray.remote(Judge).options(
            num_cpus=wanted,
            scheduling_strategy=strategy,
            max_restarts=-1,
            max_concurrency=PER_ACTOR,
        )
        actors.append(actor.remote(max(1, int(wanted))))
    if not actors:
        raise RuntimeError("no node of the Ray cluster has a CPU to give")
    return actors


def _is_lost(error: BaseException) -> bool:
    """Whether a block is lost with its actor, and may run elsewhere."""
    from ray.exceptions import RayError

    return isinstance(error, RayError)
