"""What worker and parent agree on: events, one JSON object per line on the worker's stdout."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

PARENT_PIPE = "SV_TRAINER_PARENT_PIPE"
"""Environment variable: set when the worker's stdin is a pipe that closes when the parent ends."""

ADAPTER, WEIGHTS = "adapter", "weights"
"""Directories inside the output."""


@dataclass(frozen=True, slots=True)
class TrainProgress:
    """One optimiser step that is done."""

    phase: str
    """`sft` or `dpo`."""
    step: int
    total: int
    """Steps of this phase."""
    loss: float
    learning_rate: float
    metrics: dict[str, float] = field(default_factory=dict)
    """What else the trainer logs: gradient norm, token accuracy, reward margins."""
    rows: list[int] = field(default_factory=list)
    """Rows of the phase's file that this step consumed, from 0; empty where that is not known."""


@dataclass(frozen=True, slots=True)
class PhaseResult:
    """One finished phase."""

    steps: int
    rows: int
    """Rows trained on."""
    dropped_rows: int
    """Rows whose prompt left no room for a completion."""
    first_loss: float
    """Loss of the first step, before any update. For DPO without the likelihood term: ln 2."""
    last_loss: float
    """Mean loss of the last tenth of the steps."""
    wall_s: float
    metrics: dict[str, float]
    """The last step's further figures."""


@dataclass(frozen=True, slots=True)
class TrainResult:
    """One finished training run."""

    weights: Path | None
    """Whole weights with tokenizer, ready to be served or trained on; None: adapter only."""
    adapter: Path | None
    """The LoRA adapter; None after training all weights."""
    sft: PhaseResult | None
    dpo: PhaseResult | None
    import_s: float
    """Importing torch, transformers and TRL."""
    load_s: float
    """Reading the model."""
    save_s: float
    wall_s: float
    """From the start of the process to its end, as the parent saw it."""


def write_event(file: IO[str], event: str, body: dict[str, Any]) -> None:
    """One line, at once."""
    file.write(json.dumps({"event": event, **body}) + "\n")
    file.flush()


def progress_body(progress: TrainProgress) -> dict[str, Any]:
    """The event body of one step."""
    return asdict(progress)
