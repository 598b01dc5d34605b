"""The journal is the run: what was generated, judged, selected, trained and measured.

One SQLite database (WAL) in the run directory, written by a thread of its own in batched
transactions, so the event loop never waits for the disk. A row is keyed by what it belongs to
(iteration, stage, problem, role, request, sample); writing it twice changes nothing. There is no
cursor: a run that goes on does what its plan holds and the journal does not. What was handed over
is on disk after at most `FLUSH_S` seconds, after `flush`, and after `close`, however the run ends;
a killed process loses at most the last transaction, whole. When the disk fails, the next `add` and
`close` raise JournalError.

One process at a time: the lock file names it, and goes with it. Times are seconds since the epoch,
for people; nothing is decided by them.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import json
import os
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import IO, Any, Self

from sv_engine.execute.store import StoreError, pack, unpack
from sv_engine.generate.protocol import GenerationRequest
from sv_engine.records import Completion, Outcome, Problem, Selection
from sv_engine.run.folder import BUSY_S, damaged, is_run, newer, open_for_reading, unusable
from sv_engine.run.folder import FILE_NAME as FILE_NAME
from sv_engine.run.folder import LOCK_NAME as LOCK_NAME
from sv_engine.run.folder import JournalError as JournalError
from sv_engine.run.keys import content_key, request_key, sampling_text
from sv_engine.run.packs import Packs, Samples
from sv_engine.run.schema import MIGRATIONS, PACKS_OF_REQUESTS
from sv_engine.train import TrainProgress, TrainResult

FLUSH_S = 0.5
AT_ONCE = 16
"""Rows of a statement: each statement lets go of the interpreter's lock, and waits for it again."""
MAX_WAITING = 20_000
"""Rows that may wait for the disk; beyond that `add` waits, so memory stays bounded."""
LAST_STANDS = {"outcome", "metric", "run"}
"""Tables where a row takes the place of one with its key."""


Row = tuple[str, tuple[Any, ...]]
"""Table, and the values of its columns; the last one may be a function that makes it."""


Statement = tuple[str, tuple[Any, ...]]
"""SQL and its values."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What a row belongs to."""

    iteration: int
    stage: str = "play"
    """`play`, or `heldout`, what was measured and at which temperature."""


