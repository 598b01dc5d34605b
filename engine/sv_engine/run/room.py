"""Whether disk, memory and context are large enough, asked before anything is generated.

In: a configuration and the folder of its run. Out: warnings; or RoomError where it cannot end well.
What is demanded are lower bounds: memory for the weights alone, as they are sampled from and
trained on a CPU (an accelerator's is known to the engine only), and disk for the weights that all
iterations save, and for the places of samples in the journal. That less is free than the upper
bounds of `budget` is a warning.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from pathlib import Path

import psutil

from sv_engine.config.sections import Backend, Config
from sv_engine.errors import EngineError
from sv_engine.generate.protocol import Generator
from sv_engine.generate.vllm_common import is_cpu_build
from sv_engine.generate.vllm_options import CPU_KV_CACHE_BYTES
from sv_engine.generate.weights import read_shapes
from sv_engine.problems.jsonl import named
from sv_engine.run.budget import Cost, size
from sv_engine.run.doors import base_model, serves_adapters

ADAPTER_SHARE = 0.1
"""Of the base weights' size that an adapter takes at most."""
TRAINED_BYTES = 16
"""Per weight that is trained: fp32 weight and gradient, and Adam's two moments."""


class RoomError(EngineError):
    """Disk, memory or context are too small."""

    exit_code = 2


def check_room(config: Config, folder: Path, bounds: Cost) -> list[str]:
    """Warnings; RoomError where weights do not fit into memory or on the disk. folder: of the run,
    to be made perhaps."""
    folder = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    model = Path(base_model(config))
    files = sorted(model.glob("*.safetensors"))
    stored = sum(file.stat().st_size for file in files)
    if config.run.iterations:
        _check_disk(config, folder, stored)
    if files and is_cpu_build():
        shapes = (shape for file in files for shape in read_shapes(file).values())
        _check_memory(config, sum(map(math.prod, shapes)))
    free = shutil.disk_usage(folder).free
    if free < bounds.least_bytes:
        raise RoomError(
            f"{size(free)} are free, and the samples alone need {size(bounds.least_bytes)}",
            where=str(folder),
            remedy="lower generate.solutions, generate.tests or problems.count, or put the run on "
            "another disk (run.out)",
        )
    if free < bounds.disk_bytes:
        return [
            f"{size(free)} are free in {folder}, and the run may need up to "
            f"{size(bounds.disk_bytes)}"
        ]
    return []


def _check_disk(config: Config, folder: Path, stored: int) -> None:
    # Weights that are stored in 16 bits may be written in 32.
    share = ADAPTER_SHARE if serves_adapters(config) else 2
    needed, free = int(config.run.iterations * share * stored), shutil.disk_usage(folder).free
    if free < needed:
        raise RoomError(
            f"the disk has {size(free)} free, the weights of {config.run.iterations} "
            f"iterations need up to {size(needed)}",
            where=str(folder),
            remedy="free space, or put the run on another disk (run.out)",
        )


def _check_memory(config: Config, weights: int) -> None:
    needed = 0
    if config.generate.backend is Backend.VLLM:
        cache = config.generate.kv_cache_mib
        needed += weights * (4 if config.model.dtype == "float32" else 2)
        needed += CPU_KV_CACHE_BYTES if cache is None else cache << 20
    if config.run.iterations:
        frozen = 2 if config.train.precision == "bf16" else 4
        needed += weights * (TRAINED_BYTES if config.train.method == "full" else frozen)
    available = psutil.virtual_memory().available
    if available < needed:
        raise RoomError(
            f"{size(available)} of memory are available, the weights in it take {size(needed)}",
            where=base_model(config),
            remedy='take a smaller model, train.method = "lora", or a smaller '
            "generate.kv_cache_mib",
        )


def check_prompts(generator: Generator, prompts: Sequence[tuple[str, str]]) -> list[str]:
    """Which prompts leave no room for a completion, as far as the generator knows; RoomError where
    none does. prompts: (problem id, prompt)."""
    rooms = [(name, generator.room_after(prompt)) for name, prompt in prompts]
    long = [name for name, room in rooms if room is not None and room < 1]
    if long and len(long) == len(prompts):
        raise RoomError(
            "no prompt leaves room for a completion",
            where=f"{len(long)} problems",
            remedy="raise generate.max_model_len, or use shorter problems",
        )
    if not long:
        return []
    return [f"{len(long)} of {len(prompts)} prompts are too long for the model: {named(long)}"]
