"""Duplicates and contamination: what is dropped, what stays, against brute force."""

from __future__ import annotations

import random

from sv_engine.pocket import grammar
from sv_engine.problems.decontaminate import (
    Contamination,
    NearDuplicates,
    Reason,
    clean,
    words,
)
from sv_engine.records import Problem

WORDS = [f"w{i}" for i in range(400)]


def problem(text: str) -> Problem:
    return Problem(str(hash(text)), text, "f")


def run_clean(texts: list[str], heldout: list[str]) -> tuple[list[str], dict[Reason, int]]:
    kept, dropped = clean(map(problem, texts), heldout, ngram=5, near_duplicate=0.85)
    return [p.prompt for p in kept], dropped


def test_each_reason_and_the_order_of_what_stays() -> None:
    rng = random.Random(0)
    long = rng.choices(WORDS, k=60)
    near = [*long[:59], "other"]
    heldout = rng.choices(WORDS, k=30)
    leak = [*rng.choices(WORDS, k=10), *heldout[7:12], *rng.choices(WORDS, k=10)]
    fine = [*rng.choices(WORDS, k=10), *heldout[7:11], *rng.choices(WORDS, k=10)]
    texts = [" ".join(t) for t in (long, near, leak, fine)]
    texts.insert(1, texts[0].upper() + " !")
    kept, dropped = run_clean(texts, [" ".join(heldout)])
    assert kept == [texts[0], texts[4]]
    assert dropped == {Reason.DUPLICATE: 1, Reason.NEAR_DUPLICATE: 1, Reason.CONTAMINATED: 1}


def test_a_short_heldout_text_is_matched_as_a_whole() -> None:
    contamination = Contamination(["sort it"], 13)
    assert contamination.touches("please Sort, it now")
    assert not contamination.touches("sort that")


def test_nothing_is_contaminated_by_an_empty_text() -> None:
    assert not Contamination(["", "!!"], 3).touches("anything at all")


def test_near_duplicates_agree_with_brute_force() -> None:
    rng = random.Random(1)
    texts = []
    for _ in range(40):
        base = rng.choices(WORDS, k=80)
        texts.append(base)
        for _ in range(3):
            texts.append([rng.choice(WORDS) if rng.random() < 0.02 else w for w in base])
    rng.shuffle(texts)

    def shingles(t: list[str]) -> set[tuple[str, ...]]:
        return {tuple(t[i : i + 3]) for i in range(len(t) - 2)}

    seen = NearDuplicates(0.85)
    kept: list[set[tuple[str, ...]]] = []
    for text in texts:
        mine = shingles(text)
        best = max((len(mine & s) / len(mine | s) for s in kept), default=0.0)
        assert seen.add(text) == (best >= 0.85)
        if best < 0.85:
            kept.append(mine)
    assert 40 <= len(kept) < 160


def test_pocket_splits_do_not_touch() -> None:
    heldout = [h.problem.prompt for h in grammar.heldout_problems(400)]
    problems = grammar.sample_problems("selfplay", 300, seed=0)
    kept, dropped = clean(problems, heldout, ngram=13, near_duplicate=1.0)
    assert kept == problems
    assert not dropped


def test_words_ignore_case_and_punctuation() -> None:
    assert words("Sort_it, THEN [1, 2]!") == ("sort_it", "then", "1", "2")
