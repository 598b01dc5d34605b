"""Outcomes as bytes: nothing lost, nothing pickled.

`exec` writes one NumPy archive per problem, whole or not at all (aside, then renamed), so that what
a killed command leaves can be read; docs/formats.md lists its entries. A run packs the same texts
and arrays without the archive's headers into a row of its journal. `key` tells whether a stored
outcome answers the same question: texts, weights, budget.
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
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic_core import to_json

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
    plain,
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


def pack(outcome: Outcome) -> bytes:
    """The outcome, for a journal: one JSON line, then the arrays of its blocks in the order of
    `ARRAYS`, compressed. Half as long as an archive."""
    candidates = outcome.candidates
    document = _document(candidates)
    document["cpu_s"] = [block.verdicts.cpu_s for block in outcome.blocks()]
    document["weight_S"] = [s.weight for s in candidates.solutions]
    document["weight_T"] = [t.weight for t in candidates.tests]
    try:
        line = to_json(document)
    except ValueError:  # half a surrogate pair: only `json` writes it, at four times the cost
        line = json.dumps(document).encode()
    parts = [line, *(array.tobytes() for _, array in _arrays(outcome))]
    return zlib.compress(b"\n".join(parts), zlib.Z_BEST_SPEED)


def unpack(data: bytes, where: str) -> Outcome:
    """What was packed; raises StoreError, which names `where`."""
    try:
        content = zlib.decompress(data)
    except zlib.error:
        raise StoreError(f"{where}: not a packed outcome") from None
    if content.startswith(b"PK"):  # an archive: journals had these until their version 3
        return _outcome(*_read(content, where), where)
    try:
        end = content.index(b"\n")
        document = json.loads(content[:end])
        arrays: dict[str, Any] = {name: document[name] for name in ("weight_S", "weight_T")}
        sizes = [len(document["tests"]), 1][: len(document["cpu_s"])]
        for prefix, tests in zip(("", REFERENCE), sizes, strict=False):
            empty = Verdicts.unknown(len(document["solutions"]), tests, 0.0)
            for name in ARRAYS:
                shape, dtype = getattr(empty, name).shape, getattr(empty, name).dtype
                start, end = end + 1, end + 1 + getattr(empty, name).nbytes
                arrays[prefix + name] = (
                    np.frombuffer(content[start:end], dtype).reshape(shape).copy()
                )
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(f"{where}: not a packed outcome: {error}") from None
    return _outcome(arrays, document, where)


def _archive(outcome: Outcome, budget: Budget) -> bytes:
    candidates = outcome.candidates
    document = _document(candidates) | {
        "format_version": FORMAT_VERSION,
        "budget": plain(budget),
        "cpu_s": [block.verdicts.cpu_s for block in outcome.blocks()],
        "key": key(candidates, budget),
    }
    arrays: dict[str, Any] = dict(_arrays(outcome))
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        weight_S=candidates.weight_S,
        weight_T=candidates.weight_T,
        texts_json=np.frombuffer(json.dumps(document).encode(), dtype=np.uint8),
        **arrays,
    )
    return buffer.getvalue()


def save(path: Path, outcome: Outcome, budget: Budget) -> None:
    """Write `outcome` to `path`; raises OSError."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        aside.write_bytes(_archive(outcome, budget))
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
    prompts = [t.prompt for t in candidates.tests] + [s.prompt for s in candidates.suites]
    prompts = list(dict.fromkeys(prompts))
    number = {prompt: i for i, prompt in enumerate(prompts)}
    written = {s: x.written for s, x in enumerate(candidates.solutions) if x.written}
    return ({"written": written} if written else {}) | {
        "problem": plain(candidates.problem),
        "solutions": [solution.source for solution in candidates.solutions],
        "tests": [test.source for test in candidates.tests],
        "dropped": candidates.dropped,
        "prompts": prompts,
        "prompt_T": [number[test.prompt] for test in candidates.tests],
        "suites": [[number[suite.prompt], suite.tests] for suite in candidates.suites],
    }


def _candidates(
    document: dict[str, Any], weight_S: Iterable[float], weight_T: Iterable[float]
) -> Candidates:
    prompts = document["prompts"]
    tests = zip(document["tests"], map(int, weight_T), document["prompt_T"], strict=True)
    written = document.get("written", {})
    solutions = zip(document["solutions"], map(int, weight_S), strict=True)
    return Candidates(
        Problem(**document["problem"]),
        tuple(Solution(*x, written.get(str(s), "")) for s, x in enumerate(solutions)),
        tuple(Test(source, weight, prompts[prompt]) for source, weight, prompt in tests),
        document["dropped"],
        tuple(Suite(prompts[prompt], tuple(columns)) for prompt, columns in document["suites"]),
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
