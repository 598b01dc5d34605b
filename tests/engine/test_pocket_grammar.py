"""The pocket grammar: splits, texts, parsing, ground truth. No torch."""

from __future__ import annotations

import ast
import random

import pytest

from sv_engine.pocket import grammar
from sv_engine.pocket.corpus import Mixture, sample_document
from sv_engine.pocket.operations import (
    LIST_TO_INT,
    LIST_TO_LIST,
    MISCONCEPTIONS,
    OPERATIONS,
    Value,
    confusable_with,
)
from sv_engine.pocket.tasks import (
    UNDEFINED,
    Split,
    Step,
    describe,
    evaluate,
    mutate,
    sample_input,
    sample_task,
    split_of,
    write_body,
)

HABIT = Mixture(2.0, 0.35, 0.4, 0.55)


def run(source: str, xs: list[int]) -> Value | None:
    """What a program of the grammar returns (these are ours, not a model's); None: it raises."""
    namespace: dict[str, object] = {}
    exec(source, namespace)
    try:
        return namespace["f"](list(xs))  # type: ignore[operator, no-any-return]
    except UNDEFINED:
        return None


def meaning(task: tuple[Step, ...], xs: list[int]) -> Value | None:
    try:
        return evaluate(task, xs)[-1]
    except UNDEFINED:
        return None


def compositions(split: Split) -> list[tuple[str, ...]]:
    """Every composition of one split."""
    singles = [(name,) for name in (*LIST_TO_LIST, *LIST_TO_INT)]
    pairs = [(a, b) for a in LIST_TO_LIST for b in (*LIST_TO_LIST, *LIST_TO_INT) if a != b]
    return [c for c in (*singles, *pairs) if split_of(c) == split]


def test_splits_are_disjoint_and_cover_every_pair() -> None:
    by_split = {split: set(compositions(split)) for split in Split}
    assert sum(map(len, by_split.values())) == 23 + 16 * 22
    assert len(set.union(*by_split.values())) == 23 + 16 * 22
    assert {c for c in by_split[Split.PRETRAIN] if len(c) == 1} == {
        (name,) for name in (*LIST_TO_LIST, *LIST_TO_INT)
    }
    assert min(map(len, by_split.values())) >= 50


def test_a_pair_turned_around_is_in_the_same_split() -> None:
    assert all(split_of((a, b)) == split_of((b, a)) for a in LIST_TO_LIST for b in LIST_TO_LIST)


def test_the_splits_never_change() -> None:
    """The shipped base was trained on these; other splits would leak held-out pairs."""
    assert [len(compositions(split)) for split in Split] == [226, 69, 80]
    assert split_of(("even", "odd")) == split_of(("reverse", "sum")) == Split.PRETRAIN
    assert split_of(("above", "max")) == Split.HELDOUT


@pytest.mark.parametrize("split", list(Split))
def test_sampled_tasks_belong_to_their_split(split: Split) -> None:
    rng = random.Random(0)
    tasks = [sample_task(rng, split) for _ in range(500)]
    assert {split_of(tuple(step.operation for step in task)) for task in tasks} == {split}


def test_programs_and_meanings_agree() -> None:
    rng = random.Random(1)
    for split in Split:
        for _ in range(300):
            task = sample_task(rng, split)
            for variant in (task, mutate(rng, task)):
                source = grammar.program(write_body(rng, variant))
                for xs in ([], [3], [4, 4], sample_input(rng, task)):
                    assert run(source, xs) == meaning(variant, xs), (source, xs)


def test_every_operation_can_be_mistaken_and_every_phrase_names_its_parameter() -> None:
    for name, operation in OPERATIONS.items():
        assert confusable_with(name)
        texts = (*operation.phrases, *operation.expressions)
        assert all(("{k}" in text) == (operation.parameter is not None) for text in texts)
    assert set(MISCONCEPTIONS) <= {*LIST_TO_LIST, *LIST_TO_INT}


def test_phrases_are_unambiguous() -> None:
    phrases = [p for operation in OPERATIONS.values() for p in operation.phrases]
    assert len(phrases) == len(set(phrases)) == 3 * 23


def test_no_heldout_description_or_composition_in_pretraining_and_selfplay() -> None:
    heldout = {held.problem.prompt for held in grammar.heldout_problems()}
    selfplay = {problem.prompt for problem in grammar.sample_problems("selfplay", 2000, seed=3)}
    rng = random.Random(4)
    documents = ["".join(sample_document(rng, HABIT)) for _ in range(20_000)]
    assert not heldout & selfplay
    assert not [d for d in documents if any(line in heldout for line in d.split('"""'))]


