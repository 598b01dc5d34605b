"""vLLM with a tiny random model: new weights are really served, and failures are clear."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from contextlib import aclosing
from pathlib import Path
from typing import Any

import psutil
import pytest

import sv_engine
from sv_engine.config.sections import PromptFormat
from sv_engine.generate import (
    EngineDiedError,
    EngineKind,
    GenerationRequest,
    InProcessVllm,
    ModelLoadError,
    PromptError,
    Sampling,
    VllmOptions,
    WeightsError,
    open_vllm,
)
from sv_engine.prompts.format import ChatTemplateError

pytest.importorskip("vllm", reason="needs the cpu or cuda extra")

pytestmark = [pytest.mark.heavy, pytest.mark.filterwarnings("default")]

PROMPT = "def f(xs):\n    return sorted(xs)  # " * 4
"""Longer than a block of the prefix cache, so that a stale cache would show."""


def _options(model: Path, **options: Any) -> VllmOptions:
    usual: dict[str, Any]
    usual = {"engine": EngineKind.IN_PROCESS, "dtype": "float32", "kv_cache_mib": 64}
    return VllmOptions(path=str(model), **usual | options)


async def _texts(generator: Any, problem: str = "p", n: int = 2, **sampling: Any) -> list[str]:
    request = GenerationRequest(problem, "solve", PROMPT, n, Sampling(**sampling))
    return [c.text async for c in generator.generate(request)]


async def _in_flight(generator: Any) -> None:
    """Wait until a request has started."""
    while not generator.statistics.in_flight:  # noqa: ASYNC110
        await asyncio.sleep(0)


@pytest.fixture(scope="module")
def trained(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Other weights than the base's: `full`, an `adapter`, and that adapter `merged`."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    root = tmp_path_factory.mktemp("trained")
    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.float32)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.05 * torch.randn_like(weight))
    model.save_pretrained(root / "full")
    base = AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.float32)
    lora = get_peft_model(base, LoraConfig(task_type="CAUSAL_LM", r=8, target_modules="all-linear"))
    with torch.no_grad():
        for name, weight in lora.named_parameters():
            if "lora_B" in name:
                weight.copy_(0.1 * torch.randn_like(weight))
    lora.save_pretrained(root / "adapter")
    lora.merge_and_unload().save_pretrained(root / "merged")
    return {name: root / name for name in ("full", "adapter", "merged")}


def _hf_logprobs(model: Path, prompt: list[int], completion: list[int]) -> list[float]:
    """Log-probability of each completion token after the prompt, by transformers."""
    import torch
    from transformers import AutoModelForCausalLM

    network = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).eval()
    with torch.no_grad():
        logits = network(torch.tensor([prompt + completion])).logits[0]
    logprobs = logits[len(prompt) - 1 : -1].log_softmax(-1)
    found: list[float] = logprobs.gather(1, torch.tensor(completion)[:, None])[:, 0].tolist()
    return found


async def _vllm_logprobs(generator: InProcessVllm) -> tuple[list[int], list[int], list[float]]:
    """Prompt ids, greedy completion ids and their log-probabilities, by the running engine."""
    from vllm import SamplingParams

    found: list[Any] = []
    adapter = generator._adapter
    prompt = generator._tokenizer(PROMPT)["input_ids"]
    parameters = SamplingParams(temperature=0, max_tokens=24, logprobs=0, ignore_eos=True)

    def sample(engine: Any) -> None:
        engine.add_request("probe", {"prompt_token_ids": prompt}, parameters, lora_request=adapter)
        while engine.has_unfinished_requests():
            found.extend(o for o in engine.step() if o.finished)

    await generator._call(sample)
    output = found[0].outputs[0]
    ids = list(output.token_ids)
    logprobs = [step[i].logprob for i, step in zip(ids, output.logprobs, strict=True)]
    return list(prompt), ids, logprobs


async def _assert_serves(generator: InProcessVllm, model: Path) -> list[float]:
    """The engine's log-probabilities are those of the weights in `model`; they are returned."""
    prompt, ids, logprobs = await _vllm_logprobs(generator)
    assert logprobs == pytest.approx(_hf_logprobs(model, prompt, ids), abs=2e-4)
    return logprobs


def test_whole_weights_swap_in_place(tiny_model: Path, trained: dict[str, Path]) -> None:
    async def body() -> None:
        async with InProcessVllm(_options(tiny_model)) as generator:
            before = await _assert_serves(generator, tiny_model)
            await _texts(generator, max_tokens=4)  # fills the prefix cache with the old weights
            await generator.load_weights(trained["full"])
            assert await _assert_serves(generator, trained["full"]) != pytest.approx(before)
            await generator.load_weights(trained["merged"])
            await _assert_serves(generator, trained["merged"])
            await generator.load_weights(tiny_model)
            assert await _assert_serves(generator, tiny_model) == pytest.approx(before)

    asyncio.run(body())


