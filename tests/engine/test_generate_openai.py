"""OpenAI-compatible servers: balance, retries, refusals, weights over HTTP."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sv_engine.config.sections import PromptFormat
from sv_engine.generate import (
    EndpointError,
    GenerationRequest,
    OpenAIGenerator,
    OpenAIOptions,
    PromptError,
    Sampling,
    WeightsError,
)
from sv_engine.generate.openai import Need

pytest.importorskip("openai")

pytestmark = pytest.mark.filterwarnings("default")  # the client's own imports warn


def _options(*servers: Any, **options: Any) -> OpenAIOptions:
    urls = tuple(server.url for server in servers)
    return OpenAIOptions(**{"urls": urls, "path": "m", "pause_s": 0.01, **options})


async def _texts(generator: Any, n: int = 2, **sampling: Any) -> list[str]:
    request = GenerationRequest("p", "solve", "prompt", n, Sampling(**sampling))
    return sorted([c.text async for c in generator.generate(request)])


def test_each_sample_is_a_request_with_its_own_seed(openai_server: Any) -> None:
    async def body() -> None:
        async with OpenAIGenerator(_options(openai_server)) as generator:
            texts = await _texts(generator, 3, seed=10, stop=("END",), max_tokens=50)
            assert texts == ["prompt|m|10", "prompt|m|11", "prompt|m|12"]

    asyncio.run(body())
    path, sent = openai_server.requests[0]
    assert path == "/v1/completions"
    assert (sent["stop"], sent["max_tokens"], sent["temperature"]) == (["END"], 50, 1.0)


def test_chat_format_sends_messages(openai_server: Any) -> None:
    async def body() -> None:
        options = _options(openai_server, prompt_format=PromptFormat.CHAT)
        async with OpenAIGenerator(options) as generator:
            assert await _texts(generator, 1, max_tokens=9) == ["prompt|m|None"]

    asyncio.run(body())
    path, sent = openai_server.requests[0]
    assert path == "/v1/chat/completions"
    assert sent["messages"] == [{"role": "user", "content": "prompt"}]


@pytest.mark.parametrize("form", [PromptFormat.PLAIN, PromptFormat.CHAT])
@pytest.mark.parametrize("min_p", [0.0, 0.1])
def test_what_is_no_part_of_the_protocol_is_sent_only_where_asked(
    openai_server: Any, form: PromptFormat, min_p: float
) -> None:
    async def body() -> None:
        async with OpenAIGenerator(_options(openai_server, prompt_format=form)) as generator:
            await _texts(generator, 1, max_tokens=9, min_p=min_p)

    asyncio.run(body())
    _, sent = openai_server.requests[0]
    assert sent.get("min_p") == (min_p or None)


@pytest.mark.parametrize("status", [500, 503, 429, 0])
def test_passing_failures_are_tried_again(openai_server: Any, status: int) -> None:
    openai_server.failures.extend([status, status])

    async def body() -> None:
        async with OpenAIGenerator(_options(openai_server)) as generator:
            assert len(await _texts(generator, 4, max_tokens=9)) == 4

    asyncio.run(body())
    assert len(openai_server.requests) == 6


def test_a_server_that_stays_away_is_an_error_that_names_it(openai_server: Any) -> None:
    openai_server.failures.extend([503] * 3)

    async def body() -> None:
        async with OpenAIGenerator(_options(openai_server, attempts=3)) as generator:
            with pytest.raises(EndpointError, match=r"in 3 tries.*scripted 503") as caught:
                await _texts(generator, 1, max_tokens=9)
            assert openai_server.url in caught.value.where
            # The next request finds the server back.
            assert len(await _texts(generator, 1, max_tokens=9)) == 1

    asyncio.run(body())


def test_another_server_takes_over(openai_server: Any) -> None:
    class Gone:
        url = "http://127.0.0.1:9/v1"  # the discard port: nothing listens

    async def body() -> None:
        async with OpenAIGenerator(_options(Gone, openai_server)) as generator:
            assert len(await _texts(generator, 8, max_tokens=9)) == 8

    asyncio.run(body())
    assert len(openai_server.requests) == 8


@pytest.mark.parametrize(
    ("status", "error", "hint"),
    [
        (400, PromptError, "prompt's length"),
        (401, EndpointError, "OPENAI_API_KEY"),
        (404, EndpointError, "/v1"),
    ],
)
def test_refusals_are_final_and_say_what_to_do(
    openai_server: Any, status: int, error: type[Exception], hint: str
) -> None:
    openai_server.failures.append(status)

    async def body() -> None:
        async with OpenAIGenerator(_options(openai_server)) as generator:
            with pytest.raises(error, match=f"scripted {status}") as caught:
                await _texts(generator, 1, max_tokens=9)
            assert hint in caught.value.remedy  # type: ignore[attr-defined]

    asyncio.run(body())
    assert len(openai_server.requests) == 1


def test_giving_up_closes_the_connections(openai_server: Any) -> None:
    async def body() -> None:
        async with OpenAIGenerator(_options(openai_server)) as generator:
            task = asyncio.create_task(_texts(generator, 3, max_tokens=101))
            for _ in range(3):
                assert await asyncio.to_thread(openai_server.waiting.acquire, timeout=30)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            for _ in range(3):  # the server saw each of the three leave
                assert await asyncio.to_thread(openai_server.left.acquire, timeout=30)

    asyncio.run(body())


def test_adapters_have_names_of_their_own_and_are_unloaded(
    openai_server: Any, tmp_path: Path
) -> None:
    (tmp_path / "adapter_config.json").write_text(json.dumps({"r": 8}), encoding="utf-8")

    async def body() -> None:
        async with OpenAIGenerator(_options(openai_server)) as generator:
            for _ in range(2):
                await generator.load_weights(tmp_path)
                (text,) = await _texts(generator, 1, max_tokens=9)
                name = openai_server.requests[-1][1]["model"]
                assert text == f"prompt|{name}|None"

    asyncio.run(body())
    asyncio.run(body())  # a second run on the same server
    calls = [(path, sent) for path, sent in openai_server.requests if "lora" in path]
    loaded = [sent["lora_name"] for path, sent in calls if path == "/v1/load_lora_adapter"]
    unloaded = [sent["lora_name"] for path, sent in calls if path == "/v1/unload_lora_adapter"]
    assert len(set(loaded)) == 4
    assert unloaded == loaded
    assert all(sent["lora_path"] == str(tmp_path) for _, sent in calls if "lora_path" in sent)


@pytest.mark.parametrize("is_local", [True, False])
def test_whole_weights_reload_drop_the_cache_and_the_base_comes_back(
    openai_server: Any, tmp_path: Path, is_local: bool
) -> None:
    base = tmp_path / "base"
    base.mkdir()
    options = _options(openai_server, path=str(base) if is_local else "some/name")

    async def body() -> None:
        async with OpenAIGenerator(options) as generator:
            await generator.load_weights(tmp_path)
            await generator.sleep()
            await generator.wake()

    asyncio.run(body())
    assert [path for path, _ in openai_server.requests] == [
        "/collective_rpc",
        "/reset_prefix_cache",
        "/sleep?level=1",
        "/wake_up",
        "/collective_rpc",
        "/reset_prefix_cache",
    ]
    call = {"method": "reload_weights", "kwargs": {"weights_path": str(tmp_path)}}
    assert openai_server.requests[0][1] == call
    restored = {"weights_path": str(base)} if is_local else {}
    assert openai_server.requests[4][1] == {"method": "reload_weights", "kwargs": restored}


@pytest.mark.parametrize("need", list(Need))
def test_what_a_server_cannot_do_is_told_before_anything_is_sampled(
    openai_server: Any, need: Need
) -> None:
    openai_server.failures.append(400 if need is Need.CHAT else 404)

    async def body() -> None:
        async with OpenAIGenerator(_options(openai_server, needs={need})):
            raise AssertionError("the server is fit")

    with pytest.raises(WeightsError, match=need.value) as caught:
        asyncio.run(body())
    assert "start the servers with" in caught.value.remedy


@pytest.mark.parametrize("need", list(Need))
@pytest.mark.parametrize("status", [None, 401, 403])
def test_a_server_that_is_not_there_or_wants_a_key_is_not_said_to_lack_something(
    openai_server: Any, need: Need, status: int | None
) -> None:
    class Gone:
        url = "http://127.0.0.1:9/v1"  # the discard port: nothing listens

    if status is not None:
        openai_server.failures.append(status)

    async def body() -> None:
        server = openai_server if status else Gone
        async with OpenAIGenerator(_options(server, needs={need})):
            raise AssertionError("there is a server")

    with pytest.raises(EndpointError) as caught:
        asyncio.run(body())
    assert ("OPENAI_API_KEY" if status else "generate.urls") in caught.value.remedy


def test_a_server_that_does_not_tell_of_its_template_is_believed(openai_server: Any) -> None:
    openai_server.failures.append(404)

    async def body() -> None:
        async with OpenAIGenerator(_options(openai_server, needs={Need.CHAT})):
            pass

    asyncio.run(body())
    assert [path for path, _ in openai_server.requests] == ["/tokenize"]


def test_weights_that_a_killed_run_left_are_replaced_at_the_start(openai_server: Any) -> None:
    async def body() -> None:
        async with OpenAIGenerator(_options(openai_server, needs={Need.WEIGHTS})):
            pass

    asyncio.run(body())
    assert [path for path, _ in openai_server.requests] == [
        "/collective_rpc",
        "/reset_prefix_cache",
    ]


def test_adapters_that_a_killed_run_left_are_unloaded_when_it_goes_on(
    openai_server: Any, tmp_path: Path
) -> None:
    run, other = tmp_path / "run", tmp_path / "run2"
    openai_server.models = [
        {"id": "base", "root": str(tmp_path / "base")},
        {"id": "named", "root": ""},
        {"id": "bare"},
        {"id": "mine", "root": str(run / "iteration_1" / "model" / "adapter")},
        {"id": "another run's", "root": str(other / "iteration_1" / "model" / "adapter")},
    ]

    async def body(folder: Path | None) -> None:
        options = _options(openai_server, needs={Need.ADAPTERS}, folder=folder)
        async with OpenAIGenerator(options):
            pass

    asyncio.run(body(None))
    assert not [sent for path, sent in openai_server.requests if "unload" in path]
    asyncio.run(body(run))
    sent = [sent for path, sent in openai_server.requests if "unload" in path]
    assert sent == [{"lora_name": "mine"}]


def test_a_server_without_weight_calls_says_what_to_set(openai_server: Any, tmp_path: Path) -> None:
    openai_server.failures.append(404)

    async def body() -> None:
        async with OpenAIGenerator(_options(openai_server)) as generator:
            with pytest.raises(WeightsError) as caught:
                await generator.load_weights(tmp_path)
            assert "VLLM_SERVER_DEV_MODE" in caught.value.remedy
            assert await _texts(generator, 1, max_tokens=9) == ["prompt|m|None"]

    asyncio.run(body())


class Words:
    """A tokenizer that counts words."""

    chat_template = None

    @classmethod
    def from_pretrained(cls, path: str) -> Words:
        return cls()

    def __call__(self, text: str) -> dict[str, list[str]]:
        return {"input_ids": text.split()}


@pytest.mark.parametrize(
    ("told", "form", "room"),
    [
        ({"max_model_len": 50}, PromptFormat.PLAIN, 47),
        ({"max_model_len": 50}, PromptFormat.AUTO, 47),
        ({"max_model_len": 50}, PromptFormat.CHAT, None),  # the servers' template is not here
        ({}, PromptFormat.PLAIN, None),
        ({"max_model_len": 50, "id": "another"}, PromptFormat.PLAIN, None),
    ],
)
def test_the_room_that_a_prompt_leaves_is_known_where_servers_tell(
    openai_server: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    told: dict[str, Any],
    form: PromptFormat,
    room: int | None,
) -> None:
    monkeypatch.setitem(sys.modules, "transformers", SimpleNamespace(AutoTokenizer=Words))
    openai_server.models = [{"id": str(tmp_path), **told}, {"id": "more", "max_model_len": 9}]

    async def found() -> int | None:
        options = _options(openai_server, path=str(tmp_path), prompt_format=form)
        async with OpenAIGenerator(options) as generator:
            return generator.room_after("three little words")

    assert asyncio.run(found()) is None
    assert not openai_server.requests
    (tmp_path / "tokenizer.json").touch()
    assert asyncio.run(found()) == room
    openai_server.failures.append(404)
    assert asyncio.run(found()) is None
