"""`--executor`, `--server`, `--server-token`: where a command runs its cells."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import click

from sv_engine.execute.sandbox import SandboxPool
from sv_engine.executors.row_pool import KINDS, Kind, pool_at


@dataclass(frozen=True, slots=True)
class Place:
    """Where cells run."""

    kind: Kind = "local"
    servers: Sequence[str] = ()
    token: str | None = None

    def open(self) -> SandboxPool | None:
        """The pool there, None for the sandbox of this machine. Raises EngineError."""
        return pool_at(self.kind, self.servers, self.token)


def executor_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a command, which gets them as one argument `place`."""

    @click.option(
        "--executor",
        type=click.Choice(KINDS),
        default="local",
        show_default=True,
        help="Where cells run: in the sandbox here, on servers, or on a Ray cluster.",
    )
    @click.option("--server", multiple=True, help="URL of a `sv-engine serve`; may be repeated.")
    @click.option("--server-token", envvar="SV_TOKEN", help="Bearer token of the servers.")
    @functools.wraps(command)
    def with_place(
        *args: Any, executor: Kind, server: tuple[str, ...], server_token: str | None, **kw: Any
    ) -> Any:
        return command(*args, place=Place(executor, server, server_token), **kw)

    return with_place
