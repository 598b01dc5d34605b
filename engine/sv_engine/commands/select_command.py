"""`sv-engine select`: run selectors again on stored matrices; nothing is executed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import click
from rich.console import Console

from sv_engine.evaluate.summary import Tally, selector_table
from sv_engine.execute.matrix_store import StoreError, load
from sv_engine.selection import SELECTORS


@click.command("select")
@click.argument(
    "paths", nargs=-1, required=True, type=click.Path(exists=True, readable=True, path_type=Path)
)
@click.option(
    "--selector",
    "names",
    multiple=True,
    type=click.Choice(list(SELECTORS)),
    help="Selector to run; may be given several times. Default: all.",
)
@click.option(
    "--json",
    "json_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the figures to this file too (keys as in summary.json).",
)
def select_command(paths: tuple[Path, ...], names: tuple[str, ...], json_path: Path | None) -> None:
    """Run selectors on stored matrices: output folders of `exec`, or single .npz files."""
    tally = Tally(names or tuple(SELECTORS))
    for path in matrix_files(paths):
        try:
            tally.add(load(path))
        except (StoreError, OSError) as error:
            raise click.ClickException(str(error)) from None
    if json_path is not None:
        try:
            json_path.write_text(json.dumps(tally.figures(), indent=2) + "\n")
        except OSError as error:
            raise click.ClickException(f"cannot write {json_path}: {error.strerror}") from None
    Console().print(selector_table(tally.pass_at_1(), tally.footer()))


def matrix_files(paths: tuple[Path, ...]) -> Iterator[Path]:
    """Yield the .npz files of `paths`, in a fixed order; raises click.ClickException if none."""
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        folder = path / "matrices" if (path / "matrices").is_dir() else path
        files = sorted(folder.glob("*.npz"))
        if not files:
            raise click.ClickException(
                f"{path} holds no matrix: expected *.npz, as `sv-engine exec` writes them"
            )
        yield from files
