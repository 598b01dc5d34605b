"""Where `sv-engine` begins and ends: Ctrl-C is one sentence while modules are still imported, and
nothing when all is done and only the interpreter is left to end."""

from __future__ import annotations

import signal
import sys


def main() -> None:
    """The command line."""
    try:
        from sv_engine.cli import main as command_line

        command_line()
    except KeyboardInterrupt:
        print("interrupted; nothing was begun", file=sys.stderr)
        sys.exit(130)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
