"""`sv-engine run`: the self-play loop."""

from __future__ import annotations

import asyncio
import errno
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource
from rich.console import Console

from sv_engine.commands.folders import Folder
from sv_engine.commands.interrupts import Signals
from sv_engine.config.layers import DEFAULT, dump, load, packaged_names
from sv_engine.errors import EngineError, RunStopped
from sv_engine.run.folder import CONFIG_NAME, FILE_NAME, config_of, last_pack, remove

if TYPE_CHECKING:
    from sv_engine.config.sections import Config

FULL = (errno.ENOSPC, errno.EDQUOT)
"""There is no room on the disk."""


@click.command("run")
@click.argument("config", default=DEFAULT)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="SECTION.KEY=VALUE",
    help="Override one value of the configuration; may be repeated.",
)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Run directory.")
@click.option(
    "--resume",
    type=Folder(),
    metavar="DIR",
    help="Go on with the run in this directory, under its own configuration.",
)
@click.option(
    "--control-of",
    type=Folder(),
    metavar="DIR",
    help="Start from the base's figures and the first play of the run in this directory, under its "
    "configuration, but for what --set changes: selection, recipe, training.",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Print configuration and budget, and stop.",
)
@click.option(
    "--metrics-port",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    help="Serve figures for Prometheus at 127.0.0.1:PORT/metrics while it runs; 0: any free port.",
)
@click.pass_context
def run_command(
    context: click.Context,
    config: str,
    settings: tuple[str, ...],
    out: Path | None,
    resume: Path | None,
    control_of: Path | None,
    dry_run: bool,
    metrics_port: int | None,
) -> None:
    """Self-play: generate, execute, select, train, evaluate, again.

    CONFIG is a TOML file or the name of a packaged configuration; without it the pocket model
    plays on this machine, which takes a few minutes. Environment variables
    SV_ENGINE_SECTION__KEY and --set override its values. Ctrl-C finishes what is in flight and
    says how to go on, a second one stops at once; the run directory keeps everything that was
    generated. Exit codes: 0 done, 1 failed, 2 wrong usage, or a configuration, a model or room
    with which the run cannot start, 130 interrupted (143 by SIGTERM).
    """
    given = context.get_parameter_source("config") is not ParameterSource.DEFAULT
    if resume is not None:
        if given or settings or control_of or out is not None:
            raise click.UsageError("--resume takes the configuration of its run: nothing beside it")
        resolved = config_of(resume)
    elif control_of is not None:
        if given:
            raise click.UsageError("--control-of takes the configuration of its run, and --set")
        resolved = _control(control_of, settings)
    else:
        resolved = load(config, environment=os.environ, settings=settings)
    errors = Console(stderr=True)
    _check(resolved, resume or out or resolved.run.out, errors, dry_run)
    if dry_run:
        click.echo(dump(resolved), nl=False)
        return
    is_there = out is not None and os.path.lexists(out)
    folder = resume.resolve() if resume else _new_folder(resolved, out)
    if control_of is not None:
        from sv_engine.run.control import begin_control

        with _unmade_goes(folder, is_there):
            begin_control(control_of, folder)
    errors.print(f"run directory: {folder}", highlight=False, soft_wrap=True)
    signals = Signals(errors)
    go_on = f"sv-engine run --resume {folder}"
    try:
        is_new = resume is None and control_of is None
        with _unbegun_goes(folder, is_new, is_there), _metrics(folder, metrics_port, errors):
            _run(resolved, folder, errors, signals)
    except (KeyboardInterrupt, asyncio.CancelledError, RunStopped):
        errors.print(f"interrupted; `{go_on}` goes on", highlight=False, soft_wrap=True)
        raise SystemExit(signals.exit_code) from None
    except OSError as error:
        raise EngineError(
            "the disk is full" if error.errno in FULL else f"{error.strerror or error}",
            where=str(error.filename or folder),
            remedy=_remedy(error) + (f"; then `{go_on}`" if folder.exists() else ""),
        ) from error
    click.echo(folder / "summary.json")


run_command.epilog = f"Packaged configurations: {', '.join(packaged_names())}."


def _check(config: Config, folder: Path, errors: Console, dry_run: bool) -> None:
    """Tell what the run costs, and what it lacks; EngineError for what keeps it from its end. In a
    dry run what is missing on this machine is told only."""
    from sv_engine.problems.jsonl import lines_of
    from sv_engine.run.budget import cost
    from sv_engine.run.doors import base_model
    from sv_engine.run.ready import check_ready, check_sense
    from sv_engine.run.room import check_room

    warnings: list[str] = []
    check_sense(config)
    bounds = cost(config, base_model(config))
    errors.print(str(bounds), highlight=False, soft_wrap=True)
    _print_pace(config, base_model(config), errors)
    try:
        bad_rows = check_ready(config)
        if dry_run:  # the run itself counts them, and tells
            warnings += lines_of(bad_rows)
        warnings += check_room(config, folder, bounds)
    except EngineError as error:
        if not dry_run:
            raise
        warnings.append(f"this run would not start: {error}")
    for warning in warnings:
        errors.print(f"warning: {warning}", markup=False, highlight=False, soft_wrap=True)


