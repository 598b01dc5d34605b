"""Names that the configuration hands to the trainer, checked before one starts: its launcher, and
what its library knows by them."""

from __future__ import annotations

import difflib
import shutil
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from sv_engine.config.layers import ConfigError

PLAIN = ("adamw_torch", "adamw_torch_fused", "adafactor", "sgd", "adagrad", "rmsprop")
"""Optimisers that every version of the library has, and that need no other package: to ask for the
others takes seconds."""


def launcher(launch: Sequence[str]) -> list[str]:
    """The command before the trainer's module; empty: this interpreter. A bare name is looked for
    beside this interpreter, then on PATH: the trainer needs the packages that are here, also where
    the environment is not activated. Raises ConfigError."""
    if not launch:
        return [sys.executable]
    name, *rest = launch
    beside = Path(sys.executable).parent
    found = shutil.which(name, path=str(beside)) or shutil.which(name)
    if found is None:
        raise ConfigError(
            f"train.launch: there is no program {name!r}",
            where=name if Path(name).name != name else f"{beside}, and PATH",
            remedy="correct train.launch, or install the program",
        )
    return [found, *rest]


def check_optimiser(key: str, name: str) -> None:
    """Raises ConfigError where the library has no such optimiser, or its package is not there."""
    if name in PLAIN or find_spec("transformers") is None:
        return
    from transformers import Trainer, TrainingArguments
    from transformers.training_args import OptimizerNames

    known = [str(one.value) for one in OptimizerNames]
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        raise ConfigError(
            f"{key}: unknown optimiser {name!r}",
            where="the configuration",
            remedy=f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}",
        )
    try:
        arguments = TrainingArguments(output_dir="", optim=name, use_cpu=True, report_to="none")
        Trainer.get_optimizer_cls_and_kwargs(arguments)
    except (ImportError, ValueError) as error:
        if "install" not in str(error):
            return  # it wants to know the model: the trainer will tell
        raise ConfigError(
            f"{key}: {error}", where="the configuration", remedy="install it, or use another one"
        ) from None
