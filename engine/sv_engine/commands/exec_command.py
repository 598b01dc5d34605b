"""`sv-engine exec`: execute the solutions and tests of a file, keep every verdict, report.

Out: a folder with `matrices/<problem>.npz` as each problem finishes, and `summary.json` at the
end, also at the end of an interrupted or failed run that finished anything. docs/formats.md
describes both.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import json
import math
import os
import platform
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from importlib import metadata, resources
from itertools import islice
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from sv_engine.commands.interrupts import sigterm_as_ctrl_c
from sv_engine.commands.progress import ProgressLine, Snapshot
from sv_engine.evaluate.summary import Tally, selector_table, verdict_table
from sv_engine.execute.executor import Budget, Executor, SandboxFault, doctor_report
from sv_engine.execute.matrix_store import StoreError, file_name, load, load_if_answered, save
from sv_engine.execute.timeouts import RECHECK_CPU_S, Allowance, Doubt, recheck
from sv_engine.problems.formats import Format, RolloutFile
from sv_engine.problems.jsonl import BadRow, spooled
from sv_engine.records import Executed, Rollout

EXIT_BAD_ROWS = 3
LEVELS = ("none", "basic", "confined", "isolated")
"""Names of `sv_sandbox.Level`, which is imported only when something runs."""
SHOWN_BAD_ROWS = 20
STORED_BAD_ROWS = 100


class Existing(enum.StrEnum):
    """What to do with results that already lie in the output folder."""

    REFUSE = "refuse"
    OVERWRITE = "overwrite"
    RESUME = "resume"


class CpuSeconds(click.FloatRange):
    """More than 0, at most an hour: the microseconds of a cell are 32 bits."""

    def __init__(self) -> None:
        super().__init__(min=0, max=3600, min_open=True)

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Read a number; `nan` is in no range, but compares as if it were."""
        seconds = float(super().convert(value, param, ctx))
        if math.isnan(seconds):
            self.fail(f"{value!r} is not a number.", param, ctx)
        return seconds


@click.command("exec")
@click.argument(
    "file",
    required=False,
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Output folder. Default: runs/<name of the file>.",
)
@click.option(
    "--format",
    "file_format",
    type=click.Choice([format_.value for format_ in Format]),
    help="Format of FILE. Default: told from its keys.",
)
@click.option("--limit", type=click.IntRange(min=1), help="Execute the first N problems only.")
@click.option(
    "--tests-per-sample",
    type=click.IntRange(min=1),
    default=5,
    show_default=True,
    help="Asserts kept of one raw test sample, the first ones.",
)
@click.option("--workers", type=click.IntRange(min=1), help="Sandbox workers. Default: cores.")
@click.option(
    "--cpu-s",
    type=CpuSeconds(),
    default=Budget().cpu_s,
    show_default=True,
    help="CPU seconds of a cell.",
)
@click.option(
    "--reference-cpu-s",
    type=CpuSeconds(),
    default=Budget().reference_cpu_s,
    show_default=True,
    help="CPU seconds of the benchmark's own test.",
)
@click.option(
    "--judge",
    type=click.Choice(["split", "inline"]),
    default=Budget().judge,
    show_default=True,
    help="Run solution and test apart (cannot be forged), or in one process.",
)
@click.option(
    "--unsplit",
    type=click.Choice(["count", "mask", "fail"]),
    default=Budget().unsplit,
    show_default=True,
    help="Cells that the split judge has to judge in one process: count them, make them holes, or "
    "fail them.",
)
@click.option(
    "--confirm",
    is_flag=True,
    help="Run every cell that passed once more under another hash seed; what does not pass again "
    "is no evidence, and the flip rate is reported.",
)
@click.option(
    "--require",
    type=click.Choice(LEVELS),
    default="basic",
    show_default=True,
    help="Refuse to run below this level of the jail (see `sv-engine doctor`).",
)
@click.option(
    "--existing",
    type=click.Choice([choice.value for choice in Existing]),
    default=Existing.REFUSE.value,
    show_default=True,
    help="If the output folder holds results: refuse, overwrite them, or keep the problems whose "
    "texts and limits are the same and execute the rest.",
)
def exec_command(
    file: Path | None,
    out: Path | None,
    file_format: str | None,
    limit: int | None,
    tests_per_sample: int,
    workers: int | None,
    cpu_s: float,
    reference_cpu_s: float,
    judge: str,
    unsplit: str,
    confirm: bool,
    require: str,
    existing: str,
) -> None:
    """Run every solution of FILE against every test of the same problem, in the sandbox.

    FILE is JSONL, perhaps compressed (.gz), or `-` for standard input: our own format, CodeGen-16B
    samples, HumanEval, MBPP, CRUXEval, LeetCodeDataset or EvalPlus (docs/formats.md); without FILE
    the sample of the package is used. Exit codes: 0 all rows done,
    1 failed, 2 wrong usage, 3 done but some rows of FILE were not usable, 130 interrupted (143 by
    SIGTERM): what is finished is kept, and `--existing resume` goes on.
    """
    if judge != "split" and unsplit != Budget().unsplit:
        raise click.UsageError("--unsplit is for --judge split: inline judges every cell inline")
    errors = Console(stderr=True)
    with contextlib.ExitStack() as stack:
        if file is None:
            sample = resources.files("sv_engine.problems") / "samples" / "sample.jsonl"
            file = stack.enter_context(resources.as_file(sample))
        name = str(file)
        if name == "-":  # it is read twice
            file, name = stack.enter_context(spooled(sys.stdin.buffer)), "<stdin>"
        format_ = Format(file_format) if file_format else None
        source = RolloutFile(file, format_, tests_per_sample, name=name)
        run = _Run(
            source=source,
            out=out or Path("runs") / _stem(name),
            budget=Budget(cpu_s, reference_cpu_s, judge, unsplit, confirm),
            existing=Existing(existing),
            limit=limit,
        )
        interrupt = stack.enter_context(sigterm_as_ctrl_c())
        try:
            run.rows = _count(source)
            run.prepare()
            _execute(run, errors, workers, require)
        except KeyboardInterrupt:
            run.stopped = run.stopped or "interrupted"
    _report(run, errors, interrupt.exit_code)


