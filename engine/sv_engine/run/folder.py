"""The directory of a run as others read it: its journal while it may still be written, its
configuration, and what to say of a folder that is none.

Everything here raises RunFolderError, or JournalError, with what is to be done.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from pydantic import ValidationError

from sv_engine.config.layers import ConfigError, as_config_error, load
from sv_engine.config.sections import Config
from sv_engine.errors import EngineError
from sv_engine.run.schema import MIGRATIONS

CONFIG_NAME = "config.toml"
FILE_NAME = "journal.sqlite"
LOCK_NAME = "journal.lock"
BUSY_S = 60.0
"""How long one connection waits for another that has locked the database."""
OTHERS = {
    "matrices": "of `sv-engine exec`",
    "asked.json": "of `sv-engine eval`",
    "config.json": "of a model",
}
"""What lies in folders that are taken for that of a run, and what they are."""
COMMANDS = {"run": "`sv-engine run`"}
"""Which commands make what is wanted, where it is not all that have an output."""
LOST = "take the directory from a backup, or begin the run again"
"""What is left to do where the journal is."""
PAGE_BYTES = 4096
"""Of SQLite; its least is smaller, and not what it takes."""
NAMED = 3
"""Runs nearby that are named."""


class JournalError(EngineError):
    """The journal cannot be opened, read or written."""


class RunFolderError(EngineError):
    """A folder that is not that of a run."""


def is_run(folder: Path) -> bool:
    """Whether a folder has a journal; raises JournalError where it had one, by what lies there."""
    if not os.access(folder, os.R_OK | os.X_OK):
        raise _forbidden("this folder may not be read", folder)
    path = folder / FILE_NAME
    is_there = path.exists()
    is_lost = not is_there or _is_blank(path)
    made = [*folder.glob("iteration_*"), *folder.glob("summary.json")]
    if is_lost and made and (folder / CONFIG_NAME).exists():
        raise JournalError(
            f"the journal of this run is {'empty' if is_there else 'gone'}, and {made[0].name} is "
            "of it: to go on would pay for everything again",
            where=str(path),
            remedy=f"{LOST} with another --out",
        )
    return is_there


def _is_blank(path: Path) -> bool:
    """Whether no journal was ever written here, or its first page is cut: what is not in its log
    (another file, which may be lost) is in its pages, of which the first names the version."""
    log = path.with_name(path.name + "-wal")
    if log.exists() and log.stat().st_size:
        return not path.stat().st_size
    with path.open("rb") as file:
        head = file.read(PAGE_BYTES)
    is_cut = len(head) < PAGE_BYTES or head[60:64] == bytes(4)  # `user_version`
    return not head or (head.startswith(b"SQLite format 3\0") and is_cut)


def no_run(folder: Path, wanted: str = "run") -> EngineError:
    """What to say of a folder in which nothing is found of what is `wanted`."""
    if (folder / CONFIG_NAME).exists():
        return RunFolderError(
            "this folder holds no run yet: a configuration, and no journal",
            where=str(folder),
            remedy=f"`sv-engine run --resume {folder}` begins it",
        )
    kinds = [f"it is that {kind}" for name, kind in OTHERS.items() if (folder / name).exists()]
    if not kinds and not any(folder.iterdir()):
        kinds = ["it is empty"]
    makers = COMMANDS.get(wanted, "`sv-engine run` or of `sv-engine exec`")
    runs = ", ".join(map(str, _runs_near(folder)))
    return RunFolderError(
        "; ".join([f"this folder holds no {wanted}", *kinds[:1]]),
        where=str(folder),
        remedy=f"name an output folder of {makers}" + (f"; there is {runs}" if runs else ""),
    )


def _runs_near(folder: Path) -> list[Path]:
    """Runs in a folder, else beside it, the last begun first."""
    for place in (folder, folder.absolute().parent):
        try:
            found = [path for path in place.iterdir() if os.path.exists(path / FILE_NAME)]
        except OSError:
            continue
        if found:
            found.sort(key=lambda path: (path / FILE_NAME).stat().st_ctime, reverse=True)
            return found[:NAMED]
    return []


def config_of(folder: Path) -> Config:
    """The configuration of the run in a folder: its file, or what the journal has of it."""
    path = folder / CONFIG_NAME
    if begun := is_run(folder):
        with reading(folder):  # or what it says of the journal: that comes first
            pass
    if path.exists():
        if not os.access(path, os.R_OK):
            raise _forbidden("the configuration of this run may not be read", path)
        try:
            return load(str(path), environment={})
        except ConfigError as error:
            raise _unusable(
                error, "" if begun else "; or name a run: none was begun here"
            ) from error
    if not begun:
        raise no_run(folder)
    with reading(folder) as journal:
        found = journal.execute("SELECT value FROM run WHERE key = 'config'").fetchone()
    if found is None:
        raise RunFolderError(
            "the configuration of this run is gone, and its journal holds none",
            where=str(path),
            remedy="put the file back, or begin another run",
        )
    try:
        return Config.model_validate_json(found[0])
    except ValidationError as error:
        raise _unusable(as_config_error(error, {}), "") from error


def _unusable(error: ConfigError, more: str) -> ConfigError:
    return ConfigError(
        error.what,
        where=error.where,
        remedy=f"correct it, or use the version of sv-engine that wrote it{more}",
    )


def _forbidden(what: str, path: Path) -> RunFolderError:
    return RunFolderError(
        what, where=str(path), remedy="ask its owner, or be the user who began the run"
    )


# ---- the journal --------------------------------------------------------------------------------


def open_for_reading(path: Path) -> sqlite3.Connection:
    """Another process may write meanwhile. Raises sqlite3.Error."""
    where = path.resolve().as_uri()
    connection = sqlite3.connect(f"{where}?mode=ro", uri=True, timeout=BUSY_S)
    try:
        connection.execute("PRAGMA schema_version")
    except sqlite3.OperationalError:
        # A reader makes files beside a database that nobody has open. Where it may not, and there
        # is no log of what is still to be written, the database alone is all there is.
        connection.close()
        if os.access(path.parent, os.W_OK) or os.path.exists(f"{path}-wal"):
            raise
        return sqlite3.connect(f"{where}?mode=ro&immutable=1", uri=True)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


@contextmanager
def reading(folder: Path) -> Iterator[sqlite3.Connection]:
    """The journal of the run in a folder; what SQLite says of it inside is told as JournalError."""
    path = folder / FILE_NAME
    if not is_run(folder):
        raise no_run(folder)
    if not os.access(path, os.R_OK):
        raise _forbidden("the journal of this run may not be read", path)
    version = len(MIGRATIONS)
    try:
        with closing(open_for_reading(path)) as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version > len(MIGRATIONS):
                raise newer(path, version)
            if not version and connection.execute("SELECT 1 FROM sqlite_master").fetchone():
                raise JournalError(
                    "this is a database, but no journal of sv-engine",
                    where=str(path),
                    remedy="name the folder of a run",
                )
            yield connection
    except sqlite3.Error as error:
        if version < len(MIGRATIONS) and error.sqlite_errorcode == sqlite3.SQLITE_ERROR:
            raise JournalError(
                "an older sv-engine wrote this journal" if version else "this journal is empty",
                where=str(path),
                remedy=f"`sv-engine run --resume {folder}` "
                + ("brings it up to date, and goes on" if version else "begins the run"),
            ) from error
        raise unusable(error, path) from error


def last_pack(folder: Path) -> int:
    """The number of the last samples in the journal of a folder; 0: there are none."""
    try:
        with reading(folder) as journal:
            found = journal.execute("SELECT max(number) FROM pack").fetchone()
    except RunFolderError:
        return 0
    except JournalError:
        return -1
    return int(found[0] or 0)


def remove(folder: Path, itself: bool) -> None:
    """Take a run away that no process works on; and the folder, where nothing else is in it."""
    with suppress(OSError):
        with (folder / LOCK_NAME).open("a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for path in [folder / CONFIG_NAME, *folder.glob("journal.*")]:
                path.unlink(missing_ok=True)
        if itself:
            folder.rmdir()


def newer(path: Path, version: int) -> JournalError:
    """What to say of a journal that we do not know."""
    return JournalError(
        f"a newer sv-engine wrote this journal (version {version}; this one knows "
        f"{len(MIGRATIONS)})",
        where=str(path),
        remedy="use that version of sv-engine",
    )


def damaged(path: Path, found: str) -> JournalError:
    """What to say of a journal whose content is not what was written."""
    return JournalError(f"the journal is damaged: {found}", where=str(path), remedy=LOST)


def unusable(cause: Exception, path: Path) -> JournalError:
    """What to say of a journal with which something went wrong."""
    code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
    intact = "; what was journalled before is intact"
    if "full" in str(cause):
        remedy = "free space on this disk, then go on with `sv-engine run --resume`" + intact
    elif isinstance(cause, PermissionError) or code in (
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_PERM,
    ):
        remedy = "make folder and files writable for this user, or be the one who began the run"
    elif code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        remedy = LOST
    else:
        remedy = "check that run.out is a writable folder on a local disk" + intact
    return JournalError(f"the journal cannot be used: {cause}", where=str(path), remedy=remedy)
