"""One benchmark, evaluated: sampled or read, and judged.

The folder gets `samples.jsonl` (programs, for other graders) and `bank.jsonl` (the mutants that the
verifier is measured against); completions are kept where the caller says. The model and the sandbox
are opened by the caller.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sv_engine.benchmarks import samples, score
from sv_engine.benchmarks.tasks import Task
from sv_engine.evaluate.metrics import Estimate
from sv_engine.executors.protocol import RowExecutor, Terms
from sv_engine.generate.protocol import Sampler, Sampling
from sv_engine.prompts.roles import RoleTemplates, Template
from sv_engine.prompts.sets import ASKED
from sv_engine.prompts.template import plain_text

ROLES = {"solver": "solve", "verifier": "verify"}


@dataclass(frozen=True, slots=True)
class Settings:
    """What is asked of a benchmark."""

    roles: Sequence[str]
    """`solver`, `verifier`."""
    n: int
    """Samples per task and role."""
    k: Sequence[int]
    sampling: Sampling
    terms: Terms


@dataclass(slots=True)
class Evaluation:
    """Figures and what they are of."""

    figures: dict[str, Estimate] = field(default_factory=dict)
    prompts: dict[str, str] = field(default_factory=dict)
    """Role -> the exact prompt of the first task, as plain text."""
    solved: list[str] = field(default_factory=list)
    """Tasks with at least one right program."""
    tasks: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Task -> programs that were judged, and right ones: what a paired comparison needs."""
    counts: dict[str, int] = field(default_factory=dict)
    bank: score.Bank = field(default_factory=dict)
    """The mutants that the verifier was measured against."""

    def add(self, other: Evaluation) -> None:
        """Take over what another evaluation of the same tasks, of another role, has found."""
        self.figures |= other.figures
        self.prompts |= other.prompts
        self.solved += other.solved
        self.tasks |= other.tasks
        self.counts |= other.counts
        self.bank |= other.bank

    def as_json(self) -> dict[str, Any]:
        """Ready for `evaluation.json`."""
        return {
            "figures": {name: figure.plain() for name, figure in self.figures.items()},
            "prompts": self.prompts,
            "solved": self.solved,
            "tasks": self.tasks,
            "counts": self.counts,
        }


def template_for(templates: RoleTemplates, role: str, task: Task) -> Template:
    """The prompt of a role; contest tasks have a whole one of their own, and programs that read and
    write have no function to begin."""
    if role == "solve" and not task.problem.entry_point:
        return ASKED
    return templates.solve if role == "solve" else templates.verify


async def evaluate(
    tasks: Sequence[Task],
    settings: Settings,
    templates: RoleTemplates,
    generator: Sampler | None,
    executor: RowExecutor,
    folder: Path,
    given: samples.Texts | None = None,
    *,
    store: Path | None,
    bank: score.Bank | None = None,
    on_task: Callable[[], None] = lambda: None,
) -> Evaluation:
    """Both roles, as far as they are asked for.

    given: the solver's programs, instead of sampling. store: where completions are kept, so that an
    interrupted evaluation goes on; None: the generator does that. bank: the mutants, where an
    earlier evaluation of the same tasks has made them.
    """
    found = Evaluation(counts={"tasks": len(tasks)})
    if "solver" in settings.roles:
        programs = given
        if programs is None:
            assert generator is not None
            programs = {}
            for template, some in _by_template(tasks, templates, "solve"):
                asking = samples.Asking("solve", template, settings.n, settings.sampling)
                texts = await samples.sample(some, asking, generator, store, on_task)
                programs |= samples.programs(some, texts, template)
                found.prompts.setdefault("solver", _prompt(some[0], "solve", template))
            samples.write_samples(folder / "samples.jsonl", tasks, programs)
        judged = [task for task in tasks if task.problem.id in programs]
        marks = await score.judge_programs(judged, programs, executor, settings.terms, on_task)
        found.figures |= score.solver_figures(marks, settings.k)
        found.solved = [task_id for task_id, row in marks.items() if 1.0 in row]
        rows = list(marks.values())
        found.tasks = {
            task_id: (len(row) - row.count(None), row.count(1.0)) for task_id, row in marks.items()
        }
        found.counts |= {
            "judged_tasks": len(judged),
            "programs": sum(map(len, rows)),
            "unreadable": sum(row.count("") for row in programs.values()),
            "holes": sum(row.count(None) for row in rows),
        }
    if "verifier" in settings.roles and generator is not None:
        if bank is None:
            bank = await score.make_bank(tasks, executor, settings.terms)
        found.bank = bank
        _write_bank(folder / "bank.jsonl", found.bank)
        found.counts |= {"bank_tasks": len(found.bank), "bank": sum(map(len, found.bank.values()))}
        usable = [task for task in tasks if task.problem.id in found.bank]
        if usable:
            template = templates.verify
            asking = samples.Asking("verify", template, settings.n, settings.sampling)
            texts = await samples.sample(usable, asking, generator, store, on_task)
            found.prompts["verifier"] = _prompt(usable[0], "verify", template)
            found.figures |= await score.verifier_figures(
                usable, texts, template, found.bank, executor, settings.terms
            )
    return found


def _write_bank(path: Path, bank: score.Bank) -> None:
    with path.open("w", encoding="utf-8") as file:
        for task_id, wrong in bank.items():
            file.write(json.dumps({"task_id": task_id, "wrong_solutions": wrong}) + "\n")


def _by_template(
    tasks: Sequence[Task], templates: RoleTemplates, role: str
) -> list[tuple[Template, list[Task]]]:
    grouped: dict[Template, list[Task]] = {}
    for task in tasks:
        grouped.setdefault(template_for(templates, role, task), []).append(task)
    return list(grouped.items())


def _prompt(task: Task, role: str, template: Template) -> str:
    return plain_text(template.fill(samples.shown(task, role)))
