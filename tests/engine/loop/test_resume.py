"""Runs that are killed and go on: nothing lost, nothing twice, the same result."""

from __future__ import annotations

import contextlib
import json
import os
import random
import sqlite3
import subprocess
import sys
import time
import zlib
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sv_engine.errors import EngineError
from sv_engine.execute import store
from sv_engine.execute.sandbox import Budget, SandboxFault
from sv_engine.generate import GenerationRequest, RecordedGenerator, Sampling
from sv_engine.records import Candidates, Outcome, Problem, Solution, Test, Verdicts
from sv_engine.run import journal as journal_module
from sv_engine.run.journal import (
    FILE_NAME,
    LOCK_NAME,
    Journal,
    JournalError,
    Scope,
)
from sv_engine.run.keys import content_key, request_key
from sv_engine.run.schema import MIGRATIONS

from .test_loop import ScriptedTrainer, play, write

SCRIPT = Path(__file__).parent / "killed_run.py"
KILLED = -9
VARIANTS = {
    "plain": (),
    "described": ("problems.source=describe", "run.start_from=base"),
    "critique": ("generate.critique=true", "generate.test_sampling=single"),
    "solution": ("roles.verifier_sees=solution", "recipe.name=sol-ver", "recipe.replay=0.5"),
}
EASY = ("recipe.min_solution_samples=1", "recipe.min_tests=1")
TABLES = {
    "problem": "*",
    "request": "id, iteration, stage, problem_id, role, occurrence, prompt_key, sampling",
    "sample JOIN request ON number = request": "id, sample, text",
    "outcome": "*",
    "selection": "*",
    "training_row": "*",
    "training_step": "*",
    "checkpoint": "*",
    "metric": "*",
    "text": "*",
}


def start(folder: Path, fatal: str, settings: tuple[str, ...]) -> dict[str, int] | None:
    """How many moments of each label there were; None: it was killed."""
    folder.mkdir(exist_ok=True)
    command = [sys.executable, str(SCRIPT), str(folder), fatal, *settings]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, start_new_session=True
    )
    assert done.returncode in (0, KILLED), done.stderr
    counts: dict[str, int] | None = None
    if done.returncode == 0:
        counts = json.loads(done.stdout.splitlines()[-1])
    return counts


def result(folder: Path) -> dict[str, Any]:
    """Everything that a run leaves, but times."""
    found: dict[str, Any] = {}
    with sqlite3.connect(folder / FILE_NAME) as connection:
        for table, columns in TABLES.items():
            rows = connection.execute(f"SELECT {columns} FROM {table}").fetchall()
            found[table] = sorted(rows, key=repr)
    for path in sorted(folder.glob("iteration_*/*.jsonl")):
        found[str(path.relative_to(folder))] = path.read_text()
    summary = json.loads((folder / "summary.json").read_text())
    for iteration in summary["iterations"]:
        del iteration["wall_s"]
    return {**found, "summary": summary}


def check_what_is_lost(folder: Path) -> None:
    """A kill takes what came after the last transaction had begun, and nothing else: which samples
    that are has to do with time alone, not with their length."""
    every = [json.loads(line) for line in (folder / "trace.log").read_text().splitlines()]
    started = max(n for n, event in enumerate(every) if event == ["start"])
    events = every[started:]  # of the process that was killed now
    ended = max((n for n, event in enumerate(events) if event == ["end"]), default=0)
    begun = max((n for n, event in enumerate(events[:ended]) if event == ["begin"]), default=0)
    handed_over = {tuple(event[1:]) for event in events[:begun] if event[0] == "sample"}
    handed_over_ever = {tuple(event[1:]) for event in every if event[0] == "sample"}
    with sqlite3.connect(folder / FILE_NAME) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'sample'").fetchone():
            assert not handed_over
            return
        query = "SELECT request, sample, length(CAST(text AS BLOB)) FROM sample"
        kept = connection.execute(query).fetchall()
    assert len(set(kept)) == len(kept)
    assert handed_over <= set(kept) <= handed_over_ever


