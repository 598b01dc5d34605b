"""`sv-engine doctor`: which layers of the jail work on this machine, and why others do not."""

from __future__ import annotations

import json

import click

from sv_engine.execute.executor import doctor_report


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of words.")
def doctor_command(as_json: bool) -> None:
    """Say which layers of the jail are active here, and why others are not."""
    report = doctor_report()
    click.echo(json.dumps(report.to_dict(), indent=2) if as_json else report.text())
