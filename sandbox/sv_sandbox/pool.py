"""Pools: warm jailed templates, one per worker, and the jobs they run.

A job is S solutions x T tests (or one program). `submit` returns at once; rows go to whichever
worker is free, and the native side fills the job's verdict and CPU-time arrays, which NumPy sees
without copying. No Python runs per row or per cell in this process.

    with Pool() as pool:
        matrix = pool.matrix(solutions, tests)      # or: await pool.submit(solutions, tests)
        matrix.verdict_ST                           # memoryview of uint8, shape (S, T)

Guarantees: a job always completes; a cell is written once, when every process of its row is gone;
what the sandbox could not judge stays `Verdict.INFRA`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import weakref
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType

from . import _native, asked, cgroup, opening
from .check import Check, named
from .job import Job
from .levels import Layer, Level
from .libraries import libraries
from .matrix import Matrix
from .program import RunResult, check_room, judged, result_of, with_room
from .spec import environment
from .verdict import Below, Limits, SandboxError, Trust

JUDGES = {"split": _native.JUDGE_SPLIT, "inline": _native.JUDGE_INLINE}
"""`split`: the solution in one process, the test in another, plain data between them.
`inline`: both in one process, as other graders do it; forgeable."""

TEMPLATES = ("plain", "libraries")
"""By their zygotes' numbers."""


