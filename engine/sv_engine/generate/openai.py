"""Any OpenAI-compatible servers (`vllm serve`, say), one or many.

Every sample is a request of its own (the server's prefix cache makes that cheap), so each one is
yielded when it ends, and giving up on it closes its connection, which stops it on the server.
A request goes to the server with the fewest outstanding; one that fails for a passing reason
(connection, 429, 5xx) rests a while and the request moves on, with exponential backoff.

Putting new weights in place uses vLLM's own HTTP calls and paths that the server can read
(a shared file system): `/v1/load_lora_adapter` (VLLM_ALLOW_RUNTIME_LORA_UPDATING=1) for adapters,
`/collective_rpc` and `/sleep` (VLLM_SERVER_DEV_MODE=1) for whole weights and memory.
"""

from __future__ import annotations

import asyncio
import os
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from sv_engine.generate.errors import EndpointError, PromptError, WeightsError
from sv_engine.generate.streams import Stream, StreamingGenerator
from sv_engine.generate.weights import absolute, is_adapter
from sv_engine.prompts.format import PromptFormat
from sv_engine.records import Completion

MAX_PAUSE_S = 30.0


class OpenAIOptions(BaseModel):
    """Where the servers are and how patient to be."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    base_urls: tuple[str, ...] = Field(min_length=1)
    """One URL per server, with the version: "http://host:8000/v1"."""
    model: str
    """Name of the model on the servers."""
    api_key_variable: str = "OPENAI_API_KEY"
    """Environment variable that holds the key; servers without keys need none."""
    prompt_format: PromptFormat = PromptFormat.AUTO
    """chat uses /chat/completions; plain and auto use /completions with the text as it is."""
    max_in_flight: int = Field(default=256, gt=0)
    """Completions running or waiting to be consumed, over all servers."""
    reload_method: str = "reload_weights"
    """Worker method that reads whole weights. Servers on a CPU need "read_weights", and to be
    started with `--worker-extension-cls sv_engine.generate.vllm_worker.WeightReader`."""
    timeout_s: float = Field(default=600.0, gt=0)
    """Longest wait for one completion."""
    attempts: int = Field(default=6, gt=0)
    """Tries per completion before the run fails."""
    pause_s: float = Field(default=0.5, gt=0)
    """First pause after a failure; doubles each time, at most 30 s."""


@dataclass(slots=True)
class _Endpoint:
    """One server as seen from here."""

    url: str
    client: Any
    outstanding: int = 0
    failures: int = 0
    """In a row."""
    resting_until_s: float = 0.0
    """On the event loop's clock."""


