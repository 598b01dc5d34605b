"""Arguments that name a folder of `run`, `exec` or `eval`."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

import click


class Folder(click.Path):
    """A folder that is there; for a name that is none, the nearest one beside it is suggested."""

    def __init__(self) -> None:
        super().__init__(exists=True, file_okay=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """A path; raises click.BadParameter."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            if near := _near(Path(value)):
                self.fail(f"{error.message} Did you mean {near}?", param, ctx)
            raise


def _near(path: Path) -> Path | None:
    """A folder that is called nearly so; that of a file where a file is named."""
    try:
        if path.is_file():
            return path.parent
        names = [entry.name for entry in path.parent.iterdir() if entry.is_dir()]
    except OSError:
        return None
    found = difflib.get_close_matches(path.name, names, 1)
    return path.parent / found[0] if found else None
