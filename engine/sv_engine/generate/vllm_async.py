"""vLLM in processes of its own (AsyncLLM), for accelerators."""

from __future__ import annotations

import asyncio
import copy
from pathlib import Path
from typing import Any

from sv_engine.generate.streams import Stream
from sv_engine.generate.vllm_common import (
    VllmGenerator,
    died_error,
    finished_samples,
    platform_is_cpu,
    prepare_environment,
    refused_error,
)
from sv_engine.generate.vllm_options import engine_arguments


class AsyncVllm(VllmGenerator):
    """Generator over vLLM's AsyncLLM: one pump task per open request."""

    async def _start_engine(self) -> None:
        prepare_environment(threads=None)
        self._tasks: set[asyncio.Task[None]] = set()
        self._asleep = False
        # Starting takes many seconds and blocks; the event loop goes on meanwhile.
        self._engine = await asyncio.to_thread(self._build)
        # A copy: vLLM's output task uses its own while we encode prompts.
        self._tokenizer = copy.deepcopy(self._engine.get_tokenizer())
        self._max_model_len = self._engine.model_config.max_model_len

    def _build(self) -> Any:
        is_cpu = platform_is_cpu()
        self._can_sleep = self.options.sleep_while_training and not is_cpu
        from vllm.engine.arg_utils import AsyncEngineArgs
        from vllm.v1.engine.async_llm import AsyncLLM

        return AsyncLLM.from_engine_args(
            AsyncEngineArgs(**engine_arguments(self.options, is_cpu=is_cpu))
        )

    async def _close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.to_thread(self._engine.shutdown)

    async def _start(self, stream: Stream) -> None:
        prompt, parameters = self._prepare(stream.request)
        task = asyncio.create_task(self._pump(stream, prompt, parameters))
        stream.handle = task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _pump(self, stream: Stream, prompt: dict[str, Any], parameters: Any) -> None:
        """Move finished samples from vLLM to the stream; cancelling aborts them in vLLM."""
        seen: set[int] = set()
        try:
            outputs = self._engine.generate(
                prompt,
                parameters,
                request_id=str(next(self._request_ids)),
                lora_request=self._adapter,
            )
            async for output in outputs:
                for completion in finished_samples(output, stream.request, seen):
                    stream.deliver(completion)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            if self._engine.errored:
                self._fail(died_error(error, self.options.path))
            else:
                stream.end(refused_error(error, stream.request))
        finally:
            stream.end()

    def _stop(self, stream: Stream) -> None:
        stream.handle.cancel()

    async def _add_adapter(self, new: Any, old: Any) -> None:
        await self._engine.add_lora(new)
        if old is not None:
            await self._engine.remove_lora(old.lora_int_id)

    async def _reload(self, path: str) -> None:
        await self._engine.collective_rpc("read_weights", args=(path,))
        # Cached keys and values of old weights would be taken for new ones.
        if await self._engine.reset_prefix_cache() is False:
            raise RuntimeError("the prefix cache is still in use")

    async def load_weights(self, path: Path) -> None:
        """Wake if asleep, let what is in flight finish, then serve the weights of `path`."""
        await self.wake()
        await super().load_weights(path)

    async def sleep(self) -> None:
        """Move the weights to host memory and drop the cache, once nothing is in flight."""
        if not self._can_sleep or self._asleep:
            return
        await self._slots.take(self._slots.size)  # held while asleep: nothing can start
        self._asleep = True
        await self._engine.sleep(level=1)

    async def wake(self) -> None:
        """Bring the weights back."""
        if self._asleep:
            await self._engine.wake_up()
            self._asleep = False
            self._slots.give(self._slots.size)
