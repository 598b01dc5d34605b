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

from sv_engine.execute.executor import Budget
from sv_engine.records import (
    INFRA_CODE,
    INLINE_CODE,
    Executed,
    PassMatrix,
    Problem,
    Rollout,
    Solution,
    Test,
)

MATRIX_ARRAYS = ("verdict_ST", "cpu_us_ST", "weight_S", "weight_T")
ARRAYS = (
    "trust_ST",
    "vacuous_T",
    "near_limit_ST",
    "recheck_ST",
    "repeated_ST",
    "flipped_ST",
    "reference_S",
    "reference_cpu_us_S",
    "reference_trust_S",
    "reference_near_limit_S",
    "reference_recheck_S",
)
"""Entries of a file: fields of `PassMatrix`, and of `Executed`."""


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
                **{name: getattr(executed.matrix, name) for name in MATRIX_ARRAYS},
                **{name: getattr(executed, name) for name in ARRAYS},
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
            matrix=PassMatrix(problem.id, **{name: arrays[name] for name in MATRIX_ARRAYS}),
            **{name: arrays[name] for name in ARRAYS},
        )
    except (KeyError, TypeError) as error:
        raise StoreError(f"{path}: not a stored matrix: {error}") from None
    sizes = {"S": len(document["solutions"]), "T": len(document["tests"])}
    for name in (*MATRIX_ARRAYS, *ARRAYS):
        shape = tuple(sizes[axis] for axis in name.rsplit("_", 1)[1])
        if arrays[name].shape != shape:
            raise StoreError(f"{path}: {name} is not of shape {shape}, as many as there are texts")
    return executed


def load_if_answered(path: Path, rollout: Rollout, budget: Budget) -> Executed | None:
    """Read `path` if it holds every verdict of this very rollout; None if it does not.

    Timeouts that are not confirmed are no reason to judge a whole problem again.
    """
    try:
        _, document = _read(path)
        if document.get("key") != key(rollout, budget):
            return None
        executed = load(path)
    except (OSError, StoreError):
        return None
    return None if _has_holes(executed) else executed


def _has_holes(executed: Executed) -> bool:
    """Whether another run could say more; a cell that was masked because it is inline could not."""
    holes_ST = (executed.matrix.verdict_ST == INFRA_CODE) & (executed.trust_ST != INLINE_CODE)
    holes_S = (executed.reference_S == INFRA_CODE) & (executed.reference_trust_S != INLINE_CODE)
    is_judged = executed.rollout.problem.reference_test is not None
    return bool(holes_ST.any()) or (is_judged and bool(holes_S.any()))


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the arrays and the JSON document of a file."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        document = json.loads(arrays.pop("texts_json").tobytes())
    except (zipfile.BadZipFile, ValueError, KeyError, EOFError, AttributeError, TypeError):
        raise StoreError(f"{path}: not a stored matrix of `sv-engine exec`") from None
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
