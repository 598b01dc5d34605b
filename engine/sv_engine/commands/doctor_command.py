"""`sv-engine doctor`: which layers of the jail work on this machine, and why others do not."""

from __future__ import annotations

import json

import click

from sv_engine.commands.library_options import library_options
from sv_engine.errors import EngineError
from sv_engine.execute.sandbox import doctor_report


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of words.")
@library_options
def doctor_command(as_json: bool, python: str | None, preload: tuple[str, ...]) -> None:
    """Say which layers of the jail are active here, and why others are not; which packages programs
    can import, and how much memory the warm interpreters hold."""
    try:
        report = doctor_report(python=python, preload=preload)
    except ValueError as error:
        raise EngineError(str(error)) from None
    click.echo(json.dumps(report.to_dict(), indent=2) if as_json else report.text())