def _print_pace(config: Config, model: str, errors: Console) -> None:
    """Hours, where the model is sampled on this CPU."""
    from sv_engine.config.choices import Backend
    from sv_engine.generate.vllm_common import is_cpu_build
    from sv_engine.run.pace import pace

    if config.generate.backend is Backend.VLLM and is_cpu_build():
        errors.print(str(pace(config, model) or ""), highlight=False, soft_wrap=True)


def _control(of: Path, settings: Sequence[str]) -> Config:
    """The configuration of a control; EngineError where its run has no first play to go on from,
    UsageError where it would ask for other samples."""
    from sv_engine.run.control import check_played, differences

    config = config_of(of)
    check_played(of)
    changed = load(config, settings=settings)
    if found := differences(changed, config):
        raise click.UsageError(
            f"a control has the samples of its run, so these stay as they are: {', '.join(found)}"
        )
    return changed


@contextmanager
def _metrics(folder: Path, port: int | None, errors: Console) -> Iterator[None]:
    """Serve the journal's figures where a port was given."""
    if port is None:
        yield
        return
    from sv_engine.report.server import HOST, metrics_of, serving

    with serving(metrics_of(folder), port) as found:
        errors.print(f"http://{HOST}:{found}/metrics", highlight=False, soft_wrap=True)
        yield


def _remedy(error: OSError) -> str:
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return "raise `ulimit -n`, or lower execute.workers"
    if error.errno in FULL:
        return "free space"
    name = error.filename or "what it needs"
    if isinstance(error, FileNotFoundError):
        return f"put {name} in its place"
    if isinstance(error, PermissionError) or error.errno == errno.EROFS:
        return f"let this user read and write {name}"
    return f"see what is wrong with {name}"


@contextmanager
def _unmade_goes(folder: Path, is_there: bool) -> Iterator[None]:
    """A folder whose journal could not be made is left as it was."""
    try:
        yield
    except BaseException:
        remove(folder, itself=not is_there)
        raise


@contextmanager
def _unbegun_goes(folder: Path, is_new: bool, is_there: bool) -> Iterator[None]:
    """A new run that fails before it has a sample leaves no run behind, and no folder that was not
    there."""
    before = last_pack(folder)
    try:
        yield
    except (EngineError, OSError):
        if is_new and last_pack(folder) == before:
            remove(folder, itself=not is_there)
        raise


def _new_folder(config: Config, out: Path | None) -> Path:
    stamp = time.strftime("%Y%m%d-%H%M%S")
    folder = out or config.run.out / f"{config.run.name}-{stamp}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / FILE_NAME).exists():
            raise EngineError(
                "the run directory holds a run",
                where=str(folder),
                remedy=f"`sv-engine run --resume {folder}` goes on with it, under its "
                f"{CONFIG_NAME}; give another --out for a new one",
            )
        if any(folder.iterdir()):
            raise EngineError(
                "the run directory is not empty",
                where=str(folder),
                remedy="give another --out, or remove this one",
            )
        (folder / CONFIG_NAME).write_text(dump(config), "utf-8")
    except OSError as error:
        raise EngineError(
            f"the run directory cannot be made: {error.strerror}",
            where=str(folder),
            remedy="give --out on a disk that can be written",
        ) from error
    return folder.resolve()


def _run(config: Config, folder: Path, errors: Console, signals: Signals) -> None:
    import uvloop

    async def main() -> None:
        with signals.handled():
            await _run_async(config, folder, errors, signals)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


async def _run_async(config: Config, folder: Path, errors: Console, signals: Signals) -> None:
    """Open the doors, run the loop, close them in the opposite order."""
    from sv_engine import train
    from sv_engine.execute.cache import VerdictCache
    from sv_engine.execute.sandbox import SandboxFault
    from sv_engine.run.display import Display
    from sv_engine.run.doors import open_cache, open_executor, open_generator
    from sv_engine.run.journal import Journal
    from sv_engine.run.loop import run_loop
    from sv_engine.run.memory import MemoryWatch
    from sv_engine.run.report import IterationReport
    from sv_engine.run.state import Run
    from sv_engine.run.summary import summarise, write_summary

    start_s = time.monotonic()
    try:
        async with MemoryWatch(lambda text: errors.print(f"warning: {text}")) as memory:

            def on_report(reports: list[IterationReport]) -> None:
                seconds = time.monotonic() - start_s
                found = cells.figures() if isinstance(cells, VerdictCache) else None
                peak, bad_rows = memory.peak_bytes, run.bad_rows
                summary = summarise(config, reports, seconds, peak, bad_rows, found)
                write_summary(folder / "summary.json", summary)

            with (
                Journal(folder) as journal,
                open_executor(config) as executor,
                open_cache(config, executor) as cells,
                Display(errors, config) as display,
            ):
                display.begin("starting the engine", 0)
                async with open_generator(config, folder) as generator:
                    run = Run(
                        config=config,
                        folder=folder,
                        generator=generator,
                        executor=cells,
                        train=train.train,
                        journal=journal,
                        watcher=display,
                        on_report=on_report,
                        stopping=lambda: signals.stopping,
                    )
                    signals.in_flight = True
                    await run_loop(run)
                    signals.in_flight = False
                if isinstance(cells, VerdictCache):
                    errors.print(str(cells), highlight=False, soft_wrap=True)
    except SandboxFault as error:
        raise EngineError(
            f"the sandbox failed: {error}", where=str(folder), remedy="see `sv-engine doctor`"
        ) from error
