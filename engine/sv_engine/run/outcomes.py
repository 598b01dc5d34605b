"""Stored outcomes, whoever stored them: a folder of `exec`, the journal of a run, single files."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

from sv_engine.errors import EngineError
from sv_engine.execute.store import StoreError, load, unpack
from sv_engine.records import Outcome
from sv_engine.run.journal import FILE_NAME, Scope, open_for_reading

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
    if (path / FILE_NAME).exists():
        found = _of_run(path / FILE_NAME, stage)
    else:
        folder = path / "matrices" if (path / "matrices").is_dir() else path
        found = {file.name: partial(_load, file) for file in sorted(folder.glob("*.npz"))}
    if not found:
        raise EngineError(
            f"{path} holds no matrix",
            remedy="name a folder of `sv-engine exec` or of `sv-engine run`",
        )
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
        raise EngineError(str(error), remedy="execute this problem again") from error


def outcomes_of_run(folder: Path, stage: str | None = None) -> Iterator[tuple[Scope, Outcome]]:
    """The outcomes of a run with what they belong to, one at a time."""
    path = folder / FILE_NAME
    if not path.exists():
        raise EngineError(f"{folder} holds no run", remedy="name a folder of `sv-engine run`")
    with closing(open_for_reading(path)) as connection:
        for iteration, found, problem_id in _keys(connection, path, stage):
            scope = Scope(iteration, found)
            yield scope, _unpack(connection, path, (iteration, found, problem_id))


def _of_run(path: Path, stage: str | None) -> Loaders:
    connection = open_for_reading(path)
    keys = _keys(connection, path, stage)
    return {" ".join(map(str, key)): partial(_unpack, connection, path, key) for key in keys}


def _keys(connection: sqlite3.Connection, path: Path, stage: str | None) -> list[Key]:
    query = (
        "SELECT iteration, stage, problem_id FROM outcome WHERE ? IN (stage, '')"
        " ORDER BY iteration, stage, problem_id"
    )
    try:
        return connection.execute(query, [stage or ""]).fetchall()
    except sqlite3.Error as error:
        raise EngineError(f"not a journal: {error}", where=str(path)) from error


def _unpack(connection: sqlite3.Connection, path: Path, key: Key) -> Outcome:
    one = "iteration = ? AND stage = ? AND problem_id = ?"
    (packed,) = connection.execute(f"SELECT packed FROM outcome WHERE {one}", key).fetchone()
    try:
        return unpack(packed, f"{path}, {key}")
    except StoreError as error:
        raise EngineError(str(error), remedy="the journal is damaged") from error