def _stem(name: str) -> str:
    """What the results of an input file are called."""
    return Path(name.strip("<>").removesuffix(".gz")).stem


def _count(source: RolloutFile) -> int:
    try:
        return source.count()
    except OSError as error:
        raise click.ClickException(f"cannot read {source.name}: {error.strerror}") from None


@dataclass
class _Run:
    """One run of the command: what it reads, where it writes, how far it is."""

    source: RolloutFile
    out: Path
    budget: Budget
    existing: Existing
    limit: int | None
    tally: Tally = field(default_factory=Tally)
    rows: int = 0
    """Lines of the file."""
    resumed: int = 0
    executed_cells: int = 0
    wall_s: float = 0.0
    recheck_wall_s: float = 0.0
    doubtful: list[Path] = field(default_factory=list)
    """Stored problems that are counted when their timeouts have been run again."""
    sandbox: dict[str, Any] | None = None
    stopped: str = ""
    """Why the run ended early; empty if it did not."""

    @property
    def problems_total(self) -> int:
        """Problems of the run, as far as is known: a row that is not usable is found when it is
        read."""
        usable = max(0, self.rows - len(self.source.bad_rows))
        return min(usable, self.limit or usable)

    @property
    def matrices(self) -> Path:
        return self.out / "matrices"

    def path(self, rollout: Rollout) -> Path:
        """Where a problem is stored."""
        return self.matrices / file_name(rollout.problem.id)

    def prepare(self) -> None:
        """Make the output folder ready; raises click.ClickException."""
        try:
            self.matrices.mkdir(parents=True, exist_ok=True)
            old = [*self.matrices.glob("*.npz"), *self.out.glob("summary.json")]
            if old and self.existing is Existing.REFUSE:
                raise click.ClickException(
                    f"{self.out} already holds results; choose another --out, or --existing "
                    "overwrite, or --existing resume"
                )
            if self.existing is Existing.OVERWRITE:
                for path in old:
                    path.unlink()
            probe = self.matrices / f".probe.{os.getpid()}"
            probe.write_bytes(b"")
            probe.unlink()
        except OSError as error:
            raise click.ClickException(
                f"cannot write to output folder {self.out}: {error.strerror}"
            ) from None

    def pending(self) -> Iterator[Rollout]:
        """Yield what is left to execute; results that can be kept are counted on the way."""
        for rollout in islice(self.source, self.limit):
            kept = None
            if self.existing is Existing.RESUME:
                kept = load_if_answered(self.path(rollout), rollout, self.budget)
            if kept is None:
                yield rollout
            else:
                self.resumed += 1
                self._count(kept)

    def keep(self, executed: Executed) -> None:
        """Store and count a finished problem; raises OSError."""
        save(self.path(executed.rollout), executed, self.budget)
        self.executed_cells += executed.matrix.verdict_ST.size + int(executed.repeated_ST.sum())
        if executed.rollout.problem.reference_test is not None:
            self.executed_cells += executed.reference_S.size
        self._count(executed)

    def _count(self, executed: Executed) -> None:
        if executed.is_doubtful:
            self.doubtful.append(self.path(executed.rollout))
        else:
            self.tally.add(executed)

    def count_doubtful(self) -> None:
        """Count what was put aside, as it is stored now; raises StoreError and OSError."""
        for path in self.doubtful:
            self.tally.add(load(path))

    def summary(self) -> dict[str, Any]:
        """The document of summary.json."""
        bad_rows = self.source.bad_rows
        rate = self.executed_cells / self.wall_s if self.wall_s else 0.0
        return {
            "format_version": 1,
            "input": {"file": self.source.name, "format": self.source.format},
            "interrupted": bool(self.stopped),
            "stopped_by": self.stopped or None,
            "problems_resumed": self.resumed,
            "bad_rows": {
                "count": len(bad_rows),
                "first": [str(row) for row in bad_rows[:STORED_BAD_ROWS]],
            },
            "wall_s": self.wall_s,
            "cells_per_s": rate,
            "recheck_wall_s": self.recheck_wall_s,
            "budget": asdict(self.budget),
            "tests_per_sample": self.source.tests_per_sample,
            "sandbox": self.sandbox,
            "versions": {
                "sv_engine": metadata.version("sv-engine"),
                "python": platform.python_version(),
                "numpy": metadata.version("numpy"),
            },
            **self.tally.figures(),
        }


