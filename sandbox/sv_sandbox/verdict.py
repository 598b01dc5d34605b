"""Verdicts and limits: the values that cross the sandbox's boundary.

A verdict is a value and never a boolean; `INFRA` is 0 so that memory nobody wrote to reads as a
hole and never as an answer. Failures of the sandbox itself are exceptions (`SandboxError`).
"""

from __future__ import annotations

import enum
import errno
from dataclasses import dataclass


class Verdict(enum.IntEnum):
    """What became of one cell (one solution on one test). Stored as one byte."""

    INFRA = 0
    """Our fault, or the machine's: a hole to mask or to retry, never an answer."""
    PASS = 1
    WRONG = 2
    """An assertion failed, or the output differed."""
    EXCEPTION = 3
    """Any other exception, a compile error, or a fatal signal such as SIGSEGV."""
    TIMEOUT = 4
    MEMORY = 5
    OUTPUT = 6
    """More output than the limit."""
    FORBIDDEN = 7
    """The jail refused something and the program did not survive the refusal."""
    EARLY_EXIT = 8
    """The program ended before its test was decided (`sys.exit`, `os._exit`, a signal)."""


class Trust(enum.IntEnum):
    """On whose word a verdict rests; more is better. Stored as one byte."""

    NONE = 0
    """Not judged: a hole."""
    INLINE = 1
    """Solution and test in one process: fine for honest programs, forgeable by hostile ones. With
    `Verdict.INFRA`: the test needs one process, and was left out."""
    VOUCHED = 2
    """The solution never shared a process with the test, but an object of it gave a yes or no, or
    an operator's result, that the verdict may rest on."""
    PROVEN = 3
    """Plain data that the solution computed, compared by our code."""

    @staticmethod
    def parse(trust: Trust | str) -> Trust:
        """A trust that a caller can want, or its name. Raises ValueError."""
        name = trust.name if isinstance(trust, Trust) else str(trust).upper()
        if name not in ("INLINE", "VOUCHED", "PROVEN"):
            raise ValueError(f"unknown trust {trust!r}: one of proven, vouched, inline")
        return Trust[name]


class Below(enum.StrEnum):
    """What becomes of a pass whose trust is below the wanted one."""

    HOLE = "hole"
    """`Verdict.INFRA`: no evidence either way (what a matrix needs)."""
    FAIL = "fail"
    """`Verdict.WRONG`: a solution gains nothing by an object that says yes (what a reward
    needs)."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Budgets of one cell, or of one program for `run`."""

    cpu_s: float = 1.0
    """CPU seconds; the primary limit, steady under load."""
    wall_s: float | None = None
    """Guard for programs that wait: seconds in which they get less than a twentieth of a core, so
    that load alone never times a program out. None means 2 x cpu_s + 1."""
    memory_bytes: int = 512 << 20
    """Address space on top of the warm interpreter's own."""
    output_bytes: int = 1 << 20
    """stdout and stderr together, per row of cells or per program. A row that writes more gets
    `Verdict.OUTPUT` for the cell in which it was noticed."""
    file_bytes: int = 16 << 20
    """The largest file, and the size of the scratch folder where it is a private tmpfs."""
    open_files: int = 64
    threads: int = 64
    """Tasks beyond the first, threads and children together."""
    stack_bytes: int = 256 << 20
    """Stack of the main thread (RLIMIT_STACK), and the largest that `threading.stack_size` gives a
    thread, where half of memory_bytes is not less: who asks for more gets so much. Only C code
    that recurses can miss the rest; calls between Python functions take none of it."""
    int_digits: int = 4300
    """`sys.set_int_max_str_digits`; 0: no limit."""
    processes: bool = False
    """Whether children may be started (needs a private pid namespace)."""

    def __post_init__(self) -> None:
        """Raises ValueError that names the field."""
        for name in ("cpu_s", "wall_s"):
            value = getattr(self, name)
            if value is not None and not 0.001 <= value <= 86400:
                raise ValueError(f"{name} must be 0.001 at least and a day at most, not {value}")
        for name in (
            *("memory_bytes", "output_bytes", "file_bytes", "open_files", "threads"),
            *("stack_bytes", "int_digits"),
        ):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 0:
                raise ValueError(f"{name} must be a whole number, 0 or more, not {value!r}")
        if 0 < self.int_digits < 640 or self.int_digits >= 2**31:
            raise ValueError(
                f"int_digits must be 0, or from 640 to 2**31 - 1, not {self.int_digits}"
            )
        if self.stack_bytes < 1 << 20:
            raise ValueError(f"stack_bytes must be at least 1 MiB, not {self.stack_bytes}")
        if self.open_files < 8:
            raise ValueError(f"open_files must be at least 8, not {self.open_files}")

    @property
    def wall_guard_s(self) -> float:
        """The wall-clock guard in force."""
        return 2 * self.cpu_s + 1 if self.wall_s is None else self.wall_s


class SandboxError(RuntimeError):
    """The sandbox itself failed, or the machine cannot give the level that was required."""


NO_DESCRIPTORS = " (this process has no descriptor left: RLIMIT_NOFILE, `ulimit -n`)"


def hint(error: OSError) -> str:
    """What to do about it, where an errno does not say so."""
    return NO_DESCRIPTORS if error.errno == errno.EMFILE else ""
