"""From the configuration to the doors: the generator, the sandbox, the trainer's orders."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import psutil

from sv_engine.config.sections import Backend, Config, Dpo, Sft
from sv_engine.execute.executor import Budget, Executor
from sv_engine.generate import (
    Generator,
    OpenAIGenerator,
    OpenAIOptions,
    RecordedGenerator,
    VllmOptions,
    open_vllm,
)
from sv_engine.generate.vllm_common import is_cpu_build
from sv_engine.train import DpoPhase, Lora, Schedule, SftPhase, TrainSpec

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


def open_generator(config: Config) -> Generator:
    """The generator, not yet entered."""
    generate = config.generate
    match generate.backend:
        case Backend.RECORDED:
            assert generate.recording is not None
            return RecordedGenerator(
                generate.recording,
                time_scale=generate.time_scale,
                max_in_flight=generate.max_in_flight,
            )
        case Backend.OPENAI:
            return OpenAIGenerator(
                OpenAIOptions(
                    base_urls=generate.urls,
                    model=config.model.path,
                    prompt_format=config.model.prompt_format,
                    max_in_flight=generate.max_in_flight,
                )
            )
        case Backend.VLLM:
            return open_vllm(
                VllmOptions(
                    model=base_model(config),
                    dtype=config.model.dtype,
                    prompt_format=config.model.prompt_format,
                    max_model_len=generate.max_model_len,
                    max_sequences=generate.max_sequences,
                    max_in_flight=generate.max_in_flight,
                    kv_cache_bytes=generate.kv_cache_mib and generate.kv_cache_mib << 20,
                    gpu_memory_utilization=generate.gpu_memory,
                    allow_sleep=generate.sleep_while_training,
                    lora_rank=config.train.lora_rank if serves_adapters(config) else 0,
                    tensor_parallel_size=generate.tensor_parallel,
                    threads=generate.threads,
                    seed=config.run.seed,
                )
            )


def open_executor(config: Config) -> Executor:
    """The sandbox, not yet entered."""
    execute = config.execute
    workers = execute.workers or default_workers()
    budget = Budget(
        execute.cpu_s, execute.reference_cpu_s, judge=execute.judge, unsplit=execute.unsplit
    )
    return Executor(budget, workers=workers, require=execute.require)


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
    train = config.train
    decay = train.decay_per_iteration ** (iteration - 1)
    sft, dpo = folder / "sft.jsonl", folder / "dpo.jsonl"
    lora = Lora(rank=train.lora_rank, alpha=train.lora_alpha, dropout=train.lora_dropout)
    return TrainSpec(
        base_model=start,
        adapter=adapter,
        output=folder / "model",
        sft=_sft_phase(config.sft, sft, decay) if sft.exists() else None,
        dpo=_dpo_phase(config.dpo, dpo, decay) if dpo.exists() else None,
        lora=lora if train.method == "lora" else None,
        merge=not serves_adapters(config),
        precision=train.precision,
        prompt_format=config.model.prompt_format,
        max_length=train.max_length,
        gradient_checkpointing=train.gradient_checkpointing,
        seed=config.run.seed,
        threads=train.threads,
        launch=train.launch,
    )


def _sft_phase(stage: Sft, data: Path, decay: float) -> SftPhase:
    return SftPhase(
        data=data,
        learning_rate=stage.learning_rate * decay,
        schedule=Schedule(stage.schedule),
        **stage.model_dump(exclude={"enabled", "learning_rate", "schedule"}),
    )


def _dpo_phase(stage: Dpo, data: Path, decay: float) -> DpoPhase:
    return DpoPhase(
        data=data,
        learning_rate=stage.learning_rate * decay,
        schedule=Schedule(stage.schedule),
        **stage.model_dump(exclude={"enabled", "learning_rate", "schedule"}),
    )
