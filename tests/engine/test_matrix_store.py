"""Stored matrices: what is saved is loaded, and nothing else is taken for it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sv_engine.execute.executor import Budget
from sv_engine.execute.matrix_store import (
    ARRAYS,
    MATRIX_ARRAYS,
    StoreError,
    file_name,
    key,
    load,
    load_if_answered,
    save,
)
from sv_engine.records import Executed, PassMatrix, Problem, Rollout, Solution, Test


def executed() -> Executed:
    problem = Problem("a/b ö", "prompt \r\n", "f", "reference", "own test")
    solutions = (Solution("def f():\r\n\tpass\n", 2), Solution("\u2028'😀'", 3))
    tests = (Test("assert f()", 1), Test("assert g()", 2), Test("", 7))
    return Executed(
        rollout=Rollout(problem, solutions, tests, {"solution: empty": 3}),
        matrix=PassMatrix(
            problem.id,
            np.array([[1, 2, 3], [4, 5, 8]], np.uint8),
            np.array([[1, 2, 3], [4, 2**32 - 1, 8]], np.uint32),
            np.array([2.0, 3.0]),
            np.array([1.0, 2.0, 7.0]),
        ),
        trust_ST=np.array([[1, 1, 2], [1, 1, 2]], np.uint8),
        vacuous_T=np.array([False, True, False]),
        near_limit_ST=np.array([[0, 1, 0], [0, 0, 1]], dtype=bool),
        recheck_ST=np.array([[0, 0, 0], [2, 0, 0]], np.uint8),
        repeated_ST=np.array([[1, 0, 0], [0, 0, 0]], dtype=bool),
        flipped_ST=np.array([[1, 0, 0], [0, 0, 0]], dtype=bool),
        reference_S=np.array([1, 2], np.uint8),
        reference_cpu_us_S=np.array([5, 6], np.uint32),
        reference_trust_S=np.array([1, 2], np.uint8),
        reference_near_limit_S=np.array([False, True]),
        reference_recheck_S=np.array([0, 3], np.uint8),
    )


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    before, path = executed(), tmp_path / "x.npz"
    save(path, before, Budget())
    after = load(path)
    assert after.rollout == before.rollout
    assert key(after.rollout, Budget()) == key(before.rollout, Budget())
    assert set(ARRAYS) == {field.name for field in dataclasses.fields(Executed)[2:]}
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name), strict=True)
    for name in MATRIX_ARRAYS:
        old, new = getattr(before.matrix, name), getattr(after.matrix, name)
        np.testing.assert_array_equal(new, old, strict=True)
    assert [path.name for path in tmp_path.iterdir()] == ["x.npz"]


def test_a_failed_save_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.npz"
    save(path, executed(), Budget())
    before = path.read_bytes()

    def fail(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez_compressed", fail)
    with pytest.raises(KeyboardInterrupt):
        save(path, executed(), Budget())
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_load_if_answered_wants_the_same_question_and_no_hole(tmp_path: Path) -> None:
    path, done, budget = tmp_path / "x.npz", executed(), Budget()
    rollout = done.rollout
    assert load_if_answered(path, rollout, budget) is None
    save(path, done, budget)
    assert load_if_answered(path, rollout, budget) is not None
    for other in (Budget(cpu_s=0.5), Budget(unsplit="count"), Budget(confirm=True)):
        assert load_if_answered(path, rollout, other) is None
    more = dataclasses.replace(rollout, solutions=(Solution("x"), *rollout.solutions[1:]))
    assert load_if_answered(path, more, budget) is None
    heavier = dataclasses.replace(rollout, tests=(Test("assert f()", 2), *rollout.tests[1:]))
    assert key(heavier, budget) != key(rollout, budget)

    done.matrix.verdict_ST[1, 1] = 0
    save(path, done, budget)
    assert load_if_answered(path, rollout, budget) is None
    done.matrix.verdict_ST[1, 1], done.matrix.verdict_ST[1, 2], done.reference_S[1] = 5, 0, 0
    save(path, done, budget)  # both holes are of inline cells: masked, and would be again
    assert load_if_answered(path, rollout, budget) is not None
    path.write_bytes(b"PK")
    assert load_if_answered(path, rollout, budget) is None


@pytest.mark.parametrize("content", [b"", b"garbage", b"PK\x03\x04", b"\x93NUMPY\x01\x00"])
def test_a_file_that_is_no_archive_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.npz"
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"x\.npz: not a stored matrix"):
        load(path)


def test_an_archive_of_something_else_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    save(path, executed(), Budget())
    with path.open("rb") as file:
        good = dict(np.load(file))
    texts = json.loads(good["texts_json"].tobytes())

    def text_array(document: object) -> np.ndarray:
        return np.frombuffer(json.dumps(document).encode(), np.uint8)

    wrong = [
        {name: array for name, array in good.items() if name != "near_limit_ST"},
        good | {"texts_json": text_array([])},
        good | {"texts_json": text_array({**texts, "problem": {}})},
        good | {"texts_json": text_array({**texts, "tests": []})},
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
