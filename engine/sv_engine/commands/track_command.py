"""`sv-engine track`: a run's curves for tensorboard, wandb or trackio."""

from __future__ import annotations

from pathlib import Path

import click

from sv_engine.commands.folders import Folder
from sv_engine.report.track import Tracker, track


@click.command("track")
@click.argument("folder", type=Folder())
@click.option("--to", "tracker", type=click.Choice([t.value for t in Tracker]), required=True)
@click.option("--project", default="sv-engine", show_default=True)
def track_command(folder: Path, tracker: str, project: str) -> None:
    """Hand the losses, margins and held-out figures of a run to an experiment tracker.

    tensorboard reads FOLDER/tensorboard; wandb and trackio take their settings from the
    environment (WANDB_MODE=offline keeps everything here).
    """
    click.echo(f"{track(folder, Tracker(tracker), project):,} points: {tracker}")
