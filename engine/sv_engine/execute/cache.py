"""Verdicts that an earlier run found, by content: nothing that was judged is judged again.

In: matrices of cells, as `Executor.judge` gets them. Out: the same verdicts, from the cache where
every cell of a solution is there, and from the sandbox otherwise (what costs is the solution's
process, so a row is taken whole or run whole). A cell is named by everything that decides it: the
texts of solution and test, entry point, CPU limit and how it is used, judge, trust, and the
versions of sandbox, Python and NumPy. What another run might decide otherwise is not kept: holes,
timeouts that were not confirmed, cells near their limit.

One SQLite file, which several runs may share; a row per solution holds `CELL` records of its tests.
Above `max_bytes` the rows that were used longest ago go. It is a cache: where the file fails it is
left alone, and everything is run.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sv_engine.config.layers import ConfigError
from sv_engine.execute.executor import Executor
from sv_engine.execute.sandbox import Budget, versions
from sv_engine.records import CELL_ARRAYS, INFRA_CODE, Recheck, Verdicts, near_limit

CELL = np.dtype("S10, u1, u1, u1, u1, ?, <u4")
CELL.names = ("test", "verdict", "trust", "held", "recheck", "vacuous", "cpu_us")
"""What is kept of a cell, 19 bytes; `test` is a digest of its text."""
PER_CELL = ("verdict", "trust", "held", "recheck", "cpu_us")
TABLE = "CREATE TABLE IF NOT EXISTS row (key BLOB PRIMARY KEY, used INTEGER, cells BLOB)"
TABLES = {"row", "sqlite_autoindex_row_1"}
FULL = 0.75
"""Share of `max_bytes` that is left when rows had to go."""
BATCH = 256
"""Rows that are written at a time."""


def check_cache(path: Path) -> None:
    """Raises ConfigError unless `path` is a cache, or one can be made there."""
    try:
        if not path.parent.is_dir():
            raise ConfigError(
                "execute.cache: its folder is not there",
                where=str(path.parent),
                remedy="make the folder, or correct execute.cache",
            )
        if not path.exists() or (not path.is_dir() and path.stat().st_size == 0):
            return
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as found:
            tables = {name for (name,) in found.execute("SELECT name FROM sqlite_master")}
    except (sqlite3.Error, OSError) as error:
        raise ConfigError(
            f"execute.cache cannot be used: {error}",
            where=str(path),
            remedy="name a cache, or a file that is not there yet, in execute.cache",
        ) from None
    if not tables <= TABLES:
        raise ConfigError(
            "execute.cache is a database of something else",
            where=str(path),
            remedy="name a cache, or a file that is not there yet, in execute.cache",
        )


class VerdictCache:
    """An executor that remembers; see the module. A context manager."""

    def __init__(self, inner: Executor, path: Path, max_bytes: int) -> None:
        self.inner = inner
        self.cells = 0
        """Cells asked for."""
        self.hits = 0
        """Cells that were there."""
        self._path = path
        self._max_bytes = max_bytes
        self._connection: sqlite3.Connection | None = None
        self._new: dict[bytes, NDArray[Any]] = {}
        self._used: set[bytes] = set()
        self._round = 0
        """Of this opening: what it uses is newer than what all before it used."""

    def __enter__(self) -> Self:
        try:
            self._connection = sqlite3.connect(self._path, timeout=1.0)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = OFF")
            self._connection.execute(TABLE)
            ((last,),) = self._connection.execute("SELECT max(used) FROM row")
            self._round = (last or 0) + 1
        except (sqlite3.Error, OSError):
            self._give_up()
        return self

    def __exit__(self, *exception: object) -> None:
        self._write()
        self._give_up()

    def figures(self) -> dict[str, int]:
        """How much was there."""
        return {"cells": self.cells, "hits": self.hits}

    def __str__(self) -> str:
        share = self.hits / self.cells if self.cells else 0.0
        return f"verdict cache {self._path}: {self.hits:,} of {self.cells:,} cells, {share:.1%}"

    @property
    def workers(self) -> int:
        """As the inner executor."""
        return self.inner.workers

    @property
    def idle(self) -> bool:
        """As the inner executor."""
        return self.inner.idle

    async def judge(
        self,
        solutions: Sequence[str],
        tests: Sequence[str],
        cpu_s: float,
        entry_point: str | None = None,
    ) -> Verdicts:
        """Find or run every cell; raises SandboxFault."""
        context = _context(self.inner.budget, cpu_s, entry_point)
        keys = [_digest(context, solution, size=16) for solution in solutions]
        names = np.array([_digest(test, size=10) for test in tests], "S10")
        found = [self._find(key, names) for key in keys]
        verdicts = Verdicts.unknown(len(solutions), len(tests), cpu_s)
        for s, cells_T in enumerate(found):
            if cells_T is not None:
                _put(verdicts, s, cells_T)
        missing = [s for s, cells_T in enumerate(found) if cells_T is None]
        self.cells += verdicts.verdict_ST.size
        self.hits += (len(solutions) - len(missing)) * len(tests)
        if missing:
            asked = [solutions[s] for s in missing]
            fresh = await self.inner.judge(asked, tests, cpu_s, entry_point)
            for name in CELL_ARRAYS:
                getattr(verdicts, name)[missing] = getattr(fresh, name)
            verdicts.vacuous_T[:] |= fresh.vacuous_T
            for row, s in enumerate(missing):
                self._keep(keys[s], names, fresh, row)
            if len(self._new) >= BATCH:
                self._write()
        return verdicts

    def _find(self, key: bytes, names: NDArray[Any]) -> NDArray[Any] | None:
        """The cells of a solution on these tests, None unless all are there."""
        stored = self._stored(key)
        place = {name: t for t, name in enumerate(stored["test"].tolist())}
        order = [place.get(name, -1) for name in names.tolist()]
        if -1 in order:
            return None
        self._used.add(key)
        return np.asarray(stored[order])

    def _stored(self, key: bytes) -> NDArray[Any]:
        if key in self._new:
            return self._new[key]
        rows: list[tuple[bytes]] = []
        if self._connection is not None:
            try:
                query = "SELECT cells FROM row WHERE key = ?"
                rows = self._connection.execute(query, [key]).fetchall()
            except sqlite3.Error:
                self._give_up()
        content = rows[0][0] if rows else b""
        return np.frombuffer(content[: len(content) // CELL.itemsize * CELL.itemsize], CELL)

    def _keep(self, key: bytes, names: NDArray[Any], verdicts: Verdicts, s: int) -> None:
        cells_T = np.zeros(len(names), CELL)
        cells_T["test"] = names
        for name in PER_CELL:
            cells_T[name] = getattr(verdicts, f"{name}_ST")[s]
        cells_T["vacuous"] = verdicts.vacuous_T
        hole_T = (cells_T["verdict"] == INFRA_CODE) & (cells_T["held"] == 0)
        open_T = ~np.isin(cells_T["recheck"], (Recheck.NONE, Recheck.ASSUMED))
        near_T = near_limit(verdicts.cpu_us_ST[s], verdicts.cpu_s)
        sure_T = cells_T[~(hole_T | open_T | near_T)]
        if sure_T.size and self._connection is not None:
            both = np.concatenate([sure_T, self._stored(key)])
            _, first = np.unique(both["test"], return_index=True)
            self._new[key] = both[first]

    def _write(self) -> None:
        """Write what is new, note what was used, and keep within the bound."""
        if self._connection is None:
            return
        new = [(key, self._round, cells.tobytes()) for key, cells in self._new.items()]
        used = [(self._round, key) for key in self._used]
        self._new.clear()
        self._used.clear()
        try:
            with self._connection:
                self._connection.executemany("INSERT OR REPLACE INTO row VALUES (?, ?, ?)", new)
                self._connection.executemany("UPDATE row SET used = ? WHERE key = ?", used)
                if self._bytes() > self._max_bytes:
                    self._drop(1 - FULL * self._max_bytes / self._bytes())
        except sqlite3.Error:
            self._give_up()

    def _bytes(self) -> int:
        assert self._connection is not None
        names = ("page_count", "freelist_count", "page_size")
        found = [self._connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names]
        return int((found[0] - found[1]) * found[2])

    def _drop(self, share: float) -> None:
        """The rows that were used longest ago, so large a share of all."""
        assert self._connection is not None
        self._connection.execute(
            "DELETE FROM row WHERE key IN (SELECT key FROM row ORDER BY used"
            " LIMIT (SELECT CAST(1 + ? * count(*) AS INTEGER) FROM row))",
            [share],
        )

    def _give_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None


def _put(verdicts: Verdicts, s: int, cells_T: NDArray[Any]) -> None:
    for name in PER_CELL:
        getattr(verdicts, f"{name}_ST")[s] = cells_T[name]
    verdicts.vacuous_T[:] |= cells_T["vacuous"]


def _context(budget: Budget, cpu_s: float, entry_point: str | None) -> str:
    asked = (cpu_s, entry_point, budget.judge, budget.trust, budget.below, budget.timeouts)
    return repr((asked, versions()))


def _digest(*parts: str, size: int) -> bytes:
    text = "\0".join(parts).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=size).digest()
