"""`sv-engine select`: run selectors again on stored matrices; nothing is executed."""

from __future__ import annotations

import json
from pathlib import Path

import click
from rich.console import Console

from sv_engine.evaluate.summary import Tally, results_table
from sv_engine.run.outcomes import all_outcomes
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
    """Run selectors on stored matrices: folders of `exec` or `run`, or single .npz files."""
    tally = Tally(names or tuple(SELECTORS))
    for outcome in all_outcomes(paths, "play"):
        tally.add(outcome)
    if json_path is not None:
        try:
            json_path.write_text(json.dumps(tally.figures(), indent=2) + "\n")
        except OSError as error:
            raise click.ClickException(f"cannot write {json_path}: {error.strerror}") from None
    Console().print(results_table(tally))
