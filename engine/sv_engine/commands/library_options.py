"""`--python` and `--preload`: whose packages programs find, and which are warm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click


def library_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options `python` (str or None) and `preload` (names) to a command."""
    preload = click.option(
        "--preload",
        multiple=True,
        metavar="MODULE",
        callback=_names,
        help="Package that is imported before any program asks (again, or with commas, for more).",
    )
    python = click.option(
        "--python",
        metavar="PATH",
        help="Interpreter, or folder of an environment, whose packages programs find.",
    )
    return python(preload(command))


def _names(context: click.Context, option: click.Parameter, value: tuple[str, ...]) -> Any:
    return tuple(name.strip() for each in value for name in each.split(",") if name.strip())
