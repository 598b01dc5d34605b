"""`sv-engine eval`: a model, or a file of samples, on public benchmarks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from sv_engine.benchmarks.evaluation import ROLES, Settings
from sv_engine.benchmarks.tasks import NAMES, SPLITS, Benchmark, load_all
from sv_engine.commands.eval_run import EvalRun, Found
from sv_engine.commands.model_options import SETS, resolve
from sv_engine.commands.number_options import CpuSeconds, Number
from sv_engine.errors import EngineError
from sv_engine.executors.protocol import Terms
from sv_engine.generate.protocol import Sampling
from sv_engine.problems.jsonl import BadRow, lines_of

ASKED = "asked.json"
"""Of the results' folder: how its completions were sampled."""
VALIDATION = "validation"
OTHERS = {"journal.sqlite": "a run", "matrices": "an exec", "config.json": "a model"}
"""What lies in folders that are not those of an evaluation, and whose they are."""


@click.command("eval")
@click.option(
    "--benchmark",
    "names",
    multiple=True,
    required=True,
    metavar="|".join([*NAMES, "FILE"]),
    help="What to evaluate on; may be repeated.",
)
@click.option("--model", help="Model folder, or a name that vLLM can load.")
@click.option(
    "--samples",
    "samples_path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Programs instead of a model: a samples.jsonl of human-eval or EvalPlus.",
)
@click.option(
    "--role",
    "roles",
    multiple=True,
    type=click.Choice(list(ROLES)),
    help="Role to evaluate; may be repeated. Default: solver.",
)
@click.option(
    "--split", default="test", show_default=True, help="test, train, validation, ..., or all."
)
@click.option(
    "--data", type=click.Path(file_okay=False, path_type=Path), help="Folder of the files."
)
@click.option(
    "--limit",
    type=click.IntRange(1),
    help="Only the first so many tasks, also of the validation split.",
)
@click.option(
    "--only",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="EVALUATION.JSON",
    help="Only tasks that an earlier evaluation solved at least once.",
)
@click.option(
    "-n", "n", type=click.IntRange(1), default=10, show_default=True, help="Samples per task."
)
@click.option("--k", default="1,10", show_default=True, help="The k of pass@k.")
@click.option("--temperature", type=Number(0), default=0.8, show_default=True)
@click.option(
    "--tune",
    metavar="T,T,...",
    help="Instead of --temperature: the best of these for each role on the benchmark's own "
    "validation split (mbpp has one).",
)
@click.option("--top-p", type=Number(0, 1, min_open=True), default=0.95, show_default=True)
@click.option("--min-p", type=Number(0, 1), default=0.0, show_default=True)
@click.option("--max-tokens", type=click.IntRange(1), default=512, show_default=True)
@click.option(
    "--templates",
    "role_set",
    type=click.Choice(SETS),
    default="auto",
    show_default=True,
    help="Prompts; auto: of --config, else `chat` where the model has a chat template.",
)
@click.option(
    "--cpu-s", type=CpuSeconds(), default=4.0, show_default=True, help="CPU seconds of one test."
)
@click.option("--workers", type=click.IntRange(1), help="Sandbox workers. Default: one per core.")
@click.option("--config", help="Configuration whose [generate] and [model] are used.")
@click.option("--set", "settings", multiple=True, metavar="SECTION.KEY=VALUE")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Folder for the results."
)
def eval_command(
    names: tuple[str, ...],
    model: str | None,
    samples_path: Path | None,
    roles: tuple[str, ...],
    split: str,
    data: Path | None,
    limit: int | None,
    only: Path | None,
    n: int,
    k: str,
    temperature: float,
    tune: str | None,
    top_p: float,
    min_p: float,
    max_tokens: int,
    role_set: str,
    cpu_s: float,
    workers: int | None,
    config: str | None,
    settings: tuple[str, ...],
    out: Path | None,
) -> None:
    """pass@k of the solver, and validity, kill rate and mutation score of the verifier.

    The files of the benchmarks are looked for in --data (else data, ../shared/data) and never
    downloaded. The same --out again goes on where it was: completions are not asked again.
    With --tune each role is evaluated at the temperature that was best on the validation split.
    """
    asked, temperatures = tuple(dict.fromkeys(roles)) or ("solver",), _temperatures(tune)
    if (model is None) == (samples_path is None):
        raise click.UsageError("give either --model or --samples")
    if samples_path is not None and "verifier" in asked:
        raise click.UsageError("--samples are programs: the verifier needs a model")
    if samples_path is not None and temperatures:
        raise click.UsageError("--tune samples: it needs a model")
    n = n if temperature > 0 or temperatures else 1
    ks = _ks(k, n)
    bad_rows: list[BadRow] = []
    wanted = load_all(names, data, bad_rows, split, limit)
    validation = _validation(names, data, split, limit) if temperatures else []
    if only is not None:
        wanted = [_reachable(one, only) for one in wanted]
    errors = Console(stderr=True)
    for line in lines_of(bad_rows):
        errors.print(line, highlight=False, soft_wrap=True)
    terms = Terms(cpu_s=cpu_s, output_bytes=64 << 20)
    what = Settings(asked, n, ks, Sampling(temperature, top_p, max_tokens, min_p=min_p), terms)
    resolved = None if model is None else resolve(model, config, settings, role_set)
    folder = out or Path("runs") / f"eval-{'-'.join(Path(name).stem for name in names)}"
    sampled = {
        "model": model or str(samples_path),
        "temperature": temperatures or temperature,
        "top_p": top_p,
        "min_p": min_p,
        "max_tokens": max_tokens,
        "templates": str(resolved.roles.templates) if resolved else None,
    }
    _claim(folder, sampled)
    run = EvalRun(what, resolved, samples_path, temperatures, folder, workers, errors)
    try:
        found = asyncio.run(run.run(wanted, validation))
    except KeyboardInterrupt:
        if resolved is None:  # programs that were given are judged anew
            raise KeyboardInterrupt from None
        kept = f"; the same command goes on, completions are kept in {folder}"
        raise KeyboardInterrupt(kept) from None
    _report(found, sampled | {"split": split, "samples": n}, folder)


