"""Real training of a tiny model: references, phases, weights, and failures in the middle."""

from __future__ import annotations

import asyncio
import json
import math
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sv_engine.config.sections import PromptFormat, Schedule
from sv_engine.records import Example, PreferencePair
from sv_engine.train import (
    DiskFullError,
    DivergedError,
    DpoPhase,
    SftPhase,
    TrainInputError,
    TrainProgress,
    TrainResult,
    TrainSpec,
    merge_adapter,
    train,
    write_rows,
)

pytest.importorskip("trl", reason="needs the cpu or cuda extra")

pytestmark = [pytest.mark.heavy, pytest.mark.filterwarnings("default")]


@pytest.fixture
def data(tmp_path: Path) -> dict[str, Path]:
    """40 examples of an easy rule and 24 pairs for it."""
    draw = random.Random(0)
    words = ["".join(draw.choices("abc", k=draw.randint(2, 6))) for _ in range(40)]
    files = {"sft": tmp_path / "sft.jsonl", "dpo": tmp_path / "dpo.jsonl"}
    write_rows(files["sft"], [Example("p", "solve", f"{w}=", w.upper()) for w in words])
    write_rows(
        files["dpo"],
        [PreferencePair("p", "solve", f"{w}=", w.upper(), w[::-1] + "?") for w in words[:24]],
    )
    return files


FULL = {"method": "full"}
LORA = {"method": "lora", "lora_rank": 4}


def _spec(model: Path, data: dict[str, Path], **changes: Any) -> TrainSpec:
    values: dict[str, Any] = {
        "base_model": str(model),
        "output": data["sft"].parent / "out",
        "sft": SftPhase(
            data=data["sft"], learning_rate=1e-2, epochs=4, batch_size=8, warmup_steps=1
        ),
        "dpo": DpoPhase(data=data["dpo"], learning_rate=1e-3, batch_size=8, nll_weight=0),
        "method": "full",
        "max_length": 64,
        "threads": 1,
    }
    return TrainSpec(**values | changes)


def _logits(model: Any) -> Any:
    import torch

    with torch.no_grad():
        return model(torch.arange(3, 40)[None]).logits


def _load(path: Path | None) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    assert path is not None
    return AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).eval()


