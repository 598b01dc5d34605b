"""`sv-engine solve`: programs and tests for a problem at play time, a choice, and why."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from sv_engine.commands.interrupts import AGAIN
from sv_engine.commands.model_options import SETS, resolve
from sv_engine.errors import EngineError
from sv_engine.evaluate.summary import Tally, results_table
from sv_engine.play.pipeline import CellRunner, Player, without_ground_truth
from sv_engine.play.rounds import Solved, solve
from sv_engine.play.tasks import one_error
from sv_engine.pocket import starter
from sv_engine.problems.formats import RolloutFile
from sv_engine.problems.jsonl import BadRow, lines_of
from sv_engine.problems.sources import problems_of
from sv_engine.prompts.roles import templates
from sv_engine.records import Problem, Verdicts
from sv_engine.selection import SELECTORS

if TYPE_CHECKING:
    from sv_engine.config.sections import Config

MAJORITY, CONTROL = "mbr", "random"
SHOWN_GROUPS = 6


@click.command("solve")
@click.argument("problem")
@click.option("--model", required=True, help="Model folder, a name that vLLM can load, or pocket.")
@click.option("--entry-point", default="solve", show_default=True, help="Of a problem in words.")
@click.option("--selector", type=click.Choice(list(SELECTORS)), default="b4", show_default=True)
@click.option("--rounds", type=click.IntRange(1), default=1, show_default=True)
@click.option("-s", "--solutions", type=click.IntRange(1), default=16, show_default=True)
@click.option("-t", "--tests", type=click.IntRange(1), default=16, show_default=True)
@click.option("--limit", type=click.IntRange(1), help="Only the first so many problems of a file.")
@click.option("--templates", "role_set", type=click.Choice(SETS), default="auto", show_default=True)
@click.option("--config", help="Configuration whose [generate], [model] and [execute] are used.")
@click.option("--set", "settings", multiple=True, metavar="SECTION.KEY=VALUE")
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="JSONL: a line per problem."
)
def solve_command(
    problem: str,
    model: str,
    entry_point: str,
    selector: str,
    rounds: int,
    solutions: int,
    tests: int,
    limit: int | None,
    role_set: str,
    config: str | None,
    settings: tuple[str, ...],
    out: Path | None,
) -> None:
    """Sample programs and tests, run every pair, print the program that they speak for.

    PROBLEM is a text, a JSONL file of problems (id, prompt, entry_point, or a benchmark), or
    `starter`, the packaged held-out tasks. The program goes to stdout, how sure it is and why to
    stderr. With --rounds, programs that disagree are asked for tests that tell them apart, and
    tests that lost are asked again. Where the file has references, the choice is compared with a
    random sample and with a majority of the same samples. No reference is shown to the model or
    used for the choice.
    """
    errors = Console(stderr=True)
    budget = [f"generate.solutions={solutions}", f"generate.tests={tests}"]
    resolved = resolve(model, config, [*budget, *settings], role_set)
    found = _problems(problem, entry_point, errors)[:limit]
    asking = _Asking(resolved, selector, rounds)
    tally = Tally(tuple(dict.fromkeys([CONTROL, MAJORITY, selector])))
    lines: list[dict[str, Any]] = []
    if out is not None:
        out.write_text("", "utf-8")

    def on_solved(solved: Solved) -> None:
        tally.add(solved.outcome)
        lines.append(as_json(solved))
        if out is not None:  # at once: an interrupted call keeps what it has
            with out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(lines[-1]) + "\n")
        errors.print(_headline(solved), highlight=False, soft_wrap=True)
        if len(found) == 1:
            errors.print(_why(solved))
            click.echo(solved.program or "")

    try:
        asyncio.run(_solve(found, asking, on_solved))
    except KeyboardInterrupt:
        if not lines:
            raise
    if any(e.count for e in tally.pass_at_1().values()):
        Console().print(results_table(tally))
    if len(lines) < len(found):
        raise KeyboardInterrupt(f" after {len(lines)} of {len(found)} problems{AGAIN}")
    if len(found) == 1 and lines[0]["program"] is None:
        raise EngineError(
            "no completion was a program",
            where=found[0].id,
            remedy="sample more (--solutions), or use --templates examples for a small model",
        )


@dataclass(frozen=True, slots=True)
class _Asking:
    config: Config
    selector: str
    rounds: int


def _problems(given: str, entry_point: str, errors: Console) -> list[Problem]:
    """With references where the file has them; `_solve` takes them off before anything is asked."""
    if given == "starter":
        return [item.problem for item in starter.heldout_problems()]
    path = Path(given)
    if len(given) > 255 or not path.is_file():
        if not given.strip() or given.endswith((".jsonl", ".jsonl.gz")):
            raise EngineError(
                "neither a problem nor a file", where=given, remedy="describe the function to write"
            )
        return [Problem("problem", given, entry_point)]
    bad_rows: list[BadRow] = []
    found = problems_of(path, bad_rows)
    for line in lines_of(bad_rows):
        errors.print(line, highlight=False, soft_wrap=True)
    tests = {r.problem.id: r.problem.reference_test for r in RolloutFile(path)}
    return [replace(p, reference_test=tests.get(p.id)) for p in found]


async def _solve(
    found: Sequence[Problem], asking: _Asking, on_solved: Callable[[Solved], None]
) -> None:
    from sv_engine.run.doors import open_executor, open_generator

    config = asking.config
    room = asyncio.Semaphore(config.generate.problems_in_flight)
    with open_executor(config) as executor:
        async with open_generator(config, Path()) as generator:
            player = Player(
                generator, templates(config.roles), config.generate, config.roles, config.run.seed
            )

            async def one(problem: Problem) -> None:
                async with room:
                    solved = await solve(
                        without_ground_truth(problem),
                        player,
                        executor,
                        config.execute,
                        selector=asking.selector,
                        rounds=asking.rounds,
                    )
                on_solved(await _with_reference(solved, problem, executor, config))

            async with one_error(), asyncio.TaskGroup() as group:
                for problem in found:
                    group.create_task(one(problem))


async def _with_reference(
    solved: Solved, problem: Problem, executor: CellRunner, config: Config
) -> Solved:
    """The same with the verdicts of the reference test, when everything is chosen."""
    test = problem.reference_test
    if test is None:
        return solved
    sources, _ = solved.outcome.candidates.sources()
    own: Verdicts = await executor.judge(
        sources, [test], config.execute.reference_cpu_s, problem.entry_point
    )
    return replace(solved, outcome=replace(solved.outcome, reference=own))


def as_json(solved: Solved) -> dict[str, Any]:
    """A line of --out (docs/formats.md)."""
    outcome = solved.outcome
    right: bool | None = None
    if outcome.reference is not None and solved.groups:
        sources, _ = outcome.candidates.sources()
        right = bool(outcome.reference.passed_ST[sources.index(solved.groups[0].program), 0])
    return {
        "id": outcome.problem.id,
        "program": solved.program,
        "agreement": round(solved.agreement, 3),
        "samples": solved.samples,
        "tests": solved.tests,
        "believed_tests": solved.believed,
        "rounds": solved.rounds,
        "groups": [
            {"samples": g.samples, "passed": g.passed, "believed": g.believed, "score": g.score}
            for g in solved.groups
        ],
        "passes_reference": right,
    }


def _headline(solved: Solved) -> str:
    if not solved.groups:
        dropped = sum(solved.outcome.candidates.dropped.values())
        return f"{solved.outcome.problem.id}: no program ({dropped} completions without one)"
    best = solved.groups[0]
    return (
        f"{solved.outcome.problem.id}: {solved.agreement:.0%} agreement after {solved.rounds} "
        f"round{'s' if solved.rounds > 1 else ''}: {best.samples} of {solved.samples} programs "
        f"behave alike and pass {best.passed} of {solved.tests} tests, {best.believed} of the "
        f"{solved.believed} believed ones"
    )


def _why(solved: Solved) -> Table:
    table = Table(title="programs by behaviour: no test tells those of a group apart")
    for column in ("group", "samples", "tests passed", "believed tests passed", "score"):
        table.add_column(column, justify="right")
    for number, group in enumerate(solved.groups[:SHOWN_GROUPS], 1):
        cells = (group.samples, group.passed, group.believed)
        table.add_row(str(number), *map(str, cells), f"{group.score:.3g}")
    return table
