"""The journal: everything is there, once, readable after any end; a failing disk is an error."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sv_engine.generate import GenerationRequest, Sampling
from sv_engine.generate.recorded import RecordedGenerator
from sv_engine.records import (
    Candidates,
    Completion,
    Outcome,
    Problem,
    Selection,
    Solution,
    Test,
    Verdicts,
)
from sv_engine.run.journal import FILE_NAME, Journal, JournalError, Scope
from sv_engine.run.keys import content_key, request_key
from sv_engine.run.outcomes import stored_outcomes
from sv_engine.run.packs import SIZE

SCOPE = Scope(1)
REQUEST = GenerationRequest("p", "solve", "the prompt", 4, Sampling(temperature=0.5, seed=3))
CANDIDATES = Candidates(
    Problem("p", "the prompt", "f"),
    (Solution("def f(): ...", 2), Solution("def f(): 1", 1)),
    (Test("assert f()", 1), Test("assert not f()", 3), Test("assert 1", 0)),
)


def outcome() -> Outcome:
    verdicts = Verdicts.unknown(2, 3, 1.0)
    verdicts.verdict_ST[:] = [[1, 2, 0], [3, 1, 1]]
    verdicts.cpu_us_ST[:] = [[10, 20, 0], [30, 70_000, 50]]
    return Outcome(CANDIDATES, verdicts)


def sample(number: int, text: str) -> Completion:
    return Completion("p", "solve", text, sample=number)


def rows(folder: Path, query: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(folder / FILE_NAME) as connection:
        return connection.execute(query).fetchall()


def test_completions_are_found_by_what_was_asked(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        number = journal.number_of(SCOPE, REQUEST, 0)
        samples = journal.samples_of(number)
        for index in range(3):
            samples.append(sample(index, f"text {index}"))
        samples.append(sample(0, "again"))
        journal.flush()
        samples.append(sample(1, "again, later"))
    found = rows(tmp_path, "SELECT sample, text, sampling, prompt_key FROM completion ORDER BY 1")
    assert [row[:2] for row in found] == [(0, "text 0"), (1, "text 1"), (2, "text 2")]
    assert json.loads(found[0][2])["temperature"] == 0.5
    assert found[0][3] == request_key(REQUEST)
    assert rows(tmp_path, "SELECT text FROM text") == [("the prompt",)]


def test_each_request_finds_its_own_samples_again(tmp_path: Path) -> None:
    asked = [replace(REQUEST, n=3 * SIZE, prompt=f"prompt {n}") for n in range(3)]

    def told(number: int, index: int) -> Completion:
        reason = ("stop", "length", 'odd "reason')[(number + index) % 3]
        text = f"é\0 {number} {index}"
        return Completion("p", "solve", text, reason, number, sample=index)

    for start in (0, SIZE + 1):  # the second time a process goes on
        with Journal(tmp_path) as journal:
            numbers = [journal.number_of(SCOPE, request, 0) for request in asked]
            there = [journal.completions(n, r) for n, r in zip(numbers, asked, strict=True)]
            assert there == [[told(n, i) for i in range(start)] for n in range(3)]
            lists = [journal.samples_of(number) for number in numbers]
            for index in range(start, start + SIZE + 1):
                for number, samples in enumerate(lists):
                    samples.append(told(number, index))
    assert rows(tmp_path, "SELECT count(*), sum(token_count) FROM completion") == [
        (6 * (SIZE + 1), 6 * (SIZE + 1))
    ]


def test_a_matrix_reads_back(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.add_outcome(SCOPE, outcome())
    found = stored_outcomes(tmp_path)
    assert list(found) == ["1 play p"]
    again = found["1 play p"]()
    assert again.candidates == CANDIDATES
    assert again.tests.verdict_ST.tolist() == outcome().tests.verdict_ST.tolist()
    assert again.tests.cpu_us_ST.tolist() == outcome().tests.cpu_us_ST.tolist()


def test_selections_metrics_events_problems(tmp_path: Path) -> None:
    selection = Selection(
        "b4", np.zeros(2), np.zeros(3), np.array([True, False]), np.array([True, False, True])
    )
    with Journal(tmp_path) as journal:
        journal.add_problem(SCOPE, CANDIDATES.problem)
        journal.add_selection(SCOPE, "p", selection, "used")
        journal.add_metric(1, "code_pass_at_1@1.0", 0.5, 0.02, 400)
        journal.add_event(1, "trained", weights=Path("w"))
    ((detail,),) = rows(tmp_path, "SELECT detail FROM selection")
    assert json.loads(detail)["accepted_T"] == [0, 2]
    assert rows(tmp_path, "SELECT value, se, n FROM metric") == [(0.5, 0.02, 400)]
    assert rows(tmp_path, "SELECT kind, detail FROM event") == [("trained", '{"weights": "w"}')]
    assert rows(tmp_path, "SELECT id FROM problem") == [("p",)]


def test_texts_that_no_codec_likes(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        for text in ("\0", "\ud800 lone", "\U0001f600" * 3, ""):
            journal.number_of(SCOPE, replace(REQUEST, prompt=text), 0)
    assert {text for (text,) in rows(tmp_path, "SELECT text FROM text")} == {
        "\0",
        "? lone",
        "\U0001f600" * 3,
        "",
    }


def test_a_killed_run_leaves_what_was_flushed(tmp_path: Path) -> None:
    script = textwrap.dedent("""
        import sys, time
        from pathlib import Path
        from sv_engine.run.journal import FLUSH_S, Journal
        with Journal(Path(sys.argv[1])) as journal:
            for number in range(1000):
                journal.add("text", f"text {number}", f"text {number}")
            time.sleep(3 * FLUSH_S)
            print("flushed", flush=True)
            time.sleep(60)
    """)
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"flushed\n"
        os.kill(process.pid, signal.SIGKILL)
    assert rows(tmp_path, "SELECT count(*) FROM text") == [(1000,)]
    assert rows(tmp_path, "PRAGMA integrity_check") == [("ok",)]


def test_an_error_in_the_run_still_writes_everything(tmp_path: Path) -> None:
    def fail() -> None:
        with Journal(tmp_path) as journal:
            for number in range(500):
                journal.add("text", f"text {number}", f"text {number}")
            raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        fail()
    assert rows(tmp_path, "SELECT count(*) FROM text") == [(500,)]


def test_a_full_disk_is_a_clear_error_and_nobody_hangs(tmp_path: Path) -> None:
    def fill() -> None:
        with Journal(tmp_path) as journal:
            journal._connection.execute("PRAGMA max_page_count = 20")
            for number in range(100_000):
                journal.add("text", f"text {number} " + "x" * 100, f"text {number} " + "x" * 100)

    with pytest.raises(JournalError, match="full") as caught:
        fill()
    assert FILE_NAME in caught.value.where
    assert "free space" in caught.value.remedy
    assert rows(tmp_path, "PRAGMA integrity_check") == [("ok",)]


@pytest.mark.parametrize("waits", [True, False])
def test_a_row_that_cannot_be_written_is_an_error_and_nobody_hangs(
    tmp_path: Path, waits: bool
) -> None:
    def packed() -> bytes:
        raise OverflowError("too large a matrix")

    def write() -> None:
        with Journal(tmp_path) as journal:
            journal.add("text", "before", "before")
            journal.flush()
            journal.add("outcome", 1, "play", "p", packed)
            if waits:
                journal.flush()

    with pytest.raises(JournalError, match="too large a matrix"):
        write()
    assert rows(tmp_path, "SELECT text FROM text") == [("before",)]


def test_an_unwritable_folder_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match=FILE_NAME), Journal(tmp_path / "absent"):
        pass


def test_keys_tell_parts_apart() -> None:
    assert content_key("ab", "c") != content_key("a", "bc")
    assert content_key("a", 1) == content_key("a", "1")


def test_a_replay_gets_the_samples_that_were_drawn_so(tmp_path: Path) -> None:
    """A run that goes on with another temperature asks again, under the same name."""
    warmer = replace(REQUEST, sampling=replace(REQUEST.sampling, temperature=0.9))
    with Journal(tmp_path) as journal:
        for request, text in ((REQUEST, "cool"), (warmer, "warm")):
            journal.samples_of(journal.number_of(SCOPE, request, 0)).append(sample(0, text))
    label = f"{SCOPE.iteration} {SCOPE.stage} 0"

    async def body() -> None:
        async with RecordedGenerator(tmp_path / FILE_NAME) as generator:
            for request, text in ((REQUEST, "cool"), (warmer, "warm"), (REQUEST, "cool")):
                stream = generator.generate(replace(request, label=label, n=1))
                assert [completion.text async for completion in stream] == [text]

    asyncio.run(body())
