"""Pools: warm jailed templates, one per worker, and the jobs they run.

A job is S solutions x T tests (or one program). `submit` returns at once; rows go to whichever
worker is free, and the native side fills the job's verdict and CPU-time arrays, which are shared
memory that NumPy sees without copying. No Python runs per row or per cell in this process.

    with Pool() as pool:
        matrix = pool.matrix(solutions, tests)      # or: await pool.submit(solutions, tests)
        matrix.verdict_ST                           # memoryview of uint8, shape (S, T)

Guarantees: a job always completes; a cell is written once, when every process of its row is gone;
what the sandbox could not judge stays `Verdict.INFRA`.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import mmap
import os
import re
import sys
import tempfile
import weakref
import zoneinfo
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import TracebackType

from . import _native, cgroup
from .check import Check, difference, named, shortest
from .jailed.source import Source, packed
from .job import NO_DESCRIPTORS, Job, Matrix, RunResult
from .levels import Layer, Level
from .libraries import libraries, why_not
from .spec import environment, zygote_command
from .verdict import Below, Limits, SandboxError, Trust, Verdict

JUDGES = {"split": _native.JUDGE_SPLIT, "inline": _native.JUDGE_INLINE}
"""`split`: the solution in one process, the test in another, plain data between them.
`inline`: both in one process, as other graders do it; forgeable."""

_PLAIN, _WITH_LIBRARIES = 0, 1
TEMPLATES = ("plain", "libraries")
_OUT_OF_REACH = (
    ". Without namespaces and without Landlock, root needs an interpreter that every user can read"
    f" (this one lies in {sys.base_prefix}), so that programs can run under another uid"
)
_TEMPLATE_BYTES = 64 << 20  # what a warm interpreter with NumPy may hold itself
_LIBRARY_BYTES = 512 << 20  # and what it may hold more where packages are preloaded


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
    recycle: judge planned tests in subjects that are put back after each row, where the machine can
    (`why_not_recycled`); False: a new process for each row.
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
        _check_options(policy, workers, seed, time_zone)
        self.limits = limits or Limits()
        self.trust, self.below = Trust.parse(trust), Below(below)
        self.workers = workers or len(os.sched_getaffinity(0))
        self.libraries = libraries(python, preload)
        self._imports = self.libraries.importing()
        self._imports_in_test = self.libraries.importing(in_test=True)
        self._scratch = tempfile.mkdtemp(prefix="sv-sandbox-")
        os.chmod(self._scratch, 0o711)
        self.cgroup = _group(self.limits, self.workers, _LIBRARY_BYTES if preload else 0)
        stage, at, error = _fault or (_native.STAGES[0], 0, 0)
        try:
            _open_standard_streams()
            self._handle = _native.pool_new(
                self._commands(level, policy, seed),
                environment(seed=seed, time_zone=time_zone, locale=locale),
                os.fsencode(self.cgroup.file),
                self.workers,
                (_native.STAGES.index(stage), at, error),
                _recycle(recycle, _check_recycled),
            )
        except BaseException:
            _remove(self._scratch, self.cgroup)
            raise
        self._close = weakref.finalize(
            self, _shut, os.getpid(), self._handle, self._scratch, self.cgroup
        )
        try:
            self.probe = self._probe(_PLAIN)
            self._check_level(require)
            if preload:
                self._probe(_WITH_LIBRARIES)
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
        """Whether rows of planned tests run in recycled subjects, most of them."""
        return not self.why_not_recycled

    @cached_property
    def why_not_recycled(self) -> str:
        """Why not; empty: they do. Starts a keeper to see."""
        stage, error, *_ = _native.pool_probe(self._handle, _native.PLACE_RECYCLER)
        if error == errno.ECANCELED:
            return "switched off"
        return f"{_native.STAGES[stage]}: {os.strerror(error)}" if stage else ""

    def statistics(self) -> dict[str, int]:
        """Counters since the start: rows, templates, recycled (templates that were replaced),
        retried, infra_rows; recycled_rows (judged in a recycled subject), handed_on (begun there,
        and judged in a forked one), keepers."""
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
        trust: Trust | str | None = None,
        below: Below | str | None = None,
        judge: str = "split",
        _fault: tuple[str, int] | None = None,
    ) -> Job:
        """Start judging every solution on every test; returns at once.

        entry_point: the function under test. Built-in names are the test's own; this one is the
        solution's all the same. files: modules and data beside the solution, by path.
        trust, below: what a pass must rest on, and what becomes of one that does not; None: the
        pool's; with "inline" solution and test share one process, as in plain Python. judge:
        "split" or, to compare with, "inline": everything in one process.

        Raises ValueError for what can never run: too many tests, a row larger than a region.
        """
        wanted = self.trust if trust is None else Trust.parse(trust)
        below = self.below if below is None else Below(below)
        if isinstance(solutions, str) or isinstance(tests, str):
            raise ValueError("solutions and tests are sequences of sources, not one source")
        if judge not in JUDGES:
            raise ValueError(f"unknown judge {judge!r}: one of {', '.join(JUDGES)}")
        beside = {path: _bytes(content) for path, content in _checked_files(files or {}).items()}
        rows = [packed(Source(text, entry_point, beside)) for text in _encode(solutions)]
        names = dict.fromkeys(beside, b"")
        cells = [packed(Source(text, entry_point, names)) for text in _encode(tests)]
        if len(cells) > _native.MAX_CELLS:
            raise ValueError(f"{len(cells)} tests in one job; at most {_native.MAX_CELLS}")
        room = _native.MAX_PAYLOAD_BYTES - 4 * (len(cells) + 1) - sum(map(len, cells))
        for index, row in enumerate(rows):
            if len(row) > room:
                raise ValueError(f"solution {index} and its tests exceed the size of a row")
        limits = limits or self.limits
        if not rows or not cells:
            return Job(None, Matrix(None, mmap.mmap(-1, 1), (len(rows), len(cells))))
        in_tests = any(map(self._imports_in_test.search, cells))
        kinds = bytes(in_tests or self._imports.search(row) is not None for row in rows)
        code = JUDGES[judge]
        if judge == "split" and wanted is Trust.INLINE:
            code = _native.JUDGE_TOGETHER
        job = self._submit(
            _native.KIND_CELLS, code, rows, kinds, cells, len(cells), limits, b"", _fault
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
        accept, limits = named(check), self._with_room(limits, expected)
        _check_room(expected, accept, limits)
        job = self._submit_program(program, stdin, files or {}, limits)
        job.wait()
        return _checked(self._result(job), stdin, expected, accept)

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
        accept, limits = named(check), self._with_room(limits, expected)
        _check_room(expected, accept, limits)
        job = self._submit_program(program, stdin, files or {}, limits)
        await job
        return _checked(self._result(job), stdin, expected, accept)

    def _with_room(self, limits: Limits | None, expected: str | bytes | None) -> Limits:
        """The limits of one program: where the caller names none, as much output as is expected."""
        if limits is not None:
            return limits
        room = max(self.limits.output_bytes, len(_bytes(expected or b"")) * 5 // 4 + 4096)
        return replace(self.limits, output_bytes=room)

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
        fault: tuple[str, int] | None = None,
    ) -> Job:
        if limits.processes and Layer.PID_NAMESPACE not in self.layers:
            raise SandboxError(
                "processes=True needs a private pid namespace, which this machine does not give"
                " (see `sv-engine doctor`)"
            )
        shape = (len(rows), cell_count)
        size = shape[0] * shape[1]
        memory = mmap.mmap(-1, 6 * size + cell_count)
        handle = _native.pool_submit(
            self._handle,
            kind,
            judge,
            rows,
            zygotes,
            cells,
            cell_count,
            _limits(limits),
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
        source = _encode([program])
        blobs: list[bytes] = []
        for path, content in _checked_files(files).items():
            blobs += [os.fsencode(path), _bytes(content)]
        if len(source[0]) + sum(map(len, blobs)) > _native.MAX_PAYLOAD_BYTES - 4 * (len(blobs) + 1):
            raise ValueError(
                f"the program and its files exceed {_native.MAX_PAYLOAD_BYTES >> 20} MiB"
            )
        kind = bytes([self._imports.search(source[0]) is not None])
        return self._submit(
            _native.KIND_PROGRAM, JUDGES["inline"], source, kind, blobs, 1, limits, _bytes(stdin)
        )

    @staticmethod
    def _result(job: Job) -> RunResult:
        assert job._handle is not None
        status, cpu_us, wall_us, rss, stdout, stderr = _native.job_result(job._handle)
        exited = os.WIFEXITED(status)
        return RunResult(
            verdict=job._matrix.verdict(0, 0),
            exit_code=os.WEXITSTATUS(status) if exited else None,
            stdout=stdout,
            stderr=stderr,
            cpu_s=cpu_us / 1e6,
            wall_s=wall_us / 1e6,
            max_rss_bytes=rss,
            detail=job._matrix.detail(0, 0),
        )

    def _commands(self, level: Level, policy: str, seed: int) -> list[list[bytes]]:
        """Of each zygote, by its number."""
        return [
            zygote_command(
                self.libraries,
                sock=_native.ZYGOTE_SOCK,
                workers=self.workers,
                scratch=self._scratch,
                level=level,
                kill_unknown=policy == "kill",
                scratch_bytes=self.limits.file_bytes,
                with_libraries=number == _WITH_LIBRARIES,
                seed=seed,
            )
            for number in (_PLAIN, _WITH_LIBRARIES)
        ]

    def _probe(self, template: int) -> Probe:
        stage, error, layers, landlock_errno, userns_errno = _native.pool_probe(
            self._handle, template
        )
        if stage:
            if template == _WITH_LIBRARIES and (fault := why_not(self.libraries)):
                raise SandboxError(f"preload: {fault}")
            raise SandboxError(
                f"no template could be started: {_native.STAGES[stage]}: {os.strerror(error)}"
                + (_OUT_OF_REACH if _native.STAGES[stage] == "identity" else "")
                + (NO_DESCRIPTORS if error == errno.EMFILE else "")
            )
        return Probe(Layer(layers), landlock_errno, userns_errno)

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
    _remove(scratch, group)


def _remove(scratch: str, group: cgroup.Group) -> None:
    _native.remove_tree(os.fsencode(scratch))  # not shutil's, which recurses
    group.remove()


def _recycle(recycle: bool, checked: bool) -> int:
    """`enum sv_recycle`; checked: from the first row on, and all is compared after each (tests)."""
    return 2 if checked else int(recycle)


def _check_options(policy: str, workers: int | None, seed: int, time_zone: str) -> None:
    """Raises ValueError."""
    if policy not in ("errno", "kill"):
        raise ValueError(f"unknown policy {policy!r}: one of errno, kill")
    if workers is not None and workers < 1:
        raise ValueError(f"workers must be at least 1, not {workers}")
    if not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise ValueError(f"seed must be a whole number from 0 to 2**32 - 1, not {seed!r}")
    _check_zone(time_zone)


def _group(limits: Limits, workers: int, library_bytes: int) -> cgroup.Group:
    """The cgroup of a pool, with room for all its workers at their limits."""
    template_bytes = _TEMPLATE_BYTES + library_bytes
    each = limits.memory_bytes + limits.file_bytes + template_bytes
    return cgroup.create(
        memory_bytes=template_bytes + workers * each, tasks=8 + workers * (limits.threads + 12)
    )


def _check_zone(name: str) -> None:
    """Raises ValueError for a time zone that this machine does not know: programs would see UTC."""
    known = any((Path(folder) / name).is_file() for folder in zoneinfo.TZPATH)
    if name != "UTC" and not known and not re.match(r"[A-Za-z]{3,}[+-]?\d", name):  # `EST5EDT`
        raise ValueError(f"time_zone {name!r} is not known on this machine (see `zoneinfo`)")


@dataclass(frozen=True, slots=True)
class Probe:
    """What one template reported when it was locked in."""

    layers: Layer
    landlock_errno: int
    """Why Landlock is off; 0: it is on."""
    userns_errno: int
    """Why there are no namespaces; 0: there are, or none were asked for."""


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


def _open_standard_streams() -> None:
    """A service may have closed its descriptors 0 to 2. What a pool opens must not land there,
    where whatever prints would write to it; so they lead nowhere from now on."""
    fd = os.open(os.devnull, os.O_RDWR)
    while fd <= 2:
        os.set_inheritable(fd, True)
        fd = os.open(os.devnull, os.O_RDWR)
    os.close(fd)


def _check_room(expected: str | bytes | None, accept: Check, limits: Limits) -> None:
    """Raises ValueError for an expected output that no program may print."""
    if expected is None or len(expected) * 4 <= limits.output_bytes:
        return
    least = shortest(accept, _bytes(expected))
    if least > limits.output_bytes:
        raise ValueError(
            f"the expected output has {least} bytes and Limits.output_bytes is"
            f" {limits.output_bytes}: no program could pass"
        )


def _checked(
    result: RunResult, stdin: str | bytes, expected: str | bytes | None, accept: Check
) -> RunResult:
    left = result.verdict in (Verdict.PASS, Verdict.EARLY_EXIT) and result.exit_code == 0
    if expected is None or not left:
        return result
    if accept(_bytes(stdin), _bytes(expected), result.stdout):
        return replace(result, verdict=Verdict.PASS, detail="")
    detail = difference(_bytes(expected), result.stdout)
    return replace(result, verdict=Verdict.WRONG, detail=detail)


def _checked_files(files: Mapping[str, str | bytes]) -> Mapping[str, str | bytes]:
    """Raises ValueError for a path that is none below a program's folder."""
    for path in files:
        if os.path.isabs(path) or ".." in Path(path).parts or not Path(path).name:
            raise ValueError(f"file {path!r}: must be a path below the program's folder")
        if "\0" in path or any(len(os.fsencode(part)) > 255 for part in Path(path).parts):
            raise ValueError(f"file {path!r}: not a name that a file can have")
        if any(str(parent) in files for parent in Path(path).parents):
            raise ValueError(f"file {path!r}: lies below another file")
    return files


def _bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text


def _encode(sources: Sequence[str]) -> list[bytes]:
    """UTF-8; a lone surrogate becomes bytes that no interpreter accepts: its cell fails alone."""
    return [source.encode("utf-8", "surrogatepass") for source in sources]


def _limits(limits: Limits) -> tuple[int, ...]:
    return (
        max(1, round(limits.cpu_s * 1e6)),
        max(1, round(limits.wall_guard_s * 1e6)),
        limits.memory_bytes,
        limits.output_bytes,
        limits.file_bytes,
        limits.open_files,
        limits.threads,
        int(limits.processes),
        limits.stack_bytes,
        limits.int_digits,
    )
