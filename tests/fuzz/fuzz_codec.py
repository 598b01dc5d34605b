"""Coverage-guided fuzzing of the codec (atheris): `make fuzz`.

No bytes may do anything but decode to a value or raise CodecError; what decodes must encode again,
and decode to the same bytes.
"""

from __future__ import annotations

import sys

import atheris

from sv_sandbox.jailed import codec


def one(data: bytes) -> None:
    """One input of the fuzzer."""
    try:
        value = codec.decode(data)
    except codec.CodecError:
        return
    try:
        again = codec.encode(value)
    except codec.Unencodable:  # nested deeper than an encoder would
        return
    if codec.encode(codec.decode(again)) != again:
        raise RuntimeError(f"not stable: {value!r}")


atheris.instrument_all()
atheris.Setup(sys.argv, one)
atheris.Fuzz()