class Journal:
    """See the module. Everything is to be called from one thread."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE_NAME
        self._lock_path = folder / LOCK_NAME
        self._waiting: deque[Row | threading.Event | None] = deque()
        self._wake = threading.Event()
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._write, name="journal", daemon=True)
        self._requests = itertools.count(1)
        self._packs = Packs()
        self.is_resumed = False
        """Whether there was a run here before."""

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as opening:
            opening.enter_context(self._locked())
            try:
                self.is_resumed = is_run(self.path.parent)
                self._connection = sqlite3.connect(
                    self.path, check_same_thread=False, timeout=BUSY_S
                )
                opening.callback(self._connection.close)
                self._connection.execute("PRAGMA journal_mode = WAL")
                self._connection.execute("PRAGMA synchronous = NORMAL")
                self._check_and_migrate()
                self._reader = open_for_reading(self.path)
                opening.callback(self._reader.close)
                if self.is_resumed:
                    self._reader.executescript(PACKS_OF_REQUESTS)
                ((last,),) = self._reader.execute("SELECT max(number) FROM request")
                self._requests = itertools.count((last or 0) + 1)
            except sqlite3.Error as error:
                raise self._error(error) from error
            self._thread.start()
            self._opened = opening.pop_all()
        return self

    def __exit__(self, kind: object, *rest: object) -> None:
        self._hand_over(None)
        self._thread.join()
        with contextlib.suppress(sqlite3.Error):  # the failure that matters was kept
            self._opened.close()
        if self._failure is not None and kind is None:
            raise self._error(self._failure)

    def add(self, table: str, *values: Any) -> None:
        """Hand one row over; the first row with a key stands, in `LAST_STANDS` the last.
        Raises JournalError."""
        if self._failure is not None:
            raise self._error(self._failure)
        self._waiting.append((table, values))
        if len(self._waiting) > MAX_WAITING:
            self.flush()

    def flush(self) -> None:
        """Wait until everything is on disk; raises JournalError."""
        done = threading.Event()
        self._hand_over(done)
        done.wait()
        if self._failure is not None:
            raise self._error(self._failure)

    def _hand_over(self, mark: threading.Event | None) -> None:
        self._waiting.append(mark)
        self._wake.set()

    def add_problem(self, scope: Scope, problem: Problem) -> None:
        """What was asked; never with its reference."""
        self.add("problem", scope.iteration, problem.id, problem.prompt, problem.entry_point)

    def number_of(
        self, scope: Scope, request: GenerationRequest, occurrence: int, asked: str = ""
    ) -> int:
        """What its samples call a request; a new one is journalled. To be asked once in a process.
        occurrence: how often the very same was asked before in this scope. asked: its key, where
        that is known."""
        asked = asked or request_key(request)
        key = (request.problem_id, request.role, asked, occurrence)
        name = int(content_key(scope.iteration, scope.stage, *key), 16) >> 65
        if self.is_resumed:
            found = self._find("SELECT number FROM request WHERE id = ?", name)
            if found:
                return int(found[0][0])
        number = next(self._requests)
        belongs = (scope.iteration, scope.stage, request.problem_id, request.role, occurrence)
        self.add("text", asked, _storable(request.prompt))
        self.add("request", number, name, *belongs, asked, sampling_text(request.sampling))
        return number

    def samples_of(self, number: int) -> Samples:
        """A list for the samples of request `number`: what is appended counts as added, and None
        says that there will be no more."""
        samples: Samples = []
        self.add("pack", number, samples)
        return samples

    def add_refusal(self, scope: Scope, number: int, message: str) -> None:
        """The model cannot be asked this; it is not asked again."""
        self.add("refusal", number, scope.iteration, scope.stage, message)

    def is_refused(self, number: int) -> bool:
        """Whether an earlier process was refused this."""
        query = "SELECT 1 FROM refusal WHERE request = ?"
        return self.is_resumed and bool(self._find(query, number))

    def refusals(self, iteration: int) -> list[str]:
        """What was refused in an iteration, as far as it is flushed, in a fixed order."""
        query = "SELECT message FROM refusal WHERE iteration = ? ORDER BY stage, message"
        return [message for (message,) in self._find(query, iteration)]

    def add_outcome(self, scope: Scope, outcome: Outcome) -> None:
        """Every verdict of one problem; the writer packs it, so it must not change any more."""
        packed = partial(pack, outcome)
        self.add("outcome", scope.iteration, scope.stage, outcome.problem.id, packed)

    def add_selection(
        self, scope: Scope, problem_id: str, selection: Selection, outcome: str
    ) -> None:
        """What was believed. outcome: `used`, or why the problem taught nothing."""
        detail = {
            "accepted_S": selection.accepted_S.nonzero()[0].tolist(),
            "accepted_T": selection.accepted_T.nonzero()[0].tolist(),
            "diagnostics": selection.diagnostics,
        }
        values = (selection.selector, outcome, json.dumps(detail))
        self.add("selection", scope.iteration, problem_id, *values)

    def add_metric(self, iteration: int, name: str, value: float, se: float, n: int) -> None:
        """One measured figure with its standard error over n problems."""
        self.add("metric", iteration, name, value, se, n)

    def add_step(self, iteration: int, step: TrainProgress) -> None:
        """One optimiser step; `rows` names the rows of the training files that it consumed."""
        values = (step.phase, step.step, step.loss, step.learning_rate)
        detail = json.dumps(step.metrics)
        self.add("training_step", iteration, *values, json.dumps(step.rows), detail)

    def add_checkpoint(self, iteration: int, folder: Path, result: TrainResult) -> None:
        """A training run ended and its weights are in place, below `folder`."""
        places = [
            str(place.relative_to(folder)) if place else None
            for place in (result.weights, result.adapter)
        ]
        phases = {"sft": result.sft, "dpo": result.dpo}
        detail = {name: asdict(phase) for name, phase in phases.items() if phase is not None}
        weights, adapter = places[0], None if places[0] else places[1]
        self.add("checkpoint", iteration, weights, adapter, json.dumps(detail))

    def add_event(self, iteration: int, kind: str, **detail: Any) -> None:
        """Something that happened once in an iteration."""
        self.add("event", time.time(), iteration, kind, json.dumps(detail, default=str))

    # ---- reading what an earlier process left ----

    def completions(self, number: int, request: GenerationRequest) -> list[Completion]:
        """The samples of a request that are there, in the order in which they arrived."""
        if not self.is_resumed:
            return []
        found = self._find(
            "SELECT sample, text, finish_reason, token_count FROM sample WHERE pack IN"
            " (SELECT pack FROM temp.pack_of WHERE request = ?1) AND request = ?1 ORDER BY rowid",
            number,
        )
        plain = Completion(request.problem_id, request.role, "")
        self._packs.know(number, (sample for sample, *_ in found))
        return [
            replace(
                plain, sample=sample, text=text, finish_reason=reason or "stop", token_count=tokens
            )
            for sample, text, reason, tokens in found
            if sample < request.n
        ]

    def outcome(self, scope: Scope, problem_id: str) -> Outcome | None:
        """The verdicts of one problem, if they are there."""
        if not self.is_resumed:
            return None
        key = (scope.iteration, scope.stage, problem_id)
        one = "iteration = ? AND stage = ? AND problem_id = ?"
        found = self._find(f"SELECT packed FROM outcome WHERE {one}", *key)
        try:
            return unpack(found[0][0], f"{self.path}, {key}") if found else None
        except StoreError as error:
            raise damaged(self.path, str(error)) from error

    def event(self, iteration: int, kind: str) -> dict[str, Any] | None:
        """The detail of what happened, if it did."""
        if not self.is_resumed:
            return None
        query = "SELECT detail FROM event WHERE iteration = ? AND kind = ?"
        found = self._find(query, iteration, kind)
        detail: dict[str, Any] | None = json.loads(found[0][0]) if found else None
        return detail

    def checkpoint(self, iteration: int) -> tuple[str | None, str | None, dict[str, Any]] | None:
        """Weights, adapter and figures of a training run that ended, if it did."""
        query = "SELECT weights, adapter, detail FROM checkpoint WHERE iteration = ?"
        found = self._find(query, iteration)
        return (found[0][0], found[0][1], json.loads(found[0][2])) if found else None

    def sample_counts(self, scope: Scope) -> dict[str, int]:
        """Completions of each role in a scope, and their tokens, as far as they are flushed."""
        query = (
            "SELECT role, count(*), sum(token_count) FROM completion"
            " WHERE iteration = ? AND stage = ? GROUP BY role ORDER BY role"
        )
        rows = self._reader.execute(query, (scope.iteration, scope.stage)).fetchall()
        return {role: n for role, n, _ in rows} | {"tokens": sum(row[2] for row in rows)}

    def stored(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows that an earlier process left."""
        return self._find(query, *values) if self.is_resumed else []

    def forget(self, *statements: Statement) -> None:
        """Change or take away what an earlier process left, all or nothing."""
        self.flush()
        try:
            with self._connection:
                for statement, values in statements:
                    self._connection.execute(statement, values)
        except sqlite3.Error as error:
            raise self._error(error) from error

    def _find(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        try:
            return self._reader.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise self._error(error) from error

    @contextlib.contextmanager
    def _locked(self) -> Any:
        try:
            file: IO[str] = self._lock_path.open("a+", encoding="utf-8")
        except OSError as error:
            raise self._error(error) from error
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                file.seek(0)
                raise JournalError(
                    f"another process works on this run: {file.read().strip() or 'unknown'}",
                    where=str(self._lock_path),
                    remedy="wait for it, or stop it; its lock goes with it",
                ) from error
            file.truncate(0)
            started = time.strftime("%Y-%m-%d %H:%M:%S %z")
            file.write(f"process {os.getpid()}, since {started}\n")
            file.flush()
            yield

    def _check_and_migrate(self) -> None:
        (found,) = self._connection.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise damaged(self.path, found)
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if version > len(MIGRATIONS):
            raise newer(self.path, version)
        for number, script in enumerate(MIGRATIONS[version:], start=version + 1):
            step = f"BEGIN; {script}; PRAGMA user_version = {number}; COMMIT;"
            self._connection.executescript(step)

    # ---- the writer's thread ----

    def _write(self) -> None:
        last = False
        while not last:
            self._wake.wait(FLUSH_S)
            self._wake.clear()
            # As many as there are now; more may come meanwhile.
            batch = [self._waiting.popleft() for _ in range(len(self._waiting))]
            rows = [row for row in batch if isinstance(row, tuple)]
            if self._failure is None:  # after a failure nobody is left waiting
                try:
                    if tables := self._ready(rows):
                        self._commit(tables)
                except Exception as error:  # the thread must go on: somebody waits for it
                    self._failure = error
            for mark in batch:
                if isinstance(mark, threading.Event):
                    mark.set()
            last = None in batch

    def _ready(self, rows: Sequence[Row]) -> dict[str, list[tuple[Any, ...]]]:
        """Table -> its new rows, with the samples that came meanwhile."""
        tables: dict[str, list[tuple[Any, ...]]] = {}
        for table, values in rows:
            if table == "pack":
                self._packs.open(*values)
                continue
            ready = (*values[:-1], values[-1]()) if callable(values[-1]) else values
            tables.setdefault(table, []).append(ready)
        if packs := self._packs.rows():
            tables["pack"] = packs
        return tables

    def _commit(self, tables: dict[str, list[tuple[Any, ...]]]) -> None:
        with self._connection:
            for table, rows in tables.items():
                one = f"({', '.join('?' * len(rows[0]))})"
                for start in range(0, len(rows), AT_ONCE):
                    some = rows[start : start + AT_ONCE]
                    places = ", ".join([one] * len(some))
                    verb = "REPLACE" if table in LAST_STANDS else "INSERT OR IGNORE"
                    insert = f"{verb} INTO {table} VALUES {places}"
                    self._connection.execute(insert, [*chain.from_iterable(some)])

    def _error(self, cause: Exception) -> JournalError:
        return unusable(cause, self.path)


def _storable(text: str) -> str:
    """SQLite keeps UTF-8: half a surrogate pair becomes a question mark."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
