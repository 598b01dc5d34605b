"""The generator of a run: what the journal holds is not asked again.

In: requests within a `Scope`. Out: the samples that an earlier process left, in the order in which
they arrived then, and after them those that are missing, each journalled before it is passed on.
Sample i of a request uses its seed + i, so a sample can be asked for alone. The same request asked
twice in one scope counts its occurrences, so no two samples share a key.

A request that the model refuses (`PromptError`: its prompt is too long, say) ends there, with the
samples that it has; it is journalled and told, and the run goes on. Where `MAX_REFUSED` are refused
and none is answered, the fault is not with the prompts, and the error is raised.

Weights are loaded when the first sample is asked of them: a run that goes on does not load those
of iterations that are complete.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from itertools import groupby
from pathlib import Path

from sv_engine.generate.errors import PromptError
from sv_engine.generate.protocol import GenerationRequest, Generator
from sv_engine.records import Completion
from sv_engine.run.journal import Journal, Scope
from sv_engine.run.keys import request_key

MAX_REFUSED = 16
"""Refusals before the first answer."""


class JournalledGenerator:
    """See the module; the part of `Generator` that the stages of the loop use."""

    def __init__(
        self, inner: Generator, journal: Journal, tell: Callable[[str], None] = lambda _: None
    ) -> None:
        """tell: what was refused."""
        self.inner = inner
        self._tell = tell
        self._refused = 0
        self._answered = False
        self.scope = Scope(0)
        """What is being done; the loop sets it before each stage."""
        self._journal = journal
        self._asked: Counter[tuple[Scope, str, str, str]] = Counter()
        self._waiting: Path | None = None
        self._loading = asyncio.Lock()

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[Completion, None]:
        """Yield the samples of `request`, journalled ones first; close it to stop early."""
        scope = self.scope
        asked = request_key(request)
        key = (scope, request.problem_id, request.role, asked)
        occurrence = self._asked[key]
        self._asked[key] += 1
        number = self._journal.number_of(scope, request, occurrence, asked)
        known = self._journal.completions(number, request)
        for completion in known:
            yield completion
        there = {completion.sample for completion in known}
        missing = [sample for sample in range(request.n) if sample not in there]
        if missing and self._journal.is_refused(number):
            return
        samples = self._journal.samples_of(number) if missing else []
        try:
            for first, count in _runs(missing):
                await self._load()
                label = f"{scope.iteration} {scope.stage} {occurrence}"
                part = _part(request, first, count, label)
                async with aclosing(self.inner.generate(part)) as fresh:
                    async for completion in fresh:
                        sample = first + completion.sample
                        found = replace(completion, sample=sample) if first else completion
                        samples.append(found)
                        self._answered = True
                        yield found
        except PromptError as error:
            self._refused += 1
            if not self._answered and self._refused >= MAX_REFUSED:
                raise
            self._journal.add_refusal(scope, number, str(error))
            self._tell(f"dropped: {error}")
        finally:
            samples.append(None)

    async def load_weights(self, path: Path) -> None:
        """Serve these weights from the next sample on."""
        self._waiting = path

    async def _load(self) -> None:
        if self._waiting is None:
            return
        async with self._loading:
            if self._waiting is not None:
                await self.inner.load_weights(self._waiting)
                self._waiting = None

    async def sleep(self) -> None:
        """As the inner generator."""
        await self.inner.sleep()

    async def wake(self) -> None:
        """As the inner generator."""
        await self.inner.wake()


def _part(request: GenerationRequest, first: int, count: int, label: str) -> GenerationRequest:
    sampling = request.sampling
    if first and sampling.seed is not None:
        sampling = replace(sampling, seed=sampling.seed + first)
    return replace(request, n=count, first=first, sampling=sampling, label=label)


def _runs(samples: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Consecutive numbers as (first, count)."""
    for _, run in groupby(enumerate(samples), lambda pair: pair[1] - pair[0]):
        numbers = [number for _, number in run]
        yield numbers[0], len(numbers)
