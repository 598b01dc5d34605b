"""From the configuration to the doors: the generator, the sandbox, the trainer's orders."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from importlib import resources
from pathlib import Path
from typing import Any

import psutil

from sv_engine.config.layers import ConfigError
from sv_engine.config.sections import Backend, Config, PromptFormat, Stage
from sv_engine.execute.cache import VerdictCache
from sv_engine.execute.executor import Executor
from sv_engine.execute.sandbox import Budget
from sv_engine.executors.row_pool import pool_at
from sv_engine.generate import (
    Generator,
    OpenAIGenerator,
    OpenAIOptions,
    RecordedGenerator,
    VllmOptions,
    open_vllm,
)
from sv_engine.generate.openai import Need
from sv_engine.generate.vllm_common import is_cpu_build
from sv_engine.play.pipeline import CellRunner
from sv_engine.prompts.format import has_chat_template
from sv_engine.train import DpoPhase, SftPhase, TrainSpec

WORKER_BYTES = 256 << 20
"""Memory set aside per sandbox worker when their number is chosen."""


def base_model(config: Config) -> str:
    """Directory or hub name of the base weights; `pocket` is the shipped one."""
    if config.model.path == "pocket":
        return str(resources.files("sv_engine.pocket") / "base")
    return config.model.path


def serves_adapters(config: Config) -> bool:
    """Whether new weights reach vLLM as a LoRA adapter; on a CPU merged weights are faster."""
    is_vllm = config.generate.backend is Backend.VLLM
    return config.train.method == "lora" and not (is_vllm and is_cpu_build())


def open_generator(config: Config, folder: Path) -> Generator:
    """The generator of the run in `folder`, not yet entered."""
    generate = config.generate
    sections = dict(generate) | dict(config.model) | {"path": base_model(config)}
    match generate.backend:
        case Backend.RECORDED:
            assert generate.recording is not None
            return RecordedGenerator(
                generate.recording,
                time_scale=generate.time_scale,
                max_in_flight=generate.max_in_flight,
            )
        case Backend.OPENAI:
            sections["prompt_format"] = prompt_format(config)
            options = OpenAIOptions(**sections, needs=needs(config), folder=folder)
            return OpenAIGenerator(options)
        case Backend.VLLM:
            rank = config.train.lora_rank if serves_adapters(config) else 0
            return open_vllm(VllmOptions(**sections, lora_rank=rank, seed=config.run.seed))


def needs(config: Config) -> frozenset[Need]:
    """What servers must be able to do, so that it is told before the play and not after it."""
    chat = {Need.CHAT} if prompt_format(config) is PromptFormat.CHAT else set()
    if not config.run.iterations:
        return frozenset(chat)
    weights = Need.ADAPTERS if serves_adapters(config) else Need.WEIGHTS
    sleep = {Need.SLEEP} if config.generate.sleep_while_training else set()
    return frozenset({weights, *sleep, *chat})


def prompt_format(config: Config) -> PromptFormat:
    """`auto` decided as the trainer will decide it, from the tokenizer beside the weights; a server
    does not say."""
    wanted, place = config.model.prompt_format, Path(base_model(config))
    if wanted is not PromptFormat.AUTO or not config.run.iterations:
        return wanted
    if not place.is_dir():
        raise ConfigError(
            "whether prompts are chat turns is not known of a model that is not on this machine",
            where=str(place),
            remedy='set model.prompt_format = "chat" or "plain"',
        )
    return PromptFormat.CHAT if has_chat_template(place) else PromptFormat.PLAIN


def open_executor(config: Config) -> Executor:
    """The sandbox, not yet entered."""
    execute = config.execute
    workers = execute.workers or default_workers()
    pool = pool_at(execute.executor, execute.servers, os.environ.get("SV_TOKEN"))
    return Executor(budget_of(config), workers=workers, require=execute.require, pool=pool)


def open_cache(config: Config, executor: Executor) -> AbstractContextManager[CellRunner]:
    """The executor behind the cache of verdicts, where there is to be one; not yet entered."""
    path, mib = config.execute.cache, config.execute.cache_mib
    return VerdictCache(executor, path, mib << 20) if path else nullcontext(executor)


def budget_of(config: Config) -> Budget:
    """What decides about a verdict."""
    execute = config.execute
    return Budget(
        execute.cpu_s,
        execute.reference_cpu_s,
        execute.judge,
        execute.trust,
        execute.below,
        timeouts=execute.timeouts,
    )


def default_workers() -> int:
    """One per core that this process may use, as far as memory reaches."""
    cores = len(psutil.Process().cpu_affinity() or [0])
    return max(1, min(cores, int(psutil.virtual_memory().available) // WORKER_BYTES))


def train_spec(
    config: Config, iteration: int, start: str, adapter: Path | None, folder: Path
) -> TrainSpec:
    """The trainer's orders for one iteration.

    start, adapter: the weights to go on from. folder: of the iteration, with `sft.jsonl` and
    `dpo.jsonl`; the new weights go to its `model`.
    """
    decay = config.train.decay_per_iteration ** (iteration - 1)

    def values(stage: Stage, data: Path) -> dict[str, Any]:
        return dict(stage) | {"data": data, "learning_rate": stage.learning_rate * decay}

    sft, dpo = folder / "sft.jsonl", folder / "dpo.jsonl"

    return TrainSpec(
        **dict(config.train),
        base_model=start,
        adapter=adapter,
        output=folder / "model",
        sft=SftPhase(**values(config.sft, sft)) if sft.exists() else None,
        dpo=DpoPhase(**values(config.dpo, dpo)) if dpo.exists() else None,
        merge=not serves_adapters(config),
        prompt_format=config.model.prompt_format,
        seed=config.run.seed,
    )
