"""From `--model`, `--config`, `--set` and `--templates` to a configuration that samples."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from sv_engine.config import layers
from sv_engine.config.choices import PromptFormat, RoleSet
from sv_engine.config.sections import Config

SETS = ("auto", *(role_set.value for role_set in RoleSet))
"""What `--templates` may be."""


def resolve(model: str, config: str | None, settings: Sequence[str], role_set: str) -> Config:
    """The configuration of `config` (None: the defaults) with this model and these prompts.

    role_set `auto`: that of `config` where one is named; that of the pocket model for `pocket`,
    `chat` for a model with a chat template or one that is not on this machine, else `examples`.
    Raises ConfigError.
    """
    from sv_engine.run.doors import prompt_format

    fixed = [f"model.path={json.dumps(model)}", *settings, "run.iterations=0"]
    if role_set == "auto" and config is not None:
        return layers.load(config, environment=os.environ, settings=fixed)
    if role_set == "auto":
        trained = [*fixed, "run.iterations=1"]  # or else nobody asks for the tokenizer
        probe = layers.load(config, environment=os.environ, settings=trained)
        is_plain = Path(model).is_dir() and prompt_format(probe) is PromptFormat.PLAIN
        role_set = RoleSet.EXAMPLES if is_plain else RoleSet.CHAT
        if model == "pocket":
            role_set = RoleSet.POCKET
    chosen = f"roles.templates={json.dumps(str(role_set))}"
    return layers.load(config, environment=os.environ, settings=[*fixed, chosen])
