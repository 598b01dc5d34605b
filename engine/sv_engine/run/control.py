"""A control: another run from the same base, on the same first samples.

In: the run directory of a run whose first play is complete, and a configuration that asks for the
same samples (`SAME`). Out: a journal that holds what that run measured of the base, asked, was
answered and judged until then, and nothing of what it believed and trained. A run that goes on with
this journal selects and trains in its own way, so the two differ in that alone, and the play, which
is most of an iteration's time, is paid for once.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from sv_engine.config.sections import Config
from sv_engine.errors import EngineError
from sv_engine.run.folder import FILE_NAME, JournalError, reading, unusable
from sv_engine.run.journal import Journal

SAME = ("model", "problems", "generate", "roles", "execute")
"""Sections that decide what is sampled and what its verdicts are; so does `run.seed`."""

FORGET = """
DELETE FROM run WHERE key = 'config' OR key LIKE 'seconds of %';
DELETE FROM problem WHERE iteration > 1;
DELETE FROM request WHERE iteration > 1 OR iteration = 1 AND stage NOT IN ('play', 'describe');
DELETE FROM refusal WHERE request NOT IN (SELECT number FROM request);
DELETE FROM pack WHERE number NOT IN (
    SELECT pack FROM sample WHERE request IN (SELECT number FROM request));
DELETE FROM text WHERE key NOT IN (SELECT prompt_key FROM request);
DELETE FROM outcome WHERE iteration > 1 OR iteration = 1 AND stage <> 'play';
DELETE FROM selection;
DELETE FROM training_row;
DELETE FROM training_step;
DELETE FROM checkpoint;
DELETE FROM metric WHERE iteration > 0;
DELETE FROM event WHERE iteration > 1 OR iteration = 1 AND kind NOT IN ('play', 'judged');
"""
"""What came after the first play. Samples of the play and of an evaluation are never in one pack:
the journal is flushed between them."""


def differences(config: Config, other: Config) -> list[str]:
    """Keys that two runs of the same samples must share, and these do not."""
    pairs = [(getattr(config, name), getattr(other, name), name) for name in SAME]
    found = [
        f"{name}.{key}" for a, b, name in pairs for key in dict(a) if dict(a)[key] != dict(b)[key]
    ]
    return found + ["run.seed"] * (config.run.seed != other.run.seed)


def check_played(of: Path) -> None:
    """Raises EngineError where the run has not played to the end of its first iteration."""
    played = "SELECT 1 FROM event WHERE iteration = 1 AND kind = 'played'"
    with reading(of) as source:
        found = source.execute(played).fetchone()
    if found is None:
        raise EngineError(
            "the first iteration of this run has not been played to its end",
            where=str(of),
            remedy=f"`sv-engine run --resume {of}` goes on with it",
        )


def begin_control(of: Path, folder: Path) -> None:
    """Make the journal of a control in `folder`, a new run directory; `of` may still be running.
    Raises EngineError where its first play is not complete, or its journal is damaged."""
    check_played(of)
    with reading(of) as source, closing(sqlite3.connect(folder / FILE_NAME)) as target:
        source.backup(target)
    path = of / FILE_NAME  # the copy is as damaged as that
    try:
        with Journal(folder):  # checked, and of the version that is forgotten in
            pass
        with closing(sqlite3.connect(folder / FILE_NAME)) as target:
            target.executescript(f"BEGIN; {FORGET} COMMIT; VACUUM;")
    except JournalError as error:
        raise JournalError(error.what, where=str(path), remedy=error.remedy) from error
    except sqlite3.Error as error:
        raise unusable(error, path) from error
