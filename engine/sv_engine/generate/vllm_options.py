"""What can be set about vLLM, and how it becomes engine arguments."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from sv_engine.generate.protocol import Sampling
from sv_engine.prompts.format import PromptFormat


class EngineKind(StrEnum):
    """Which of vLLM's engines serves."""

    AUTO = "auto"
    """In process on a CPU, asynchronous on an accelerator."""
    IN_PROCESS = "in_process"
    """One process, stepped by a thread of ours: starts fast, best for small models on a CPU."""
    ASYNCHRONOUS = "async"
    """vLLM's AsyncLLM with its own processes; best on accelerators."""


class VllmOptions(BaseModel):
    """Settings of a vLLM engine inside this run."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    model: str
    """Model directory, or a hub name "organisation/model"."""
    engine: EngineKind = EngineKind.AUTO
    """Which of vLLM's engines serves."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Number format of weights and arithmetic; auto takes the checkpoint's."""
    prompt_format: PromptFormat = PromptFormat.AUTO
    """Whether prompts go through the chat template."""
    max_model_len: int | None = Field(default=None, gt=0)
    """Longest prompt plus completion in tokens; None takes the model's own context."""
    max_sequences: int = Field(default=256, gt=0)
    """Completions that are computed in one batch."""
    max_in_flight: int = Field(default=1024, gt=0)
    """Completions running or waiting to be consumed; bounds memory."""
    kv_cache_bytes: int | None = Field(default=None, gt=0)
    """Memory for the key-value cache; None: 512 MiB on a CPU, what is left on an accelerator."""
    gpu_memory_utilization: float = Field(default=0.9, gt=0, le=1)
    """Share of accelerator memory for weights and cache; leave room if training runs beside."""
    allow_sleep: bool = False
    """Free the accelerator's memory on `sleep`; otherwise `sleep` has no effect."""
    lora_rank: int = Field(default=0, ge=0)
    """Largest rank of adapters that can be hot-loaded; 0 serves whole weights only.
    On a CPU adapters cost two thirds of the throughput: load merged weights there."""
    tensor_parallel_size: int = Field(default=1, gt=0)
    """Accelerators that share one copy of the model."""
    threads: int = Field(default=1, gt=0)
    """Compute threads of the in-process engine on a CPU; 1 is best for very small models."""
    enforce_eager: bool | None = None
    """Skip graph compilation (slower steps, faster start); None: only on a CPU."""
    seed: int = 0
    """Seed of the engine's own random numbers, for samples without a seed of their own."""
    extra: dict[str, Any] = Field(default_factory=dict)
    """Further engine arguments, passed to vLLM as they are."""


CPU_KV_CACHE_BYTES = 512 << 20


def engine_arguments(options: VllmOptions, *, is_cpu: bool) -> dict[str, Any]:
    """Keyword arguments of vLLM's EngineArgs."""
    arguments: dict[str, Any] = {
        "model": options.model,
        "dtype": options.dtype,
        "max_num_seqs": options.max_sequences,
        "max_model_len": options.max_model_len,
        "tensor_parallel_size": options.tensor_parallel_size,
        "seed": options.seed,
        "enforce_eager": is_cpu if options.enforce_eager is None else options.enforce_eager,
        "enable_prefix_caching": True,
        "disable_log_stats": True,
        "use_tqdm_on_load": False,
        "worker_extension_cls": "sv_engine.generate.vllm_worker.WeightReader",
        # Outputs are looked at when a sample ends, so vLLM need not build one for every token.
        "stream_interval": 1 << 20,
    }
    if is_cpu:
        arguments["kv_cache_memory_bytes"] = options.kv_cache_bytes or CPU_KV_CACHE_BYTES
        # A prompt that is cut into chunks rewinds the sample's random generator, which a CPU
        # generator cannot do ("CPU Generator does not use offset", vLLM 0.32): seeds would kill it.
        arguments["enable_chunked_prefill"] = False
    else:
        arguments["gpu_memory_utilization"] = options.gpu_memory_utilization
        arguments["enable_sleep_mode"] = options.allow_sleep
        if options.kv_cache_bytes is not None:
            arguments["kv_cache_memory_bytes"] = options.kv_cache_bytes
    if options.lora_rank:
        # vLLM knows these sizes only; the next larger one has room for the rank.
        sizes = [1, 8, 16, 32, 64, 128, 256, 320, 512]
        arguments["enable_lora"] = True
        arguments["max_loras"] = 1
        arguments["max_lora_rank"] = next((s for s in sizes if s >= options.lora_rank), 512)
    return {**arguments, **options.extra}


def sampling_arguments(sampling: Sampling, n: int, room: int) -> dict[str, Any]:
    """Keyword arguments of vLLM's SamplingParams; `room`: tokens left in the context."""
    return {
        "n": n,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_tokens": min(sampling.max_tokens, room),
        "stop": list(sampling.stop) or None,
        "seed": sampling.seed,
    }
