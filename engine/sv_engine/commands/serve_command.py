"""`sv-engine serve`: the sandbox as a server that other people's trainers can use."""

from __future__ import annotations

import importlib.util
import ipaddress

import click

from sv_engine.commands.library_options import library_options
from sv_engine.errors import EngineError

LEVELS = ("none", "basic", "confined", "isolated")


@click.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True)
@click.option("--token", envvar="SV_TOKEN", help="Bearer token that requests must carry.")
@click.option(
    "--workers", type=click.IntRange(min=1), help="Sandbox workers. Default: two per core."
)
@click.option("--require", type=click.Choice(LEVELS), default="basic", show_default=True)
@click.option(
    "--trust",
    type=click.Choice(["proven", "vouched", "inline"]),
    default="proven",
    show_default=True,
    help="The least trust that a pass needs where a request does not say.",
)
@click.option("--max-body-mb", type=click.IntRange(min=1), default=128, show_default=True)
@click.option("--max-run-s", type=click.FloatRange(0.1, 86400), default=600.0, show_default=True)
@click.option(
    "--memory-mb",
    type=click.IntRange(min=16),
    default=1024,
    show_default=True,
    help="The most memory that a program may ask for.",
)
@library_options
@click.option("--drain-s", type=click.FloatRange(0, 3600), default=30.0, show_default=True)
@click.option("--mcp", is_flag=True, help="Serve the tool run_python at /mcp (extra `mcp`).")
def serve_command(
    host: str,
    port: int,
    token: str | None,
    workers: int | None,
    require: str,
    trust: str,
    max_body_mb: int,
    max_run_s: float,
    memory_mb: int,
    python: str | None,
    preload: tuple[str, ...],
    drain_s: float,
    mcp: bool,
) -> None:
    """Serve the sandbox over HTTP: SandboxFusion's API, NeMo-Gym's, OpenEnv's, and matrices.

    Needs the extra `serve`. Listens on the loopback address; on any other a token is required.
    SIGTERM lets running requests end first.
    """
    needed = ("fastapi", "uvicorn", "mcp") if mcp else ("fastapi", "uvicorn")
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        extra = "mcp" if mcp else "serve"
        raise EngineError(
            f"{' and '.join(missing)} not installed", remedy=f"pip install 'sv-engine[{extra}]'"
        )
    if token is not None and not token.strip():
        raise click.UsageError("--token (or SV_TOKEN) is empty: is the variable set?")
    if token is None and not _is_loopback(host):
        raise click.UsageError(f"--host {host} is not this machine alone: give a --token")
    from sv_engine.serve.run import serve
    from sv_engine.serve.settings import Settings

    settings = Settings(
        host=host,
        port=port,
        token=token,
        workers=workers,
        require=require,
        trust=trust,
        max_body_bytes=max_body_mb << 20,
        max_run_s=max_run_s,
        memory_bytes=memory_mb << 20,
        python=python,
        preload=preload,
        drain_s=drain_s,
        mcp=mcp,
    )
    try:
        serve(settings)
    except OSError as error:
        raise EngineError(
            f"cannot listen: {error.strerror or error}",
            where=f"{host}:{port}",
            remedy="choose another --port, or --host",
        ) from None


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