class OpenAIGenerator(StreamingGenerator):
    """Generator over OpenAI-compatible endpoints; see the module."""

    def __init__(self, options: OpenAIOptions) -> None:
        super().__init__(options.max_in_flight)
        self.options = options
        self._model = options.model
        self._endpoints: list[_Endpoint] = []
        self._adapters = 0

    async def _open(self) -> None:
        try:
            import openai
        except ImportError as error:
            raise EndpointError(
                "the openai client is not installed", remedy="pip install openai"
            ) from error
        self._openai = openai
        # The client insists on a key even for servers that want none.
        key = os.environ.get(self.options.api_key_variable) or "none"
        self._endpoints = [
            _Endpoint(
                url,
                openai.AsyncOpenAI(
                    base_url=url, api_key=key, timeout=self.options.timeout_s, max_retries=0
                ),
            )
            for url in self.options.base_urls
        ]

    async def _close(self) -> None:
        tasks = {task for stream in self._streams for task in stream.handle or ()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for endpoint in self._endpoints:
            await endpoint.client.close()

    async def _start(self, stream: Stream) -> None:
        stream.handle = [
            asyncio.create_task(self._sample(stream, index)) for index in range(stream.request.n)
        ]

    def _stop(self, stream: Stream) -> None:
        for task in stream.handle:
            task.cancel()

    async def _sample(self, stream: Stream, index: int) -> None:
        """Fetch sample `index`; ends the whole stream when it cannot be had."""
        try:
            completion = await self._with_retries(stream, index)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            self._stop(stream)
            stream.end(error)
        else:
            stream.deliver(completion)

    async def _with_retries(self, stream: Stream, index: int) -> Completion:
        passing = (
            self._openai.APIConnectionError,  # its subclass is the timeout
            self._openai.InternalServerError,
            self._openai.RateLimitError,
        )
        clock = asyncio.get_running_loop().time
        last = ""
        for _ in range(self.options.attempts):
            endpoint = min(
                self._endpoints,
                key=lambda e: (max(e.resting_until_s - clock(), 0.0), e.outstanding),
            )
            endpoint.outstanding += 1
            try:
                await asyncio.sleep(endpoint.resting_until_s - clock())
                completion = await self._ask(endpoint.client, stream, index)
            except passing as error:
                last = f"{endpoint.url}: {_describe(error)}"
                pause = min(self.options.pause_s * 2**endpoint.failures, MAX_PAUSE_S)
                endpoint.failures += 1
                endpoint.resting_until_s = clock() + pause * random.uniform(0.5, 1.0)
            except self._openai.APIStatusError as error:
                raise self._status_error(error, endpoint, stream) from error
            else:
                endpoint.failures = 0
                endpoint.resting_until_s = 0.0
                return completion
            finally:
                endpoint.outstanding -= 1
        raise EndpointError(
            f"no server answered in {self.options.attempts} tries; the last one: {last}",
            where=", ".join(self.options.base_urls),
            remedy="check that the servers run and are reachable; everything yielded is kept",
        )

    def _status_error(self, error: Any, endpoint: _Endpoint, stream: Stream) -> Exception:
        """A refusal that trying again will not change."""
        request = stream.request
        if error.status_code in (400, 413, 422):
            return PromptError(
                f"the server refused the request: {_describe(error)}",
                where=f"{endpoint.url}, problem {request.problem_id}, role {request.role}",
                remedy="check the prompt's length and the sampling settings",
            )
        remedy = {
            401: f"put the key into ${self.options.api_key_variable}",
            403: f"check the key in ${self.options.api_key_variable}",
            404: f'check the URL (it ends in "/v1") and that it serves "{self._model}"',
        }.get(error.status_code, "see the server's log")
        return EndpointError(
            f"the server refused: {_describe(error)}", where=endpoint.url, remedy=remedy
        )

    async def _ask(self, client: Any, stream: Stream, index: int) -> Completion:
        request = stream.request
        sampling = request.sampling
        arguments: dict[str, Any] = {
            "model": self._model,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": sampling.max_tokens,
            "stop": list(sampling.stop) or None,
            "seed": None if sampling.seed is None else sampling.seed + index,
        }
        arguments = {name: value for name, value in arguments.items() if value is not None}
        if self.options.prompt_format is PromptFormat.CHAT:
            turns = [{"role": "user", "content": request.prompt}]
            answer = await client.chat.completions.create(messages=turns, **arguments)
            text = answer.choices[0].message.content or ""
        else:
            answer = await client.completions.create(prompt=request.prompt, **arguments)
            text = answer.choices[0].text
        usage = answer.usage
        if index == 0 and usage is not None:
            self._statistics.prompt_tokens += usage.prompt_tokens
        return Completion(
            problem_id=request.problem_id,
            role=request.role,
            text=text,
            finish_reason=answer.choices[0].finish_reason or "stop",
            token_count=usage.completion_tokens if usage is not None else 0,
        )

    async def _load_weights(self, path: Path) -> None:
        place = absolute(path)
        if is_adapter(path):
            self._adapters += 1
            name = f"adapter-{self._adapters}"
            await self._post_all(
                "/v1/load_lora_adapter",
                {"lora_name": name, "lora_path": place},
                "start the servers with --enable-lora and VLLM_ALLOW_RUNTIME_LORA_UPDATING=1",
            )
            self._model = name
            return
        remedy = "start the servers with VLLM_SERVER_DEV_MODE=1, on a file system that they share"
        call = {"method": self.options.reload_method, "kwargs": {"weights_path": place}}
        await self._post_all("/collective_rpc", call, remedy)
        await self._post_all("/reset_prefix_cache", {}, remedy)
        self._model = self.options.model

    async def sleep(self) -> None:
        """Ask every server to move its weights off the accelerator."""
        remedy = "start the servers with --enable-sleep-mode and VLLM_SERVER_DEV_MODE=1"
        await self._post_all("/sleep?level=1", {}, remedy)

    async def wake(self) -> None:
        """Ask every server to bring its weights back."""
        remedy = "start the servers with --enable-sleep-mode and VLLM_SERVER_DEV_MODE=1"
        await self._post_all("/wake_up", {}, remedy)

    async def _post_all(self, path: str, body: dict[str, Any], remedy: str) -> None:
        """POST to every server, below the root and not below /v1; WeightsError on a refusal."""
        import httpx

        for endpoint in self._endpoints:
            url = endpoint.url.rstrip("/").removesuffix("/v1") + path
            try:
                await endpoint.client.post(url, cast_to=httpx.Response, body=body)
            except self._openai.APIError as error:
                raise WeightsError(
                    f"the server did not do {path}: {_describe(error)}", where=url, remedy=remedy
                ) from error


def _describe(error: Any) -> str:
    """Status and message of a client error; a connection error's cause says more than it."""
    cause = error.__cause__
    return f"{error} ({cause})" if cause is not None and str(cause) else str(error)
