"""The one root of errors that a user can act on.

Every message answers three questions in this order: what failed, where, and what to do. The
command line prints it without a traceback; code may catch the leaf it can handle. Verdicts of
programs are values and never come this way.
"""

from __future__ import annotations


class EngineError(Exception):
    """Something the user can act on: `what` failed, `where`, and what to do (`remedy`)."""

    exit_code = 1
    """Of the command that it ends."""

    def __init__(self, what: str, *, where: str = "", remedy: str = "") -> None:
        self.what = what
        self.where = where
        self.remedy = remedy
        lines = [what]
        if where:
            lines.append(f"  where: {where}")
        if remedy:
            lines.append(f"  what to do: {remedy}")
        super().__init__("\n".join(lines))


class RunStopped(Exception):
    """Somebody asked the run to stop, and what was in flight is finished."""
