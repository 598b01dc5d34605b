"""`sv-engine compare`: do two runs of the same input agree, cell by cell?"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click
import numpy as np

from sv_engine.execute.sandbox import verdict_names
from sv_engine.records import Outcome
from sv_engine.run.outcomes import stored_outcomes

SHOWN = 10


@click.command("compare")
@click.argument("first", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("second", type=click.Path(exists=True, file_okay=False, path_type=Path))
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
        _compare(name, ours[name](), theirs[name](), counts)
    click.echo(
        f"{counts['cells']:,} cells, {counts['differing']:,} differ, besides {counts['near']:,} "
        f"near their time limit; passes held back for want of trust: {counts['held before']:,}, "
        f"then {counts['held after']:,}"
    )
    if counts["differing"]:
        raise click.exceptions.Exit(1)


def _compare(name: str, a: Outcome, b: Outcome, counts: Counter[str]) -> None:
    """Count one problem, and say which cells differ while few have been shown."""
    if a.candidates.sources() != b.candidates.sources() or (a.reference is None) != (
        b.reference is None
    ):
        raise click.ClickException(f"{name}: the solutions or tests are not the same")
    kinds = verdict_names()
    counts["held before"] += a.held_count
    counts["held after"] += b.held_count
    pairs = [(False, a.tests, b.tests)]
    if a.reference is not None and b.reference is not None:
        pairs.append((True, a.reference, b.reference))
    for is_reference, was, now in pairs:
        unequal_ST = was.verdict_ST != now.verdict_ST
        excused_ST = was.near_limit_ST | now.near_limit_ST
        counts["cells"] += unequal_ST.size
        counts["near"] += int((unequal_ST & excused_ST).sum())
        for s, t in np.argwhere(unequal_ST & ~excused_ST).tolist():
            counts["differing"] += 1
            if counts["differing"] <= SHOWN:
                test = "own test" if is_reference else f"test {t}"
                before, after = kinds[was.verdict_ST[s, t]], kinds[now.verdict_ST[s, t]]
                click.echo(f"{name}: solution {s}, {test}: {before}, then {after}")
