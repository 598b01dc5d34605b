"""What this machine's CPU multiplies itself. In: /proc/cpuinfo. Out: a yes or no each."""

from __future__ import annotations

from functools import cache
from pathlib import Path

BF16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}


@cache
def computes_bf16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether it multiplies bfloat16: emulated it has less than half the speed of float32; native
    SmolLM2-135M samples almost twice as fast in it (64 sequences), and trains 2.6 times as fast."""
    return not BF16_FLAGS.isdisjoint(_flags(cpuinfo))


def has_wide_vectors(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether it multiplies 512 bits at once, in float32 half as fast again as 256."""
    return "avx512f" in _flags(cpuinfo)


def _flags(cpuinfo: Path) -> set[str]:
    """Of the first processor."""
    try:
        lines = cpuinfo.read_text("utf-8", "replace").splitlines()
    except OSError:
        return set()
    flags = (line.partition(":")[2] for line in lines if line.startswith(("flags", "Features")))
    return set(next(flags, "").split())
