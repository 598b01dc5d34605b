"""Keeps problems for self-play apart from each other and from the held-out ones.

In: problems. Out: those that are neither (near-)duplicates of an earlier one nor share a run of
words with a held-out problem, and how many were dropped why. Words are maximal runs of letters,
digits and underscores in lower case. A held-out text shorter than the run is matched as a whole.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from enum import StrEnum

from sv_engine.records import Problem

SHINGLE = 3
"""Words per shingle of the near-duplicate measure."""
HASHES = 64
BANDS = 16
"""Locality-sensitive hashing: 64 min-hashes in 16 bands of 4 find a pair of Jaccard similarity j
with probability 1 - (1 - j^4)^16: above .999 from .85 on; what is found is measured exactly."""

_WORD = re.compile(r"\w+")
_MERSENNE = (1 << 61) - 1


class Reason(StrEnum):
    """Why a problem was dropped."""

    DUPLICATE = "exact duplicate"
    NEAR_DUPLICATE = "near duplicate"
    CONTAMINATED = "overlaps a held-out problem"
    PLAYED = "played before"
    """It is, or nearly is, a problem of an earlier iteration."""


def words(text: str) -> tuple[str, ...]:
    """The words of a text."""
    return tuple(_WORD.findall(text.lower()))


def clean(
    problems: Iterable[Problem],
    heldout_texts: Sequence[str],
    *,
    ngram: int,
    near_duplicate: float,
    played: Sequence[str] = (),
    limit: int | None = None,
    repeat: bool = False,
) -> tuple[list[Problem], Counter[Reason]]:
    """The problems that may be played, in their order, and the count of each reason to drop.

    heldout_texts: everything of the evaluation that must not be seen: prompts, solutions, tests.
    ngram: words in a row that may not be shared with them.
    near_duplicate: Jaccard similarity of word 3-grams from which two problems are the same.
    played: prompts of earlier iterations. limit: of problems to keep; further ones are not looked
    at. repeat: where fewer are left, problems that were played before fill up.
    """
    before = NearDuplicates(near_duplicate)
    for prompt in played:
        before.add(words(prompt))
    again: list[Problem] = []
    contamination = Contamination(heldout_texts, ngram)
    seen = NearDuplicates(near_duplicate)
    exact: set[tuple[str, ...]] = set()
    kept: list[Problem] = []
    dropped: Counter[Reason] = Counter()
    for problem in problems:
        if len(kept) == limit:
            break
        text = words(problem.prompt)
        if contamination.touches(problem.prompt):
            dropped[Reason.CONTAMINATED] += 1
        elif text in exact:
            dropped[Reason.DUPLICATE] += 1
        elif seen.add(text):
            dropped[Reason.NEAR_DUPLICATE] += 1
        elif played and before.has(text):
            dropped[Reason.PLAYED] += 1
            again.append(problem)
        else:
            exact.add(text)
            kept.append(problem)
    if repeat and limit is not None:
        kept += again[: limit - len(kept)]
    return kept, dropped


class Contamination:
    """The runs of words of held-out texts."""

    def __init__(self, texts: Iterable[str], ngram: int) -> None:
        self._by_length: dict[int, set[tuple[str, ...]]] = {}
        for text in texts:
            run = words(text)
            length = min(ngram, len(run))
            if length:
                self._by_length.setdefault(length, set()).update(_runs(run, length))

    def touches(self, text: str) -> bool:
        """Whether `text` has a run of words of a held-out text."""
        run = words(text)
        return any(
            not known.isdisjoint(_runs(run, length)) for length, known in self._by_length.items()
        )


class NearDuplicates:
    """Texts seen so far, by their min-hashes."""

    def __init__(self, similarity: float) -> None:
        self._similarity = similarity
        self._shingles: list[frozenset[tuple[str, ...]]] = []
        self._buckets: dict[tuple[int, ...], list[int]] = {}

    def add(self, text: Sequence[str]) -> bool:
        """Whether a text at least this similar was added before; otherwise adds this one."""
        shingles = _shingles(text)
        bands = _bands(shingles)
        if self._like(shingles, bands):
            return True
        for band in bands:
            self._buckets.setdefault(band, []).append(len(self._shingles))
        self._shingles.append(shingles)
        return False

    def has(self, text: Sequence[str]) -> bool:
        """Whether a text at least this similar was added before."""
        shingles = _shingles(text)
        return self._like(shingles, _bands(shingles))

    def _like(self, shingles: frozenset[tuple[str, ...]], bands: Sequence[tuple[int, ...]]) -> bool:
        candidates = {i for band in bands for i in self._buckets.get(band, ())}
        return any(_jaccard(shingles, self._shingles[i]) >= self._similarity for i in candidates)


def _shingles(text: Sequence[str]) -> frozenset[tuple[str, ...]]:
    return frozenset(_runs(tuple(text), min(SHINGLE, len(text)))) if text else frozenset()


def _runs(run: tuple[str, ...], length: int) -> set[tuple[str, ...]]:
    return {run[i : i + length] for i in range(len(run) - length + 1)}


def _jaccard(a: frozenset[tuple[str, ...]], b: frozenset[tuple[str, ...]]) -> float:
    return len(a & b) / len(a | b) if a or b else 1.0


def _bands(shingles: frozenset[tuple[str, ...]]) -> list[tuple[int, ...]]:
    hashes = [
        int.from_bytes(hashlib.blake2b("\0".join(s).encode(), digest_size=7).digest())
        for s in shingles
    ] or [0]
    signature = [min((a * h + b) % _MERSENNE for h in hashes) for a, b in _COEFFICIENTS]
    width = HASHES // BANDS
    return [(i, *signature[i * width : (i + 1) * width]) for i in range(BANDS)]


_COEFFICIENTS = [
    (
        int.from_bytes(hashlib.blake2b(b"a%d" % i, digest_size=7).digest()) | 1,
        int.from_bytes(hashlib.blake2b(b"b%d" % i, digest_size=7).digest()),
    )
    for i in range(HASHES)
]