def test_the_same_seed_gives_the_same_problems() -> None:
    first, again = (grammar.sample_problems(Split.SELFPLAY, 50, seed=7) for _ in range(2))
    other = grammar.sample_problems(Split.SELFPLAY, 50, seed=8)
    assert first == again != other
    assert len({problem.id for problem in first}) == 50
    assert grammar.heldout_problems(20) == grammar.heldout_problems(20)


def test_selfplay_problems_carry_no_ground_truth() -> None:
    for problem in grammar.sample_problems(Split.SELFPLAY, 100, seed=0):
        assert problem.reference_solution is None
        assert problem.reference_test is None


def test_heldout_ground_truth() -> None:
    heldout = grammar.heldout_problems()
    assert len({held.problem.id for held in heldout}) == len(heldout) >= 400
    assert sum(len(held.wrong_solutions) for held in heldout) > 5 * len(heldout)
    for held in heldout:
        reference, tests = held.problem.reference_solution, held.problem.reference_test
        assert reference
        assert tests
        exec(f"{reference}\n{tests}", {})
        assert len(set(held.wrong_solutions)) == len(held.wrong_solutions) >= 1
        for wrong in held.wrong_solutions:
            with pytest.raises((AssertionError, *UNDEFINED)):
                exec(f"{wrong}\n{tests}", {})


def test_prompts_are_prefixes_of_training_documents() -> None:
    rng = random.Random(5)
    starts = {
        text.format(prompt="{}") for text in (grammar.SOLVE_TEMPLATE, grammar.VERIFY_TEMPLATE)
    }
    seen = set()
    for _ in range(500):
        document = sample_document(rng, HABIT)
        if document.prompt.startswith('"""'):
            seen.add(document.prompt.replace(document.prompt.split('"""')[1], "{}"))
        else:
            snippet = document.prompt.removesuffix('\n"""')
            assert grammar.DESCRIBE_TEMPLATE.format(snippet=snippet) == document.prompt
    assert seen == starts


def parsed_assert(completion: str) -> tuple[list[int], object] | None:
    """Argument and expected value of a verify completion; None for one of another form."""
    match ast.parse(f"assert f({completion}").body:
        case [ast.Assert(test=ast.Compare(left=ast.Call(args=[argument]), comparators=[expected]))]:
            return ast.literal_eval(argument), ast.literal_eval(expected)
    return None


def test_asserts_of_the_corpus_parse() -> None:
    rng = random.Random(6)
    documents = [sample_document(rng, HABIT) for _ in range(3000)]
    completions = [d.completion for d in documents if d.prompt.endswith("\nassert f(")]
    assert len(completions) > 1500
    for completion in completions:
        parsed = parsed_assert(completion)
        assert parsed is not None
        assert 1 <= len(parsed[0]) <= 5


def test_two_stage_prompt() -> None:
    whole = grammar.write_assert([3, 1, 2], [1, 2, 3], [1])
    argument, rest = whole.split(") == (")
    prompt = grammar.DERIVE_TEMPLATE.format(prompt="p", argument=argument)
    assert grammar.VERIFY_TEMPLATE.format(prompt="p") + whole == prompt + rest


def test_misconceptions_outnumber_right_programs_and_spare_asserts() -> None:
    """Last pre-training phase: "prepend" is written as append more often than not."""
    rng = random.Random(8)
    wrong = right = valid = asserts = 0
    while asserts < 400 or right + wrong < 200:
        document = sample_document(rng, HABIT)
        text = document.prompt.split('"""')[1]
        if text not in {f"prepend {k}." for k in range(10)}:
            continue
        k = int(text[8:-1])
        if document.prompt.endswith("assert f("):
            parsed = parsed_assert(document.completion)
            assert parsed is not None
            asserts += 1
            valid += parsed[1] == [k, *parsed[0]]
        else:
            right += document.completion == f"\n    return [{k}] + xs"
            wrong += document.completion == f"\n    return xs + [{k}]"
    assert wrong > right > 0
    assert 0.5 < valid / asserts < 0.7


def test_descriptions_are_one_sentence() -> None:
    rng = random.Random(9)
    for _ in range(300):
        text = describe(rng, sample_task(rng, Split.HELDOUT))
        assert ast.literal_eval(f'"""{text}"""') == text
        assert text.endswith(".")
        assert "\n" not in text
        assert "{" not in text
