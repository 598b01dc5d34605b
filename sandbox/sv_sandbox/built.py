"""Whether the native module was built from the C sources that lie beside this package.

In a checkout the two can part: Python files are used as they lie there, the module as it was built.
Then they disagree without a word, and verdicts are wrong. An installed wheel has no sources beside
it, and nothing to compare.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from . import _native

NATIVE = Path(__file__).resolve().parents[2] / "native"
STALE = "the native module was built from other sources: run `make setup`"


def digest(folder: Path) -> str:
    """What `native/CMakeLists.txt` makes of the same files when it builds them (`SV_SOURCES`)."""
    files = [file for kind in ("*.c", "*.h", "CMakeLists.txt") for file in folder.rglob(kind)]
    names = sorted(file.relative_to(folder).as_posix() for file in files)
    lines = [
        f"{name} {hashlib.sha256((folder / name).read_bytes()).hexdigest()}\n"
        for name in names
        if not name.startswith("tests/")
    ]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def stale(folder: Path = NATIVE) -> str:
    """What to say where the module is of other sources than those in `folder`; else empty."""
    if not (folder / "module.c").is_file():
        return ""
    # A module that is older than this comparison has no digest.
    return STALE if getattr(_native, "SOURCES", "") != digest(folder) else ""
