"""`--executor`, `--server`, `--server-token`: where a command runs its cells."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import click

from sv_engine.executors.row_pool import KINDS, Kind, RowPool, pool_at


@dataclass(frozen=True, slots=True)
class Place:
    """Where cells run."""

    kind: Kind = "local"
    servers: Sequence[str] = ()
    token: str | None = None

    def open(self) -> RowPool | None:
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
        if executor == "http":
            _check(server)
        return command(*args, place=Place(executor, server, server_token), **kw)

    return with_place


def _check(servers: Sequence[str]) -> None:
    """Raises click.BadParameter for what is no URL of a server."""
    try:
        from sv_engine.executors.servers import server_url
    except ImportError:  # `pool_at` says which extra is missing
        return
    for server in servers:
        try:
            server_url(server)
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--server") from None
