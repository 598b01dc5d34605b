"""One run of `sv-engine exec`: what it reads, where it writes, how far it is."""

from __future__ import annotations

import enum
import os
import platform
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from importlib import metadata
from itertools import islice
from pathlib import Path
from typing import Any

import click

from sv_engine.evaluate.summary import Tally
from sv_engine.execute.sandbox import Budget
from sv_engine.execute.store import file_name, load, load_if_answered, save
from sv_engine.problems.formats import RolloutFile
from sv_engine.problems.jsonl import figures_of
from sv_engine.records import Candidates, Outcome, Repeat
from sv_engine.run.folder import FILE_NAME


class Existing(enum.StrEnum):
    """What to do with results that already lie in the output folder."""

    REFUSE = "refuse"
    OVERWRITE = "overwrite"
    RESUME = "resume"


@dataclass
class ExecRun:
    """One run of the command: what it reads, where it writes, how far it is."""

    source: RolloutFile
    out: Path
    budget: Budget
    existing: Existing
    limit: int | None
    tally: Tally = field(default_factory=Tally)
    rows: int = 0
    """Lines of the file."""
    resumed: int = 0
    executed_cells: int = 0
    wall_s: float = 0.0
    recheck_wall_s: float = 0.0
    doubtful: list[Path] = field(default_factory=list)
    """Stored problems that are counted when their timeouts have been run again."""
    sandbox: dict[str, Any] | None = None
    not_judged: dict[str, int] = field(default_factory=dict)
    """Why cells were not judged elsewhere, and how many."""
    stopped: str = ""
    """Why the run ended early; empty if it did not."""

    @property
    def problems_total(self) -> int:
        """Problems of the run, as far as is known: a row that is not usable is found when it is
        read."""
        usable = max(0, self.rows - len(self.source.bad_rows))
        return min(usable, self.limit or usable)

    @property
    def matrices(self) -> Path:
        return self.out / "matrices"

    def path(self, candidates: Candidates) -> Path:
        """Where a problem is stored."""
        return self.matrices / file_name(candidates.problem.id)

    def prepare(self) -> None:
        """Make the output folder ready; raises click.ClickException."""
        if (self.out / FILE_NAME).exists():
            raise click.ClickException(
                f"{self.out} is the folder of a run of `sv-engine run`; choose another --out"
            )
        try:
            self.matrices.mkdir(parents=True, exist_ok=True)
            old = [*self.matrices.glob("*.npz"), *self.out.glob("summary.json")]
            if old and self.existing is Existing.REFUSE:
                raise click.ClickException(
                    f"{self.out} already holds results; choose another --out, or --existing "
                    "overwrite, or --existing resume"
                )
            if self.existing is Existing.OVERWRITE:
                for path in old:
                    path.unlink()
            probe = self.matrices / f".probe.{os.getpid()}"
            probe.write_bytes(b"")
            probe.unlink()
        except OSError as error:
            raise click.ClickException(
                f"cannot write to output folder {self.out}: {error.strerror}"
            ) from None

    def pending(self) -> Iterator[Candidates]:
        """Yield what is left to execute; results that can be kept are counted on the way."""
        for candidates in islice(self.source, self.limit):
            kept = None
            if self.existing is Existing.RESUME:
                kept = load_if_answered(self.path(candidates), candidates, self.budget)
            if kept is None:
                yield candidates
            else:
                self.resumed += 1
                self._count(kept)

    def keep(self, outcome: Outcome) -> None:
        """Store and count a finished problem; raises OSError."""
        save(self.path(outcome.candidates), outcome, self.budget)
        for block in outcome.blocks():
            self.executed_cells += block.verdicts.verdict_ST.size
            self.executed_cells += int((block.verdicts.repeat_ST != Repeat.NONE).sum())
        self._count(outcome)

    def _count(self, outcome: Outcome) -> None:
        if outcome.is_doubtful:
            self.doubtful.append(self.path(outcome.candidates))
        else:
            self.tally.add(outcome)

    def count_doubtful(self) -> None:
        """Count what was put aside, as it is stored now; raises StoreError and OSError."""
        for path in self.doubtful:
            self.tally.add(load(path))

    def summary(self) -> dict[str, Any]:
        """The document of summary.json."""
        rate = self.executed_cells / self.wall_s if self.wall_s else 0.0
        return {
            "format_version": 2,
            "input": {"file": self.source.name, "format": self.source.format},
            "interrupted": bool(self.stopped),
            "stopped_by": self.stopped or None,
            "problems_resumed": self.resumed,
            "bad_rows": figures_of(self.source.bad_rows),
            "wall_s": self.wall_s,
            "cells_per_s": rate,
            "recheck_wall_s": self.recheck_wall_s,
            "budget": asdict(self.budget),
            "tests_per_sample": self.source.tests_per_sample,
            "sandbox": self.sandbox,
            "not_judged": self.not_judged,
            "versions": {
                "sv_engine": metadata.version("sv-engine"),
                "python": platform.python_version(),
                "numpy": metadata.version("numpy"),
            },
            **self.tally.figures(),
        }