def check(
    tmp_path: Path, variant: str, seed: int, per_run: int, kills: int = 0, of_each: int = 0
) -> Counter[str]:
    """Kill and resume, so often in all and at moments of each label; the labels of the kills."""
    settings = VARIANTS[variant]
    moments = start(tmp_path / "whole", "-", settings)
    assert moments is not None
    expected = result(tmp_path / "whole")
    rng = random.Random(seed)
    done = Counter(dict.fromkeys(moments, 0))
    number = 0
    while done.total() < kills or min(done.values()) < of_each:
        folder, number = tmp_path / f"killed_{number}", number + 1
        for here in range(per_run):
            label = rng.choice([one for one in moments if done[one] == min(done.values())])
            # Of what is left after a kill there are fewer.
            fatal = f"{label}:{rng.randint(1, max(1, moments[label] // (1 + here)))}"
            if start(folder, fatal, settings) is not None:
                break
            check_what_is_lost(folder)
            done[label] += 1
        start(folder, "-", settings)
        again = result(folder)
        for part, content in expected.items():
            assert again[part] == content, f"{part} differs after {+done}"
    return done


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_killed_run_goes_on_to_the_same_result(tmp_path: Path, variant: str) -> None:
    check(tmp_path, variant, seed=0, per_run=3, kills=3)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_hundred_moments(tmp_path: Path, variant: str) -> None:
    """Of every label at least one, in every variant."""
    done = check(tmp_path, variant, seed=1, per_run=4, of_each=1)
    assert done.total() > 30
    assert ("sample of describe" in done) == (variant == "described")


# ---- the journal when things go wrong -----------------------------------------------------------


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    with Journal(tmp_path):
        with pytest.raises(JournalError, match=f"process {os.getpid()}, since") as caught:
            Journal(tmp_path).__enter__()
        assert LOCK_NAME in caught.value.where
    with Journal(tmp_path) as journal:  # the lock went with its holder
        assert journal.is_resumed