class Pool:
    """Jailed, warm interpreters that run jobs.

    workers: templates that run at once; None: one per core this process may use.
    limits: what a job gets unless it says otherwise.
    trust: what a pass must rest on (`Trust`: "proven", "vouched", "inline").
    below: what becomes of a pass that rests on less (`Below`: "hole", "fail").
    require: refuse (SandboxError) on a machine that cannot give this level.
    policy: what a system call off the allow-list gets: "errno" (EPERM) or "kill".
    level: the highest level to use; lower it to see how programs fare on a lesser machine.
    seed, time_zone, locale: what every program finds; `seed` is of string hashes and of `random`.
    recycle: judge planned tests, and run programs, in subjects that are put back after each row,
    where the machine can (`why_not_recycled`); False: a new process for each row.
    python: the interpreter (or the folder of an environment) that programs run under, with its
    packages; None: this one. preload: packages that are imported before any program asks, in a
    template of their own, for the programs that import one ("numpy" always, where it is there).
    """

    def __init__(
        self,
        workers: int | None = None,
        *,
        limits: Limits | None = None,
        trust: Trust | str = Trust.PROVEN,
        below: Below | str = Below.HOLE,
        require: Level | str = Level.BASIC,
        policy: str = "errno",
        level: Level | str = Level.ISOLATED,
        seed: int = 0,
        time_zone: str = "UTC",
        locale: str = "C.UTF-8",
        recycle: bool = True,
        python: str | Path | None = None,
        preload: Sequence[str] = (),
        _fault: tuple[str, int, int] | None = None,
        _check_recycled: bool = False,
    ):
        require = Level.parse(require) if isinstance(require, str) else require
        level = Level.parse(level) if isinstance(level, str) else level
        opening.check_options(policy, workers, seed, time_zone)
        self.limits = limits or Limits()
        self.trust, self.below = Trust.parse(trust), Below(below)
        self.workers = workers or len(os.sched_getaffinity(0))
        self.libraries = libraries(python, preload)
        self._words = self.libraries.words
        self._scratch = opening.new_scratch()
        self.cgroup = opening.group_of(self.limits, self.workers, bool(preload))
        stage, at, error = _fault or (_native.STAGES[0], 0, 0)
        try:
            opening.open_standard_streams()
            opening.keep_compiled()
            self._handle = _native.pool_new(
                self._commands(level, policy, seed),
                environment(seed=seed, time_zone=time_zone, locale=locale),
                os.fsencode(self.cgroup.file),
                self.workers,
                (_native.STAGES.index(stage), at, error),
                opening.recycling(recycle, _check_recycled),
            )
        except BaseException:
            opening.remove(self._scratch, self.cgroup)
            raise
        self._close = weakref.finalize(
            self, _shut, os.getpid(), self._handle, self._scratch, self.cgroup
        )
        try:
            self.probe = opening.probe(self._handle, opening.PLAIN, self.libraries)
            self._check_level(require)
            if preload:
                opening.probe(self._handle, opening.WITH_LIBRARIES, self.libraries)
        except BaseException:
            self.close()
            raise

    # -- what it is

    @property
    def layers(self) -> Layer:
        """Layers that a template of this pool really has."""
        return self.probe.layers

    @property
    def level(self) -> Level:
        """The level those layers reach."""
        return Level.of(self.probe.layers)

    @property
    def recycles(self) -> bool:
        """Whether planned tests and programs run in recycled subjects, most of them."""
        return not self.why_not_recycled

    @cached_property
    def why_not_recycled(self) -> str:
        """Why not; empty: they do. Starts a keeper to see."""
        stage, error, *_ = _native.pool_probe(self._handle, _native.PLACE_KEEPER)
        if error == errno.ECANCELED:
            return "switched off"
        return f"{_native.STAGES[stage]}: {os.strerror(error)}" if stage else ""

    def statistics(self) -> dict[str, int]:
        """Counters since the start: rows, templates, recycled (templates that were replaced),
        retried, infra_rows; recycled_rows (judged in a recycled subject), handed_on (begun there,
        and judged in a forked one), keepers; plans (of a job's tests, by a worker); both_ways
        (cells that ran apart, and in one process as well)."""
        return _native.pool_statistics(self._handle)

    def template_bytes(self) -> dict[str, int]:
        """Resident memory of each warm interpreter ("plain", "libraries") that runs: its forks
        share it until they write."""
        sizes = {}
        for name, pid in self.zygotes().items():
            with contextlib.suppress(OSError):  # it has ended, or there is no /proc
                pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
                sizes[name] = pages * os.sysconf("SC_PAGESIZE")
        return sizes

    def zygotes(self) -> dict[str, int]:
        """The process of each warm interpreter ("plain", "libraries") that has been started. One
        that is killed is replaced when the next row needs it, and costs no cell."""
        pids = {name: _native.pool_zygote(self._handle, i) for i, name in enumerate(TEMPLATES)}
        return {name: pid for name, pid in pids.items() if pid}

    # -- jobs

    def submit(
        self,
        solutions: Sequence[str],
        tests: Sequence[str],
        *,
        limits: Limits | None = None,
        entry_point: str | None = None,
        files: Mapping[str, str | bytes] | None = None,
        stdin: str | bytes = b"",
        trust: Trust | str | None = None,
        below: Below | str | None = None,
        judge: str = "split",
        workers: int = 0,
        _fault: tuple[str, int] | None = None,
    ) -> Job:
        """Start judging every solution on every test; returns at once.

        entry_point: the function under test. Built-in names are the test's own; this one is the
        solution's all the same. files: modules and data beside the solution, by path. stdin: what
        the solution or the test finds there; of one test only, as reading moves it.
        trust, below: what a pass must rest on, and what becomes of one that does not; None: the
        pool's; with "inline" solution and test share one process, as in plain Python. judge:
        "split" or, to compare with, "inline": everything in one process. workers: how many judge
        its rows at once, at most; 0: as many as are free, first come, first served.

        Raises ValueError for what can never run: too many tests, a row larger than a region.
        """
        wanted = self.trust if trust is None else Trust.parse(trust)
        below = self.below if below is None else Below(below)
        if isinstance(solutions, str) or isinstance(tests, str):
            raise ValueError("solutions and tests are sequences of sources, not one source")
        if stdin and len(tests) > 1:
            raise ValueError("standard input is for one test: what one has read is gone for others")
        if workers < 0:
            raise ValueError(f"workers {workers}: must be 0 (all) or more")
        if judge not in JUDGES:
            raise ValueError(f"unknown judge {judge!r}: one of {', '.join(JUDGES)}")
        rows, cells = asked.packed_matrix(solutions, tests, entry_point, files or {})
        limits = limits or self.limits
        if not rows or not cells:
            return Job(None, Matrix(None, bytearray(1), (len(rows), len(cells))))
        in_tests = any(self._imports(cell, in_test=True) for cell in cells)
        kinds = bytes(in_tests or self._imports(row) for row in rows)
        code = JUDGES[judge]
        if judge == "split" and wanted is Trust.INLINE:
            code = _native.JUDGE_TOGETHER
        job = self._submit(
            _native.KIND_CELLS,
            code,
            rows,
            kinds,
            cells,
            len(cells),
            limits,
            asked.as_bytes(stdin),
            workers,
            _fault,
        )
        if judge == "split":
            job._trust, job._below = wanted, below
        return job

    def matrix(
        self,
        solutions: Sequence[str],
        tests: Sequence[str],
        *,
        limits: Limits | None = None,
        entry_point: str | None = None,
        files: Mapping[str, str | bytes] | None = None,
        trust: Trust | str | None = None,
        below: Below | str | None = None,
        judge: str = "split",
    ) -> Matrix:
        """Judge every solution on every test, and wait: see `submit`."""
        return self.submit(
            solutions,
            tests,
            limits=limits,
            entry_point=entry_point,
            files=files,
            trust=trust,
            below=below,
            judge=judge,
        ).wait()

    def run(
        self,
        program: str,
        *,
        stdin: str | bytes = b"",
        files: Mapping[str, str | bytes] | None = None,
        limits: Limits | None = None,
        expected: str | bytes | None = None,
        check: str | Check = "lines",
    ) -> RunResult:
        """Run one program as `__main__` with this stdin and these files in its folder.

        expected: what it should print; a program that left with exit code 0 then passes if `check`
        accepts its output (one of `check.CHECKS`, or a function (stdin, expected, output) -> bool),
        and is `Verdict.WRONG` otherwise. None: its own end is the verdict.

        Where no `limits` are given, a program may print as much as is expected. Raises ValueError
        for what can never pass or run: an expected output longer than the given `output_bytes`, a
        program and files larger than a region.
        """
        accept, limits = named(check), with_room(limits, self.limits, expected)
        check_room(expected, accept, limits)
        job = self._submit_program(program, stdin, files or {}, limits)
        job.wait()
        return judged(result_of(job), stdin, expected, accept)

    async def run_async(
        self,
        program: str,
        *,
        stdin: str | bytes = b"",
        files: Mapping[str, str | bytes] | None = None,
        limits: Limits | None = None,
        expected: str | bytes | None = None,
        check: str | Check = "lines",
    ) -> RunResult:
        """`run` for asyncio."""
        accept, limits = named(check), with_room(limits, self.limits, expected)
        check_room(expected, accept, limits)
        job = self._submit_program(program, stdin, files or {}, limits)
        await job
        return judged(result_of(job), stdin, expected, accept)

    # -- life

    def close(self) -> None:
        """End every process of the pool; jobs in flight complete with holes."""
        self._close()

    def __enter__(self) -> Pool:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    async def __aenter__(self) -> Pool:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        import asyncio  # as long an import as all the rest

        await asyncio.to_thread(self.close)

    # -- inside

    def _submit(
        self,
        kind: int,
        judge: int,
        rows: list[bytes],
        zygotes: bytes,
        cells: list[bytes],
        cell_count: int,
        limits: Limits,
        stdin: bytes,
        workers: int = 0,
        fault: tuple[str, int] | None = None,
    ) -> Job:
        if limits.processes and Layer.PID_NAMESPACE not in self.layers:
            raise SandboxError(
                "processes=True needs a private pid namespace, which this machine does not give"
                " (see `sv-engine doctor`)"
            )
        shape = (len(rows), cell_count)
        size = shape[0] * shape[1]
        memory = bytearray(6 * size + cell_count)
        handle = _native.pool_submit(
            self._handle,
            kind,
            judge,
            rows,
            zygotes,
            cells,
            cell_count,
            workers,
            asked.native_limits(limits),
            stdin,
            memory,
            (0, 0) if fault is None else (_native.STAGES.index(fault[0]), fault[1]),
        )
        return Job(handle, Matrix(handle, memory, shape))

    def _submit_program(
        self,
        program: str,
        stdin: str | bytes,
        files: Mapping[str, str | bytes],
        limits: Limits,
    ) -> Job:
        source, beside = asked.packed_program(program, files)
        kind = bytes([self._imports(source)])
        judge, stdin = JUDGES["inline"], asked.as_bytes(stdin)
        return self._submit(_native.KIND_PROGRAM, judge, [source], kind, beside, 1, limits, stdin)

    def _imports(self, source: bytes, in_test: bool = False) -> bool:
        """Whether it imports a preloaded package. A word is looked for at a tenth of the pattern's
        cost, and without one no pattern is made."""
        for word in self._words:
            if word in source:
                return self._importing[in_test].search(source) is not None
        return False

    @cached_property
    def _importing(self) -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
        """What finds such an import, and what finds it in a test."""
        return self.libraries.importing(), self.libraries.importing(in_test=True)

    def _commands(self, level: Level, policy: str, seed: int) -> list[list[bytes]]:
        return opening.commands(
            self.libraries, self.workers, self._scratch, self.limits.file_bytes, level, policy, seed
        )

    def _check_level(self, require: Level) -> None:
        if self.level < require:
            raise SandboxError(
                f"this machine gives level {self.level.name.lower()}, but"
                f" {require.name.lower()} is required; `sv-engine doctor` says what is missing"
            )


def _shut(owner: int, handle: _native.PoolHandle, scratch: str, group: cgroup.Group) -> None:
    if os.getpid() != owner:
        return  # a fork of the client: the pool is its parent's
    _native.pool_close(handle)
    opening.remove(scratch, group)


def run(
    program: str,
    *,
    stdin: str | bytes = b"",
    files: Mapping[str, str | bytes] | None = None,
    limits: Limits | None = None,
    expected: str | bytes | None = None,
    check: str | Check = "lines",
) -> RunResult:
    """`Pool.run` in a pool of its own; for more than one program, keep a `Pool`."""
    with Pool(1) as pool:
        return pool.run(
            program, stdin=stdin, files=files, limits=limits, expected=expected, check=check
        )
