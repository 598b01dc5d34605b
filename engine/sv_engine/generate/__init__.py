"""The door to the model: the one package that imports vllm.

`Generator` is the protocol; `open_vllm` picks the engine for this machine, `OpenAIGenerator` talks
to servers, `RecordedGenerator` replays.
"""

from __future__ import annotations

from sv_engine.generate.errors import (
    EndpointError,
    EngineDiedError,
    GenerationError,
    ModelLoadError,
    PromptError,
    RecordingError,
    WeightsError,
)
from sv_engine.generate.openai import OpenAIGenerator, OpenAIOptions
from sv_engine.generate.protocol import (
    GenerationRequest,
    Generator,
    GeneratorStatistics,
    Sampling,
)
from sv_engine.generate.recorded import RecordedGenerator
from sv_engine.generate.vllm_async import AsyncVllm
from sv_engine.generate.vllm_common import is_cpu_build
from sv_engine.generate.vllm_inprocess import InProcessVllm
from sv_engine.generate.vllm_options import EngineKind, VllmOptions

__all__ = [
    "AsyncVllm",
    "EndpointError",
    "EngineDiedError",
    "EngineKind",
    "GenerationError",
    "GenerationRequest",
    "Generator",
    "GeneratorStatistics",
    "InProcessVllm",
    "ModelLoadError",
    "OpenAIGenerator",
    "OpenAIOptions",
    "PromptError",
    "RecordedGenerator",
    "RecordingError",
    "Sampling",
    "VllmOptions",
    "WeightsError",
    "open_vllm",
]


def open_vllm(options: VllmOptions) -> InProcessVllm | AsyncVllm:
    """The vLLM engine that fits this machine (see EngineKind); enter it to start it."""
    kind = options.engine
    if kind is EngineKind.AUTO:
        kind = EngineKind.IN_PROCESS if is_cpu_build() else EngineKind.ASYNCHRONOUS
    return InProcessVllm(options) if kind is EngineKind.IN_PROCESS else AsyncVllm(options)
