"""The journal of a run: everything that was generated, judged, selected and measured.

One SQLite database (WAL) in the run directory, written by a thread of its own in batched
transactions, so the event loop never waits for the disk. Rows are keyed by content: writing the
same thing twice changes nothing, and whoever resumes a run finds a completion by what was asked
(weights, prompt, sampling, index) and a verdict by what was run (program, tests). What was
handed over is on disk after at most `FLUSH_S` seconds, and all of it after `close`, however the
run ends. When the disk fails, the next `add` and `close` raise JournalError.

Schema: see `SCHEMA`; times are seconds since the epoch.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import queue
import sqlite3
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sv_engine.errors import EngineError
from sv_engine.generate.protocol import GenerationRequest
from sv_engine.records import Completion, Problem, Rollout, Selection

FILE_NAME = "journal.sqlite"
FLUSH_S = 0.5
MAX_WAITING = 20_000
"""Rows that may wait for the disk; beyond that `add` waits, so memory stays bounded."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS run (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS text (key TEXT PRIMARY KEY, text TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS problem (
    iteration INTEGER, phase TEXT, id TEXT, prompt TEXT, entry_point TEXT,
    PRIMARY KEY (iteration, phase, id));
CREATE TABLE IF NOT EXISTS completion (
    key TEXT PRIMARY KEY, iteration INTEGER, phase TEXT, problem_id TEXT, role TEXT,
    prompt_key TEXT, sampling TEXT, sample INTEGER, text TEXT, finish_reason TEXT,
    token_count INTEGER, at REAL);
CREATE TABLE IF NOT EXISTS verdict_row (
    key TEXT PRIMARY KEY, iteration INTEGER, phase TEXT, problem_id TEXT, solution_key TEXT,
    tests_key TEXT, weight INTEGER, verdicts BLOB, cpu_us BLOB);
CREATE TABLE IF NOT EXISTS test_list (
    key TEXT PRIMARY KEY, test_keys TEXT NOT NULL, weights TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS selection (
    iteration INTEGER, problem_id TEXT, selector TEXT, outcome TEXT, detail TEXT,
    PRIMARY KEY (iteration, problem_id));
CREATE TABLE IF NOT EXISTS metric (
    iteration INTEGER, name TEXT, value REAL, se REAL, n INTEGER, PRIMARY KEY (iteration, name));
CREATE TABLE IF NOT EXISTS event (at REAL, iteration INTEGER, kind TEXT, detail TEXT);
"""
"""`verdicts` are uint8 and `cpu_us` little-endian uint32, one per test of `test_list`; `test_keys`
and `weights` are JSON arrays, `sampling` and `detail` JSON objects. `phase` is `play` or
`heldout`."""


class JournalError(EngineError):
    """The journal cannot be opened or written."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What a row belongs to."""

    iteration: int
    phase: str
    """`play` or `heldout`."""
    weights: str
    """Content key of the weights that generated."""


def content_key(*parts: object) -> str:
    """A 128-bit key of the parts, in hexadecimal."""
    text = "\0".join(map(str, parts)).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=16).hexdigest()


