"""The describe role: the model invents problems from seed snippets.

In: snippets. Out: problems without ground truth, neither repeated nor overlapping the held-out
ones, as many as were asked for or as the snippets gave. Templates take turns, so that difficulty
and topic spread. A description is a Python function with a docstring (or, from the pocket model, a
sentence); what is none is dropped and counted.
"""

from __future__ import annotations

import ast
import asyncio
import hashlib
import re
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from sv_engine.generate.protocol import GenerationRequest, Sampler, Sampling, seed_of
from sv_engine.play.tasks import one_error
from sv_engine.pocket.grammar import ENTRY_POINT
from sv_engine.problems import decontaminate
from sv_engine.prompts.roles import Template
from sv_engine.records import Problem

_FENCED = re.compile(r"```[^\n]*\n(.*?)(?:```|\Z)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Quota:
    """How many problems, and what they must keep away from."""

    count: int
    heldout_texts: Sequence[str]
    ngram: int
    near_duplicate: float
    played: Sequence[str] = ()
    """Prompts of earlier iterations."""


async def describe(
    snippets: Sequence[str],
    templates: Sequence[Template],
    generator: Sampler,
    sampling: Sampling,
    quota: Quota,
    read: Callable[[str], Problem | None],
    on_completion: Callable[[], None] = lambda: None,
) -> tuple[list[Problem], Counter[str]]:
    """Problems, and why descriptions were dropped. read: `read_function` or `read_sentence`."""
    dropped: Counter[str] = Counter()
    reasons: Counter[decontaminate.Reason] = Counter()
    found: list[Problem] = []
    room = asyncio.Semaphore(256)

    async def one(number: int, snippet: str) -> Problem | None:
        template = templates[number % len(templates)]
        prompt = template.text.format(snippet=snippet) + template.prefill
        own = replace(sampling, seed=seed_of(sampling.seed, "describe", number))
        request = GenerationRequest(f"describe-{number}", "describe", prompt, 1, own)
        async with room, aclosing(generator.generate(request)) as completions:
            async for completion in completions:
                on_completion()
                return read(completion.text)
        return None

    kept: list[Problem] = []
    for start in range(0, len(snippets), 2 * quota.count):
        async with one_error(), asyncio.TaskGroup() as group:
            some = list(enumerate(snippets))[start : start + 2 * quota.count]
            tasks = [group.create_task(one(number, snippet)) for number, snippet in some]
        problems = [task.result() for task in tasks]
        dropped["no problem in the description"] += sum(p is None for p in problems)
        found += [problem for problem in problems if problem is not None]
        kept, reasons = decontaminate.clean(
            found,
            quota.heldout_texts,
            ngram=quota.ngram,
            near_duplicate=quota.near_duplicate,
            played=quota.played,
        )
        if len(kept) >= quota.count:
            break
    dropped.update({reason.value: count for reason, count in reasons.items()})
    return kept[: quota.count], dropped


def _name(text: str) -> str:
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=6)
    return f"described-{digest.hexdigest()}"


def read_sentence(completion: str) -> Problem | None:
    """The pocket model's descriptions: one sentence, cut at the closing quotes."""
    text = completion.split('"""')[0].strip()
    return Problem(_name(text), text, ENTRY_POINT) if text else None


def read_function(completion: str) -> Problem | None:
    """The first function with a docstring, as signature and docstring alone: a body would be an
    answer. None where there is none."""
    for text in [*_FENCED.findall(completion), completion]:
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and ast.get_docstring(node):
                imports = [n for n in tree.body if isinstance(n, (ast.Import, ast.ImportFrom))]
                node.body = node.body[:1]
                prompt = "\n".join(ast.unparse(part) for part in [*imports, node])
                return Problem(_name(prompt), prompt, node.name)
    return None
