"""Does a program's output answer its test? Decided here, outside the jail.

A check takes what the program read, what was expected and what it wrote, as bytes, and says whether
that is accepted. The program never meets the expected output; what it wrote is bounded by
`Limits.output_bytes`. A check of the caller's own may raise; that is the caller's to hear.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable

Check = Callable[[bytes, bytes, bytes], bool]
"""(stdin, expected, output) -> accepted."""

_NUMBER = re.compile(rb"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_WHOLE = re.compile(rb"[+-]?[0-9]+")
_LONGEST_NUMBER = 400  # digits; longer ones are compared as text


def exact(stdin: bytes, expected: bytes, output: bytes) -> bool:
    """Byte for byte."""
    return output == expected


def lines(stdin: bytes, expected: bytes, output: bytes) -> bool:
    """Line by line; white space at the end of a line, and empty lines at the end, do not count."""
    return _lines(output) == _lines(expected)


def tokens(stdin: bytes, expected: bytes, output: bytes) -> bool:
    """Word by word; how much white space lies between does not count."""
    return output.split() == expected.split()


def floats(rel_tol: float = 1e-6, abs_tol: float = 1e-6) -> Check:
    """Word by word, where two numbers may differ by a tolerance (as in `math.isclose`), unless both
    are whole numbers."""

    def check(stdin: bytes, expected: bytes, output: bytes) -> bool:
        wanted, words = expected.split(), output.split()
        return len(wanted) == len(words) and all(
            a == b or _close(a, b, rel_tol, abs_tol) for a, b in zip(wanted, words, strict=True)
        )

    return check


CHECKS: dict[str, Check] = {"exact": exact, "lines": lines, "tokens": tokens, "floats": floats()}


def named(check: str | Check) -> Check:
    """A check by its name, or the caller's own. Raises ValueError that lists the names."""
    if callable(check):
        return check
    if check not in CHECKS:
        raise ValueError(f"unknown check {check!r}: one of {', '.join(CHECKS)}, or a function")
    return CHECKS[check]


def shortest(check: Check, expected: bytes) -> int:
    """The least number of bytes that this check accepts; 0 for one that we do not know."""
    if check is exact:
        return len(expected)
    if check is lines:
        return len(b"\n".join(_lines(expected)))
    if check is tokens:
        return len(b" ".join(expected.split()))
    return 0


def difference(expected: bytes, output: bytes) -> str:
    """Where the two first differ, in a short line."""
    wanted, got = _lines(expected), _lines(output)
    for number, (a, b) in enumerate(zip(wanted, got, strict=False), 1):
        if a != b:
            return f"line {number}: expected {_shown(a)}, got {_shown(b)}"
    if len(wanted) != len(got):
        return f"expected {len(wanted)} lines, got {len(got)}"
    return "the output was not accepted"


def _lines(text: bytes) -> list[bytes]:
    return [line.rstrip() for line in text.rstrip().split(b"\n")]


def _close(a: bytes, b: bytes, rel_tol: float, abs_tol: float) -> bool:
    if max(len(a), len(b)) > _LONGEST_NUMBER:
        return False
    if not _NUMBER.fullmatch(a) or not _NUMBER.fullmatch(b):
        return False
    if _WHOLE.fullmatch(a) and _WHOLE.fullmatch(b):
        return int(a) == int(b)
    x, y = float(a), float(b)
    return math.isfinite(x) and math.isclose(x, y, rel_tol=rel_tol, abs_tol=abs_tol)


def _shown(line: bytes) -> str:
    text = line.decode("utf-8", "replace")
    return repr(text if len(text) <= 80 else text[:77] + "...")
