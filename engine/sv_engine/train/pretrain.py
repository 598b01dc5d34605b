"""Pre-training of the pocket model: from a seed to a checkpoint directory.

`build` writes what transformers and vLLM load (config.json, model.safetensors in bfloat16, the
tokenizer, generation_config.json), all or nothing. It uses one thread, and on one machine the same
seed gives the same bytes. About 10 CPU-minutes.

Three phases of the same documents with growing noise: A learns the tasks, B learns to imitate
writers who often fail, C adds the popular misconceptions.
"""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sv_engine.pocket.corpus import Document, Mixture, sample_document
from sv_engine.train.tokenizer import MAX_LENGTH, train_tokenizer

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

BATCH_SIZE = 128
BATCHES_PER_POOL = 8
"""Documents are drawn in pools and sorted by length, so that little of a batch is padding."""
WARMUP_STEPS = 20
FINAL_LEARNING_RATE = 0.02
"""Learning rate at the end of a decaying phase, as a share of its peak."""
NO_LOSS = -100


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of pre-training with its own noise and learning rates."""

    name: str
    steps: int
    mixture: Mixture
    muon_learning_rate: float
    """For the weight matrices."""
    adamw_learning_rate: float
    """For embeddings and norms."""
    decay_from: float = 1.0
    """Share of the phase after which the learning rates fall linearly."""


PHASES = (
    Phase("A: the tasks", 1200, Mixture(3.0, 0.12, 0.05), 0.02, 0.003),
    Phase("B: bugs", 488, Mixture(3.0, 0.5, 0.5), 0.015, 0.002, decay_from=0.15),
    Phase("C: misconceptions", 224, Mixture(2.0, 0.4, 0.5, 0.55), 0.01, 0.0015, decay_from=0.15),
)


@dataclass(frozen=True, slots=True)
class Progress:
    """Where pre-training stands."""

    phase: str
    step: int
    """Optimiser steps done, over all phases."""
    steps: int
    loss: float
    """Mean over the batch's completion tokens, in nats."""


