"""Executed rollouts on disk: one compressed .npz per problem, nothing lost, nothing pickled.

A file is written whole or not at all (written aside, then renamed), so that what a killed run
leaves can be read. Texts lie in one JSON document inside the archive; docs/formats.md lists all
entries. `key` tells whether a stored file answers the same question: texts, weights, budget.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from sv_engine.execute import Budget
from sv_engine.records import INFRA_CODE, Executed, PassMatrix, Problem, Rollout, Solution, Test


class StoreError(ValueError):
    """A file that is not what `save` writes: which file, and what is wrong."""


def file_name(problem_id: str) -> str:
    """Name for a problem's file: readable, safe on any file system, distinct for distinct ids."""
    readable = re.sub(r"[^A-Za-z0-9.-]+", "_", problem_id)[:60].lstrip(".")
    return f"{readable}-{_digest(problem_id)[:10]}.npz"


def key(rollout: Rollout, budget: Budget) -> str:
    """Hex digest of everything that decides what is stored of `rollout`."""
    weights = [[text.weight for text in texts] for texts in (rollout.solutions, rollout.tests)]
    return _digest(json.dumps([_document(rollout), weights, asdict(budget)], sort_keys=True))


def save(path: Path, executed: Executed, budget: Budget) -> None:
    """Write `executed` to `path`; raises OSError."""
    document = _document(executed.rollout)
    document |= {"key": key(executed.rollout, budget), "budget": asdict(budget)}
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with aside.open("wb") as file:
            np.savez_compressed(
                file,
                verdict_ST=executed.matrix.verdict_ST,
                cpu_us_ST=executed.matrix.cpu_us_ST,
                near_limit_ST=executed.near_limit_ST,
                weight_S=executed.matrix.weight_S,
                weight_T=executed.matrix.weight_T,
                reference_S=executed.reference_S,
                reference_cpu_us_S=executed.reference_cpu_us_S,
                reference_near_limit_S=executed.reference_near_limit_S,
                texts_json=np.frombuffer(json.dumps(document).encode(), dtype=np.uint8),
            )
        aside.replace(path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            aside.unlink()


def load(path: Path) -> Executed:
    """Read what `save` wrote; raises StoreError, or OSError where the file cannot be read."""
    arrays, document = _read(path)
    try:
        problem = Problem(**document["problem"])
        weight_S, weight_T = arrays["weight_S"], arrays["weight_T"]
        solutions = map(Solution, document["solutions"], weight_S.astype(int).tolist())
        tests = map(Test, document["tests"], weight_T.astype(int).tolist())
        executed = Executed(
            rollout=Rollout(problem, tuple(solutions), tuple(tests), document["dropped"]),
            matrix=PassMatrix(
                problem.id, arrays["verdict_ST"], arrays["cpu_us_ST"], weight_S, weight_T
            ),
            near_limit_ST=arrays["near_limit_ST"],
            reference_S=arrays["reference_S"],
            reference_cpu_us_S=arrays["reference_cpu_us_S"],
            reference_near_limit_S=arrays["reference_near_limit_S"],
        )
    except (KeyError, TypeError) as error:
        raise StoreError(f"{path}: not a stored matrix: {error}") from None
    shape = (len(document["solutions"]), len(document["tests"]))
    if executed.matrix.verdict_ST.shape != shape or (len(weight_S), len(weight_T)) != shape:
        raise StoreError(f"{path}: expected verdicts of shape {shape}, as many as it has texts")
    return executed


def load_if_answered(path: Path, rollout: Rollout, budget: Budget) -> Executed | None:
    """Read `path` if it holds every verdict of this very rollout; None if it does not."""
    try:
        _, document = _read(path)
        if document.get("key") != key(rollout, budget):
            return None
        executed = load(path)
    except (OSError, StoreError):
        return None
    holes = bool((executed.matrix.verdict_ST == INFRA_CODE).any())
    if rollout.problem.reference_test is not None:
        holes = holes or bool((executed.reference_S == INFRA_CODE).any())
    return None if holes else executed


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the arrays and the JSON document of a file."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        document = json.loads(arrays.pop("texts_json").tobytes())
    except (zipfile.BadZipFile, ValueError, KeyError, EOFError, AttributeError, TypeError) as error:
        raise StoreError(f"{path}: not a stored matrix: {error}") from None
    if not isinstance(document, dict):
        raise StoreError(f"{path}: not a stored matrix: texts_json is no object")
    return arrays, document


def _document(rollout: Rollout) -> dict[str, Any]:
    return {
        "problem": asdict(rollout.problem),
        "solutions": [solution.source for solution in rollout.solutions],
        "tests": [test.source for test in rollout.tests],
        "dropped": rollout.dropped,
    }


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
