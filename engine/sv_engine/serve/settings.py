"""What a server is told when it starts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """Options of `sv-engine serve`; sizes in bytes, times in seconds."""

    host: str = "127.0.0.1"
    port: int = 8080
    token: str | None = None
    """Bearer token that every request must carry, but for /health and /v1/ping."""
    workers: int | None = None
    """Rows that run at once; None: two per core."""
    require: str = "basic"
    """Refuse to start below this level of the jail."""
    trust: str = "proven"
    """The least trust a pass needs, where a request does not say."""
    max_body_bytes: int = 128 << 20
    max_run_s: float = 600.0
    """The most that a request may ask for; a longer limit is cut to this one."""
    memory_bytes: int = 1 << 30
    """The most that a program may ask for."""
    max_waiting: int = 8192
    """Pieces of work that may wait for a worker; more are turned away."""
    drain_s: float = 30.0
    """How long running requests may take after SIGTERM."""
    max_sessions: int = 1024
    """Open OpenEnv sessions."""
    python: str | None = None
    """Interpreter, or folder of an environment, whose packages programs find; None: this one."""
    preload: tuple[str, ...] = ()
    """Packages that are imported before any program asks."""
    mcp: bool = False
    """Whether the MCP tool is served at /mcp."""
