"""A run that goes on, changed meanwhile: its configuration, or the files that it plays.

In: the journal, with the configuration and the problems that its rows were made of, and those of
now. Samples are found by what was asked, so what is still asked alike is not asked again. Verdicts,
beliefs and figures that a change touches are forgotten, and made again. What trained weights rest
on cannot be made again: such a change is refused, and named.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sv_engine.config.sections import Config, ProblemSource
from sv_engine.errors import EngineError
from sv_engine.evaluate.heldout import to_verify
from sv_engine.generate.weights import content_of
from sv_engine.problems.jsonl import named
from sv_engine.records import Heldout, Problem
from sv_engine.run.doors import base_model
from sv_engine.run.folder import CONFIG_NAME
from sv_engine.run.journal import Journal, Scope, Statement
from sv_engine.run.state import Run

FREE = {
    "run": {"name", "out", "iterations"},
    "problems": {"path"},  # what is in it is compared
    "generate": {
        *("backend", "urls", "api_key_variable", "reload_method", "timeout_s", "attempts"),
        *("pause_s", "recording", "time_scale", "problems_in_flight", "max_in_flight", "threads"),
        *("max_sequences", "kv_cache_mib", "tensor_parallel", "gpu_memory", "sleep_while_training"),
    },
    "execute": {"executor", "servers", "workers", "require", "cache", "cache_mib", "min_cells"},
}
"""Section -> keys that change how a run is carried out, and nothing in its result."""
TRAINED_ON = {"run", "problems", "roles", "select", "recipe"}
"""Sections that what was taught is made of, whenever a run goes on. Of the others, a trained
iteration keeps what it had: samples and verdicts are stored, and weights are not trained again."""
PLAY = {"run", "problems", "generate", "roles", "execute"}
"""Sections that decide what is asked and judged."""
MEASURED = PLAY | {"evaluate"}
"""Sections that decide what the figures are."""
CHECKED = Scope(0, "check: code")
"""Where the verdicts on references and banks are: every held-out problem has a row."""
BELIEF = ("selection", "training_row", "training_step")


class ChangedError(EngineError):
    """The run cannot go on with what was changed."""

    exit_code = 2


def take_changes(run: Run) -> None:
    """Forget what the configuration makes otherwise now, and tell; raises ChangedError."""
    journal = run.journal
    found = journal.stored("SELECT value FROM run WHERE key = 'config'")
    before = json.loads(found[0][0]) if found else {}
    changed = _changed(before, run.config) if found else {}
    content = content_of(base_model(run.config))
    changed |= _other_model(run, before, content)
    trained = _trained(journal)
    sections = {key.partition(".")[0] for key in changed}
    fixed = {"model"} if journal.stored("SELECT 1 FROM pack LIMIT 1") else set()
    if trained:
        described = run.config.problems.source is ProblemSource.DESCRIBE
        fixed |= TRAINED_ON | ({"generate"} if described else set())
    if sections & fixed:
        refused = [text for key, text in changed.items() if key.partition(".")[0] in fixed]
        raise ChangedError(
            f"changed since this run was begun: {', '.join(refused)}",
            where=str(run.folder / CONFIG_NAME),
            remedy="put it back: what is there was made of it; a new run (another --out) may have "
            "other values",
        )
    if changed:
        told = _told(sections, trained, run.config.run.iterations)
        run.watcher.note(f"changed since this run was begun: {', '.join(changed.values())}; {told}")
    statements = _forgotten(sections, trained) if changed else []
    if changed:  # under which the weights until then were made
        name = f"config of iterations to {trained}"
        statements.append(("UPDATE OR IGNORE run SET key = ? WHERE key = 'config'", (name,)))
    now = {"config": run.config.model_dump_json()} | ({"model": content} if content else {})
    keep = "REPLACE INTO run VALUES (?, ?)"
    journal.forget(*statements, *((keep, row) for row in now.items()))


def take_problems(run: Run, iteration: int, problems: Sequence[Problem]) -> None:
    """Forget what was played of problems that are others now; raises ChangedError where they were
    trained on."""
    query = "SELECT id, prompt, entry_point FROM problem WHERE iteration = ?"
    known = {name: rest for name, *rest in run.journal.stored(query, iteration)}
    now = {problem.id: [problem.prompt, problem.entry_point] for problem in problems}
    others = [name for name, rest in known.items() if now.get(name) != rest]
    if iteration <= _trained(run.journal):
        others += [name for name in now if name not in known]
        if not others:
            return
        raise ChangedError(
            f"iteration {iteration} was trained on other problems than there are now: "
            f"{named(others)}",
            where=str(run.journal.path),
            remedy="put back the files that problems and evaluation are read from, or begin a new "
            "run (another --out) with these",
        )
    if others:
        one = "WHERE iteration = ? AND {} = ?"
        columns = {"problem": "id", "outcome": "stage = 'play' AND problem_id"}
        columns |= {"selection": "problem_id"}
        run.journal.forget(
            *(
                (f"DELETE FROM {table} {one.format(column)}", (iteration, name))
                for table, column in columns.items()
                for name in others
            ),
            *_of_iterations(("training_row", "training_step"), iteration - 1),
            *_events(("play", "judged", "played"), iteration - 1),
        )
        run.watcher.note(f"{len(others)} problems are not what was played: they are played again")


def take_heldout(run: Run, heldout: Sequence[Heldout]) -> None:
    """Forget verdicts and figures of held-out problems that are gone, or others now, and tell."""
    journal, now = run.journal, {item.problem.id: item for item in heldout if item.has_reference}
    query = "SELECT problem_id FROM outcome WHERE iteration = 0 AND stage = ?"
    known = {name for (name,) in journal.stored(query, CHECKED.stage)}
    if not known:
        return
    others = [name for name in known if name not in now or _is_other(journal, now[name])]
    if journal.stored("SELECT 1 FROM metric LIMIT 1"):  # until then all of them are not known yet
        others += now.keys() - known
    if not others:
        return
    forgotten = "DELETE FROM outcome WHERE stage <> 'play' AND problem_id = ?"
    journal.forget(*((forgotten, (name,)) for name in others), ("DELETE FROM metric", ()))
    run.watcher.note(
        f"held-out problems that have changed since they were measured: {len(others)} "
        f"({named(sorted(others))}); measured anew"
    )


def _is_other(journal: Journal, item: Heldout) -> bool:
    found = journal.outcome(CHECKED, item.problem.id)
    return found is not None and found.candidates != to_verify(item)


def _trained(journal: Journal) -> int:
    """The last iteration whose weights are there."""
    found = journal.stored("SELECT max(iteration) FROM checkpoint")
    return int(found[0][0] or 0) if found else 0


def _changed(before: dict[str, Any], config: Config) -> dict[str, str]:
    """Key -> what it was, for all that matter."""
    changed = {}
    defaults = Config().model_dump(mode="json")
    for section, values in config.model_dump(mode="json").items():
        for key, value in values.items():
            # A key that the version which began the run did not have: it did as by default.
            was = before.get(section, {}).get(key, defaults[section][key])
            is_path = (section, key) == ("model", "path")  # see `_other_model`
            if was != value and not is_path and key not in FREE.get(section, ()):
                text = json.dumps(was)
                changed[f"{section}.{key}"] = f"{section}.{key} (was {text:.60})"
    return changed


def _other_model(run: Run, before: dict[str, Any], content: str) -> dict[str, str]:
    """As `_changed`, of the base model: it is what is in its folder, wherever that lies; where that
    is not known, then or now, it is its name."""
    known = run.journal.stored("SELECT value FROM run WHERE key = 'model'")
    path = run.config.model.path
    was = before.get("model", {}).get("path", path)
    if known and content:
        is_other = known[0][0] != content
    else:
        is_other = was != path
    if not is_other:
        return {}
    how = "has other files now" if was == path else f"was {json.dumps(was):.60}"
    return {"model.path": f"model.path ({how})"}


def _told(sections: set[str], trained: int, iterations: int) -> str:
    """What comes of a change in these sections."""
    told = []
    if trained < iterations and sections - {"evaluate"}:
        told.append("what is not trained yet is made with it, of the samples that are there")
    if sections & MEASURED:
        told.append("figures are measured anew")
    if not told:
        told.append("nothing is left to be made with it")
    if trained:
        told.append(f"iterations to {trained} stay as they were trained")
    return "; ".join(told)


def _forgotten(sections: set[str], trained: int) -> list[Statement]:
    """What was made of these sections, as far as no weights rest on it."""
    statements: list[Statement] = [*_of_iterations(BELIEF, trained), *_events(("played",), trained)]
    if sections & PLAY:
        statements += [
            *_of_iterations(("problem",), trained),
            ("DELETE FROM outcome WHERE iteration > ? AND stage = 'play'", (trained,)),
            ("DELETE FROM refusal WHERE iteration > ? OR stage NOT IN ('play', 'describe')",
             (trained,)),
            *_events(("play", "judged"), trained),
        ]  # fmt: skip
    if "execute" in sections:  # what was held out is compared by its texts alone
        statements.append(("DELETE FROM outcome WHERE stage <> 'play'", ()))
    if sections & MEASURED:
        statements.append(("DELETE FROM metric", ()))
    return statements


def _of_iterations(tables: Sequence[str], after: int) -> list[Statement]:
    return [(f"DELETE FROM {table} WHERE iteration > ?", (after,)) for table in tables]


def _events(kinds: Sequence[str], after: int) -> list[Statement]:
    return [("DELETE FROM event WHERE iteration > ? AND kind = ?", (after, kind)) for kind in kinds]
