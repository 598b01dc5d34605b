"""What can go wrong while training: what failed, where, and what to do."""

from __future__ import annotations

from enum import StrEnum

from sv_engine.errors import EngineError


class TrainError(EngineError):
    """Root of this package's errors; what was saved before the training stands."""


class TrainInputError(TrainError):
    """The data, the model or a setting is not fit; nothing was trained."""


class TrainOutOfMemoryError(TrainError):
    """The trainer needed more memory, of the host or of the accelerator, than there was."""


class DiskFullError(TrainError):
    """There is no room for the weights."""


class DivergedError(TrainError):
    """Loss or weights are no longer finite; nothing was saved."""


class TrainerCrashedError(TrainError):
    """The trainer's process ended without a result."""


class FailureKind(StrEnum):
    """How the worker tells the parent which leaf to raise."""

    INPUT = "input"
    OUT_OF_MEMORY = "out_of_memory"
    DISK_FULL = "disk_full"
    DIVERGED = "diverged"
    CRASHED = "crashed"


LEAVES: dict[FailureKind, type[TrainError]] = {
    FailureKind.INPUT: TrainInputError,
    FailureKind.OUT_OF_MEMORY: TrainOutOfMemoryError,
    FailureKind.DISK_FULL: DiskFullError,
    FailureKind.DIVERGED: DivergedError,
    FailureKind.CRASHED: TrainerCrashedError,
}

REMEDIES: dict[FailureKind, str] = {
    FailureKind.INPUT: "correct what the message names and run again",
    FailureKind.OUT_OF_MEMORY: "lower micro_batch_size or max_length, switch "
    "gradient_checkpointing on, or train with LoRA; on one accelerator let vLLM sleep meanwhile",
    FailureKind.DISK_FULL: "free space on the disk of the run directory and run again",
    FailureKind.DIVERGED: "lower the learning rate, raise warmup_steps, or lower max_grad_norm",
    FailureKind.CRASHED: "the log has the whole story",
}
