"""What one training run is told: the spec, a JSON file that the worker process reads.

A run is supervised fine-tuning, then preference optimisation, either of which may be absent. The
reference model of the second is the model after the first.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from sv_engine.prompts.format import PromptFormat

Positive = Annotated[int, Field(gt=0)]


class Schedule(StrEnum):
    """How the learning rate falls after the warm-up, to `final_lr_share` of its peak."""

    LINEAR = "linear"
    COSINE = "cosine"
    CONSTANT = "constant"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Phase(_Section):
    """One optimisation over one data file."""

    data: Path
    """JSON lines, see `sv_engine.train.data`."""
    learning_rate: float = Field(gt=0)
    """Peak learning rate."""
    epochs: float = Field(default=1.0, gt=0)
    """Passes over the data."""
    batch_size: Positive
    """Rows per optimiser step, over all devices."""
    micro_batch_size: Positive | None = None
    """Rows per device and forward pass; None: the whole batch at once."""
    warmup_steps: int = Field(default=5, ge=0)
    """Steps in which the learning rate rises from 0."""
    schedule: Schedule = Schedule.LINEAR
    """How the learning rate falls."""
    final_lr_share: float = Field(default=0.1, ge=0, le=1)
    """Where it ends, as a share of the peak."""
    optimiser: str = "adamw_torch"
    """Any optimiser name of transformers' TrainingArguments."""
    adam_beta2: float = Field(default=0.95, gt=0, lt=1)
    """Decay of Adam's second moment; short runs like it below the usual .999."""
    weight_decay: float = Field(default=0.0, ge=0)
    """Decoupled weight decay."""
    max_grad_norm: float = Field(default=1.0, gt=0)
    """Gradients are scaled down to this norm."""


class SftPhase(Phase):
    """Supervised fine-tuning; the loss counts completion tokens only."""

    batch_size: Positive = 48
    """Rows per optimiser step, over all devices."""


class DpoPhase(Phase):
    """Direct preference optimisation (Rafailov et al., 2023, arXiv 2305.18290)."""

    batch_size: Positive = 24
    """Pairs per optimiser step, over all devices."""
    beta: float = Field(default=0.2, gt=0)
    """How strongly the reference holds the model back."""
    nll_weight: float = Field(default=0.2, ge=0)
    """Weight of the chosen text's negative log-likelihood per token beside the DPO loss
    (as in Pang et al., 2024, arXiv 2404.19733); keeps accepted texts likely."""


class Lora(_Section):
    """Low-rank adapters (Hu et al., 2021, arXiv 2106.09685)."""

    rank: Positive = 16
    """Rank of the update of each matrix."""
    alpha: Positive = 32
    """The update is scaled by alpha / rank."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Dropout before the adapter, in supervised fine-tuning only."""
    targets: tuple[str, ...] | Literal["all-linear"] = "all-linear"
    """Names of the adapted matrices."""


class TrainSpec(_Section):
    """One training run."""

    base_model: str
    """Weights to start from: a model directory with its tokenizer, or a hub name."""
    adapter: Path | None = None
    """LoRA adapter on top of `base_model` to go on with; None starts a fresh one."""
    output: Path
    """Directory that the run creates; it appears whole or not at all."""
    sft: SftPhase | None = None
    """Supervised fine-tuning, first; None leaves it out."""
    dpo: DpoPhase | None = None
    """Preference optimisation, second; None leaves it out."""
    lora: Lora | None = Field(default_factory=Lora)
    """None trains all weights."""
    merge: bool = True
    """With LoRA: also write whole weights with the adapter merged in."""
    precision: Literal["fp32", "bf16-mixed", "bf16"] = "fp32"
    """fp32; bf16 arithmetic on fp32 weights; or bf16 weights too (LoRA matrices stay fp32)."""
    prompt_format: PromptFormat = PromptFormat.AUTO
    """Whether prompts go through the chat template; the same as in generation."""
    max_length: int = Field(default=2048, gt=1)
    """Longest prompt plus completion in tokens; what is longer is cut at the end."""
    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass: less memory, a third more time."""
    seed: int = 0
    """Seed of adapters and of the order of the data."""
    threads: Positive | None = None
    """CPU threads of the trainer; None: one per core."""
    launch: tuple[str, ...] = ()
    """Launcher before `-m sv_engine.train.worker`, for several devices or machines:
    ("torchrun", "--nproc_per_node", "8") or ("accelerate", "launch", ...); empty: this Python."""

    @model_validator(mode="after")
    def _something_to_do(self) -> TrainSpec:
        if self.sft is None and self.dpo is None:
            raise ValueError("neither sft nor dpo is given: there is nothing to train")
        if self.adapter is not None and self.lora is None:
            raise ValueError("an adapter was given, but lora is off")
        return self
