"""Programs and tests out of what a model wrote: the public name of `sv_engine.problems.extract`."""

from __future__ import annotations

from sv_engine.problems.extract import (
    MAX_SOURCE_CHARS,
    Drop,
    Style,
    check_text,
    compiles,
    cut,
    extract_solution,
    extract_tests,
    parse,
)

__all__ = [
    "MAX_SOURCE_CHARS",
    "Drop",
    "Style",
    "check_text",
    "compiles",
    "cut",
    "extract_solution",
    "extract_tests",
    "parse",
]
