"""Select -> dataset: from one problem's outcome to what the model learns from it.

A pure function of the outcome, the configuration and the iteration: whoever runs it again, the
loop after a restart, `replay` or `export`, gets the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from sv_engine.config.sections import Config
from sv_engine.dataset import recipes
from sv_engine.dataset.recipes import Refusal, TrainingData
from sv_engine.prompts.roles import RoleTemplates, templates, whole
from sv_engine.records import Outcome, Selection


@dataclass(frozen=True, slots=True)
class Lesson:
    """What is believed about a problem, and the training data it gives."""

    selection: Selection
    refusal: Refusal | None
    """Why it teaches no program, and no test but by vote (`recipe.min_votes`); None if it may."""
    data: TrainingData

    @property
    def use(self) -> str:
        """`used`, or why not."""
        if self.refusal is None:
            return "used"
        return f"{self.refusal}; tests by vote" if self.data.examples else str(self.refusal)


def learn(outcome: Outcome, config: Config, iteration: int) -> Lesson:
    """Select, apply the guards, make training data."""
    rng = Random(f"{config.run.seed}-{iteration}-{outcome.problem.id}")
    selection = recipes.believe(outcome.evidence, config.select, rng)
    refusal = recipes.refusal(outcome, selection, config.recipe)
    texts = templates(config.roles)
    data = recipes.training_data(outcome, selection, refusal, config.recipe, texts, rng)
    check_sampled(outcome, data, texts)
    return Lesson(selection, refusal, data)


class NotSampledError(AssertionError):
    """Training data would hold a text that the model did not write: a fault of this engine."""


def check_sampled(outcome: Outcome, data: TrainingData, texts: RoleTemplates) -> None:
    """Raise NotSampledError unless every text of the solver is a sampled one in normal form
    (`roles.written`), and every text of the verifier whole sampled tests."""
    problem, candidates = outcome.problem, outcome.candidates
    programs = {recipes.program_text(s, texts.solve, problem) for s in candidates.solutions}
    lines = {line for test in candidates.tests for line in test.source.strip().split("\n")}
    taught = [(e.role, e.completion) for e in data.examples]
    taught += [(p.role, text) for p in data.pairs for text in (p.chosen, p.rejected)]
    for role, text in taught:
        sources = whole(texts.verify, problem, text)
        known = text in programs if role == "solve" else lines.issuperset(sources.split("\n"))
        if not known:
            raise NotSampledError(f"problem {problem.id}, role {role}: never sampled: {text!r}")
