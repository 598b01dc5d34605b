"""Contenders that take turns: each a process of its own, asked for one slice of rows at a time.

In: a contender's name (`contenders.py`) and a file of rows. Out: slices with wall and CPU seconds
and verdicts. A contender that does not answer in `PATIENCE_S` is killed, and raises RuntimeError.
"""

from __future__ import annotations

import json
import select
import statistics
import subprocess
from pathlib import Path
from typing import Any

from bench.confined import Confined

PATIENCE_S = 300.0


class Contender:
    """One executor with the rows of one workload; idle until it is asked for a slice."""

    def __init__(self, name: str, rows: Path, place: Confined, log: Path) -> None:
        self.name = name
        self.slices: list[dict[str, Any]] = []
        self.at = 0
        self.rows = 4
        self._log = log
        script = str(place.packages / "contenders.py")
        with log.open("wb") as errors:
            self.process = subprocess.Popen(
                [*place.prefix(), place.interpreter, script, name, str(rows)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=place.environment(),
                cwd=place.home,
                text=True,
            )
        self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        if not select.select([self.process.stdout], [], [], PATIENCE_S)[0]:
            self.process.kill()
            raise RuntimeError(f"{self.name}: no answer in {PATIENCE_S:.0f} s")
        line = self.process.stdout.readline()
        if not line:
            text = self._log.read_text().strip().splitlines()
            raise RuntimeError(f"{self.name}: {text[-1] if text else 'ended without a word'}")
        return dict(json.loads(line))

    def slice(self) -> dict[str, Any]:
        """Run `self.rows` rows, and go on after them the next time."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{self.at} {self.rows}\n")
        self.process.stdin.flush()
        answer = self._answer()
        answer["first"] = self.at
        self.at += self.rows
        return answer

    def calibrate(self, seconds: float, most: int) -> None:
        """Choose how many rows a slice has, so that it takes about `seconds`."""
        for _ in range(6):
            took = self.slice()["wall_s"]
            if took > seconds / 2:
                break
            self.rows = max(1, min(most, round(self.rows * min(8.0, seconds / max(took, 1e-4)))))
        self.rows = max(1, min(most, round(self.rows * seconds / max(took, 1e-4))))
        self.at = 0

    def verdicts(self, rows: int) -> dict[tuple[int, int], bool]:
        """The last verdict of every (row, test) that it ran."""
        found = {}
        for part in self.slices:
            for i, line in enumerate(part["passed"]):
                for t, passed in enumerate(line):
                    found[(part["first"] + i) % rows, t] = passed
        return found

    def summary(self) -> dict[str, Any]:
        """Rates, medians over its slices."""
        rates = [s["cells"] / s["wall_s"] for s in self.slices]
        cpu = [1e6 * s["cpu_s"] / s["cells"] for s in self.slices]
        return {
            "cells_per_s": statistics.median(rates),
            "lowest": min(rates),
            "highest": max(rates),
            "cpu_us_per_cell": statistics.median(cpu),
            "cpu_us_per_row": statistics.median(
                1e6 * s["cpu_s"] / len(s["passed"]) for s in self.slices
            ),
            "cells": sum(s["cells"] for s in self.slices),
            "wrong": sum(s["wrong"] for s in self.slices),
        }

    def close(self) -> None:
        """End of file ends it."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
