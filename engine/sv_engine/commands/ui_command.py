"""`sv-engine ui`: the report of a folder, live on the loopback address."""

from __future__ import annotations

import threading
from pathlib import Path

import click

from sv_engine.commands.folders import Folder


@click.command("ui")
@click.argument("folder", type=Folder())
@click.argument("controls", type=Folder(), nargs=-1)
@click.option("--port", type=click.IntRange(0, 65535), default=8400, show_default=True)
def ui_command(folder: Path, controls: tuple[Path, ...], port: int) -> None:
    """Serve the report of a run or of an `exec` on this machine, and reload it as it grows.

    FOLDER and CONTROLS as in `sv-engine report`. Port 0 takes any free one. Ctrl-C ends it.
    """
    from sv_engine.report.read import check
    from sv_engine.report.server import HOST, Live, serving

    for one in (folder, *controls):
        check(one)
    with serving(Live(folder, controls).routes(), port) as found:
        click.echo(f"http://{HOST}:{found}/")
        threading.Event().wait()
