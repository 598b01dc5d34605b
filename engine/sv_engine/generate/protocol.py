"""The protocol that the loop sees, whatever stands behind it.

In: a `GenerationRequest` (one prompt, n samples). Out: `Completion`s, each the moment it is
finished, in the order in which they finish. The invariants, the same for every implementation:

* Completions whose `finish_reason` is `abort` are not samples and are never yielded.
* Leaving the iterator early (break, cancel) stops the rest of that request's samples.
* At most `max_in_flight` completions are running or waiting to be consumed; further requests
  queue in the order in which they came.
* `load_weights` lets what is in flight finish with the old weights, and everything that starts
  after it uses the new ones: no completion mixes two versions, no cache survives.
* When the engine dies, every open iterator raises `EngineDiedError`; nothing hangs.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self

from sv_engine.config.sections import Generate
from sv_engine.records import Completion


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are drawn."""

    temperature: float = 1.0
    """0 is greedy."""
    top_p: float = 1.0
    max_tokens: int = 512
    """Longest completion, in tokens; the model's context may end it earlier."""
    stop: tuple[str, ...] = ()
    """Texts that end a completion; they are not part of it."""
    seed: int | None = None
    """Sample i of a request uses seed + i; None draws afresh."""
    min_p: float = 0.0
    """Draw from tokens at least so likely, as a share of the likeliest one; 0: from all."""


def sampling_of(generate: Generate, **changes: Any) -> Sampling:
    """As the configuration says, but for `changes`."""
    given = {
        name: getattr(generate, name) for name in ("temperature", "top_p", "max_tokens", "min_p")
    }
    return Sampling(**given | changes)


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """n samples for one prompt."""

    problem_id: str
    role: str
    """`solve`, `verify`, `derive`, `critique` or `describe`."""
    prompt: str
    n: int = 1
    sampling: Sampling = field(default_factory=Sampling)
    first: int = 0
    """Where these samples stand among those of a larger request, of which `sampling.seed` is
    that of the first one wanted; only recordings care."""
    label: str = ""
    """What tells this request from the same one at another time; only recordings care."""


def seed_of(*parts: object) -> int:
    """31 bits that only these parts give: requests that differ in one share no random numbers."""
    text = "\0".join(map(str, parts)).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=4).digest()) >> 1


@dataclass(slots=True)
class GeneratorStatistics:
    """Counters since the start; all in completions but the last two."""

    in_flight: int = 0
    peak_in_flight: int = 0
    finished: int = 0
    prompt_tokens: int = 0
    """Counted once per request, not once per sample."""
    completion_tokens: int = 0


class Sampler(Protocol):
    """What the stages of the loop need of a generator."""

    def generate(self, request: GenerationRequest) -> AsyncGenerator[Completion, None]:
        """Yield each completion the moment it is finished; close it (`aclosing`) to stop early.

        Raises PromptError (this request only), EngineDiedError, EndpointError.
        """


class Generator(Sampler, Protocol):
    """A source of completions; an asynchronous context manager."""

    @property
    def statistics(self) -> GeneratorStatistics:
        """Counters since the start."""

    async def __aenter__(self) -> Self:
        """Start the engine; ModelLoadError when it cannot."""

    async def __aexit__(self, *exception: object) -> None:
        """Stop the engine; open iterators end."""

    def room_after(self, prompt: str) -> int | None:
        """Tokens that the model's context has left for a completion; None where that is not known
        here."""

    async def load_weights(self, path: Path) -> None:
        """Serve the weights of `path` from now on: a model directory or a LoRA adapter directory.

        Raises WeightsError and keeps the old weights when the directory is not fit.
        """

    async def sleep(self) -> None:
        """Give accelerator memory back (for a training run beside); no effect without one."""

    async def wake(self) -> None:
        """Undo `sleep`."""