def test_steps_name_the_rows_that_they_consumed(tiny_model: Path, data: dict[str, Path]) -> None:
    count = len(data["sft"].read_text().splitlines())
    seen: list[TrainProgress] = []
    sft = SftPhase(data=data["sft"], learning_rate=1e-3, epochs=2, batch_size=3)
    asyncio.run(train(_spec(tiny_model, data, sft=sft, dpo=None), seen.append))
    per_epoch = -(-count // 3)
    assert len(seen) == 2 * per_epoch
    for epoch in (seen[:per_epoch], seen[per_epoch:]):
        assert sorted(row for step in epoch for row in step.rows) == list(range(count))
        assert all(len(step.rows) == 3 for step in epoch[:-1])


@pytest.mark.parametrize("lora", [FULL, {**LORA, "lora_rank": 8}], ids=["full", "lora"])
def test_the_reference_of_dpo_is_the_model_after_sft(
    tiny_model: Path, data: dict[str, Path], lora: dict[str, Any]
) -> None:
    seen: list[TrainProgress] = []
    result = asyncio.run(train(_spec(tiny_model, data, **lora), seen.append))
    assert result.sft is not None
    assert result.dpo is not None
    # The model has moved far from the base, and still DPO starts where nothing is preferred:
    # -log sigmoid(0) = ln 2, while a base model as the reference would give a margin.
    assert result.sft.last_loss < result.sft.first_loss - 0.3
    assert result.dpo.first_loss == pytest.approx(math.log(2), abs=1e-3)
    assert result.dpo.last_loss < result.dpo.first_loss
    assert [(p.phase, p.step, p.total) for p in seen] == [
        *(("sft", i, 20) for i in range(1, 21)),
        *(("dpo", i, 3) for i in range(1, 4)),
    ]
    assert (result.sft.rows, result.sft.dropped_rows, result.dpo.rows) == (40, 0, 24)
    assert result.import_s > 0


@pytest.mark.parametrize("schedule", list(Schedule))
@pytest.mark.parametrize(("pairs", "warmup_steps"), [(24, 3), (24, 2), (24, 4), (8, 1), (8, 5)])
def test_a_phase_no_longer_than_its_warm_up_reaches_the_learning_rate(
    tiny_model: Path, data: dict[str, Path], schedule: Schedule, pairs: int, warmup_steps: int
) -> None:
    lines = data["dpo"].read_text().splitlines(keepends=True)
    data["dpo"].write_text("".join(lines[:pairs]))
    phase = DpoPhase(
        data=data["dpo"], learning_rate=1e-3, batch_size=8, schedule=schedule,
        warmup_steps=warmup_steps,
    )  # fmt: skip
    seen: list[TrainProgress] = []
    asyncio.run(train(_spec(tiny_model, data, sft=None, dpo=phase), seen.append))
    assert len(seen) == pairs // 8
    assert max(step.learning_rate for step in seen) == pytest.approx(1e-3)


def test_whole_weights_are_a_complete_new_model(tiny_model: Path, data: dict[str, Path]) -> None:
    import torch
    from transformers import AutoTokenizer

    sft = SftPhase(data=data["sft"], learning_rate=1e-2, epochs=60, batch_size=8)
    result = asyncio.run(train(_spec(tiny_model, data, sft=sft)))
    assert result.adapter is None
    assert result.weights == data["sft"].parent / "out" / "weights"
    trained = _load(result.weights)
    assert not torch.equal(_logits(trained), _logits(_load(tiny_model)))
    tokenizer = AutoTokenizer.from_pretrained(result.weights)
    prompt = torch.tensor([tokenizer("abc=")["input_ids"]])
    text = tokenizer.decode(
        trained.generate(prompt, max_new_tokens=16, do_sample=False)[0, prompt.shape[1] :]
    )
    assert text == "ABC</s>"  # it learnt the rule, and to stop
    left = sorted(p.name for p in data["sft"].parent.iterdir())
    assert left == ["dpo.jsonl", "out", "out.log", "out.spec.json", "sft.jsonl"]


def test_an_adapter_its_merge_and_going_on_with_it(tiny_model: Path, data: dict[str, Path]) -> None:
    import torch
    from peft import PeftModel

    result = asyncio.run(train(_spec(tiny_model, data, **LORA)))
    assert result.adapter is not None
    assert sorted(p.name for p in result.adapter.iterdir() if p.is_dir()) == []  # no "ref" copy
    adapted = PeftModel.from_pretrained(_load(tiny_model), str(result.adapter)).eval()
    merged = _load(result.weights)
    assert torch.allclose(_logits(adapted), _logits(merged), atol=1e-4)
    again = merge_adapter(str(tiny_model), result.adapter, data["sft"].parent / "again")
    assert torch.allclose(_logits(_load(again)), _logits(merged), atol=1e-5)

    further = _spec(
        tiny_model,
        data,
        **LORA,
        adapter=result.adapter,
        output=data["sft"].parent / "further",
        merge=False,
        sft=None,
    )
    second = asyncio.run(train(further))
    assert second.weights is None
    assert second.dpo is not None
    assert second.dpo.first_loss == pytest.approx(math.log(2), abs=1e-3)
    assert second.dpo.metrics["rewards/margins"] > 0


def test_the_likelihood_term_is_added(tiny_model: Path, data: dict[str, Path]) -> None:
    def first_loss(weight: float) -> float:
        phase = DpoPhase(data=data["dpo"], learning_rate=1e-3, batch_size=8, nll_weight=weight)
        output = data["sft"].parent / f"out{weight}"
        spec = _spec(tiny_model, data, sft=None, dpo=phase, output=output)
        result = asyncio.run(train(spec))
        assert result.dpo is not None
        return result.dpo.first_loss

    # The random base gives every one of its 259 tokens about the same probability.
    expected = math.log(2) + 0.5 * math.log(259)
    assert first_loss(0.5) == pytest.approx(expected, abs=0.1)


def test_a_loss_that_is_not_a_number_stops_the_run(tiny_model: Path, data: dict[str, Path]) -> None:
    sft = SftPhase(data=data["sft"], learning_rate=1e30, batch_size=8, warmup_steps=0)
    with pytest.raises(DivergedError, match=r"not a number|not finite") as caught:
        asyncio.run(train(_spec(tiny_model, data, sft=sft, dpo=None)))
    assert "sft.learning_rate" in caught.value.remedy
    assert not (data["sft"].parent / "out").exists()
    assert not (data["sft"].parent / ".out.part").exists()


def test_chat_without_a_template_is_an_input_error(tiny_model: Path, data: dict[str, Path]) -> None:
    with pytest.raises(TrainInputError, match="no chat template"):
        asyncio.run(train(_spec(tiny_model, data, prompt_format=PromptFormat.CHAT)))


def test_prompts_that_leave_no_room(tiny_model: Path, data: dict[str, Path]) -> None:
    with pytest.raises(TrainInputError, match="longer than max_length"):
        asyncio.run(train(_spec(tiny_model, data, max_length=2)))


def test_a_batch_that_does_not_divide(tiny_model: Path, data: dict[str, Path]) -> None:
    sft = SftPhase(data=data["sft"], learning_rate=1e-3, batch_size=8, micro_batch_size=3)
    with pytest.raises(TrainInputError, match="batch of 8 cannot be split"):
        asyncio.run(train(_spec(tiny_model, data, sft=sft)))


def test_micro_batches_give_the_same_training(tiny_model: Path, data: dict[str, Path]) -> None:
    def losses(micro: int | None) -> list[float]:
        seen: list[TrainProgress] = []
        sft = SftPhase(
            data=data["sft"], learning_rate=1e-2, batch_size=8, micro_batch_size=micro, epochs=2
        )
        output = data["sft"].parent / f"out{micro}"
        asyncio.run(train(_spec(tiny_model, data, sft=sft, dpo=None, output=output), seen.append))
        return [p.loss for p in seen]

    assert losses(2) == pytest.approx(losses(None), abs=1e-3)


@pytest.mark.skipif(
    subprocess.run(["unshare", "-m", "true"], check=False, capture_output=True).returncode != 0,
    reason="mounting a small disk needs a mount namespace",
)
def test_a_disk_that_fills_up_while_saving(tiny_model: Path, data: dict[str, Path]) -> None:
    # The worker writes into a directory that is a 64 KiB disk in its mount namespace.
    part = data["sft"].parent / ".out.part"
    part.mkdir()
    mount = f'mount -t tmpfs -o size=64k tmpfs "{part}" && exec "{sys.executable}" "$@"'
    spec = _spec(tiny_model, data, dpo=None, launch=("unshare", "-m", "sh", "-c", mount, "sh"))
    with pytest.raises(DiskFullError) as caught:
        asyncio.run(train(spec))
    assert "free space" in caught.value.remedy
    assert not spec.output.exists()


@pytest.mark.slow
@pytest.mark.parametrize("lora", [FULL, LORA], ids=["full", "lora"])
def test_two_processes_by_torchrun(
    tiny_model: Path, data: dict[str, Path], lora: dict[str, Any]
) -> None:
    def run(name: str, launch: tuple[str, ...]) -> TrainResult:
        output = data["sft"].parent / name
        return asyncio.run(train(_spec(tiny_model, data, **lora, output=output, launch=launch)))

    torchrun = (sys.executable, "-m", "torch.distributed.run", "--standalone")
    two = run("two", (*torchrun, "--nproc_per_node", "2"))
    assert two.sft is not None
    assert two.dpo is not None
    assert two.sft.steps == 20  # half the rows per process, as many steps as one process makes
    assert two.dpo.first_loss == pytest.approx(math.log(2), abs=1e-3)
    assert two.sft.last_loss < two.sft.first_loss - 0.3
    assert _load(two.weights) is not None
    assert not (data["sft"].parent / "two.sft").exists()


def test_the_spec_file_alone_starts_the_worker(tiny_model: Path, data: dict[str, Path]) -> None:
    spec = _spec(tiny_model, data, dpo=None)
    file = data["sft"].parent / "spec.json"
    file.write_text(spec.model_dump_json(), encoding="utf-8")
    command = [sys.executable, "-m", "sv_engine.train.worker", str(file)]
    done = subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL)
    events = [json.loads(line)["event"] for line in done.stdout.splitlines()]
    assert events == ["step"] * 20 + ["result"]
    assert (spec.output / "weights" / "model.safetensors").is_file()
    shutil.rmtree(spec.output)
