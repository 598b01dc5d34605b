"""A sandbox for programs that a model wrote: jailed, warm, and fast enough for whole matrices.

Needs nothing but the standard library and its own extension.

    from sv_sandbox import Pool
    with Pool() as pool:
        print(pool.run("print(input())", stdin="hello").stdout)
"""

from .job import Job
from .levels import Layer, Level
from .matrix import Matrix
from .pool import JUDGES, Pool, run
from .program import RunResult
from .verdict import Below, Limits, SandboxError, Trust, Verdict

__all__ = [
    "JUDGES",
    "Below",
    "Job",
    "Layer",
    "Level",
    "Limits",
    "Matrix",
    "Pool",
    "RunResult",
    "SandboxError",
    "Trust",
    "Verdict",
    "run",
]
