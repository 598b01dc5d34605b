"""The pocket tokenizer: byte-pair encoding that never merges across the parts of a document.

Scaffolds such as `\\n    return ` are one token each, integers, brackets and commas are kept apart
from the words around them. Every prompt ends with a scaffold, so a prompt's tokens are a prefix of
the whole document's tokens, wherever the completion is cut. `<s>` is put first by the tokenizer
itself; `</s>` ends a completion.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from sv_engine.pocket.corpus import Mixture, sample_document

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

VOCABULARY_SIZE = 864
MAX_LENGTH = 256
BOS, EOS, PAD = "<s>", "</s>", "<pad>"
PARTS = "|".join(
    (
        r'"""\ndef f\(xs\):',
        r'"""\nassert f\(',
        r'\n"""',
        r'"""',
        r"def f\(xs\):",
        r"\n    return ",
        r"\n    xs = ",
        r"\n    ",
        r"\) == \(",
        r"  # ",
        r"\d+",
        r", ",
        r"[\[\]]",
        r"\n",
    )
)
_DOCUMENTS = 36_000
_MIXTURE = Mixture(asserts_per_program=0.5, bug_rate=0.5, wrong_assert_rate=0.0)


def train_tokenizer(seed: int) -> PreTrainedTokenizerFast:
    """Learn the merges from a sample of the corpus; integers up to 99 are one token each."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    rng = random.Random(f"tokenizer-{seed}")
    documents = ["".join(sample_document(rng, _MIXTURE)) for _ in range(_DOCUMENTS)]
    integers = [str(i) for i in range(100)] * (_DOCUMENTS // 24)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PARTS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY_SIZE,
        special_tokens=[BOS, EOS, PAD],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        max_token_length=24,
        show_progress=False,
    )
    tokenizer.train_from_iterator([*documents, *integers], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", special_tokens=[(BOS, tokenizer.token_to_id(BOS))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BOS,
        eos_token=EOS,
        pad_token=PAD,
        model_max_length=MAX_LENGTH,
        padding_side="right",
        clean_up_tokenization_spaces=False,
    )
