"""What this machine's CPU multiplies itself. In: /proc/cpuinfo. Out: a yes or no."""

from __future__ import annotations

from functools import cache
from pathlib import Path

BF16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}


@cache
def computes_bf16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether it multiplies bfloat16: emulated it has less than half the speed of float32; native
    SmolLM2-135M samples almost twice as fast in it (64 sequences), and trains 2.6 times as fast."""
    try:
        lines = cpuinfo.read_text("utf-8", "replace").splitlines()
    except OSError:
        return False
    flags = (line.partition(":")[2] for line in lines if line.startswith(("flags", "Features")))
    return not BF16_FLAGS.isdisjoint(next(flags, "").split())
