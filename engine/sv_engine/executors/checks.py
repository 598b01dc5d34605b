"""Comparisons of output that the sandbox does not have: those of public graders."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

MAX_DIGITS = 400


def decimals(stdin: bytes, expected: bytes, output: bytes) -> bool:
    """Line by line, as LiveCodeBench: white space at the ends of a line does not count, and a line
    that differs is accepted if its words are equal as decimal numbers."""
    wanted, lines = expected.strip().split(b"\n"), output.strip().split(b"\n")
    return len(wanted) == len(lines) and all(
        a.strip() == b.strip() or _same_numbers(a, b) for a, b in zip(wanted, lines, strict=True)
    )


def _same_numbers(a: bytes, b: bytes) -> bool:
    left, right = a.split(), b.split()
    if not left or len(left) != len(right):
        return False
    return all(_number(x) == _number(y) is not None for x, y in zip(left, right, strict=True))


def _number(word: bytes) -> Decimal | None:
    if len(word) > MAX_DIGITS:
        return None
    try:
        number = Decimal(word.decode("ascii"))
    except (InvalidOperation, ValueError):
        return None
    return number if number.is_finite() else None
