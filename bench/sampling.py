"""Sampling on this CPU, by role: our engine arguments beside vLLM's own size of a cache block.

    python -m bench.sampling --config smollm2-135m [--model DIR] [--problems 6] [--rounds 2]

In: a configuration, its model and the problems it plays. Each side is a fresh process, in turns; it
samples programs, tests and derived values for the same problems with the same seeds. Out, as JSON:
completions, tokens and CPU seconds of each role and side, the ratio of CPU time, and how many texts
are the same. Needs `make setup-loop`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from bench.machine import describe

from sv_engine.config.layers import load
from sv_engine.config.sections import Config
from sv_engine.generate import GenerationRequest, Generator, VllmOptions, open_vllm
from sv_engine.generate.protocol import sampling_of
from sv_engine.problems import sources
from sv_engine.prompts.roles import templates
from sv_engine.run.doors import base_model

SIDES = {"ours": {}, "vLLM's block size": {"block_size": 128}}
"""Engine arguments beside ours; 128 is what vLLM takes on a CPU by itself."""
INPUTS = ("[3, 1, 2]", "[5]", "[4, 4, 0, 9]", "[7, 8]", "[1, 2, 3, 4, 5]", "[10, 2, 6, 6, 1]")
"""Arguments whose value is derived, as often as the configuration says."""


def requests(config: Config, problems: int) -> dict[str, list[GenerationRequest]]:
    """What is asked for in a play, by role."""
    texts, generate = templates(config.roles), config.generate
    asked: dict[str, list[GenerationRequest]] = defaultdict(list)
    for number, problem in enumerate(sources.unlabelled(config, 1)[:problems]):
        sampling = sampling_of(generate, seed=1000 * number)
        prompts = [
            ("solve", texts.solve.fill(problem), generate.solutions),
            ("verify", texts.verify.fill(problem), generate.tests),
            *(
                ("derive", texts.derive.fill(problem, argument=argument), generate.derivations)
                for argument in INPUTS
            ),
        ]
        for role, prompt, n in prompts:
            asked[role].append(GenerationRequest(problem.id, role, prompt, n, sampling))
    return asked


async def side(config: Config, problems: int, extra: dict[str, Any]) -> dict[str, Any]:
    """One side, in this process."""
    sections = dict(config.generate) | dict(config.model) | {"path": base_model(config)}
    found: dict[str, Any] = {"texts": []}
    async with open_vllm(VllmOptions(**sections, extra=extra)) as generator:
        for role, asked in requests(config, problems).items():
            start_s, tokens = time.process_time(), 0
            answers = await asyncio.gather(*(_all(generator, request) for request in asked))
            for texts, count in answers:
                tokens += count
                found["texts"] += texts
            cpu_s = time.process_time() - start_s
            completions = sum(len(texts) for texts, _ in answers)
            found[role] = {"completions": completions, "tokens": tokens, "cpu_s": cpu_s}
    return found


async def _all(generator: Generator, request: GenerationRequest) -> tuple[list[str], int]:
    answers: AsyncIterator[Any] = generator.generate(request)
    found = sorted([completion async for completion in answers], key=lambda c: c.sample)
    return [c.text for c in found], sum(c.token_count for c in found)


def main() -> None:
    """Both sides in turns, or with --side one of them in this process."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", default="smollm2-135m")
    parser.add_argument("--model")
    parser.add_argument("--problems", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    config = load(given.config, settings=[f"model.path={given.model}"] if given.model else [])
    if given.side:
        print(json.dumps(asyncio.run(side(config, given.problems, SIDES[given.side]))))
        return
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in SIDES}
    for _ in range(given.rounds):
        for name, found in runs.items():
            command = [sys.executable, "-m", "bench.sampling", *sys.argv[1:], "--side", name]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            found.append(json.loads(done.stdout.splitlines()[-1]))
            print(f"{name}: {_line(found[-1])}", file=sys.stderr)
    ours, theirs = runs.values()
    same = [a == b for a, b in zip(ours[0]["texts"], theirs[0]["texts"], strict=True)]
    document = {
        "machine": describe(),
        "config": given.config,
        "problems": given.problems,
        "rounds": given.rounds,
        "sides": {name: [_figures(one) for one in found] for name, found in runs.items()},
        "cpu_ours_beside_theirs": {
            role: sum(r[role]["cpu_s"] for r in ours) / sum(r[role]["cpu_s"] for r in theirs)
            for role in _figures(ours[0])
        },
        "same_texts": sum(same) / len(same),
    }
    text = json.dumps(document, indent=1)
    print(text)
    if given.out:
        given.out.write_text(text + "\n")


def _figures(found: dict[str, Any]) -> dict[str, Any]:
    return {role: figures for role, figures in found.items() if role != "texts"}


def _line(found: dict[str, Any]) -> str:
    rates = {r: f["tokens"] / f["cpu_s"] for r, f in _figures(found).items()}
    return ", ".join(f"{role} {rate:,.0f} tokens per CPU second" for role, rate in rates.items())


if __name__ == "__main__":
    main()
