"""Engine arguments that depend on the machine."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from sv_engine import cpu
from sv_engine.generate import VllmOptions, vllm_options
from sv_engine.generate.protocol import Sampling


@pytest.mark.parametrize(
    ("text", "native"),
    [
        ("flags\t\t: fpu avx512f avx512_bf16\nother: x\n", True),
        ("flags\t\t: fpu amx_tile amx_bf16\n", True),
        ("Features\t: fp asimd bf16 i8mm\n", True),
        ("flags\t\t: fpu avx2 avx512f avx512bw\nbugs: bf16\n", False),
        ("", False),
    ],
)
def test_the_number_format_is_chosen_by_the_machine(
    text: str, native: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cpuinfo").write_text(text)
    assert cpu.computes_bf16(tmp_path / "cpuinfo") is native
    monkeypatch.setattr(vllm_options, "computes_bf16", lambda: native)
    pairs: list[tuple[Literal["auto", "bfloat16"], str]]
    pairs = [("auto", "auto" if native else "float32"), ("bfloat16", "bfloat16")]
    for given, expected in pairs:
        options = VllmOptions(path="x", dtype=given)
        assert vllm_options.engine_arguments(options, is_cpu=True)["dtype"] == expected
    assert vllm_options.engine_arguments(VllmOptions(dtype="auto"), is_cpu=False)["dtype"] == "auto"


@pytest.mark.parametrize(
    ("text", "wide"),
    [
        ("flags\t\t: fpu avx2 avx512f avx512bw\n", True),
        ("flags\t\t: fpu avx2\nother: avx512f\n", False),
        ("", False),
    ],
)
def test_wide_vectors_are_told_of_the_first_processor(
    text: str, wide: bool, tmp_path: Path
) -> None:
    (tmp_path / "cpuinfo").write_text(text)
    assert cpu.has_wide_vectors(tmp_path / "cpuinfo") is wide
    assert cpu.has_wide_vectors(tmp_path / "absent") is False


def test_every_setting_of_the_sampling_reaches_vllm() -> None:
    asked = Sampling(0.5, 0.9, 40, stop=("x",), seed=3, min_p=0.1)
    told = vllm_options.sampling_arguments(asked, 4, 30)
    assert told == {
        **{"n": 4, "temperature": 0.5, "top_p": 0.9, "min_p": 0.1},
        **{"max_tokens": 30, "stop": ["x"], "seed": 3},
    }


def test_blocks_of_the_prefix_cache_are_small_where_prompts_are_short() -> None:
    assert vllm_options.engine_arguments(VllmOptions(), is_cpu=True)["block_size"] == 32
    assert "block_size" not in vllm_options.engine_arguments(VllmOptions(), is_cpu=False)
    own = VllmOptions(extra={"block_size": 64})
    assert vllm_options.engine_arguments(own, is_cpu=True)["block_size"] == 64
