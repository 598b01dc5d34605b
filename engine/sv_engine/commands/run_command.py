"""`sv-engine run`: the self-play loop."""

from __future__ import annotations

import asyncio
import errno
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from sv_engine.commands.interrupts import sigterm_as_ctrl_c
from sv_engine.config.layers import DEFAULT, dump, load, packaged_names
from sv_engine.errors import EngineError

if TYPE_CHECKING:
    from sv_engine.config.sections import Config


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
@click.option("--dry-run", is_flag=True, help="Print the resolved configuration and stop.")
def run_command(config: str, settings: tuple[str, ...], out: Path | None, dry_run: bool) -> None:
    """Self-play: generate, execute, select, train, evaluate, again.

    CONFIG is a TOML file or the name of a packaged configuration; without it the pocket model
    plays on this machine, which takes a few minutes. Environment variables
    SV_ENGINE_SECTION__KEY and --set override its values. Exit codes: 0 done, 1 failed, 2 wrong
    usage, 130 interrupted (143 by SIGTERM); the run directory keeps everything that was generated.
    """
    resolved = load(config, environment=os.environ, settings=settings)
    _check_templates(resolved)
    if dry_run:
        click.echo(dump(resolved), nl=False)
        return
    _check_files(resolved)
    folder = _new_folder(resolved, out)
    errors = Console(stderr=True)
    errors.print(f"run directory: {folder}", highlight=False, soft_wrap=True)
    with sigterm_as_ctrl_c() as interrupt:
        try:
            _run(resolved, folder, errors)
        except KeyboardInterrupt:
            errors.print(f"interrupted; {folder} keeps what was generated", highlight=False)
            raise SystemExit(interrupt.exit_code) from None
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            raise EngineError(
                "the disk is full" if full else f"{error.strerror or error}",
                where=str(error.filename or folder),
                remedy=_remedy(error.errno),
            ) from error
    click.echo(folder / "summary.json")


run_command.epilog = f"Packaged configurations: {', '.join(packaged_names())}."


def _check_templates(config: Config) -> None:
    """Raises EngineError now, instead of when the first prompt is filled."""
    from sv_engine.prompts.roles import templates

    templates(config.roles)


def _check_files(config: Config) -> None:
    """Raises EngineError for a file that cannot be read, before the engine is started."""
    named = {
        "problems.path": config.problems.path,
        "generate.recording": config.generate.recording,
        "evaluate.path": config.evaluate.path,
    }
    for key, path in named.items():
        if path is None:
            continue
        try:
            path.open("rb").close()
        except OSError as error:
            raise EngineError(
                f"{key} cannot be read: {error.strerror}", where=str(path), remedy=f"correct {key}"
            ) from None


def _remedy(code: int | None) -> str:
    if code in (errno.EMFILE, errno.ENFILE):
        return "raise `ulimit -n`, or lower execute.workers"
    return "free space, or give --out on another disk; the journal keeps the rest"


def _new_folder(config: Config, out: Path | None) -> Path:
    stamp = time.strftime("%Y%m%d-%H%M%S")
    folder = out or config.run.out / f"{config.run.name}-{stamp}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise EngineError(
                "the run directory is not empty",
                where=str(folder),
                remedy="give another --out, or remove this one",
            )
        (folder / "config.toml").write_text(dump(config), "utf-8")
    except OSError as error:
        raise EngineError(
            f"the run directory cannot be made: {error.strerror}",
            where=str(folder),
            remedy="give --out on a disk that can be written",
        ) from error
    return folder.resolve()


def _run(config: Config, folder: Path, errors: Console) -> None:
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run_async(config, folder, errors))


async def _run_async(config: Config, folder: Path, errors: Console) -> None:
    """Open the doors, run the loop, close them in the opposite order."""
    from sv_engine import train
    from sv_engine.execute.executor import SandboxFault
    from sv_engine.run.display import Display
    from sv_engine.run.doors import open_executor, open_generator
    from sv_engine.run.journal import Journal
    from sv_engine.run.loop import IterationReport, Run, run_loop
    from sv_engine.run.memory import MemoryWatch
    from sv_engine.run.summary import summarise, write_summary

    start_s = time.monotonic()
    try:
        async with MemoryWatch(lambda text: errors.print(f"warning: {text}")) as memory:

            def on_report(reports: list[IterationReport]) -> None:
                seconds = time.monotonic() - start_s
                summary = summarise(config, reports, seconds, memory.peak_bytes)
                write_summary(folder / "summary.json", summary)

            with (
                Journal(folder) as journal,
                open_executor(config) as executor,
                Display(errors, config) as display,
            ):
                display.begin("starting the engine", 0)
                async with open_generator(config) as generator:
                    run = Run(
                        config=config,
                        folder=folder,
                        generator=generator,
                        executor=executor,
                        train=train.train,
                        journal=journal,
                        watcher=display,
                        on_report=on_report,
                    )
                    await run_loop(run)
    except SandboxFault as error:
        raise EngineError(
            f"the sandbox failed: {error}", where=str(folder), remedy="see `sv-engine doctor`"
        ) from error
