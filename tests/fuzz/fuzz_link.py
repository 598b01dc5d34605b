"""Coverage-guided fuzzing of what a judge makes of a subject's frames (atheris): `make fuzz`.

The target and its seeds are those of tests/sandbox/test_link.py.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parent.parent / "sandbox"))

from test_link import one, seeds

folder = Path(sys.argv[-1])
for number, seed in enumerate(seeds()):
    (folder / f"seed-{number}").write_bytes(seed)


def target(data: bytes) -> None:
    """One input. An interrupt that the subject tells of would end the fuzzer."""
    try:
        one(data)
    except KeyboardInterrupt:
        pass


atheris.instrument_all()
atheris.Setup(sys.argv, target)
atheris.Fuzz()
