"""`sv-engine replay`: execute the programs and tests of a run again."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from sv_engine.commands.folders import Folder


@click.command("replay")
@click.argument("folder", type=Folder())
def replay_command(folder: Path) -> None:
    """Execute every program and test of a run again, under its own configuration, and compare
    matrices and selections.

    Nothing is generated or written. Cells near their time limit may differ. Exit code 1 if any
    other cell differs, or if something else is selected.
    """
    from sv_engine.run.doors import open_executor
    from sv_engine.run.folder import config_of
    from sv_engine.run.replay import replay

    config = config_of(folder)
    with open_executor(config) as executor:
        counts = asyncio.run(replay(folder, config, executor, click.echo))
    click.echo(
        f"{counts['problems']:,} problems, {counts['cells']:,} cells: {counts['differing']:,} "
        f"differ, besides {counts['near']:,} near their time limit; {counts['selections']:,} "
        f"selections: {counts['other selections']:,} differ; passes held back for want of trust: "
        f"{counts['held before']:,}, then {counts['held after']:,}"
    )
    if counts["differing"] or counts["other selections"]:
        raise click.exceptions.Exit(1)
