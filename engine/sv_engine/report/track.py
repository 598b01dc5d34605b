"""Hands a run's curves to an experiment tracker: one call, whichever tracker is installed.

In: a folder of `run`. Out: the number of points that were handed over, in the order of training:
the step of a point is the count of optimiser steps of the whole run so far, so held-out figures of
iteration n stand behind its training. The journal stays the record; nothing is logged twice by a
run, and a run that is over can still be tracked.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any

from sv_engine.errors import EngineError
from sv_engine.report.read import Record, read

Point = tuple[int, dict[str, float]]
"""Step, and values by name."""


class Tracker(StrEnum):
    """Who gets the curves; the name is that of the package."""

    TENSORBOARD = "tensorboard"
    WANDB = "wandb"
    TRACKIO = "trackio"


def track(folder: Path, tracker: Tracker, project: str = "sv-engine") -> int:
    """Hand all points over. tensorboard: event files go to FOLDER/tensorboard; wandb and trackio
    are set up by their own environment variables. Raises EngineError."""
    found = list(points(read(folder)))
    needed = ["tensorboard", "torch"] if tracker is Tracker.TENSORBOARD else [tracker.value]
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        packages = " ".join(missing)
        raise EngineError(f"{packages} not installed", remedy=f"pip install {packages}")
    if tracker is Tracker.TENSORBOARD:
        _to_tensorboard(folder / "tensorboard", found)
    else:
        _to_run(importlib.import_module(tracker.value), folder, project, found)
    return len(found)


def points(record: Record) -> Iterator[Point]:
    """Everything that is a curve."""
    iterations = {f.iteration for f in record.figures} | {s.iteration for s in record.steps}
    step = 0
    for iteration in sorted(iterations):
        for one in (s for s in record.steps if s.iteration == iteration):
            step += 1
            values = {"loss": one.loss, "margin": one.margin, "accuracy": one.accuracy}
            named = {f"{one.phase}/{k}": v for k, v in values.items() if v is not None}
            yield step, named
        heldout = {
            f"heldout/{f.name}@{f.temperature:g}": f.value
            for f in record.figures
            if f.iteration == iteration
        }
        if heldout:
            step += 1
            yield step, heldout | {"iteration": float(iteration)}


def _to_tensorboard(folder: Path, found: list[Point]) -> None:
    from torch.utils.tensorboard import SummaryWriter

    for old in folder.glob("events.out.tfevents.*"):
        old.unlink()
    with SummaryWriter(str(folder)) as writer:
        for step, values in found:
            for name, value in values.items():
                writer.add_scalar(name, value, step)


def _to_run(module: Any, folder: Path, project: str, found: list[Point]) -> None:
    """wandb, and trackio, which has its functions."""
    module.init(project=project, name=folder.resolve().name)
    for step, values in found:
        module.log(values, step=step)
    module.finish()
