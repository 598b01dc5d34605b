"""vLLM inside this process, for CPUs: one LLMEngine, stepped by one thread.

The thread owns the engine; nobody else touches it. Commands (add, abort, swap weights) are
callables in a queue that the thread runs between two steps; finished samples go back to the event
loop in one call per step. When nothing is to be sampled the thread sleeps in the queue, so that
training beside it has the cores. An exception in a step ends the engine and every open stream.
"""

from __future__ import annotations

import asyncio
import copy
import gc
import queue
import threading
from collections.abc import Callable
from typing import Any

from sv_engine.generate.errors import EngineDiedError
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
from sv_engine.records import Completion

Command = Callable[[Any], None]
"""Runs in the engine's thread, between two steps, with the engine."""


class InProcessVllm(VllmGenerator):
    """Generator over an in-process vLLM engine; see the module."""

    _loop: asyncio.AbstractEventLoop

    async def _start_engine(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._commands: queue.SimpleQueue[Command | None] = queue.SimpleQueue()
        self._open_streams: dict[str, tuple[Stream, set[int]]] = {}
        """Of the engine's thread: request id -> stream, and the indexes that are done."""
        ready: asyncio.Future[None] = self._loop.create_future()
        self._thread = threading.Thread(
            target=self._run, args=(ready,), name="vllm-engine", daemon=True
        )
        self._thread.start()
        await ready

    async def _close(self) -> None:
        self._commands.put(None)
        await asyncio.to_thread(self._thread.join)

    async def _start(self, stream: Stream) -> None:
        prompt, parameters = self._prepare(stream.request)
        request_id = stream.handle = f"{next(self._request_ids)}"
        adapter = self._adapter

        def add(engine: Any) -> None:
            try:
                engine.add_request(request_id, prompt, parameters, lora_request=adapter)
            except Exception as error:
                self._post(stream.end, refused_error(error, stream.request))
            else:
                self._open_streams[request_id] = (stream, set())

        self._commands.put(add)

    def _stop(self, stream: Stream) -> None:
        request_id = stream.handle

        def stop(engine: Any) -> None:
            if self._open_streams.pop(request_id, None) is not None:
                engine.abort_request([request_id])

        self._commands.put(stop)

    async def sleep(self) -> None:
        """Nothing to give back: an idle engine uses no core, and host memory is not scarce."""

    async def wake(self) -> None:
        """Nothing to undo."""

    async def _add_adapter(self, new: Any, old: Any) -> None:
        def add(engine: Any) -> None:
            engine.add_lora(new)
            if old is not None:
                engine.remove_lora(old.lora_int_id)

        await self._call(add)

    async def _reload(self, path: str) -> None:
        def reload(engine: Any) -> None:
            engine.collective_rpc("read_weights", args=(path,))
            # Cached keys and values of old weights would be taken for new ones.
            if engine.reset_prefix_cache() is False:
                raise RuntimeError("the prefix cache is still in use")

        await self._call(reload)

    async def _call(self, command: Command) -> None:
        """Run `command` between two steps; its exception is raised here."""
        done: asyncio.Future[None] = self._loop.create_future()

        def run(engine: Any) -> None:
            try:
                command(engine)
            except Exception as error:
                self._post(_settle, done, error)
            else:
                self._post(_settle, done, None)

        self._commands.put(run)
        await done

    # Below: the engine's thread.

    def _run(self, ready: asyncio.Future[None]) -> None:
        try:
            engine = self._build()
        except BaseException as error:
            self._post(_settle, ready, error)
            return
        self._post(_settle, ready, None)
        try:
            self._serve(engine)
        except BaseException as error:
            self._post(self._fail, died_error(error, self.options.path))
            self._refuse_commands()
        finally:
            engine.engine_core.shutdown()
            del engine
            gc.collect()  # weights and cache lie in reference cycles; give them back now

    def _build(self) -> Any:
        prepare_environment(threads=self.options.threads)
        is_cpu = platform_is_cpu()
        import torch
        from vllm import EngineArgs
        from vllm.v1.engine.llm_engine import LLMEngine

        if is_cpu:
            torch.set_num_threads(self.options.threads)  # torch may have been imported before
        arguments = engine_arguments(self.options, is_cpu=is_cpu)
        engine = LLMEngine.from_engine_args(
            EngineArgs(**{"distributed_executor_backend": "uni", **arguments})
        )
        # A copy: the engine's thread uses its own while the event loop encodes prompts.
        self._tokenizer = copy.deepcopy(engine.get_tokenizer())
        self._max_model_len = engine.model_config.max_model_len
        return engine

    def _serve(self, engine: Any) -> None:
        while True:
            if not engine.has_unfinished_requests():
                command = self._commands.get()  # nothing to do: sleep until somebody asks
                if command is None:
                    return
                command(engine)
            while not self._commands.empty():
                command = self._commands.get()
                if command is None:
                    return
                command(engine)
            if engine.has_unfinished_requests():
                batch = self._finished(engine.step())
                if batch:
                    self._post(_deliver, batch)

    def _finished(self, outputs: list[Any]) -> list[tuple[Stream, Completion]]:
        batch: list[tuple[Stream, Completion]] = []
        for output in outputs:
            entry = self._open_streams.get(output.request_id)
            if entry is None:
                continue  # aborted meanwhile
            stream, seen = entry
            batch += [(stream, c) for c in finished_samples(output, stream.request, seen)]
            if output.finished:
                del self._open_streams[output.request_id]
        return batch

    def _refuse_commands(self) -> None:
        """The engine is dead: answer those who wait until the generator is closed."""

        class Dead:
            def __getattr__(self, name: str) -> Any:
                raise EngineDiedError("vLLM has died", remedy="start the run again")

            def abort_request(self, ids: list[str]) -> None:
                """Nothing runs any more."""

        dead = Dead()
        while (command := self._commands.get()) is not None:
            command(dead)

    def _post(self, function: Callable[..., None], *arguments: Any) -> None:
        """Call on the event loop, unless it has ended meanwhile."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function, *arguments)


def _deliver(batch: list[tuple[Stream, Completion]]) -> None:
    for stream, completion in batch:
        stream.deliver(completion)


def _settle(future: asyncio.Future[None], error: BaseException | None) -> None:
    """Resolve a future from another thread's message."""
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)
