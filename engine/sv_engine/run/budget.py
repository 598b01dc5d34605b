"""What a run may cost, before it costs anything: upper bounds that the configuration implies.

A completion is counted as long as it may be (`generate.max_tokens`), a suite as large as it may be
(`generate.max_asserts`), so a run costs at most this, usually a part of it. Hours need a rate,
which is not known before something was sampled: they are given at `TOKENS_S`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sv_engine.benchmarks.tasks import load_all
from sv_engine.config.sections import Config, ProblemSource, TestSampling
from sv_engine.problems.jsonl import count_lines

TOKENS_S = 10_000
"""Tokens per second that hours are given at: of an 8B model on one large GPU, or of the pocket
model on two cores, in the order of magnitude."""
TOKEN_BYTES = 4
CELL_BYTES = 40
"""Of the journal, per cell."""
PLACE_BYTES = 10
"""Of the journal, per sample, however short."""
Counts = dict[str, int]


@dataclass(frozen=True, slots=True)
class Cost:
    """Upper bounds of a run."""

    iteration: Counts
    """Completions of one iteration, by role."""
    evaluation: int
    """Completions of one evaluation."""
    completions: int
    """Of the whole run."""
    tokens: int
    """Of the whole run."""
    iteration_tokens: int
    """Of one iteration with its evaluation."""
    disk_bytes: int
    """Journal, training data and weights, as far as these are on this machine already."""
    least_bytes: int
    """Of the journal, if each text is empty: a lower bound."""

    def __str__(self) -> str:
        roles = ", ".join(f"{role} {count:,}" for role, count in self.iteration.items())
        return (
            f"at most {self.completions:,} completions ({sum(self.iteration.values()):,} an "
            f"iteration: {roles}; {self.evaluation:,} an evaluation), {self.tokens:,} tokens "
            f"({self.tokens / TOKENS_S / 3600:,.1f} h at {TOKENS_S:,} tokens/s; an iteration "
            f"{self.iteration_tokens / TOKENS_S / 3600:,.1f} h, and its training), "
            f"{size(self.disk_bytes)} on disk"
        )


def size(count: float) -> str:
    """Bytes, for people."""
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.1f} MB"


def cost(config: Config, model: str) -> Cost:
    """The bounds. model: directory or name of the base weights."""
    iterations = config.run.iterations
    iteration, evaluation = completions_of_play(config), completions_of_evaluation(config)
    total = iterations * sum(iteration.values()) + (iterations + 1) * evaluation
    tokens = total * config.generate.max_tokens
    tests = config.generate.tests * config.generate.max_asserts
    cells = iterations * config.problems.count * config.generate.solutions * tests
    weights = sum(file.stat().st_size for file in Path(model).glob("*.safetensors"))
    disk = tokens * TOKEN_BYTES + cells * CELL_BYTES + iterations * weights
    one = (sum(iteration.values()) + evaluation) * config.generate.max_tokens
    generate = config.generate
    sampled = min(generate.solutions, generate.enough_solutions or generate.solutions)
    sampled += min(generate.tests, generate.enough_tests or generate.tests)
    least = iterations * config.problems.count * sampled * PLACE_BYTES
    return Cost(iteration, evaluation, total, tokens, one, disk, least)


def completions_of_play(config: Config) -> Counts:
    """Completions of one iteration, by role."""
    generate, problems = config.generate, config.problems.count
    suites = generate.tests
    counts = {"solve": problems * generate.solutions, "verify": problems * suites}
    if config.problems.source is ProblemSource.DESCRIBE:
        path = config.problems.path  # every snippet may be needed
        snippets = count_lines(path) if path and path.exists() else 4 * problems
        counts = {"describe": snippets} | counts
    if generate.critique:
        counts["critique"] = problems * suites
    if generate.test_sampling is TestSampling.TWO_STAGE:
        counts["derive"] = problems * suites * generate.max_asserts * generate.derivations
    return counts


def completions_of_evaluation(config: Config) -> int:
    """Completions of both roles at all temperatures, and on the benchmarks at the first."""
    evaluate = config.evaluate
    drawn = {t: evaluate.samples if t > 0 else 1 for t in evaluate.temperatures}
    benchmarks = load_all(evaluate.benchmarks, evaluate.data, [])
    tasks = sum(len(benchmark.tasks) for benchmark in benchmarks)
    return 2 * (evaluate.problems * sum(drawn.values()) + tasks * drawn[evaluate.temperatures[0]])