def test_a_torn_last_write_costs_that_write_only(tmp_path: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path; from sv_engine.run.journal import Journal\n"
        "journal = Journal(Path(sys.argv[1])).__enter__()\n"
        "for part in range(2):\n"
        "    [journal.add('text', text := f'{part} {n}', text) for n in range(100)]\n"
        "    journal.flush()\n"
        "os._exit(0)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True)
    wal = tmp_path / f"{FILE_NAME}-wal"
    with wal.open("r+b") as file:
        file.truncate(wal.stat().st_size - 100)
    with Journal(tmp_path) as journal:
        kept = {row[0] for row in journal._reader.execute("SELECT text FROM text")}
    assert {f"0 {n}" for n in range(100)} <= kept < {f"{p} {n}" for p in (0, 1) for n in range(100)}


def test_a_damaged_database_is_told(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        for number in range(3000):
            journal.add("text", f"text {number}", f"text {number}")
    data = bytearray((tmp_path / FILE_NAME).read_bytes())
    data[8192:60_000] = bytes(60_000 - 8192)
    (tmp_path / FILE_NAME).write_bytes(data)
    with pytest.raises(JournalError, match=r"damaged|malformed"):
        Journal(tmp_path).__enter__()


def test_a_newer_journal_is_refused(tmp_path: Path) -> None:
    with Journal(tmp_path):
        pass
    with sqlite3.connect(tmp_path / FILE_NAME) as connection:
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    with pytest.raises(JournalError, match="newer sv-engine"):
        Journal(tmp_path).__enter__()


def test_an_older_journal_is_brought_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Journal(tmp_path) as journal:
        journal.add("text", "old", "old")
    more = (*MIGRATIONS, "ALTER TABLE text ADD COLUMN note TEXT")
    monkeypatch.setattr(journal_module, "MIGRATIONS", more)
    with Journal(tmp_path) as journal:
        rows = journal._reader.execute("SELECT text, note FROM text").fetchall()
        (version,) = journal._reader.execute("PRAGMA user_version").fetchone()
    assert (rows, version) == ([("old", None)], len(more))


def test_a_journal_of_version_2_goes_on(tmp_path: Path) -> None:
    """Its samples, refusals and outcomes are found under what they were asked by."""
    request = GenerationRequest("p", "solve", "the prompt", 4, Sampling(seed=3))
    names = [
        int(content_key(1, "play", "p", "solve", request_key(request), n), 16) >> 65 for n in (0, 1)
    ]
    outcome = Outcome(
        Candidates(Problem("p", "the prompt", "f"), (Solution("a", 2),), (Test("t", 3),)),
        Verdicts.unknown(1, 1, 1.0),
    )
    with sqlite3.connect(tmp_path / FILE_NAME) as old:
        for script in MIGRATIONS[:2]:
            old.executescript(script)
        old.execute("PRAGMA user_version = 2")
        for occurrence, name in enumerate(names):
            row = (name, 1, "play", "p", "solve", occurrence, "key", '{"seed": 3}')
            old.execute("INSERT INTO request VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
        for sample in (2, 0):
            values = (names[0], sample, f"text {sample}", "stop", 1, 1.8e9 + 0.5)
            old.execute("INSERT INTO sample VALUES (?, ?, ?, ?, ?, ?)", values)
        old.execute("INSERT INTO refusal VALUES (?, 1, 'play', 'too long')", [names[1]])
        old.execute("INSERT INTO text VALUES ('key', 'the prompt')")
        packed = zlib.compress(store._archive(outcome, Budget()))
        old.execute("INSERT INTO outcome VALUES (1, 'play', 'p', ?)", [packed])
    with Journal(tmp_path) as journal:
        first, second, third = (journal.number_of(Scope(1), request, n) for n in (0, 1, 2))
        assert len({first, second, third}) == 3
        found = journal.completions(first, request)
        assert [(c.sample, c.text) for c in found] == [(2, "text 2"), (0, "text 0")]
        assert [journal.is_refused(number) for number in (first, second, third)] == [0, 1, 0]
        assert journal.refusals(1) == ["too long"]
        stored = journal.outcome(Scope(1), "p")
        assert stored is not None
        assert stored.candidates == outcome.candidates
        journal.samples_of(third).append(replace(found[0], text="new"))
    with sqlite3.connect(tmp_path / FILE_NAME) as connection:
        query = "SELECT occurrence, sample, text FROM completion ORDER BY 1, 2"
        assert connection.execute(query).fetchall() == [
            (0, 0, "text 0"),
            (0, 2, "text 2"),
            (2, 2, "new"),
        ]


def test_a_locked_database_is_waited_for(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        other = sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        journal.add("text", "waits", "waits")
        assert other.execute("SELECT count(*) FROM text").fetchone() == (0,)
        other.execute("COMMIT")
        journal.flush()
        assert other.execute("SELECT text FROM text").fetchone() == ("waits",)
        other.close()


def test_a_database_that_stays_locked_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "BUSY_S", 0.05)
    with Journal(tmp_path):
        pass
    other = sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)

    def write() -> None:
        with Journal(tmp_path) as journal:
            other.execute("BEGIN IMMEDIATE")
            journal.add("text", "waits", "waits")
            journal.flush()

    with pytest.raises(JournalError, match="locked"):
        write()
    other.close()


@pytest.mark.parametrize("jump_s", [-1e9, -3600.0, 3600.0, 1e9])
def test_nothing_is_decided_by_the_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump_s: float
) -> None:
    real = time.time
    with Journal(tmp_path) as journal:
        journal.add_event(1, "before")
        monkeypatch.setattr(time, "time", lambda: real() + jump_s)
        journal.add_event(1, "after", x=1)
    with Journal(tmp_path) as journal:
        assert journal.event(1, "before") == {}
        assert journal.event(1, "after") == {"x": 1}


# ---- what may die beside the run ----------------------------------------------------------------


@pytest.mark.parametrize("who", ["engine", "sandbox", "trainer", "disk"])
@pytest.mark.parametrize("after", [1, 9, 40])
def test_a_run_goes_on_after_whatever_died(
    tmp_path: Path, scripted: Any, cells: Any, monkeypatch: pytest.MonkeyPatch, who: str, after: int
) -> None:
    for name in ("whole", "broken"):
        (tmp_path / name).mkdir()
    expected, _, _ = play(tmp_path / "whole", scripted(write), cells, ScriptedTrainer())
    generator, executor, trainer = scripted(write), type(cells)(), ScriptedTrainer()
    if who == "engine":
        generator.fail_after = 3 * after
    elif who == "sandbox":
        executor.fail_after = after
    elif who == "trainer":
        trainer.fails_at = 1 if after == 1 else 2
    else:
        commits: list[int] = []
        commit = Journal._commit

        def full(self: Journal, tables: dict[str, Any]) -> None:
            commits.append(sum(map(len, tables.values())))
            if sum(commits) > 10 * after:
                raise sqlite3.OperationalError("database or disk is full")
            commit(self, tables)

        monkeypatch.setattr(journal_module, "FLUSH_S", 0.002)
        monkeypatch.setattr(Journal, "_commit", full)
    with pytest.raises((EngineError, SandboxFault)):
        play(tmp_path / "broken", generator, executor, trainer)
    monkeypatch.undo()
    again, _, _ = play(tmp_path / "broken", scripted(write), type(cells)(), ScriptedTrainer())
    assert repr([r.figures for r in again]) == repr([r.figures for r in expected])
    assert [r.played for r in again] == [r.played for r in expected]
    for number in (1, 2):
        for name in ("sft.jsonl", "dpo.jsonl"):
            path = Path(f"iteration_{number}") / name
            whole, broken = ((tmp_path / f / path).read_text() for f in ("whole", "broken"))
            assert broken == whole


def test_what_is_there_is_not_asked_again(tmp_path: Path, scripted: Any, cells: Any) -> None:
    first, second = scripted(write), scripted(write)
    play(tmp_path, first, cells, ScriptedTrainer())
    quiet, trainer = type(cells)(), ScriptedTrainer()
    play(tmp_path, second, quiet, trainer)
    assert first.requests
    assert (second.requests, second.loaded, trainer.specs) == ([], [], [])
    assert not quiet.cells


@pytest.mark.parametrize(
    ("after", "settings"),
    [
        *((after, ()) for after in (None, 5, 60, 200)),
        *((20, settings) for settings in VARIANTS.values()),
        (20, ("generate.enough_solutions=3", "generate.enough_tests=4", *EASY)),
        (45, ("generate.enough_tests=3", "generate.critique=true", *EASY)),
    ],
)
def test_a_runs_journal_is_a_recording_of_it(
    tmp_path: Path, scripted: Any, cells: Any, after: int | None, settings: tuple[str, ...]
) -> None:
    """Played from its recording, and from the middle of it on, a run gives the same."""
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    first, _, _ = play(tmp_path / "first", scripted(write), cells, ScriptedTrainer(), *settings)
    recording = tmp_path / "first" / FILE_NAME
    executor = type(cells)()
    executor.fail_after = after
    for _ in range(2 if after else 1):
        with contextlib.suppress(SandboxFault):
            generator = RecordedGenerator(recording)
            second, _, _ = play(
                tmp_path / "second", generator, executor, ScriptedTrainer(), *settings
            )
        executor = type(cells)()
    assert repr([r.figures for r in second]) == repr([r.figures for r in first])
    assert [r.played for r in second] == [r.played for r in first]
