"""Any OpenAI-compatible servers (`vllm serve`, say), one or many.

Every sample is a request of its own (the server's prefix cache makes that cheap), so each one is
yielded when it ends, and giving up on it closes its connection, which stops it on the server.
A request goes to the server with the fewest outstanding; one that fails for a passing reason
(connection, 429, 5xx) rests a while and the request moves on, with exponential backoff.

Putting new weights in place uses vLLM's own HTTP calls and paths that the server can read
(a shared file system): `/v1/load_lora_adapter` (VLLM_ALLOW_RUNTIME_LORA_UPDATING=1) for adapters,
`/collective_rpc` and `/sleep` (VLLM_SERVER_DEV_MODE=1) for whole weights and memory. What a run
will need is asked for when it starts (`needs`), not after its play. A server is left as it was
found: adapters are unloaded, and base weights are read again, at the start too, as a run that was
killed could not do it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import secrets
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from sv_engine.config.sections import Generate, Model, PromptFormat
from sv_engine.generate.errors import (
    EndpointError,
    GenerationError,
    PromptError,
    WeightsError,
)
from sv_engine.generate.streams import Stream, StreamingGenerator
from sv_engine.generate.weights import TOKENIZER_FILES, absolute, is_adapter
from sv_engine.prompts.format import ChatTemplateError, is_chat, prompt_token_ids
from sv_engine.prompts.template import plain_text, turns_of
from sv_engine.records import Completion

MAX_PAUSE_S = 30.0
UNREACHABLE = "check that the servers of generate.urls run and are reachable"


class Need(StrEnum):
    """An ability that a server must be started with."""

    ADAPTERS = "/v1/load_lora_adapter"
    WEIGHTS = "/collective_rpc"
    SLEEP = "/is_sleeping"
    CHAT = "/tokenize"
    """Not that path, but the chat template that it applies."""


REMEDIES = {
    Need.ADAPTERS: "start the servers with --enable-lora and VLLM_ALLOW_RUNTIME_LORA_UPDATING=1",
    Need.WEIGHTS: "start the servers with VLLM_SERVER_DEV_MODE=1, on a file system that they "
    "share; on a CPU see generate.reload_method",
    Need.SLEEP: "start the servers with --enable-sleep-mode and VLLM_SERVER_DEV_MODE=1, or set "
    "generate.sleep_while_training = false",
    Need.CHAT: 'start the servers with --chat-template, or set model.prompt_format = "plain"',
}


class OpenAIOptions(Generate, Model):
    """Where the servers are and how patient to be: two sections of the configuration."""

    needs: frozenset[Need] = frozenset()
    """What the servers must be able to do besides sampling."""
    folder: Path | None = None
    """Of the run, which holds the weights that it loads."""


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
        self._model = options.path
        path = Path(options.path)
        self._base = absolute(path) if path.exists() else None
        """None: the servers know it by a name."""
        self._endpoints: list[_Endpoint] = []
        self._adapter = ""
        self._has_tokenizer = any((path / name).is_file() for name in TOKENIZER_FILES)
        self._tokenizer: Any = None
        self._max_model_len = 0
        self._is_base = True
        """Whether the servers have the weights that they were started with."""

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
            for url in self.options.urls
        ]
        try:
            if Need.SLEEP in self.options.needs:
                await self._call_all("GET", Need.SLEEP, {}, REMEDIES[Need.SLEEP])
                await self.wake()  # a run that was killed while it trained has left them asleep
            if Need.ADAPTERS in self.options.needs:
                await self._call_all("POST", Need.ADAPTERS, {}, REMEDIES[Need.ADAPTERS], (400, 422))
                await self._unload_leftovers()
            if Need.WEIGHTS in self.options.needs:
                await self._read_weights(None)
            if Need.CHAT in self.options.needs:
                body = {"model": self._model, "messages": [{"role": "user", "content": "x"}]}
                await self._call_all("POST", Need.CHAT, body, REMEDIES[Need.CHAT], (404, 405))
            await self._learn_room()
        except GenerationError:
            await self._close()
            raise

    async def _learn_room(self) -> None:
        """What `room_after` needs, where the servers tell and the tokenizer is on this machine."""
        if not self._has_tokenizer:
            return
        lengths = []
        for endpoint in self._endpoints:
            with contextlib.suppress(self._openai.APIError):  # some servers list nothing
                async for model in endpoint.client.models.list():
                    length = getattr(model, "max_model_len", None)  # vLLM's
                    lengths += [length] if model.id == self._model and length else []
        if not lengths:
            return
        with contextlib.suppress(ImportError, OSError, ValueError, ChatTemplateError):
            from transformers import AutoTokenizer

            tokenizer = await asyncio.to_thread(AutoTokenizer.from_pretrained, self._base)
            is_chat(tokenizer, self._format)  # or the servers alone have a chat template
            self._tokenizer, self._max_model_len = tokenizer, min(lengths)

    @property
    def _format(self) -> PromptFormat:
        is_asked = self.options.prompt_format is PromptFormat.CHAT
        return PromptFormat.CHAT if is_asked else PromptFormat.PLAIN

    def room_after(self, prompt: str) -> int | None:
        """See the protocol."""
        if self._tokenizer is None:
            return None
        return self._max_model_len - len(prompt_token_ids(self._tokenizer, prompt, self._format))

    async def _close(self) -> None:
        tasks = {task for stream in self._streams for task in stream.handle or ()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with contextlib.suppress(GenerationError):  # a server that is gone needs nothing put back
            await self._unload_adapter()
            if not self._is_base:
                await self._read_weights(None)
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
                pause = min(self.options.pause_s * 2 ** min(endpoint.failures, 16), MAX_PAUSE_S)
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
            where=", ".join(self.options.urls),
            remedy=f"{UNREACHABLE}; everything yielded is kept",
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
        return self._refused(error, endpoint)

    def _refused(self, error: Any, endpoint: _Endpoint) -> EndpointError:
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
        beside: dict[str, Any] = {"min_p": sampling.min_p} if sampling.min_p else {}
        if self._format is PromptFormat.CHAT:
            turns, begin = turns_of(request.prompt)
            if begin:  # as vLLM and SGLang spell it
                turns.append({"role": "assistant", "content": begin})
                beside |= {"add_generation_prompt": False, "continue_final_message": True}
            answer = await client.chat.completions.create(
                messages=turns, extra_body=beside or None, **arguments
            )
            text = answer.choices[0].message.content or ""
        else:
            answer = await client.completions.create(
                prompt=plain_text(request.prompt), extra_body=beside or None, **arguments
            )
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
            sample=index,
        )

    async def _load_weights(self, path: Path) -> None:
        place = absolute(path)
        if is_adapter(path):
            name = f"sv-{secrets.token_hex(4)}"  # other runs use this server, and may have died
            body = {"lora_name": name, "lora_path": place}
            await self._post_all(Need.ADAPTERS, body, REMEDIES[Need.ADAPTERS])
            await self._unload_adapter()
            self._model = self._adapter = name
            return
        await self._read_weights(place)
        await self._unload_adapter()
        self._model = self.options.path

    async def _unload_adapter(self) -> None:
        name, self._adapter = self._adapter, ""
        if name:
            body = {"lora_name": name}
            await self._post_all("/v1/unload_lora_adapter", body, REMEDIES[Need.ADAPTERS])

    async def _unload_leftovers(self) -> None:
        """Adapters out of this run's folder: those of an earlier process of it that was killed."""
        names = set()
        for endpoint in self._endpoints:
            with contextlib.suppress(self._openai.APIError):  # some servers list nothing
                async for model in endpoint.client.models.list():
                    place = Path(getattr(model, "root", None) or "/")
                    if self.options.folder and place.is_relative_to(self.options.folder):
                        names.add(model.id)
        for name in names:
            path, body = "/v1/unload_lora_adapter", {"lora_name": name}
            await self._call_all("POST", path, body, REMEDIES[Need.ADAPTERS], (400, 404))

    async def _read_weights(self, place: str | None) -> None:
        """None: the base weights."""
        place = place or self._base
        call = {
            "method": self.options.reload_method,
            "kwargs": {"weights_path": place} if place else {},
        }
        self._is_base = place == self._base
        await self._post_all(Need.WEIGHTS, call, REMEDIES[Need.WEIGHTS])
        await self._post_all("/reset_prefix_cache", {}, REMEDIES[Need.WEIGHTS])

    async def sleep(self) -> None:
        """Ask every server to move its weights off the accelerator."""
        await self._post_all("/sleep?level=1", {}, REMEDIES[Need.SLEEP])

    async def wake(self) -> None:
        """Ask every server to bring its weights back."""
        await self._post_all("/wake_up", {}, REMEDIES[Need.SLEEP])

    async def _post_all(self, path: str, body: dict[str, Any], remedy: str) -> None:
        await self._call_all("POST", path, body, remedy)

    async def _call_all(
        self,
        method: str,
        path: str,
        body: dict[str, Any],
        remedy: str,
        fine: tuple[int, ...] = (),
    ) -> None:
        """Call every server, below the root and not below /v1; WeightsError on a refusal, but for
        the status codes that are fine, EndpointError where there is none or it wants a key."""
        import httpx

        for endpoint in self._endpoints:
            url = endpoint.url.rstrip("/").removesuffix("/v1") + path
            try:
                if method == "GET":
                    await endpoint.client.get(url, cast_to=httpx.Response)
                else:
                    await endpoint.client.post(url, cast_to=httpx.Response, body=body)
            except self._openai.APIConnectionError as error:
                raise EndpointError(
                    f"no server answers: {_describe(error)}", where=url, remedy=UNREACHABLE
                ) from error
            except self._openai.APIError as error:
                status = getattr(error, "status_code", 0)
                if status in fine:
                    continue
                if status in (401, 403):
                    raise self._refused(error, endpoint) from error
                raise WeightsError(
                    f"the server did not do {path}: {_describe(error)}", where=url, remedy=remedy
                ) from error


def _describe(error: Any) -> str:
    """Status and message of a client error; a connection error's cause says more than it."""
    cause = error.__cause__
    return f"{error} ({cause})" if cause is not None and str(cause) else str(error)
