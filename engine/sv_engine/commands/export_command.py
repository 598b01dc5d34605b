"""`sv-engine export`: the training data of a run as files that trainers read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from sv_engine.commands.folders import Folder
from sv_engine.config.sections import Config, PromptFormat, RoleSet
from sv_engine.dataset.export import Layout, Row, rows, write
from sv_engine.dataset.stage import learn
from sv_engine.errors import EngineError
from sv_engine.prompts.format import has_chat_template
from sv_engine.run.doors import base_model
from sv_engine.run.folder import config_of
from sv_engine.run.outcomes import outcomes_of_run


@click.command("export")
@click.argument("folder", type=Folder())
@click.option(
    "--format", "layout", type=click.Choice([layout.value for layout in Layout]), required=True
)
@click.option(
    "--to",
    "target",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="File to write; its name ends in .jsonl or .parquet.",
)
@click.option(
    "--chat/--plain",
    default=None,
    help="Messages or texts. Default: messages where the run's tokenizer has a chat template.",
)
def export_command(folder: Path, layout: str, target: Path, chat: bool | None) -> None:
    """Write the training data of a run, all iterations, with where each row comes from.

    The columns are those that TRL and verl read: docs/formats.md.
    """
    config = config_of(folder)
    as_chat = is_chat_run(config) if chat is None else chat

    def found() -> Iterator[Row]:
        for scope, outcome in outcomes_of_run(folder, "play"):
            lesson = learn(outcome, config, scope.iteration)
            yield from rows(outcome, lesson, config, scope.iteration, Layout(layout), as_chat)

    try:
        count = write(target, found())
    except OSError as error:
        raise EngineError(
            f"the file cannot be written: {error.strerror}", where=str(target), remedy="see --to"
        ) from error
    click.echo(f"{count:,} rows: {target}")


def is_chat_run(config: Config) -> bool:
    """Whether prompts went through a chat template, as far as files tell; for a model that is
    known by its name only, whether its role templates are those for chat."""
    if config.model.prompt_format is not PromptFormat.AUTO:
        return config.model.prompt_format is PromptFormat.CHAT
    model = Path(base_model(config))
    if not model.is_dir():
        return config.roles.templates is RoleSet.CHAT
    return has_chat_template(model)