def _execute(run: _Run, errors: Console, workers: int | None, require: str) -> None:
    """Run all problems; what stops it early is noted in `run.stopped`."""
    with _noting_what_stops(run):
        run.sandbox = doctor_report().to_dict()
        with Executor(run.budget, workers=workers, require=require) as executor:
            start_s = time.monotonic()
            try:
                asyncio.run(_stream(run, executor, errors))
            finally:
                run.wall_s = time.monotonic() - start_s
        if run.doubtful:
            errors.print(
                f"the machine was overloaded: timeouts of {len(run.doubtful)} problems run again "
                f"alone, for at most {RECHECK_CPU_S:.0f} CPU seconds",
                highlight=False,
                soft_wrap=True,
            )
            budget = replace(run.budget, confirm=False)
            with Executor(budget, workers=1, require=require) as alone:
                start_s = time.monotonic()
                try:
                    asyncio.run(_recheck(run, alone))
                finally:
                    run.recheck_wall_s = time.monotonic() - start_s
    with _noting_what_stops(run):
        run.count_doubtful()


@contextlib.contextmanager
def _noting_what_stops(run: _Run) -> Iterator[None]:
    try:
        yield
    except (KeyboardInterrupt, asyncio.CancelledError):
        run.stopped = "interrupted"
    except SandboxFault as error:
        run.stopped = f"the sandbox failed: {error}"
    except StoreError as error:
        run.stopped = str(error)
    except OSError as error:
        run.stopped = f"{error.filename or run.out}: {error.strerror or error}"


async def _recheck(run: _Run, alone: Executor) -> None:
    """Run doubtful timeouts again, alone: nothing else is in flight, and there is one worker."""
    allowance = Allowance()
    for doubt in Doubt:
        for path in run.doubtful:
            executed = load(path)
            await recheck(executed, doubt, alone, run.budget, allowance)
            save(path, executed, run.budget)
            if allowance.spent:
                return


async def _stream(run: _Run, executor: Executor, errors: Console) -> None:
    def snapshot() -> Snapshot:
        return Snapshot(
            problems_done=run.tally.problems + len(run.doubtful),
            problems_total=run.problems_total,
            rows_done=executor.rows_done,
            cells_done=executor.cells_done,
        )

    in_flight = 2 * (os.cpu_count() or 1) + 2
    async with ProgressLine(errors, snapshot):
        results = executor.stream(run.pending(), in_flight)
        async with contextlib.aclosing(results):
            async for executed in results:
                run.keep(executed)


def _report(run: _Run, errors: Console, exit_interrupted: int) -> None:
    """Write summary.json, print the table, and end with the exit code."""
    bad_rows = run.source.bad_rows
    _show_bad_rows(bad_rows, errors)
    if run.tally.problems:
        _show_results(run)
    elif not run.stopped:
        first = f" (first: {bad_rows[0]})" if bad_rows else ""
        raise click.ClickException(f"no usable row in {run.source.name}{first}")
    if run.stopped == "interrupted":
        errors.print("interrupted: what was finished is kept; --existing resume goes on")
        raise click.exceptions.Exit(exit_interrupted)
    if run.stopped:
        raise click.ClickException(run.stopped)
    if bad_rows:
        raise click.exceptions.Exit(EXIT_BAD_ROWS)


def _show_results(run: _Run) -> None:
    try:
        text = json.dumps(run.summary(), indent=2, allow_nan=False)
        (run.out / "summary.json").write_text(text + "\n")
    except OSError as error:
        raise click.ClickException(f"cannot write {run.out}/summary.json: {error}") from None
    estimates, footer = run.tally.pass_at_1(), run.tally.footer()
    if any(estimate.count for estimate in estimates.values()):
        Console().print(selector_table(estimates, footer))
    else:
        Console().print(verdict_table(run.tally.verdicts(), footer))
    if dropped := run.tally.dropped():
        click.echo(f"dropped samples: {dropped}")
    click.echo(f"{run.tally.problems} problems, {run.tally.cells:,} cells: {run.out}/summary.json")


def _show_bad_rows(bad_rows: list[BadRow], errors: Console) -> None:
    for row in bad_rows[:SHOWN_BAD_ROWS]:
        errors.print(f"skipped {row}", markup=False, highlight=False, soft_wrap=True)
    if len(bad_rows) > SHOWN_BAD_ROWS:
        rest = len(bad_rows) - SHOWN_BAD_ROWS
        errors.print(f"skipped {rest} more; summary.json names the first {STORED_BAD_ROWS}")
