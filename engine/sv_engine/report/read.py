"""What a folder tells: the journal of a run, or the `summary.json` of an `exec`.

In: a folder. Out: a `Record`. Only plain figures are read here, not the matrices. The journal may
still be written; it is opened for reading only, and what is not there yet is left out.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sv_engine.errors import EngineError
from sv_engine.evaluate.metrics import Z_95
from sv_engine.run.folder import CONFIG_NAME, FILE_NAME, is_run, no_run, reading

SUMMARY_NAME = "summary.json"
LONGEST_PROMPT = 20_000
"""Characters of a prompt that are shown."""

Query = Callable[..., list[tuple[Any, ...]]]


@dataclass(frozen=True, slots=True)
class Figure:
    """One held-out figure of one iteration, with its 95% interval over problems."""

    iteration: int
    name: str
    temperature: float
    value: float
    low: float
    high: float
    problems: int


@dataclass(frozen=True, slots=True)
class Step:
    """One optimiser step."""

    iteration: int
    phase: str
    loss: float
    margin: float | None
    """Reward margin of DPO, chosen over rejected."""
    accuracy: float | None
    """Share of the pairs whose chosen text has the higher reward."""


@dataclass(frozen=True, slots=True)
class Samples:
    """Completions of one role in one iteration."""

    iteration: int
    stage: str
    role: str
    count: int
    truncated: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt as the model saw it, and what it answered first."""

    iteration: int
    stage: str
    role: str
    problem: str
    sampling: str
    prompt: str
    answer: str


@dataclass(slots=True)
class Timeline:
    """One iteration of play, in seconds since its first sample."""

    iteration: int
    tokens: dict[int, int] = field(default_factory=dict)
    """Second -> tokens that arrived."""
    cells: dict[int, int] = field(default_factory=dict)
    """Second -> cells of the problems that were judged then; empty where no run noted it."""

    @property
    def overlap(self) -> float | None:
        """Share of the cells that were judged before the last sample came."""
        if not self.cells or not self.tokens:
            return None
        last = max(self.tokens)
        early = sum(cells for second, cells in self.cells.items() if second < last)
        return early / max(1, sum(self.cells.values()))


@dataclass(slots=True)
class Record:
    """Everything but the matrices."""

    folder: Path
    name: str
    is_run: bool
    selector: str
    config: str
    """The resolved configuration as text."""
    figures: list[Figure] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    samples: list[Samples] = field(default_factory=list)
    prompts: list[Prompt] = field(default_factory=list)
    timelines: list[Timeline] = field(default_factory=list)
    phases_s: list[tuple[int, str, float]] = field(default_factory=list)
    """Iteration, phase, seconds."""
    played: dict[int, dict[str, Any]] = field(default_factory=dict)
    """Iteration -> what was played: counts of problems, samples, cells, examples, pairs."""
    refusals: list[str] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    """Content of summary.json; empty where there is none yet."""

    @property
    def headline(self) -> float:
        """The temperature that headline figures are measured at."""
        found = self.summary.get("headline_temperature")
        temperatures = {figure.temperature for figure in self.figures}
        return float(found) if found is not None else max(temperatures, default=0.0)


def read(folder: Path) -> Record:
    """Read a folder of `run` or of `exec`; raises EngineError where it is neither."""
    summary = _summary(folder)
    if is_run(folder):
        return _read_run(folder, summary)
    if not summary and not (folder / "matrices").is_dir():
        raise no_run(folder, "run and no exec")
    shown = {key: summary[key] for key in ("input", "budget", "versions") if key in summary}
    name = Path(str(shown.get("input", {}).get("file", folder.name))).name
    return Record(folder, name, False, "b4", json.dumps(shown, indent=2), summary=summary)


def check(folder: Path) -> None:
    """Raises EngineError where there is nothing to read, and will not be soon."""
    if is_run(folder):
        with reading(folder):
            return
    if not any((folder / name).exists() for name in (CONFIG_NAME, SUMMARY_NAME, "matrices")):
        raise no_run(folder, "run and no exec")


def _summary(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / SUMMARY_NAME).read_text("utf-8"))
    except OSError:
        return {}
    except ValueError as error:
        raise EngineError(
            f"not JSON: {error}", where=str(folder / SUMMARY_NAME), remedy="make it again"
        ) from error
    return found if isinstance(found, dict) else {}


