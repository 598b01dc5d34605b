"""The pocket tokenizer, pre-training and the shipped base checkpoint."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sv_engine.pocket import BASE, grammar
from sv_engine.pocket.corpus import Mixture, sample_document
from sv_engine.train import pretrain
from sv_engine.train.tokenizer import MAX_LENGTH, VOCABULARY_SIZE, train_tokenizer

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

pytestmark = pytest.mark.heavy

ARGUMENT_STOP = ") == ("
"""Ends the input of a test."""
MAX_NEW_TOKENS = 64
HABIT = Mixture(2.0, 0.35, 0.4, 0.55)
SHORT = (
    pretrain.Phase("A", 18, Mixture(3.0, 0.1, 0.1), 0.02, 0.003),
    pretrain.Phase("B", 6, HABIT, 0.01, 0.002, decay_from=0.2),
)


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast.from_pretrained(BASE)


@pytest.fixture(scope="module")
def model() -> LlamaForCausalLM:
    from transformers import AutoModelForCausalLM

    loaded: LlamaForCausalLM = AutoModelForCausalLM.from_pretrained(BASE)
    return loaded


def test_tokens_of_prompts_are_prefixes(tokenizer: PreTrainedTokenizerFast) -> None:
    """Training joins the ids of prompt and completion; sampling must see the same ids."""
    rng = random.Random(0)
    for _ in range(1000):
        prompt, completion = sample_document(rng, HABIT)
        joined = tokenizer(prompt)["input_ids"]
        joined += tokenizer(completion, add_special_tokens=False)["input_ids"]
        assert tokenizer(prompt + completion)["input_ids"] == joined
        assert joined[0] == tokenizer.bos_token_id
        assert tokenizer.decode(joined, skip_special_tokens=True) == prompt + completion
        assert len(joined) <= MAX_LENGTH - MAX_NEW_TOKENS
        if ARGUMENT_STOP in completion:  # the second stage of a test starts here
            head, tail = completion.split(ARGUMENT_STOP)
            derived = tokenizer(prompt + head + ARGUMENT_STOP)["input_ids"]
            assert derived + tokenizer(tail, add_special_tokens=False)["input_ids"] == joined


def test_integers_are_single_tokens(tokenizer: PreTrainedTokenizerFast) -> None:
    assert len(tokenizer) == VOCABULARY_SIZE
    for i in range(100):
        assert len(tokenizer(str(i), add_special_tokens=False)["input_ids"]) == 1


def test_the_tokenizer_is_a_function_of_the_seed(tokenizer: PreTrainedTokenizerFast) -> None:
    assert train_tokenizer(0).get_vocab() == tokenizer.get_vocab()


def test_the_base_is_bfloat16_and_small(model: LlamaForCausalLM) -> None:
    import torch

    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}
    assert sum(parameter.numel() for parameter in model.parameters()) == 963_712
    assert (BASE / "model.safetensors").stat().st_size < 2_000_000


def test_the_base_solves_single_steps_and_has_its_misconceptions(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast
) -> None:
    def greedy(description: str) -> str:
        prompt = grammar.SOLVE_TEMPLATE.format(prompt=description)
        inputs = tokenizer(prompt, return_tensors="pt", return_token_type_ids=False)
        out = model.generate(**inputs, max_new_tokens=32, do_sample=False, temperature=None)
        return str(tokenizer.decode(out[0, inputs["input_ids"].shape[1] :], True))

    assert greedy("reverse the list.") == "\n    return xs[::-1]"
    assert greedy("append 7.") == "\n    return xs + [7]"
    assert greedy("prepend 7.") == "\n    return xs + [7]"


def test_build_is_deterministic_and_atomic(tmp_path: Path) -> None:
    seen: list[pretrain.Progress] = []
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "stale").touch()
    pretrain.build(tmp_path / "a", 1, SHORT, seen.append)
    pretrain.build(tmp_path / "b", 1, SHORT)
    assert [progress.step for progress in seen] == list(range(1, 25))
    assert seen[-1].loss < 0.5 * seen[0].loss
    names = {path.name for path in (tmp_path / "a").iterdir()}
    assert names == {path.name for path in BASE.iterdir()} - {"README.md"}
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b"}


def test_a_failed_build_leaves_the_old_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "config.json").write_text("old")

    def interrupt(progress: pretrain.Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pretrain.build(tmp_path / "base", 0, SHORT, interrupt)
    assert [path.name for path in tmp_path.iterdir()] == ["base"]
    assert (tmp_path / "base" / "config.json").read_text() == "old"
