"""The command line: a group whose commands are imported when they are called.

To add a command: write `commands/<name>_command.py` with a click command, and a line here.
Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted, 143 ended by SIGTERM; commands
document their own others.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from sv_engine.commands.interrupts import AGAIN, sigterm_as_ctrl_c
from sv_engine.errors import EngineError
from sv_engine.start import importing

COMMANDS = {
    "run": "sv_engine.commands.run_command:run_command",
    "exec": "sv_engine.commands.exec_command:exec_command",
    "select": "sv_engine.commands.select_command:select_command",
    "compare": "sv_engine.commands.compare_command:compare_command",
    "report": "sv_engine.commands.report_command:report_command",
    "ui": "sv_engine.commands.ui_command:ui_command",
    "track": "sv_engine.commands.track_command:track_command",
    "serve": "sv_engine.commands.serve_command:serve_command",
    "replay": "sv_engine.commands.replay_command:replay_command",
    "export": "sv_engine.commands.export_command:export_command",
    "doctor": "sv_engine.commands.doctor_command:doctor_command",
    "eval": "sv_engine.commands.eval_command:eval_command",
    "solve": "sv_engine.commands.solve_command:solve_command",
    "model": "sv_engine.commands.model_command:model_command",
    "pocket": "sv_engine.commands.pocket_command:pocket_command",
}
"""Command -> module:attribute."""


class _Told(click.ClickException):
    def __init__(self, error: EngineError) -> None:
        super().__init__(str(error))
        self.exit_code = error.exit_code  # type: ignore[misc]  # click has it as of the class


@contextmanager
def _told() -> Iterator[None]:
    """What the user can act on is printed without a traceback. A command that knows how to go on
    says so in the argument of KeyboardInterrupt."""
    with sigterm_as_ctrl_c() as interrupt:
        try:
            yield
        except EngineError as error:
            raise _Told(error) from error
        except KeyboardInterrupt as error:
            click.echo(f"interrupted{str(error) or AGAIN}", err=True)
            raise SystemExit(interrupt.exit_code) from None


class LazyGroup(click.Group):
    """Imports a command's module only when that command is asked for."""

    def make_context(self, *given: Any, **named: Any) -> click.Context:
        """Read the arguments; `--help` of the group imports every command."""
        with _told():
            return super().make_context(*given, **named)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        with _told():
            return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all commands, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command, None if there is no such one."""
        if cmd_name not in COMMANDS:
            near = difflib.get_close_matches(cmd_name, COMMANDS, 1)
            if near:
                ctx.fail(f"No such command {cmd_name!r}. Did you mean {near[0]!r}?")
            return None
        module, attribute = COMMANDS[cmd_name].split(":")
        with importing():
            command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="sv-engine")
def main() -> None:
    """Self-play training of code models: one model writes programs and tests, a sandbox decides."""
