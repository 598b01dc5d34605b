"""The only lines that know sv_sandbox: what the executor needs of it, and its words."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol, Self


class SandboxFault(RuntimeError):
    """The sandbox cannot run here, or failed: what happened, and where."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What decides, besides the texts, what is stored: CPU seconds of a cell, and the judge."""

    cpu_s: float = 0.3
    """A test of the model."""
    reference_cpu_s: float = 1.0
    """The benchmark's own test, which is many asserts in one."""
    judge: str = "split"
    """Of the sandbox: `split` keeps solution and test apart, `inline` runs both in one process."""
    trust: str = "proven"
    """The trust that a pass needs: `proven`, `vouched` or `inline`."""
    below: str = "hole"
    """What a pass with less trust becomes: a `hole`, or a `fail`."""
    confirm: bool = False
    """Whether cells that passed run once more under another seed."""
    timeouts: str = "escalating"
    """`exact`: every cell runs to its limit; `escalating`: to a short one first (`escalate`)."""


class SandboxMatrix(Protocol):
    """What the sandbox returns for a matrix: buffers of its shape."""

    @property
    def verdict_ST(self) -> Any: ...
    @property
    def cpu_us_ST(self) -> Any: ...
    @property
    def trust_ST(self) -> Any: ...
    @property
    def held_ST(self) -> Any: ...
    @property
    def vacuous_T(self) -> Any: ...


class Job(Awaitable[SandboxMatrix], Protocol):
    """A submitted matrix."""

    @property
    def rows_done(self) -> int: ...


class SandboxPool(Protocol):
    """The part of `sv_sandbox.Pool` that is used here."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *exception: object) -> bool | None: ...
    def submit(self, solutions: Sequence[str], tests: Sequence[str], **options: Any) -> Job: ...


def open_pool(workers: int, require: str, seed: int = 0) -> SandboxPool:
    """Return a pool; raises SandboxFault."""
    from sv_sandbox import Pool, SandboxError

    try:
        pool: Any = Pool(workers=workers, require=require, seed=seed)
        return pool  # type: ignore[no-any-return]
    except (SandboxError, ValueError) as error:  # ValueError: no such level
        raise SandboxFault(str(error)) from error


def submit_options(budget: Budget, cpu_s: float, entry_point: str | None) -> dict[str, Any]:
    """The keywords of `Pool.submit` for cells of `cpu_s` CPU seconds."""
    from sv_sandbox import Limits

    return {
        "limits": Limits(cpu_s=cpu_s),
        "judge": budget.judge,
        "trust": budget.trust,
        "below": budget.below,
        "entry_point": entry_point,
    }


async def run_program(
    pool: Any, program: str, stdin: str, expected: str, cpu_s: float
) -> tuple[int, int]:
    """Verdict code and CPU microseconds of a program that reads `stdin` and should print
    `expected`; a hole where the sandbox fails. Output is compared line by line, white space at
    their ends apart.
    """
    from sv_sandbox import Limits, SandboxError

    limits = Limits(cpu_s=cpu_s)
    try:
        result = await pool.run_async(program, stdin=stdin, expected=expected, limits=limits)
    except (SandboxError, ValueError):  # ValueError: more is expected than a program may print
        return 0, 0
    return int(result.verdict), round(result.cpu_s * 1e6)


def sandbox_errors() -> type[Exception]:
    """The exception class of a failing sandbox."""
    from sv_sandbox import SandboxError

    return SandboxError


@cache
def versions() -> tuple[str, ...]:
    """What may change a verdict from one installation to another: the sandbox, by its content,
    Python, NumPy."""
    import numpy as np

    import sv_sandbox

    content = hashlib.blake2b(digest_size=16)
    for place in sv_sandbox.__path__:  # two, where it is installed to be edited
        for path in sorted(Path(place).rglob("*")):
            if path.suffix in (".py", ".so"):
                content.update(path.read_bytes())
    return content.hexdigest(), sys.version, np.__version__


def verdict_names() -> list[str]:
    """Names of the verdicts in lower case, indexed by their codes."""
    from sv_sandbox import Verdict

    return [verdict.name.lower() for verdict in sorted(Verdict)]


def trust_names() -> list[str]:
    """Names of the kinds of trust in lower case, indexed by their codes."""
    from sv_sandbox import Trust

    return [trust.name.lower() for trust in sorted(Trust)]


def doctor_report(python: str | None = None, preload: Sequence[str] = ()) -> Any:
    """What the jail can do on this machine: an object with `.text()` and `.to_dict()`.

    Raises ValueError for an interpreter or a module to preload that is none.
    """
    from sv_sandbox import doctor

    return doctor.report(python=python, preload=preload)
