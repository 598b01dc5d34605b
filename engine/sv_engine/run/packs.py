"""Samples as the journal keeps them: `SIZE` or a few more that are written together are one row.

In: for each open request a list, to which the event loop appends completions as they arrive, and
None when there will be no more; the writer's thread takes what is new. Out: rows of the table
`pack`, which the view `sample` takes apart again (`schema`). A sample is written once, whoever
hands it over again.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from sv_engine.records import Completion

Samples = list[Completion | None]
SIZE = 64
"""A reader copies the texts of a row once for each sample in it."""


class Packs:
    """See the module."""

    def __init__(self) -> None:
        self._open: list[tuple[int, Samples]] = []
        self._there: defaultdict[int, int] = defaultdict(int)
        """Request -> its samples that are written, as bits."""

    def know(self, request: int, samples: Iterable[int]) -> None:
        """These were written by an earlier process."""
        for sample in samples:
            self._there[request] |= 1 << sample

    def open(self, request: int, samples: Samples) -> None:
        """Take what is appended to `samples` from now on."""
        self._open.append((request, samples))

    def rows(self) -> list[tuple[Any, ...]]:
        """Rows that hold all that is new."""
        rows, places, texts, first = [], [], [], 0
        still_open = []
        for request, samples in self._open:
            new = samples[: len(samples)]
            del samples[: len(new)]  # what was appended meanwhile stays
            if not new or new[-1] is not None:
                still_open.append((request, samples))
            there = self._there[request]
            for one in new:
                if one is None or there >> one.sample & 1:
                    continue
                there |= 1 << one.sample
                text = one.text
                size = len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
                why = "" if one.finish_reason == "stop" else f",{json.dumps(one.finish_reason)}"
                places.append(f"[{one.sample},{first},{size},{one.token_count},{request}{why}]")
                texts.append(text)
                first += size
            self._there[request] = there
            if len(texts) >= SIZE:
                rows.append(_row(places, texts))
                places, texts, first = [], [], 0
        self._open = still_open
        return [*rows, _row(places, texts)] if texts else rows


def _row(places: Sequence[str], texts: Sequence[str]) -> tuple[Any, ...]:
    # SQLite keeps UTF-8: half a surrogate pair becomes a question mark.
    joined = "".join(texts).encode("utf-8", "replace")
    return None, None, int(time.time()), f"[{','.join(places)}]", joined
