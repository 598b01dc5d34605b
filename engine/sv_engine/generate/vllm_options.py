"""What can be set about vLLM, and how it becomes engine arguments."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import Field

from sv_engine.config.sections import Generate, Model
from sv_engine.cpu import computes_bf16
from sv_engine.generate.protocol import Sampling


class EngineKind(StrEnum):
    """Which of vLLM's engines serves."""

    AUTO = "auto"
    """In process on a CPU, asynchronous on an accelerator."""
    IN_PROCESS = "in_process"
    """One process, stepped by a thread of ours: starts fast, best for small models on a CPU."""
    ASYNCHRONOUS = "async"
    """vLLM's AsyncLLM with its own processes; best on accelerators."""


class VllmOptions(Generate, Model):
    """Settings of a vLLM engine inside this run: two sections of the configuration, and more."""

    engine: EngineKind = EngineKind.AUTO
    """Which of vLLM's engines serves."""
    lora_rank: int = Field(default=0, ge=0)
    """Largest rank of adapters that can be hot-loaded; 0 serves whole weights only.
    On a CPU adapters cost two thirds of the throughput: load merged weights there."""
    enforce_eager: bool | None = None
    """Skip graph compilation (slower steps, faster start); None: only on a CPU."""
    seed: int = 0
    """Seed of the engine's own random numbers, for samples without a seed of their own."""
    extra: dict[str, Any] = Field(default_factory=dict)
    """Further engine arguments, passed to vLLM as they are."""

    @property
    def kv_cache_bytes(self) -> int | None:
        """Memory for the key-value cache."""
        return None if self.kv_cache_mib is None else self.kv_cache_mib << 20


CPU_KV_CACHE_BYTES = 512 << 20


def engine_arguments(options: VllmOptions, *, is_cpu: bool) -> dict[str, Any]:
    """Keyword arguments of vLLM's EngineArgs."""
    arguments: dict[str, Any] = {
        "model": options.path,
        "dtype": options.dtype,
        "max_num_seqs": options.max_sequences,
        "max_model_len": options.max_model_len,
        "tensor_parallel_size": options.tensor_parallel,
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
        if options.dtype == "auto" and not computes_bf16():
            arguments["dtype"] = "float32"
        arguments["kv_cache_memory_bytes"] = options.kv_cache_bytes or CPU_KV_CACHE_BYTES
        # Only whole blocks of a prompt are found in the prefix cache. vLLM's 128 tokens here are
        # longer than what is left of most prompts: short answers to long prompts that begin alike
        # (derived values) took 2 to 3 times as long. 32 is the least that its attention takes.
        arguments["block_size"] = 32
        # A prompt that is cut into chunks rewinds the sample's random generator, which a CPU
        # generator cannot do ("CPU Generator does not use offset", vLLM 0.32): seeds would kill it.
        arguments["enable_chunked_prefill"] = False
    else:
        arguments["gpu_memory_utilization"] = options.gpu_memory
        arguments["enable_sleep_mode"] = options.sleep_while_training
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
        "min_p": sampling.min_p,
        "max_tokens": min(sampling.max_tokens, room),
        "stop": list(sampling.stop) or None,
        "seed": sampling.seed,
    }