def _read_run(folder: Path, summary: dict[str, Any]) -> Record:
    with reading(folder) as connection:

        def rows(query: str, *values: Any) -> list[tuple[Any, ...]]:
            return connection.execute(query, values).fetchall()

        try:
            return _record(folder, summary, rows)
        except ValueError as error:
            raise EngineError(
                f"not the journal of a run: {error}",
                where=str(folder / FILE_NAME),
                remedy="take the directory from a backup",
            ) from error


def _record(folder: Path, summary: dict[str, Any], rows: Query) -> Record:
    (config,) = [json.loads(v) for (v,) in rows("SELECT value FROM run WHERE key = 'config'")] or [
        {}
    ]
    try:
        text = (folder / CONFIG_NAME).read_text("utf-8")
    except OSError:
        text = json.dumps(config, indent=2)
    name = config.get("run", {}).get("name", folder.name)
    selector = config.get("select", {}).get("selector", "b4")
    record = Record(folder, name, True, selector, text, summary=summary)
    record.figures = list(_figures(rows))
    record.steps = list(map(_step, rows(STEPS)))
    record.samples = [Samples(*row) for row in rows(SAMPLES)]
    record.prompts = list(_prompts(rows, record.samples))
    record.refusals = [text for (text,) in rows("SELECT message FROM refusal ORDER BY iteration")]
    judged: dict[int, dict[str, Any]] = {}
    for iteration, kind, detail in rows("SELECT iteration, kind, detail FROM event ORDER BY at"):
        found = json.loads(detail)
        if kind == "played":
            record.played[iteration] = found
        elif kind == "judged":
            judged[iteration] = found
        elif "wall_s" in found:
            record.phases_s.append((iteration, kind, found["wall_s"]))
    record.timelines = list(_timelines(rows, judged))
    return record


STEPS = """
SELECT iteration, phase, loss, detail FROM training_step
ORDER BY iteration, phase = 'dpo', step"""
SAMPLES = """
SELECT iteration, stage, role, count(*), sum(finish_reason = 'length'), sum(token_count)
FROM completion GROUP BY iteration, stage, role ORDER BY iteration, stage, role"""
PROMPT = """
SELECT problem_id, sampling, text.text, completion.text
FROM completion JOIN text ON text.key = prompt_key
WHERE iteration = ? AND stage = ? AND role = ? LIMIT 1"""


def _prompts(rows: Query, samples: list[Samples]) -> Iterator[Prompt]:
    """The first prompt of each stage and role, those of play first."""
    first = {(s.stage, s.role): s.iteration for s in reversed(samples)}
    for (stage, role), iteration in sorted(first.items(), key=lambda x: (x[0][0] != "play", x[0])):
        for problem, sampling, *texts in rows(PROMPT, iteration, stage, role):
            prompt, answer = (text[:LONGEST_PROMPT] for text in texts)  # SQL's substr ends at NUL
            yield Prompt(iteration, stage, role, problem, sampling, prompt, answer)


def _figures(rows: Query) -> Iterator[Figure]:
    """Names in the journal are `figure@temperature`; a standard error may be unknown."""
    query = "SELECT iteration, name, value, se, n FROM metric ORDER BY iteration"
    for iteration, key, value, error, problems in rows(query):
        name, is_sampled, temperature = key.rpartition("@")
        if not is_sampled:
            continue
        reach = Z_95 * (error or 0.0)
        low, high = max(0.0, value - reach), value + reach
        if not name.endswith("test_input_size"):
            high = min(1.0, high)
        yield Figure(iteration, name, float(temperature), value, low, high, problems)


def _step(row: tuple[Any, ...]) -> Step:
    iteration, phase, loss, detail = row
    found = json.loads(detail)
    return Step(
        iteration, phase, loss, found.get("rewards/margins"), found.get("rewards/accuracies")
    )


def _timelines(rows: Query, judged: dict[int, dict[str, Any]]) -> Iterator[Timeline]:
    """Seconds in which tokens arrived, and in which problems were judged."""
    tokens: dict[int, dict[int, int]] = defaultdict(dict)
    query = """SELECT iteration, CAST(at AS INTEGER), sum(token_count) FROM completion
        WHERE stage = 'play' GROUP BY 1, 2 ORDER BY 1, 2"""
    for iteration, second, count in rows(query):
        tokens[iteration][second] = count
    for iteration, by_second in tokens.items():
        start = min(by_second)
        line = Timeline(iteration, {second - start: n for second, n in by_second.items()})
        for at, cells in judged.get(iteration, {}).get("cells", []):
            second = max(0, int(at) - start)
            line.cells[second] = line.cells.get(second, 0) + cells
        yield line
