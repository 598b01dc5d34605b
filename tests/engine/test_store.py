"""Stored matrices: what is saved is loaded, and nothing else is taken for it."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sv_engine.execute.sandbox import Budget
from sv_engine.execute.store import (
    ARRAYS,
    StoreError,
    file_name,
    key,
    load,
    load_if_answered,
    pack,
    save,
    unpack,
)
from sv_engine.records import Candidates, Outcome, Problem, Solution, Suite, Test, Verdicts


def outcome() -> Outcome:
    problem = Problem("a/b ö", "prompt \r\n", "f", "reference", "own test")
    solutions = (Solution("def f():\r\n\tpass\n", 2), Solution("\u2028'😀'", 3))
    tests = (Test("assert f()", 1, "ask"), Test("assert g()", 2, "ask \ud800"), Test("", 7, "ask"))
    suites = (Suite("ask", (0, 2)), Suite("ask again", (1,)))
    return Outcome(
        Candidates(problem, solutions, tests, {"solution: empty": 3}, suites),
        Verdicts(
            0.3,
            verdict_ST=np.array([[1, 2, 3], [4, 5, 8]], np.uint8),
            cpu_us_ST=np.array([[1, 2, 3], [4, 2**32 - 1, 8]], np.uint32),
            trust_ST=np.array([[1, 1, 2], [1, 1, 2]], np.uint8),
            held_ST=np.array([[0, 0, 0], [0, 0, 1]], np.uint8),
            recheck_ST=np.array([[0, 0, 0], [2, 0, 0]], np.uint8),
            repeat_ST=np.array([[2, 0, 0], [0, 0, 0]], np.uint8),
            vacuous_T=np.array([False, True, False]),
        ),
        Verdicts(
            1.0,
            verdict_ST=np.array([[1], [2]], np.uint8),
            cpu_us_ST=np.array([[5], [6]], np.uint32),
            trust_ST=np.array([[1], [2]], np.uint8),
            held_ST=np.array([[0], [1]], np.uint8),
            recheck_ST=np.array([[0], [3]], np.uint8),
            repeat_ST=np.zeros((2, 1), np.uint8),
            vacuous_T=np.array([False]),
        ),
    )


def same(a: Verdicts | None, b: Verdicts | None) -> bool:
    if a is None or b is None:
        return a is b
    pairs = [(getattr(a, name), getattr(b, name)) for name in ARRAYS]
    return a.cpu_s == b.cpu_s and all(x.dtype == y.dtype and (x == y).all() for x, y in pairs)


@pytest.mark.parametrize("with_reference", [True, False])
def test_what_is_saved_is_loaded(tmp_path: Path, with_reference: bool) -> None:
    before, path = outcome(), tmp_path / "x.npz"
    if not with_reference:
        before = dataclasses.replace(before, reference=None)
    save(path, before, Budget())
    after = load(path)
    assert after.candidates == before.candidates
    assert key(after.candidates, Budget()) == key(before.candidates, Budget())
    assert {"cpu_s", *ARRAYS} == {field.name for field in dataclasses.fields(Verdicts)}
    assert same(after.tests, before.tests)
    assert same(after.reference, before.reference)
    assert unpack(pack(before), "x").candidates == before.candidates
    assert [path.name for path in tmp_path.iterdir()] == ["x.npz"]


def test_a_damaged_pack_is_never_another_outcome() -> None:
    packed = pack(outcome())
    content = zlib.decompress(packed)
    for place in range(len(packed)):
        damaged = bytearray(packed)
        damaged[place] ^= 4
        for data in (bytes(damaged), packed[:place]):
            with contextlib.suppress(zlib.error):
                if zlib.decompress(data) == content:  # a bit that fills up the last byte
                    continue
            with pytest.raises(StoreError, match="where it lay"):
                unpack(data, "where it lay")


def test_a_failed_save_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.npz"
    save(path, outcome(), Budget())
    before = path.read_bytes()

    def fail(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez_compressed", fail)
    with pytest.raises(KeyboardInterrupt):
        save(path, outcome(), Budget())
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_load_if_answered_wants_the_same_question_and_no_hole(tmp_path: Path) -> None:
    path, done, budget = tmp_path / "x.npz", outcome(), Budget()
    candidates = done.candidates
    assert load_if_answered(path, candidates, budget) is None
    save(path, done, budget)
    assert load_if_answered(path, candidates, budget) is not None
    for other in (
        Budget(cpu_s=0.5),
        Budget(trust="vouched"),
        Budget(below="fail"),
        Budget(confirm=True),
    ):
        assert load_if_answered(path, candidates, other) is None
    more = dataclasses.replace(candidates, solutions=(Solution("x"), *candidates.solutions[1:]))
    assert load_if_answered(path, more, budget) is None
    heavier = dataclasses.replace(candidates, tests=(Test("assert f()", 2), *candidates.tests[1:]))
    assert key(heavier, budget) != key(candidates, budget)

    assert done.reference is not None
    done.tests.verdict_ST[1, 1] = 0
    save(path, done, budget)
    assert load_if_answered(path, candidates, budget) is None
    done.tests.verdict_ST[1] = [4, 5, 0]
    done.reference.verdict_ST[1] = 0
    save(path, done, budget)  # both holes are for want of trust, and would be again
    assert load_if_answered(path, candidates, budget) is not None
    path.write_bytes(b"PK")
    assert load_if_answered(path, candidates, budget) is None


@pytest.mark.parametrize("content", [b"", b"garbage", b"PK\x03\x04", b"\x93NUMPY\x01\x00"])
def test_a_file_that_is_no_archive_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.npz"
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"x\.npz: not a stored matrix"):
        load(path)


def test_an_archive_of_something_else_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    save(path, outcome(), Budget())
    with path.open("rb") as file:
        good = dict(np.load(file))
    texts = json.loads(good["texts_json"].tobytes())

    def text_array(document: object) -> np.ndarray:
        return np.frombuffer(json.dumps(document).encode(), np.uint8)

    wrong = [
        {name: array for name, array in good.items() if name != "held_ST"},
        good | {"texts_json": text_array([])},
        good | {"texts_json": text_array({**texts, "problem": {}})},
        good | {"texts_json": text_array({**texts, "tests": []})},
        good | {"texts_json": text_array({**texts, "format_version": 1})},
        good | {"texts_json": text_array({**texts, "prompt_T": [9, 9, 9]})},
        good | {"verdict_ST": np.zeros((1, 1), np.uint8)},
        good | {"vacuous_T": np.zeros(2, bool)},
        good | {"weight_S": np.array([object()])},
    ]
    for arrays in wrong:
        np.savez(path, **arrays)
        with pytest.raises(StoreError, match=r"x\.npz"):
            load(path)


@given(st.lists(st.text(max_size=80), min_size=2, max_size=2, unique=True))
def test_file_names_are_safe_and_distinct(ids: list[str]) -> None:
    a, b = (file_name(problem_id) for problem_id in ids)
    assert a.lower() != b.lower()
    for name in (a, b):
        assert name.isascii()
        assert "/" not in name
        assert not name.startswith(".")
        assert len(name) < 100
