"""`sv-engine compare`: do two runs of the same input agree, cell by cell?"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click

from sv_engine.commands.folders import Folder
from sv_engine.evaluate.compare import differences
from sv_engine.run.outcomes import stored_outcomes


@click.command("compare")
@click.argument("first", type=Folder())
@click.argument("second", type=Folder())
def compare_command(first: Path, second: Path) -> None:
    """Compare the verdicts of two folders of `exec` or of `run`.

    Cells near their time limit in either run may differ. Exit code 1 if any other cell differs,
    or if the folders do not hold the same problems, solutions and tests.
    """
    ours, theirs = stored_outcomes(first), stored_outcomes(second)
    if ours.keys() != theirs.keys():
        raise click.ClickException(
            f"{len(ours.keys() - theirs.keys())} problems only in {first}, "
            f"{len(theirs.keys() - ours.keys())} only in {second}, "
            f"{len(ours.keys() & theirs.keys())} in both"
        )
    counts: Counter[str] = Counter()
    for name in sorted(ours):
        for line in differences(name, ours[name](), theirs[name](), counts):
            click.echo(line)
    click.echo(
        f"{counts['cells']:,} cells, {counts['differing']:,} differ, besides {counts['near']:,} "
        f"near their time limit; passes held back for want of trust: {counts['held before']:,}, "
        f"then {counts['held after']:,}"
    )
    if counts["differing"]:
        raise click.exceptions.Exit(1)
