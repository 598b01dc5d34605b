"""`sv-engine report`: one HTML file from the folder of a run or of an `exec`."""

from __future__ import annotations

from pathlib import Path

import click

from sv_engine.commands.folders import Folder
from sv_engine.errors import EngineError


@click.command("report")
@click.argument("folder", type=Folder())
@click.argument("controls", type=Folder(), nargs=-1)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write. Default: FOLDER/report.html.",
)
def report_command(folder: Path, controls: tuple[Path, ...], out: Path | None) -> None:
    """Write one self-contained HTML page about a run, also about one that is still going.

    FOLDER is that of a `run` or of an `exec`; the held-out curves of CONTROLS, other runs, are
    drawn beside its own. The page makes no request (docs/report.md).
    """
    from sv_engine.report.page import render

    out = out or folder / "report.html"
    page = render(folder, controls)
    try:
        out.write_text(page, "utf-8")
    except OSError as error:
        raise EngineError(
            f"the report cannot be written: {error.strerror}", where=str(out), remedy="see --out"
        ) from error
    click.echo(f"{out} ({len(page.encode()) / 1e6:.1f} MB)")
