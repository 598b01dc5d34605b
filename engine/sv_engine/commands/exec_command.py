"""`sv-engine exec`: execute the solutions and tests of a file, keep every verdict, report.

Out: a folder with `matrices/<problem>.npz` as each problem finishes, and `summary.json` at the
end, also at the end of an interrupted or failed run that finished anything. docs/formats.md
describes both.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from importlib import resources
from pathlib import Path

import click
from rich.console import Console

from sv_engine.commands.exec_run import ExecRun, Existing
from sv_engine.commands.executor_options import Place, executor_options
from sv_engine.commands.interrupts import sigterm_as_ctrl_c
from sv_engine.commands.number_options import CpuSeconds
from sv_engine.commands.progress import Snapshot, progress_line
from sv_engine.evaluate.summary import results_table
from sv_engine.execute.executor import Executor
from sv_engine.execute.sandbox import Budget, SandboxFault, doctor_report
from sv_engine.execute.store import StoreError, load, save
from sv_engine.execute.timeouts import RECHECK_CPU_S, Allowance, Doubt, recheck
from sv_engine.problems.formats import Format, RolloutFile
from sv_engine.problems.jsonl import BadRow, lines_of, spooled

EXIT_BAD_ROWS = 3
LEVELS = ("none", "basic", "confined", "isolated")
"""Names of `sv_sandbox.Level`, which is imported only when something runs."""


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
    "--trust",
    type=click.Choice(["proven", "vouched", "inline"]),
    default=Budget().trust,
    show_default=True,
    help="Trust that a pass needs: our code compared plain data; an object of the solution said "
    "yes; or solution and test shared a process.",
)
@click.option(
    "--below",
    type=click.Choice(["hole", "fail"]),
    default=Budget().below,
    show_default=True,
    help="What a pass with less trust becomes.",
)
@click.option(
    "--confirm",
    is_flag=True,
    help="Run every cell that passed once more under another hash seed; what does not pass again "
    "is no evidence, and the flip rate is reported.",
)
@click.option(
    "--exact",
    is_flag=True,
    help="Run every cell to its limit. Without it, a program that ran out of time on one test is "
    "not given the whole limit on each of the others that it did not pass in a sixteenth of it; "
    "such timeouts are marked.",
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
@executor_options
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
    trust: str,
    below: str,
    confirm: bool,
    exact: bool,
    require: str,
    existing: str,
    place: Place,
) -> None:
    """Run every solution of FILE against every test of the same problem, in the sandbox.

    FILE is JSONL, perhaps compressed (.gz), or `-` for standard input: our own format, CodeGen-16B
    samples, HumanEval, MBPP, CRUXEval, LeetCodeDataset or EvalPlus (docs/formats.md); without FILE
    the sample of the package is used. Exit codes: 0 all rows done, 1 failed, 2 wrong usage, 3 done
    but some rows of FILE were not usable, 130 interrupted (143 by SIGTERM): what is finished is
    kept, and `--existing resume` goes on.
    """
    if place.kind != "local" and (judge != "split" or confirm):
        raise click.UsageError("--judge inline and --confirm are for --executor local")
    if judge == "inline":
        trust = "inline"  # no verdict of one process has more
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
        run = ExecRun(
            source=source,
            out=out or Path("runs") / _stem(name),
            budget=Budget(
                *(cpu_s, reference_cpu_s, judge, trust, below, confirm),
                timeouts="exact" if exact else "escalating",
            ),
            existing=Existing(existing),
            limit=limit,
        )
        interrupt = stack.enter_context(sigterm_as_ctrl_c())
        try:
            run.rows = _count(source)
            run.prepare()
            _execute(run, errors, workers, require, place)
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


def _execute(
    run: ExecRun, errors: Console, workers: int | None, require: str, place: Place
) -> None:
    """Run all problems; what stops it early is noted in `run.stopped`."""
    with _noting_what_stops(run):
        run.sandbox = doctor_report().to_dict()
        pool = place.open()
        with Executor(run.budget, workers=workers, require=require, pool=pool) as executor:
            start_s = time.monotonic()
            try:
                asyncio.run(_stream(run, executor, errors))
            finally:
                run.wall_s = time.monotonic() - start_s
                run.not_judged = dict(pool.lost.most_common()) if pool is not None else {}
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
def _noting_what_stops(run: ExecRun) -> Iterator[None]:
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


async def _recheck(run: ExecRun, alone: Executor) -> None:
    """Run doubtful timeouts again, alone: nothing else is in flight, and there is one worker."""
    allowance = Allowance()
    for doubt in Doubt:
        for path in run.doubtful:
            outcome = load(path)
            await recheck(list(outcome.blocks()), alone, allowance, [doubt])
            save(path, outcome, run.budget)
            if allowance.spent:
                return


async def _stream(run: ExecRun, executor: Executor, errors: Console) -> None:
    def snapshot() -> Snapshot:
        return Snapshot(
            done=run.tally.problems + len(run.doubtful),
            total=run.problems_total,
            what="problems",
            rows_done=executor.rows_done,
            cells_done=executor.cells_done,
        )

    in_flight = 2 * (os.cpu_count() or 1) + 2
    async with progress_line(errors, snapshot):
        results = executor.stream(run.pending(), in_flight)
        async with contextlib.aclosing(results):
            async for outcome in results:
                run.keep(outcome)


def _report(run: ExecRun, errors: Console, exit_interrupted: int) -> None:
    """Write summary.json, print the table, and end with the exit code."""
    bad_rows = run.source.bad_rows
    _show_bad_rows(bad_rows, errors)
    for why, count in run.not_judged.items():
        errors.print(f"{count:,} cells were not judged: {why}", highlight=False, soft_wrap=True)
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
    if 0 < run.executed_cells <= sum(run.not_judged.values()):
        raise click.ClickException("no cell was judged")
    if bad_rows:
        raise click.exceptions.Exit(EXIT_BAD_ROWS)


def _show_results(run: ExecRun) -> None:
    try:
        text = json.dumps(run.summary(), indent=2, allow_nan=False)
        (run.out / "summary.json").write_text(text + "\n")
    except OSError as error:
        raise click.ClickException(f"cannot write {run.out}/summary.json: {error}") from None
    Console().print(results_table(run.tally))
    if dropped := run.tally.dropped():
        click.echo(f"dropped samples: {dropped}")
    click.echo(f"{run.tally.problems} problems, {run.tally.cells:,} cells: {run.out}/summary.json")


def _show_bad_rows(bad_rows: list[BadRow], errors: Console) -> None:
    for line in lines_of(bad_rows):
        errors.print(line, markup=False, highlight=False, soft_wrap=True)