def _report(found: dict[str, Found], document: dict[str, Any], folder: Path) -> None:
    """Write evaluation.json; show the table and the prompts."""
    document |= {"benchmarks": {name: result.as_json() for name, result in found.items()}}
    (folder / "evaluation.json").write_text(json.dumps(document, indent=2) + "\n", "utf-8")
    Console().print(_table(found))
    for name, result in found.items():
        for role, prompt in result.evaluation.prompts.items():
            click.echo(f"\n{name}, the prompt of the {role} (first task):\n{prompt}", err=True)
    click.echo(folder / "evaluation.json")


def _ks(text: str, n: int) -> list[int]:
    try:
        ks = [int(part) for part in text.split(",")]
    except ValueError:
        raise click.UsageError(f"--k wants numbers with commas, not {text!r}") from None
    if min(ks) < 1:
        raise click.UsageError("--k wants numbers from 1 on")
    return [k for k in ks if k <= n] or [1]


def _validation(
    names: Sequence[str], data: Path | None, split: str, limit: int | None
) -> list[Benchmark]:
    """The tasks that a temperature is found on."""
    if split != "test":
        raise click.UsageError("--tune is for the test split")
    if without := [name for name in names if VALIDATION not in SPLITS.get(name, {})]:
        raise click.UsageError(
            f"--tune needs a validation split, which {', '.join(without)} has not; "
            "give --temperature"
        )
    return load_all(names, data, [], VALIDATION, limit)


def _temperatures(text: str | None) -> list[float]:
    try:
        found = [] if text is None else [float(part) for part in text.split(",")]
    except ValueError:
        raise click.UsageError(f"--tune wants temperatures with commas, not {text!r}") from None
    if any(not 0 <= t < float("inf") for t in found):
        raise click.UsageError("--tune wants temperatures from 0 on")
    return list(dict.fromkeys(found))


def _claim(folder: Path, asked: dict[str, Any]) -> None:
    """Make the folder of the results, or go on in it; UsageError where it holds answers that were
    sampled otherwise, or something else."""
    path = folder / ASKED
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if kind := next((kind for name, kind in OTHERS.items() if (folder / name).exists()), None):
            raise click.UsageError(f"{folder} is that of {kind}; give another --out")
        holds_answers = any(entry.name != ASKED for entry in folder.iterdir())
        before = json.loads(path.read_text("utf-8")) if holds_answers and path.exists() else None
        if before is None:  # nothing was sampled yet, as where the model was not found
            path.write_text(json.dumps(asked, indent=2) + "\n", "utf-8")
    except OSError as error:
        raise EngineError(
            f"the folder of the results cannot be used: {error.strerror}",
            where=str(error.filename or folder),
            remedy="give --out on a disk that can be written",
        ) from error
    except ValueError as error:
        raise EngineError(
            f"how the answers in this folder were sampled cannot be read: {error}",
            where=str(path),
            remedy="give another --out",
        ) from error
    if before is not None:
        if other := [key for key in asked if before.get(key) != asked[key]]:
            told = ", ".join(f"{key} {before.get(key)!r}" for key in other)
            raise click.UsageError(
                f"{folder} holds answers that were sampled with {told}; give another --out"
            )


def _reachable(one: Benchmark, evaluation: Path) -> Benchmark:
    """The tasks that an earlier evaluation solved."""
    try:
        solved = set(json.loads(evaluation.read_text("utf-8"))["benchmarks"][one.name]["solved"])
    except (ValueError, KeyError, TypeError):
        raise click.UsageError(f"--only: {evaluation} has no evaluation of {one.name}") from None
    tasks = [task for task in one.tasks if task.problem.id in solved]
    if not tasks:
        raise click.UsageError(f"--only: {evaluation} solved none of these tasks of {one.name}")
    return Benchmark(one.name, tasks)


def _table(found: dict[str, Found]) -> Table:
    table = Table(title="benchmarks, with 95% intervals over problems")
    for column in ("benchmark", "figure", "value", "95% interval", "problems"):
        table.add_column(column, justify="left" if column in ("benchmark", "figure") else "right")
    for name, result in found.items():
        for figure, e in result.evaluation.figures.items():
            interval = f"{e.low:.3f} to {e.high:.3f}"
            table.add_row(name, figure, f"{e.mean:.3f}", interval, str(e.count))
        for role, one in result.tuned.items():
            tried = ", ".join(f"{t:g}: {value:.3f}" for t, value in one.figures.items())
            table.add_row(name, f"{role}: T={one.temperature:g} ({tried})", "", "", "")
        notes = ", ".join(f"{count:,} {what}" for what, count in result.evaluation.counts.items())
        table.add_row(name, notes, "", "", "", end_section=True)
    return table
