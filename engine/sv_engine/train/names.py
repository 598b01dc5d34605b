"""Names that the configuration hands to the trainer's library, checked before a trainer starts."""

from __future__ import annotations

import difflib
from importlib.util import find_spec

from sv_engine.config.layers import ConfigError

PLAIN = ("adamw_torch", "adamw_torch_fused", "adafactor", "sgd", "adagrad", "rmsprop")
"""Optimisers that every version of the library has, and that need no other package: to ask for the
others takes seconds."""


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
