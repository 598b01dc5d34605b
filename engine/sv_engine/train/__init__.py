"""The door to training: supervised fine-tuning, then preference optimisation, in a process apart.

`train` runs a `TrainSpec` and yields a `TrainResult`; `write_rows` writes the data files that a
spec names; `merge_adapter` makes whole weights of an adapter.
"""

from __future__ import annotations

from sv_engine.train.data import write_rows
from sv_engine.train.errors import (
    DiskFullError,
    DivergedError,
    TrainerCrashedError,
    TrainError,
    TrainInputError,
    TrainOutOfMemoryError,
)
from sv_engine.train.merge import merge_adapter
from sv_engine.train.progress import PhaseResult, TrainProgress, TrainResult
from sv_engine.train.run import train
from sv_engine.train.spec import DpoPhase, SftPhase, TrainSpec

__all__ = [
    "DiskFullError",
    "DivergedError",
    "DpoPhase",
    "PhaseResult",
    "SftPhase",
    "TrainError",
    "TrainInputError",
    "TrainOutOfMemoryError",
    "TrainProgress",
    "TrainResult",
    "TrainSpec",
    "TrainerCrashedError",
    "merge_adapter",
    "train",
    "write_rows",
]
