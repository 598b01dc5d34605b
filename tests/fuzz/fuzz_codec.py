"""Coverage-guided fuzzing of the codec (atheris): `make fuzz`.

No bytes may do anything but decode to a value or raise CodecError; what decodes must encode again,
and then decode to a value of the same type.
"""

from __future__ import annotations

import sys

import atheris
import numpy

from sv_sandbox.jailed import values

assert numpy  # loaded, so that its rows are open


def one(data: bytes) -> None:
    """One input of the fuzzer."""
    known: list[object] = []
    try:
        value = values.decode(data, lambda *parts: parts, known)
    except values.CodecError:
        if known:
            raise RuntimeError("numbers of what was refused") from None
        return
    again = values.decode(values.encode(value))
    if type(again) is not type(value):
        raise RuntimeError(f"not stable: {value!r}")


atheris.instrument_all()
atheris.Setup(sys.argv, one)
atheris.Fuzz()
