"""What one training run is told: the sections of the configuration, and where things lie.

The spec is a JSON file that the worker process reads. A run is supervised fine-tuning, then
preference optimisation, either of which may be absent. The reference model of the second is the
model after the first.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import model_validator

from sv_engine.config.sections import Dpo, PromptFormat, Sft, Train


class SftPhase(Sft):
    """Supervised fine-tuning; the loss counts completion tokens only."""

    data: Path
    """JSON lines, see `sv_engine.train.data`."""


class DpoPhase(Dpo):
    """Direct preference optimisation (Rafailov et al., 2023, arXiv 2305.18290), with the chosen
    text's likelihood beside it (as in Pang et al., 2024, arXiv 2404.19733)."""

    data: Path
    """JSON lines, see `sv_engine.train.data`."""


class TrainSpec(Train):
    """One training run."""

    base_model: str
    """Weights to start from: a model directory with its tokenizer, or a hub name."""
    adapter: Path | None = None
    """LoRA adapter (Hu et al., 2021, arXiv 2106.09685) on top of `base_model` to go on with; None
    starts a fresh one."""
    output: Path
    """Directory that the run creates; it appears whole or not at all."""
    sft: SftPhase | None = None
    """Supervised fine-tuning, first; None leaves it out."""
    dpo: DpoPhase | None = None
    """Preference optimisation, second; None leaves it out."""
    merge: bool = True
    """With LoRA: also write whole weights with the adapter merged in."""
    prompt_format: PromptFormat = PromptFormat.AUTO
    """Whether prompts go through the chat template; the same as in generation."""
    seed: int = 0
    """Seed of adapters and of the order of the data."""

    @property
    def is_lora(self) -> bool:
        """Whether an adapter is trained, not all weights."""
        return self.method == "lora"

    @model_validator(mode="after")
    def _something_to_do(self) -> TrainSpec:
        if self.sft is None and self.dpo is None:
            raise ValueError("neither sft nor dpo is given: there is nothing to train")
        if self.adapter is not None and not self.is_lora:
            raise ValueError("an adapter was given, but all weights are to be trained")
        return self
