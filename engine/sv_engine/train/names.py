"""Names that the configuration hands to the trainer, checked before one starts: its launcher, a
model on the hub, and what its library knows by them."""

from __future__ import annotations

import difflib
import shutil
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from sv_engine.config.layers import ConfigError
from sv_engine.generate.errors import ModelPathError
from sv_engine.generate.weights import check_model

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


def check_hub(model: str) -> None:
    """Raises ModelPathError where `model`, a name on the hub, is neither whole in the cache of this
    machine nor to be had from the hub."""
    if find_spec("huggingface_hub") is None:
        return
    from huggingface_hub import get_hf_file_metadata, hf_hub_url, snapshot_download

    try:
        check_model(snapshot_download(model, local_files_only=True))
    except (OSError, ValueError, ModelPathError):
        try:  # what the cache lacks is fetched by the trainer
            get_hf_file_metadata(hf_hub_url(model, "config.json"))
        except Exception as error:  # of its HTTP library, which is another one in each version
            raise ModelPathError(
                "the trainer cannot load this model: it is not on this machine, and the hub does "
                f"not give it ({str(error).strip().partition(chr(10))[0]})",
                where=model,
                remedy=f"`hf download {model}` where the hub can be reached, or give the model's "
                "directory as model.path",
            ) from None


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
