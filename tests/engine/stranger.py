"""A model that nobody here made for this engine: a small causal LM with a chat template.

Its weights are random, so every token is about as likely as any other; its tokenizer has, besides
bytes, whole answers as tokens. So what it says is noise with programs, tests and descriptions in
it, right and wrong ones, for the problems that the test names.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
SPECIAL = ["<|end|>", "<|pad|>", "<|user|>", "<|assistant|>"]
ANSWERS = 12
"""Distinct programs, and distinct suites, for every group of problems."""
Row = dict[str, Any]
"""A row of MBPP."""

DESCRIBED = {
    "double_all": ("xs: list", "Return every number of xs doubled.", "[2 * x for x in xs]"),
    "last_two": ("xs: list", "Give back the two final items as they stand.", "xs[-2:]"),
    "shout": ("text: str", "Turn a lower case word into capital letters.", "text.upper()"),
    "spread": ("xs: list", "How far the largest is above the smallest?", "max(xs) - min(xs)"),
    "vowels": ("text: str", "Count a, e, i, o and u in it.", "sum(c in 'aeiou' for c in text)"),
    "evens": (
        "xs: list",
        "Only what two divides stays, in order.",
        "[x for x in xs if x % 2 == 0]",
    ),
}
"""Name -> parameter, description, value: the problems that it invents."""


def mbpp_rows(path: Path, ids: Sequence[str]) -> list[Row]:
    """The rows of these problems, `MBPP/7`."""
    with path.open(encoding="utf-8") as file:
        rows = {f"MBPP/{row['task_id']}": row for row in map(json.loads, file)}
    return [rows[name] for name in ids]


def mbpp_answers(rows: Sequence[Row], names: Sequence[str], rng: random.Random) -> list[str]:
    """Programs and suites for some problems of MBPP; names: their entry points."""
    programs, suites = [], []
    for _ in range(ANSWERS):
        parts, asserts = [], []
        for row, name in zip(rows, names, strict=True):
            wrong = f"def {name}(*arguments):\n    return {rng.randint(0, 9)}"
            parts.append(row["code"].replace("\r", "") if rng.random() < 0.6 else wrong)
            for test in row["test_list"]:
                asserts += [test if rng.random() < 0.7 else _spoilt(test)]
        programs.append("\n\n".join(parts))
        suites.append("\n".join(asserts))
    return [*programs, *suites]


def _spoilt(test: str) -> str:
    call, _, _ = test.rpartition("==")
    return f"{call}== 'something else'" if call else test


def described_answers(rng: random.Random) -> list[str]:
    """Descriptions, programs and suites."""
    found = [
        f'def {name}({parameter}):\n    """{text}"""'
        for name, (parameter, text, _) in DESCRIBED.items()
    ]
    for _ in range(ANSWERS):
        parts, asserts = [], []
        for name, (parameter, _, value) in DESCRIBED.items():
            body = value if rng.random() < 0.6 else str(rng.randint(0, 9))
            variable = parameter.split(":")[0]
            parts.append(f"def {name}({parameter}):\n    return {body}")
            for _ in range(2):
                given: Any = [rng.randint(0, 5) for _ in range(3)]
                if "str" in parameter:
                    given = rng.choice(["apple", "tree", "iris"])
                expected = eval(value, {}, {variable: given}) if rng.random() < 0.7 else None
                asserts.append(f"assert {name}({given!r}) == {expected!r}")
        found += ["\n\n".join(parts), "\n".join(asserts)]
    return found


def make(path: Path, answers: Sequence[str], architecture: str) -> None:
    """Write model and tokenizer; a fenced block of each answer is one token."""
    import torch
    import transformers
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = {token: i for i, token in enumerate([*SPECIAL, *alphabet])}
    raw = Tokenizer(models.BPE(vocab=words, merges=[]))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    raw.decoder = decoders.ByteLevel()
    raw.add_special_tokens(SPECIAL)
    blocks = [f"\n```python\n{answer}\n```\n" for answer in dict.fromkeys(answers)]
    raw.add_tokens([AddedToken(block, normalized=False) for block in blocks])
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=raw, eos_token="<|end|>", pad_token="<|pad|>"
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    tokenizer.save_pretrained(path)
    torch.manual_seed(0)
    config = getattr(transformers, f"{architecture}Config")(
        vocab_size=raw.get_vocab_size(),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=4096,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=0,
        pad_token_id=1,
    )
    getattr(transformers, f"{architecture}ForCausalLM")(config).save_pretrained(path)
