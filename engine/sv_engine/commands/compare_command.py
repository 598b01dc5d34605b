"""`sv-engine compare`: do two runs of the same input agree, cell by cell?"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np

from sv_engine.execute.executor import verdict_names
from sv_engine.execute.matrix_store import StoreError, load

SHOWN = 10


@click.command("compare")
@click.argument("first", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("second", type=click.Path(exists=True, file_okay=False, path_type=Path))
def compare_command(first: Path, second: Path) -> None:
    """Compare the verdicts of two output folders of `exec`.

    Cells near their time limit in either run may differ. Exit code 1 if any other cell differs,
    or if the folders do not hold the same problems, solutions and tests.
    """
    names = {path.name for path in (first / "matrices").glob("*.npz")}
    others = {path.name for path in (second / "matrices").glob("*.npz")}
    for folder, found in ((first, names), (second, others)):
        if not found:
            raise click.ClickException(f"{folder} holds no matrices of `sv-engine exec`")
    if names != others:
        raise click.ClickException(
            f"{len(names - others)} problems only in {first}, {len(others - names)} only in "
            f"{second}, {len(names & others)} in both"
        )
    cells = near = differing = 0
    for name in sorted(names):
        try:
            a, b = load(first / "matrices" / name), load(second / "matrices" / name)
        except (StoreError, OSError) as error:
            raise click.ClickException(str(error)) from None
        if (a.rollout.solutions, a.rollout.tests) != (b.rollout.solutions, b.rollout.tests):
            raise click.ClickException(f"{name}: the solutions or tests are not the same")
        unequal = a.matrix.verdict_ST != b.matrix.verdict_ST
        excused = a.near_limit_ST | b.near_limit_ST
        reference = a.reference_S != b.reference_S
        excused_reference = a.reference_near_limit_S | b.reference_near_limit_S
        cells += unequal.size + reference.size
        near += int((unequal & excused).sum()) + int((reference & excused_reference).sum())
        rows = [*np.argwhere(unequal & ~excused)]
        kinds = verdict_names()
        for s, t in rows[: max(SHOWN - differing, 0)]:
            was, now = a.matrix.verdict_ST[s, t], b.matrix.verdict_ST[s, t]
            click.echo(f"{name}: solution {s}, test {t}: {kinds[was]}, then {kinds[now]}")
        solutions = np.flatnonzero(reference & ~excused_reference)
        for s in solutions[: max(SHOWN - differing - len(rows), 0)]:
            was, now = a.reference_S[s], b.reference_S[s]
            click.echo(f"{name}: solution {s}, own test: {kinds[was]}, then {kinds[now]}")
        differing += len(rows) + len(solutions)
    click.echo(f"{cells:,} cells, {differing:,} differ, besides {near:,} near their time limit")
    if differing:
        raise click.exceptions.Exit(1)
