"""`sv-engine pocket`: build the base model that the default run starts from."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from sv_engine.errors import EngineError
from sv_engine.train import pretrain


@click.group("pocket")
def pocket_command() -> None:
    """The pocket model: a million weights, trained from scratch on small Python tasks."""


@pocket_command.command()
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Checkpoint directory to write; replaced as a whole if it is there.",
)
@click.option("--seed", default=0, show_default=True, help="Seed of weights and corpus.")
def build(out: Path, seed: int) -> None:
    """Pre-train the base model (one core, about ten minutes) and write it to --out."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]:.3f}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    try:
        with Progress(*columns, console=console) as bar:
            steps = sum(phase.steps for phase in pretrain.PHASES)
            task = bar.add_task("tokenizer", total=steps, loss=float("nan"))
            pretrain.build(out, seed, on_progress=lambda step: _show(bar, task, step))
    except ModuleNotFoundError as error:
        raise EngineError(
            f"pre-training needs the package {error.name}",
            where="sv-engine pocket build",
            remedy="install the extra: pip install 'sv-engine[train]'",
        ) from error
    except OSError as error:
        raise EngineError(
            f"the checkpoint could not be written: {error.strerror or error}",
            where=str(error.filename or out),
            remedy="choose another --out, or free space there; nothing was changed",
        ) from error
    click.echo(out)


def _show(bar: Progress, task: TaskID, step: pretrain.Progress) -> None:
    bar.update(task, description=step.phase, completed=step.step, loss=step.loss)
