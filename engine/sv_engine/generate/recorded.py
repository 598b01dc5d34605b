"""Replays what a generator once yielded, with its timing.

The journal of a run is a recording: a request gets the samples of that very one (`asked`), so a
replay may start anywhere. So are JSON lines, one per completion, in the order in which they
finished:

    {"problem_id", "role", "request", "prompt_tokens", "after_s", "text", "finish_reason",
     "token_count"}

`request` counts the requests of one (problem, role) from 0; `after_s` is the time from the
request's start to this completion, in seconds. The k-th replayed request of a (problem, role)
gets the samples of the k-th recorded one, and the last recorded one when there are no more.
A request that was stopped early, or asked for fewer samples, ends early in the replay too.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sqlite3
from collections import defaultdict
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sv_engine.generate.errors import RecordingError
from sv_engine.generate.protocol import GenerationRequest
from sv_engine.generate.streams import Stream, StreamingGenerator
from sv_engine.records import Completion

Key = tuple[str, str]
"""Problem id and role."""


class RecordedGenerator(StreamingGenerator):
    """Replays a recording; `time_scale` 0 yields at once, 1 as it was, 2 at half the speed."""

    def __init__(self, path: Path, *, time_scale: float = 0.0, max_in_flight: int = 1024) -> None:
        super().__init__(max_in_flight)
        self.path = path
        self.time_scale = time_scale
        self._requests: dict[Key, list[list[dict[str, Any]]]] = {}
        self._served: dict[Key, int] = defaultdict(int)

    async def _open(self) -> None:
        self._requests = await asyncio.to_thread(read_recording, self.path)
        self._served.clear()

    async def _close(self) -> None:
        for stream in self._streams:
            self._give_up(stream)

    async def _start(self, stream: Stream) -> None:
        request = stream.request
        key = (request.problem_id, request.role)
        recorded = self._requests.get(key)
        if not recorded:
            raise RecordingError(
                f"nothing was recorded for problem {request.problem_id}, role {request.role}",
                where=str(self.path),
                remedy="record this problem too, or replay the problems of the recording",
            )
        this = asked(request)
        sampled = _sampled(json.dumps(asdict(request.sampling)))
        same = [lines for lines in recorded if this and lines[0].get("asked") == this]
        alike = [lines for lines in same if lines[0]["sampled"] == sampled]
        if same:  # a run that was changed has asked twice; one of an earlier version otherwise
            samples = (alike or same)[-1]
        else:
            samples = recorded[min(self._served[key], len(recorded) - 1)]
            self._served[key] += 1
        self._statistics.prompt_tokens += int(samples[0]["prompt_tokens"])
        # The order is that of arrival, in which a line may say which sample it was.
        wanted = range(request.first, request.first + request.n)
        lines = [(line.get("sample", i), line) for i, line in enumerate(samples)]
        chosen = [(sample - request.first, line) for sample, line in lines if sample in wanted]
        stream.handle = asyncio.create_task(self._replay(stream, chosen))

    async def _replay(self, stream: Stream, samples: list[tuple[int, dict[str, Any]]]) -> None:
        clock = asyncio.get_running_loop().time
        start_s = clock()
        for number, sample in samples:
            await asyncio.sleep(start_s + self.time_scale * sample["after_s"] - clock())
            stream.deliver(
                Completion(
                    problem_id=stream.request.problem_id,
                    role=stream.request.role,
                    text=sample["text"],
                    finish_reason=sample["finish_reason"],
                    token_count=sample["token_count"],
                    sample=number,
                )
            )
        stream.end()

    def _stop(self, stream: Stream) -> None:
        stream.handle.cancel()

    async def sleep(self) -> None:
        """Nothing to give back."""

    async def wake(self) -> None:
        """Nothing to undo."""

    async def _load_weights(self, path: Path) -> None:
        """A recording has no weights; what comes next was recorded with the later ones."""


def asked(request: GenerationRequest) -> str:
    """Digest of what tells a labelled request from all others of its problem and role; empty for
    one without a label."""
    if not request.label:
        return ""
    seed = request.sampling.seed
    return _digest(request.label, request.prompt, None if seed is None else seed - request.first)


def _sampled(told: str) -> dict[str, Any]:
    """How the tokens are drawn, whatever the seed, from JSON; older journals tell no `min_p`."""
    found: dict[str, Any] = json.loads(told)
    return {"min_p": 0.0} | found | {"seed": None}


def _digest(label: str, prompt: str, seed: int | None) -> str:
    text = "\0".join([label, prompt, str(seed)]).encode("utf-8", "replace")
    return hashlib.blake2b(text, digest_size=12).hexdigest()


def read_journal(path: Path) -> dict[Key, list[list[dict[str, Any]]]]:
    """As `read_recording`, from the journal of a run, in the order in which samples arrived."""
    query = (
        "SELECT number, problem_id, role, iteration || ' ' || stage || ' ' || occurrence,"
        " text.text, sampling, sample, sample.text, coalesce(finish_reason, 'stop'), token_count"
        " FROM sample JOIN request ON number = request"
        " JOIN text ON text.key = prompt_key ORDER BY sample.rowid"
    )
    names = ("prompt_tokens", "after_s", "sample", "text", "finish_reason", "token_count")
    requests: dict[Key, dict[int, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as journal:
            for number, problem, role, label, prompt, sampling, *values in journal.execute(query):
                line = dict(zip(names, [0, 0.0, *values], strict=True))
                line["asked"] = _digest(label, prompt, json.loads(sampling)["seed"])
                line["sampled"] = _sampled(sampling)
                requests[problem, role][number].append(line)
    except sqlite3.Error as error:
        raise RecordingError(
            f"the journal cannot be read: {error}", where=str(path), remedy="name a run's journal"
        ) from error
    return {key: list(by.values()) for key, by in requests.items()}


def read_recording(path: Path) -> dict[Key, list[list[dict[str, Any]]]]:
    """(problem, role) -> its requests -> their samples; RecordingError when it cannot be read."""
    if path.suffix == ".sqlite":
        return read_journal(path)
    requests: dict[Key, dict[int, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    lines = 0
    try:
        with path.open(encoding="utf-8") as file:
            for line in file:
                lines += 1
                sample = json.loads(line)
                missing = SAMPLE_KEYS - sample.keys()
                if missing:
                    raise ValueError(f"no {', '.join(sorted(missing))}")
                key = (sample["problem_id"], sample["role"])
                requests[key][sample["request"]].append(sample)
    except OSError as error:
        raise RecordingError(
            f"the recording cannot be read: {error.strerror}",
            where=str(path),
            remedy="name a run's journal.sqlite, or a file of JSON lines",
        ) from error
    except (ValueError, AttributeError) as error:
        raise RecordingError(
            f"line {lines} of the recording is broken: {error}",
            where=str(path),
            remedy="remove the line, or record again",
        ) from error
    return {key: [by[k] for k in sorted(by)] for key, by in requests.items()}


SAMPLE_KEYS = frozenset(
    "problem_id role request prompt_tokens after_s text finish_reason token_count".split()
)