def test_adapters_swap_and_are_the_merged_weights(
    tiny_model: Path, trained: dict[str, Path]
) -> None:
    async def body() -> None:
        async with InProcessVllm(_options(tiny_model, lora_rank=8)) as generator:
            before = await _assert_serves(generator, tiny_model)
            await generator.load_weights(trained["adapter"])
            after = await _assert_serves(generator, trained["merged"])
            await generator.load_weights(trained["adapter"])  # again: a fresh number each time
            again = await _assert_serves(generator, trained["merged"])
            assert again == pytest.approx(after)
            assert again != pytest.approx(before)

    asyncio.run(body())


def test_swapping_waits_for_what_is_in_flight(tiny_model: Path, trained: dict[str, Path]) -> None:
    async def body() -> None:
        async with InProcessVllm(_options(tiny_model, max_in_flight=8)) as generator:
            old = await _texts(generator, n=8, max_tokens=60, seed=3)
            running = asyncio.create_task(_texts(generator, n=8, max_tokens=60, seed=3))
            await _in_flight(generator)
            swap = asyncio.create_task(generator.load_weights(trained["full"]))
            await asyncio.sleep(0)
            later = asyncio.create_task(_texts(generator, n=8, max_tokens=60, seed=3))
            assert await running == old
            await swap
            assert await later != old

    asyncio.run(body())


def test_unfit_weights_are_refused_and_the_old_ones_serve(
    tiny_model: Path, trained: dict[str, Path], tmp_path: Path
) -> None:
    cut = tmp_path / "cut"
    shutil.copytree(trained["full"], cut)
    tensors = cut / "model.safetensors"
    tensors.write_bytes(tensors.read_bytes()[:-8])
    (tmp_path / "empty").mkdir()

    async def body() -> None:
        async with InProcessVllm(_options(tiny_model)) as generator:
            for path in (cut, tmp_path / "empty", tmp_path / "absent", trained["adapter"]):
                with pytest.raises(WeightsError):
                    await generator.load_weights(path)
            await _assert_serves(generator, tiny_model)

    asyncio.run(body())


def test_an_adapter_that_vllm_refuses(
    tiny_model: Path, trained: dict[str, Path], tmp_path: Path
) -> None:
    odd = tmp_path / "odd"
    shutil.copytree(trained["adapter"], odd)
    config = json.loads((odd / "adapter_config.json").read_text(encoding="utf-8"))
    (odd / "adapter_config.json").write_text(json.dumps(config | {"bias": "all"}), encoding="utf-8")

    async def body() -> None:
        async with InProcessVllm(_options(tiny_model, lora_rank=8)) as generator:
            with pytest.raises(WeightsError, match="vLLM refused the adapter"):
                await generator.load_weights(odd)
            await _assert_serves(generator, tiny_model)

    asyncio.run(body())


def test_too_long_a_prompt_costs_only_itself(tiny_model: Path) -> None:
    async def body() -> None:
        async with InProcessVllm(_options(tiny_model)) as generator:
            long = GenerationRequest("long", "solve", "x" * 300, 2)
            other = asyncio.create_task(_texts(generator, max_tokens=8))
            with pytest.raises(PromptError, match=r"301 tokens.*256"):
                async for _ in generator.generate(long):
                    pass
            greedy_twice = GenerationRequest("p", "solve", "x", 2, Sampling(temperature=0))
            with pytest.raises(PromptError, match="greedy"):
                async for _ in generator.generate(greedy_twice):
                    pass
            assert len(await other) == 2
            # A completion never outgrows the context: it ends by length instead.
            request = GenerationRequest("p", "solve", "x" * 250, 1, Sampling(max_tokens=100))
            (completion,) = [c async for c in generator.generate(request)]
            assert completion.token_count <= 5

    asyncio.run(body())


def test_shorter_samples_arrive_first(tiny_model: Path) -> None:
    async def body() -> None:
        async with InProcessVllm(_options(tiny_model)) as generator:
            request = GenerationRequest("p", "solve", "x", 16, Sampling(max_tokens=200, seed=5))
            counts = [c.token_count async for c in generator.generate(request)]
            assert counts == sorted(counts)
            assert counts[0] < counts[-1]

    asyncio.run(body())


def test_death_in_the_middle_reaches_everybody(tiny_model: Path) -> None:
    async def body() -> None:
        async with InProcessVllm(_options(tiny_model)) as generator:
            kept: list[str] = []

            async def consume(problem: str) -> None:
                request = GenerationRequest(problem, "solve", "x", 8, Sampling(max_tokens=200))
                async with aclosing(generator.generate(request)) as completions:
                    async for completion in completions:
                        kept.append(completion.text)

            def break_engine(engine: Any) -> None:
                def step() -> None:
                    raise RuntimeError("injected: the kernel is gone")

                engine.step = step

            tasks = [asyncio.create_task(consume(f"p{i}")) for i in range(3)]
            while not kept:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
            await generator._call(break_engine)
            results = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(isinstance(r, EngineDiedError) for r in results)
            assert "injected: the kernel is gone" in str(results[0])
            assert kept
            with pytest.raises(EngineDiedError):
                await _texts(generator)
            with pytest.raises(EngineDiedError):
                await generator.load_weights(tiny_model)

    asyncio.run(asyncio.wait_for(body(), 120))