def build(
    out: Path,
    seed: int,
    phases: Sequence[Phase] = PHASES,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> None:
    """Train a base model and write it to `out`, which is replaced if it exists.

    Raises OSError where `out` cannot be written; then whatever was there before is untouched.
    """
    import torch
    from transformers.utils import logging

    logging.disable_progress_bar()  # `on_progress` is the only one
    out = out.resolve()
    out.parent.mkdir(parents=True, exist_ok=True)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # a second thread is slower at this size, and sums in another order
    partial = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        tokenizer = train_tokenizer(seed)
        model = new_model(tokenizer, seed)
        pretrain(model, tokenizer, seed, phases, on_progress)
        save(model, tokenizer, partial)
        _replace(partial, out)
    finally:
        torch.set_num_threads(threads)
        shutil.rmtree(partial, ignore_errors=True)


def new_model(tokenizer: PreTrainedTokenizerFast, seed: int) -> LlamaForCausalLM:
    """A Llama of 963,712 weights, drawn from the seed; heads of 32, the smallest vLLM knows."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=384,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=MAX_LENGTH,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return LlamaForCausalLM(config)


def pretrain(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    seed: int,
    phases: Sequence[Phase] = PHASES,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> None:
    """Train the model in place through all phases."""
    import torch

    rng = random.Random(f"corpus-{seed}")
    steps, done = sum(phase.steps for phase in phases), 0
    model.train()
    for phase in phases:
        optimizers = _optimizers(model, phase)
        batches = _batches(rng, tokenizer, phase.mixture)
        for step in range(phase.steps):
            for optimizer in optimizers:
                for group in optimizer.param_groups:
                    group["lr"] = group["peak_lr"] * _schedule(phase, step)
            loss = completion_loss(model, *next(batches))
            loss.backward()
            if not torch.isfinite(loss):
                raise FloatingPointError(f"phase {phase.name}, step {step}: loss is {loss.item()}")
            for optimizer in optimizers:
                optimizer.step()
                optimizer.zero_grad()
            done += 1
            on_progress(Progress(phase.name, done, steps, loss.item()))
    model.eval()


def completion_loss(model: LlamaForCausalLM, ids_BL: Tensor, labels_BL: Tensor) -> Tensor:
    """Mean negative log-likelihood of the labelled tokens, in nats; B documents, L positions.

    The head is computed where there is a label only; it is a third of the model's work.
    """
    from torch.nn.functional import cross_entropy

    hidden_BLD = model.model(input_ids=ids_BL).last_hidden_state[:, :-1]
    targets_BL = labels_BL[:, 1:]
    labelled_BL = targets_BL != NO_LOSS
    return cross_entropy(model.lm_head(hidden_BLD[labelled_BL]), targets_BL[labelled_BL])


def save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, directory: Path) -> None:
    """Write the checkpoint in bfloat16."""
    import torch
    from transformers import GenerationConfig

    # vLLM takes its sampling defaults from here: plain sampling, nothing cut off.
    model.generation_config = GenerationConfig(
        do_sample=True,
        temperature=1.0,
        top_k=0,
        top_p=1.0,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model.to(torch.bfloat16).save_pretrained(directory)
    tokenizer.save_pretrained(directory)


def _optimizers(model: LlamaForCausalLM, phase: Phase) -> list[Optimizer]:
    from torch.optim import AdamW, Muon

    matrices: list[Tensor] = []
    others: list[Tensor] = []
    for name, parameter in model.named_parameters():
        is_matrix = parameter.ndim == 2 and "embed" not in name
        (matrices if is_matrix else others).append(parameter)
    optimizers: list[Optimizer] = [
        Muon(matrices, lr=phase.muon_learning_rate, weight_decay=0.0),
        AdamW(others, lr=phase.adamw_learning_rate, betas=(0.9, 0.95), weight_decay=0.0),
    ]
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak_lr"] = group["lr"]
    return optimizers


def _schedule(phase: Phase, step: int) -> float:
    """Learning rate at a step, as a share of the peak: warm-up, plateau, linear decay."""
    warm = min(1.0, (step + 1) / WARMUP_STEPS)
    done = step / phase.steps
    if done < phase.decay_from:
        return warm
    return warm * max(FINAL_LEARNING_RATE, (1 - done) / (1 - phase.decay_from))


def _batches(
    rng: random.Random, tokenizer: PreTrainedTokenizerFast, mixture: Mixture
) -> Iterator[tuple[Tensor, Tensor]]:
    """Endless batches of token ids and labels, both (B, L)."""
    while True:
        documents = [sample_document(rng, mixture) for _ in range(BATCH_SIZE * BATCHES_PER_POOL)]
        rows = sorted(_tokenize(tokenizer, documents), key=lambda row: len(row[0]))
        starts = list(range(0, len(rows), BATCH_SIZE))
        rng.shuffle(starts)
        for start in starts:
            yield _pad(tokenizer, rows[start : start + BATCH_SIZE])


def _tokenize(
    tokenizer: PreTrainedTokenizerFast, documents: Sequence[Document]
) -> list[tuple[list[int], list[int]]]:
    prompts = tokenizer([document.prompt for document in documents])["input_ids"]
    completions = tokenizer(
        [document.completion for document in documents], add_special_tokens=False
    )["input_ids"]
    rows = []
    for prompt, completion in zip(prompts, completions, strict=True):
        target = [*completion, tokenizer.eos_token_id]
        rows.append(([*prompt, *target], [NO_LOSS] * len(prompt) + target))
    return rows


def _pad(
    tokenizer: PreTrainedTokenizerFast, rows: Sequence[tuple[list[int], list[int]]]
) -> tuple[Tensor, Tensor]:
    import torch

    length = max(len(ids) for ids, _ in rows)
    ids_BL = [ids + [tokenizer.pad_token_id] * (length - len(ids)) for ids, _ in rows]
    labels_BL = [labels + [NO_LOSS] * (length - len(labels)) for _, labels in rows]
    return torch.tensor(ids_BL), torch.tensor(labels_BL)


def _replace(source: Path, target: Path) -> None:
    """Put the directory `source` in the place of `target`."""
    source.chmod(0o755)
    if not target.exists():
        os.rename(source, target)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{target.name}-old-", dir=target.parent))
    os.rename(target, old / target.name)
    os.rename(source, target)
    shutil.rmtree(old)
