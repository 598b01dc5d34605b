"""TRL 1.16: a few steps of GRPO on a tiny model made here, with our reward."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

trl = pytest.importorskip("trl", reason="trl is not installed here")
pytest.importorskip("sv_engine", reason="our package is not on the path here")

PROGRAMS = ("def f(x): return x + 1", "def f(x): return x", "import os; os._exit(0)")


def tiny_model() -> tuple[Any, Any]:
    """An untrained model and a tokenizer of single characters."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    words = ["<pad>", "<eos>", *map(chr, range(10, 127))]
    tokenizer = Tokenizer(models.WordLevel({word: at for at, word in enumerate(words)}, "<pad>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer.decoder = decoders.Fuse()
    config = LlamaConfig(
        vocab_size=len(words),
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=256,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=1,
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>", padding_side="left"
    )
    return LlamaForCausalLM(config), fast


@pytest.mark.parametrize("kind", ["Reward", "SyncReward"])
def test_a_few_steps_of_grpo(
    tmp_path: Path, server_url: str, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    from datasets import Dataset

    from sv_engine.integrations import trl as adapter

    seen: list[list[float | None]] = []
    base = getattr(adapter, kind)

    class Spied(base):  # type: ignore[misc, valid-type]
        """Scores programs in turn: an untrained model writes none."""

        def known(self, completions: Any) -> list[str]:
            return [PROGRAMS[at % 3] for at in range(len(completions))]

    if kind == "Reward":

        async def waited(self: Any, prompts: Any, completions: Any, **columns: Any) -> Any:
            rewards = await base.__call__(self, prompts, self.known(completions), **columns)
            seen.append(rewards)
            return rewards

        Spied.__call__ = waited
    else:

        def call(self: Any, prompts: Any, completions: Any, **columns: Any) -> Any:
            rewards = base.__call__(self, prompts, self.known(completions), **columns)
            seen.append(rewards)
            return rewards

        Spied.__call__ = call
    model, tokenizer = tiny_model()
    rows = {"prompt": ["Write f."] * 8, "tests": [["assert f(1) == 2"], None] * 4}
    arguments = trl.GRPOConfig(
        output_dir=str(tmp_path),
        max_steps=3,
        per_device_train_batch_size=6,
        num_generations=6,
        max_completion_length=8,
        use_cpu=True,
        bf16=False,
        report_to=[],
        logging_steps=1,
        save_strategy="no",
        disable_tqdm=True,
    )
    reward = Spied(target=server_url)
    trainer = trl.GRPOTrainer(
        model=model,
        processing_class=tokenizer,
        args=arguments,
        reward_funcs=[reward],
        train_dataset=Dataset.from_dict(rows),
    )
    trainer.train()
    reward.scorer.close()  # TRL ends nothing
    assert len(seen) == 3
    for rewards in seen:
        assert rewards in ([1.0, 0.0, 0.0] * 2, [None] * 6)
    assert any("rewards/sv_reward/mean" in entry for entry in trainer.state.log_history)
    assert any("sv/holes" in entry for entry in trainer.state.log_history)