def test_memory_that_is_not_there(tiny_model: Path) -> None:
    async def body() -> None:
        async with InProcessVllm(_options(tiny_model, kv_cache_mib=1 << 26)):
            pass

    with pytest.raises(ModelLoadError, match="not enough memory") as caught:
        asyncio.run(body())
    assert "generate.kv_cache_mib" in caught.value.remedy


def test_a_model_that_vllm_does_not_know(tiny_model: Path, tmp_path: Path) -> None:
    odd = tmp_path / "odd"
    shutil.copytree(tiny_model, odd)
    config = json.loads((odd / "config.json").read_text(encoding="utf-8"))
    config |= {"architectures": ["NoSuchModel"], "model_type": "no_such_model"}
    (odd / "config.json").write_text(json.dumps(config), encoding="utf-8")

    async def body() -> None:
        async with InProcessVllm(_options(odd)):
            pass

    with pytest.raises(ModelLoadError, match="could not load the model") as caught:
        asyncio.run(body())
    assert caught.value.where == str(odd)


def test_chat_without_a_template(tiny_model: Path) -> None:
    async def body() -> None:
        async with InProcessVllm(_options(tiny_model, prompt_format=PromptFormat.CHAT)):
            pass

    with pytest.raises(ChatTemplateError, match="no chat template"):
        asyncio.run(body())


def test_bfloat16_in_a_fresh_process(tiny_model: Path) -> None:
    """AMX kernels, where the processor has them, kill a process that has not asked for them."""
    program = (
        "import asyncio, sys\n"
        "from sv_engine.generate import *\n"
        "async def main():\n"
        "    options = VllmOptions(path=sys.argv[1], engine='in_process', dtype='bfloat16',\n"
        "                          kv_cache_mib=64)\n"
        "    async with open_vllm(options) as generator:\n"
        "        request = GenerationRequest('p', 'solve', 'x', 1, Sampling(max_tokens=8))\n"
        "        print([c.problem_id async for c in generator.generate(request)])\n"
        "asyncio.run(main())\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(sv_engine.__file__).parents[1])}
    command = [sys.executable, "-c", program, str(tiny_model)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stdout) == (0, "['p']\n"), done.stderr


@pytest.mark.slow
def test_asynchronous_engine(tiny_model: Path, trained: dict[str, Path]) -> None:
    """One long walk, because this engine takes half a minute to start on a CPU."""

    async def body() -> None:
        options = _options(tiny_model, engine=EngineKind.ASYNCHRONOUS, max_in_flight=8)
        async with open_vllm(options) as generator:
            old = sorted(await _texts(generator, n=8, max_tokens=30, seed=3))
            assert len(old) == 8
            assert sorted(await _texts(generator, n=8, max_tokens=30, seed=3)) == old

            request = GenerationRequest("p", "solve", "x", 8, Sampling(max_tokens=200))
            async with aclosing(generator.generate(request)) as completions:
                await anext(completions)
            assert generator.statistics.in_flight == 0

            task = asyncio.create_task(_texts(generator, "slow", n=8, max_tokens=150))
            await _in_flight(generator)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert generator.statistics.in_flight == 0

            with pytest.raises(PromptError):
                async for _ in generator.generate(GenerationRequest("p", "solve", "x" * 300)):
                    pass
            with pytest.raises(WeightsError):
                await generator.load_weights(trained["adapter"])
            await generator.sleep()  # no effect on a CPU
            await generator.load_weights(trained["full"])
            new = sorted(await _texts(generator, n=8, max_tokens=30, seed=3))
            assert new != old
            assert generator.statistics.in_flight == 0

        async with InProcessVllm(_options(trained["full"].parent / "served")) as other:
            assert sorted(await _texts(other, n=8, max_tokens=30, seed=3)) == new

    served = trained["full"].parent / "served"
    shutil.copytree(tiny_model, served)
    shutil.copy(trained["full"] / "model.safetensors", served / "model.safetensors")
    asyncio.run(body())


@pytest.mark.slow
def test_a_killed_engine_process_is_an_error_that_reaches_everybody(tiny_model: Path) -> None:
    """And what it had sampled stays: the journal has it."""

    kept: list[str] = []

    async def consume(generator: Any, problem: str) -> None:
        sampling = Sampling(max_tokens=400)
        async for completion in generator.generate(
            GenerationRequest(problem, "solve", "x", 8, sampling)
        ):
            kept.append(completion.text)

    async def body() -> None:
        options = _options(tiny_model, engine=EngineKind.ASYNCHRONOUS, max_in_flight=24)
        async with open_vllm(options) as generator:
            tasks = [asyncio.create_task(consume(generator, f"p{i}")) for i in range(3)]
            while not kept:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
            for child in psutil.Process().children(recursive=True):
                child.kill()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(isinstance(r, EngineDiedError) for r in results)
            await _texts(generator)  # nobody waits for an engine that is gone

    with pytest.raises(EngineDiedError) as caught:
        asyncio.run(body())
    assert "sv-engine run --resume" in caught.value.remedy
    assert kept
