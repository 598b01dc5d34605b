"""Numbers as options: `nan` is in no range, but compares as if it were."""

from __future__ import annotations

import math
from typing import Any

import click


class Number(click.FloatRange):
    """A finite number of a range."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Read it; raises click.BadParameter."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a number.", param, ctx)
        return number


class CpuSeconds(Number):
    """More than 0, at most an hour: the microseconds of a cell are 32 bits."""

    def __init__(self) -> None:
        super().__init__(min=0, max=3600, min_open=True)