class Journal:
    """See the module. `add` and what is built on it may be called from one thread, any loop."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE_NAME
        self._rows: queue.Queue[tuple[str, tuple[Any, ...]] | None] = queue.Queue(MAX_WAITING)
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._write, name="journal", daemon=True)

    def __enter__(self) -> Self:
        try:
            self._connection = sqlite3.connect(self.path, check_same_thread=False)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._connection.executescript(SCHEMA)
        except sqlite3.Error as error:
            raise self._error(error) from error
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._rows.put(None)
        self._thread.join()
        with contextlib.suppress(sqlite3.Error):  # the failure that matters was kept
            self._connection.close()
        if self._failure is not None and error is None:
            raise self._error(self._failure)

    def add(self, table: str, *values: Any) -> None:
        """Hand one row over; the first row with a key stands. Raises JournalError."""
        if self._failure is not None:
            raise self._error(self._failure)
        self._rows.put((table, values))

    def add_problem(self, scope: Scope, problem: Problem) -> None:
        """What was asked; never with its reference."""
        self.add(
            "problem", scope.iteration, scope.phase, problem.id, problem.prompt, problem.entry_point
        )

    def add_completion(
        self, scope: Scope, request: GenerationRequest, index: int, completion: Completion
    ) -> None:
        """One sample. index: its order of arrival within the request."""
        sampling = json.dumps(asdict(request.sampling), sort_keys=True)
        self.add(
            "completion",
            content_key(scope.weights, request.prompt, sampling, index),
            scope.iteration,
            scope.phase,
            completion.problem_id,
            completion.role,
            self.add_text(request.prompt),
            sampling,
            index,
            completion.text,
            completion.finish_reason,
            completion.token_count,
            time.time(),
        )

    def add_verdicts(
        self,
        scope: Scope,
        rollout: Rollout,
        verdict_ST: NDArray[np.uint8],
        cpu_us_ST: NDArray[np.uint32],
    ) -> None:
        """Every row of a pass matrix."""
        test_keys = [self.add_text(test.source) for test in rollout.tests]
        tests_key = content_key(*test_keys)
        weights = [test.weight for test in rollout.tests]
        self.add("test_list", tests_key, json.dumps(test_keys), json.dumps(weights))
        for s, solution in enumerate(rollout.solutions):
            solution_key = self.add_text(solution.source)
            self.add(
                "verdict_row",
                content_key(
                    solution_key, tests_key, rollout.problem.id, scope.iteration, scope.phase
                ),
                scope.iteration,
                scope.phase,
                rollout.problem.id,
                solution_key,
                tests_key,
                solution.weight,
                verdict_ST[s].tobytes(),
                cpu_us_ST[s].astype("<u4").tobytes(),
            )

    def add_selection(
        self, scope: Scope, problem_id: str, selection: Selection, outcome: str
    ) -> None:
        """What was believed. outcome: `used`, or why the problem taught nothing."""
        detail = {
            "accepted_S": selection.accepted_S.nonzero()[0].tolist(),
            "accepted_T": selection.accepted_T.nonzero()[0].tolist(),
            "diagnostics": selection.diagnostics,
        }
        self.add(
            "selection",
            scope.iteration,
            problem_id,
            selection.selector,
            outcome,
            json.dumps(detail),
        )

    def add_metric(self, iteration: int, name: str, value: float, se: float, n: int) -> None:
        """One measured figure with its standard error over n problems."""
        self.add("metric", iteration, name, value, se, n)

    def add_event(self, iteration: int, kind: str, **detail: Any) -> None:
        """Something that happened."""
        self.add("event", time.time(), iteration, kind, json.dumps(detail, default=str))

    def add_text(self, text: str) -> str:
        """Store a text once; its content key."""
        key = content_key(text)
        self.add("text", key, text.encode("utf-8", "replace").decode())
        return key

    def _write(self) -> None:
        last = False
        while not last:
            batch = [self._rows.get()]
            deadline = time.monotonic() + FLUSH_S
            while batch[-1] is not None and len(batch) < MAX_WAITING:
                try:
                    batch.append(self._rows.get(timeout=max(0, deadline - time.monotonic())))
                except queue.Empty:
                    break
            last = batch[-1] is None
            if self._failure is None:  # afterwards only the queue is emptied, so nobody waits
                self._commit([row for row in batch if row is not None])

    def _commit(self, rows: Sequence[tuple[str, tuple[Any, ...]]]) -> None:
        try:
            with self._connection:
                for table, values in rows:
                    places = ", ".join("?" * len(values))
                    self._connection.execute(
                        f"INSERT OR IGNORE INTO {table} VALUES ({places})", values
                    )
        except sqlite3.Error as error:
            self._failure = error

    def _error(self, cause: Exception) -> JournalError:
        full = "full" in str(cause)
        return JournalError(
            f"the journal cannot be written: {cause}",
            where=str(self.path),
            remedy=(
                "free space on this disk, or set run.out to another one"
                if full
                else "check that run.out is a writable folder on a local disk"
            )
            + "; what was journalled before is intact",
        )
