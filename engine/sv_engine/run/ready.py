"""Whether a run can go to its end, as far as its configuration and this machine tell, asked before
anything is generated. (Room on disk and in memory: `room`; the rows of its files: `sources`.)

In: a configuration. Out: ConfigError, which names the key, or the error of the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sv_engine.config.layers import ConfigError
from sv_engine.config.sections import Backend, Config, PromptFormat
from sv_engine.execute.cache import check_cache
from sv_engine.generate.weights import check_model
from sv_engine.problems.jsonl import BadRow
from sv_engine.problems.sources import check_files
from sv_engine.prompts.format import has_chat_template
from sv_engine.prompts.roles import templates
from sv_engine.run.doors import base_model
from sv_engine.train.names import check_hub, check_optimiser, launcher


def check_sense(config: Config) -> None:
    """Raises EngineError for what is wrong with a configuration on any machine."""
    for problem, remedy in _contradictions(config):
        raise ConfigError(problem, where="the configuration", remedy=remedy)
    templates(config.roles)


def check_ready(config: Config) -> list[BadRow]:
    """The rows of its files that cannot be used. Raises EngineError for what is missing here."""
    _check_paths(config)
    bad_rows = check_files(config)  # the loop does it again, and counts them
    if config.execute.cache is not None:
        check_cache(config.execute.cache)
    trains, model = config.run.iterations > 0, base_model(config)
    if trains or config.generate.backend is Backend.VLLM:
        check_model(model)
    if not trains:
        return bad_rows
    if not Path(model).is_dir():
        check_hub(model)
    elif config.model.prompt_format is PromptFormat.CHAT and not has_chat_template(Path(model)):
        raise ConfigError(
            "the model has no chat template to be trained with",
            where=model,
            remedy='set model.prompt_format = "plain" (or "auto"), or use an instruction-tuned '
            "model",
        )
    for name, stage in (("sft", config.sft), ("dpo", config.dpo)):
        if stage.enabled:
            check_optimiser(f"{name}.optimiser", stage.optimiser)
    launcher(config.train.launch)
    return bad_rows


def _contradictions(config: Config) -> Iterator[tuple[str, str]]:
    """What two keys say against each other, and what to do."""
    evaluate, generate = config.evaluate, config.generate
    if min(evaluate.k, default=0) > evaluate.samples:
        yield (
            f"evaluate.k: {min(evaluate.k)} is above evaluate.samples = {evaluate.samples}",
            "raise evaluate.samples, or lower evaluate.k",
        )
    length = generate.max_model_len
    if length is not None and generate.max_tokens >= length:
        yield (
            f"generate.max_tokens = {generate.max_tokens} leaves no room for a prompt in "
            f"generate.max_model_len = {length}",
            "lower generate.max_tokens, or raise generate.max_model_len",
        )
    for name, stage in (("sft", config.sft), ("dpo", config.dpo)):
        micro = stage.micro_batch_size
        if stage.enabled and micro is not None and stage.batch_size % micro:
            yield (
                f"{name}.batch_size = {stage.batch_size} is no multiple of "
                f"{name}.micro_batch_size = {micro}",
                f"make {name}.batch_size a multiple of it",
            )


def _check_paths(config: Config) -> None:
    """Files that the configuration names must be there, and readable."""
    named = {
        "problems.path": config.problems.path,
        "generate.recording": config.generate.recording,
        "evaluate.path": config.evaluate.path,
    }
    for key, path in named.items():
        if path is None:
            continue
        try:
            path.open("rb").close()
        except OSError as error:
            raise ConfigError(
                f"{key} cannot be read: {error.strerror}", where=str(path), remedy=f"correct {key}"
            ) from None
