"""Outcomes as bytes: one NumPy archive per problem, nothing lost, nothing pickled.

`exec` writes them to files, a run puts the same archive into its journal. A file is written whole
or not at all (aside, then renamed), so that what a killed command leaves can be read. Texts lie in
one JSON document inside the archive; docs/formats.md lists all entries. `key` tells whether a
stored outcome answers the same question: texts, weights, budget.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sv_engine.execute.sandbox import Budget
from sv_engine.records import (
    CELL_ARRAYS,
    INFRA_CODE,
    Candidates,
    Outcome,
    Problem,
    Solution,
    Suite,
    Test,
    Verdicts,
)

FORMAT_VERSION = 2
ARRAYS = (*CELL_ARRAYS, "vacuous_T")
REFERENCE = "reference_"
"""Prefix of the arrays about the benchmark's own test, the one column of which is an axis too."""


class StoreError(ValueError):
    """Bytes that are no stored outcome: where, and what is wrong."""


def file_name(problem_id: str) -> str:
    """Name for a problem's file: readable, safe on any file system, distinct for distinct ids."""
    readable = re.sub(r"[^A-Za-z0-9.-]+", "_", problem_id)[:60].lstrip(".")
    return f"{readable}-{_digest(problem_id)[:10]}.npz"


def key(candidates: Candidates, budget: Budget) -> str:
    """Hex digest of everything that decides what is stored of `candidates`."""
    weights = [
        [solution.weight for solution in candidates.solutions],
        [test.weight for test in candidates.tests],
    ]
    return _digest(json.dumps([_document(candidates), weights, asdict(budget)], sort_keys=True))


def pack(outcome: Outcome, budget: Budget) -> bytes:
    """The outcome, and the budget that it was judged under: an archive, compressed as a whole,
    which is a third of one with compressed entries."""
    return zlib.compress(_archive(outcome, budget, np.savez))


def _archive(outcome: Outcome, budget: Budget, write: Callable[..., None]) -> bytes:
    candidates = outcome.candidates
    document = _document(candidates) | {
        "format_version": FORMAT_VERSION,
        "key": key(candidates, budget),
        "budget": asdict(budget),
        "cpu_s": [block.verdicts.cpu_s for block in outcome.blocks()],
    }
    arrays: dict[str, Any] = dict(_arrays(outcome))
    buffer = io.BytesIO()
    write(
        buffer,
        weight_S=candidates.weight_S,
        weight_T=candidates.weight_T,
        texts_json=np.frombuffer(json.dumps(document).encode(), dtype=np.uint8),
        **arrays,
    )
    return buffer.getvalue()


def unpack(data: bytes, where: str) -> Outcome:
    """What was packed; raises StoreError, which names `where`."""
    try:
        archive = zlib.decompress(data)
    except zlib.error:
        raise StoreError(f"{where}: not a packed outcome") from None
    return _outcome(*_read(archive, where), where)


def save(path: Path, outcome: Outcome, budget: Budget) -> None:
    """Write `outcome` to `path`; raises OSError."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        aside.write_bytes(_archive(outcome, budget, np.savez_compressed))
        aside.replace(path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            aside.unlink()


def load(path: Path) -> Outcome:
    """Read what `save` wrote; raises StoreError, or OSError where the file cannot be read."""
    return _outcome(*_read(path.read_bytes(), str(path)), str(path))


def load_if_answered(path: Path, candidates: Candidates, budget: Budget) -> Outcome | None:
    """Read `path` if it holds every verdict of these very candidates; None if it does not.

    Timeouts that are not confirmed are no reason to judge a whole problem again, nor are holes
    for want of trust: another run could not fill them.
    """
    try:
        arrays, document = _read(path.read_bytes(), str(path))
        if document.get("key") != key(candidates, budget):
            return None
        outcome = _outcome(arrays, document, str(path))
    except (OSError, StoreError):
        return None
    return None if has_holes(outcome) else outcome


def has_holes(outcome: Outcome) -> bool:
    """Whether another run could say more."""
    return any(
        bool(((b.verdicts.verdict_ST == INFRA_CODE) & (b.verdicts.held_ST == 0)).any())
        for b in outcome.blocks()
    )


def _arrays(outcome: Outcome) -> Iterator[tuple[str, NDArray[Any]]]:
    for prefix, verdicts in (("", outcome.tests), (REFERENCE, outcome.reference)):
        if verdicts is not None:
            yield from ((prefix + name, getattr(verdicts, name)) for name in ARRAYS)


def _outcome(arrays: dict[str, Any], document: dict[str, Any], where: str) -> Outcome:
    try:
        candidates = _candidates(document, arrays["weight_S"], arrays["weight_T"])
        verdicts = [
            Verdicts(cpu_s, **{name: arrays[prefix + name] for name in ARRAYS})
            for prefix, cpu_s in zip(("", REFERENCE), document["cpu_s"], strict=False)
        ]
        outcome = Outcome(candidates, *verdicts)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise StoreError(f"{where}: not a stored matrix: {error}") from None
    for block in outcome.blocks():
        sizes = {"S": len(block.solutions), "T": len(block.tests)}
        for name in ARRAYS:
            shape = tuple(sizes[axis] for axis in name.rsplit("_", 1)[1])
            if getattr(block.verdicts, name).shape != shape:
                raise StoreError(f"{where}: {name} is not of shape {shape}, one per text")
    return outcome


def _read(data: bytes, where: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the arrays and the JSON document of an archive."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        document = json.loads(arrays.pop("texts_json").tobytes())
    except (zipfile.BadZipFile, ValueError, KeyError, EOFError, AttributeError, TypeError):
        raise StoreError(f"{where}: not a stored matrix of `sv-engine`") from None
    if not isinstance(document, dict):
        raise StoreError(f"{where}: not a stored matrix: texts_json is no object")
    if document.get("format_version") != FORMAT_VERSION:
        raise StoreError(f"{where}: of another version of `sv-engine`: execute it again")
    return arrays, document


def _document(candidates: Candidates) -> dict[str, Any]:
    prompts = list(dict.fromkeys(test.prompt for test in candidates.tests))
    prompts += list(dict.fromkeys(s.prompt for s in candidates.suites if s.prompt not in prompts))
    number = {prompt: i for i, prompt in enumerate(prompts)}
    written = {s: x.written for s, x in enumerate(candidates.solutions) if x.written}
    return ({"written": written} if written else {}) | {
        "problem": asdict(candidates.problem),
        "solutions": [solution.source for solution in candidates.solutions],
        "tests": [test.source for test in candidates.tests],
        "dropped": candidates.dropped,
        "prompts": prompts,
        "prompt_T": [number[test.prompt] for test in candidates.tests],
        "suites": [[number[suite.prompt], suite.tests] for suite in candidates.suites],
    }


def _candidates(
    document: dict[str, Any], weight_S: NDArray[np.float64], weight_T: NDArray[np.float64]
) -> Candidates:
    prompts = document["prompts"]
    tests = zip(document["tests"], weight_T.astype(int).tolist(), document["prompt_T"], strict=True)
    written = document.get("written", {})
    solutions = zip(document["solutions"], weight_S.astype(int).tolist(), strict=True)
    return Candidates(
        Problem(**document["problem"]),
        tuple(Solution(*x, written.get(str(s), "")) for s, x in enumerate(solutions)),
        tuple(Test(source, weight, prompts[prompt]) for source, weight, prompt in tests),
        document["dropped"],
        tuple(Suite(prompts[prompt], tuple(columns)) for prompt, columns in document["suites"]),
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
