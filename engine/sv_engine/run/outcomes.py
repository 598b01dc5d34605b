"""Stored outcomes, whoever stored them: a folder of `exec`, the journal of a run, single files."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

from sv_engine.errors import EngineError
from sv_engine.execute.store import StoreError, load, unpack
from sv_engine.records import Outcome
from sv_engine.run.folder import FILE_NAME, damaged, is_run, no_run, reading
from sv_engine.run.journal import Scope

Key = tuple[int, str, str]
"""Iteration, stage and problem."""
Loaders = dict[str, Callable[[], Outcome]]
"""Name of an outcome, the same in every folder -> what loads it; that raises EngineError."""


def stored_outcomes(path: Path, stage: str | None = None) -> Loaders:
    """The outcomes at `path`, in a fixed order. stage: of a run, such as `play`; None: all.

    Raises EngineError where there is none.
    """
    if not path.is_dir():
        return {path.name: partial(_load, path)}
    if is_run(path):
        if not (found := _of_run(path, stage)):
            raise EngineError(
                "nothing was judged in this run",
                where=str(path),
                remedy=f"`sv-engine run --resume {path}` goes on with it",
            )
    else:
        folder = path / "matrices" if (path / "matrices").is_dir() else path
        found = {file.name: partial(_load, file) for file in sorted(folder.glob("*.npz"))}
    if not found:
        raise no_run(path, "matrix")
    return found


def all_outcomes(paths: Iterable[Path], stage: str | None = None) -> Iterable[Outcome]:
    """Load the outcomes of several places, one at a time."""
    for path in paths:
        for load_one in stored_outcomes(path, stage).values():
            yield load_one()


def _load(path: Path) -> Outcome:
    try:
        return load(path)
    except (StoreError, OSError) as error:
        raise EngineError(
            str(error), remedy="execute this problem again, or name a file that `exec` wrote"
        ) from error


def outcomes_of_run(folder: Path, stage: str | None = None) -> Iterator[tuple[Scope, Outcome]]:
    """The outcomes of a run with what they belong to, one at a time."""
    with reading(folder) as connection:
        for key in _keys(connection, stage):
            yield Scope(*key[:2]), _unpack(connection, folder, key)


def _of_run(folder: Path, stage: str | None) -> Loaders:
    with reading(folder) as connection:
        keys = _keys(connection, stage)
    return {" ".join(map(str, key)): partial(_load_one, folder, key) for key in keys}


def _load_one(folder: Path, key: Key) -> Outcome:
    with reading(folder) as connection:
        return _unpack(connection, folder, key)


def _keys(connection: sqlite3.Connection, stage: str | None) -> list[Key]:
    query = (
        "SELECT iteration, stage, problem_id FROM outcome WHERE ? IN (stage, '')"
        " ORDER BY iteration, stage, problem_id"
    )
    return connection.execute(query, [stage or ""]).fetchall()


def _unpack(connection: sqlite3.Connection, folder: Path, key: Key) -> Outcome:
    one = "iteration = ? AND stage = ? AND problem_id = ?"
    (packed,) = connection.execute(f"SELECT packed FROM outcome WHERE {one}", key).fetchone()
    try:
        return unpack(packed, f"{folder / FILE_NAME}, {key}")
    except StoreError as error:
        raise damaged(folder / FILE_NAME, str(error)) from error
