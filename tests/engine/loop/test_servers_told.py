"""What a run on servers needs of them and of its configuration, known before the play."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sv_engine.config.layers import ConfigError, load
from sv_engine.config.sections import PromptFormat
from sv_engine.generate.openai import Need
from sv_engine.run.doors import needs, prompt_format

OPENAI = ["generate.backend=openai", 'generate.urls=["http://127.0.0.1:1/v1"]']


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (["train.method=lora"], {Need.ADAPTERS, Need.SLEEP}),
        (["train.method=full"], {Need.WEIGHTS, Need.SLEEP}),
        (["train.method=lora", "generate.sleep_while_training=false"], {Need.ADAPTERS}),
        (["train.method=full", "generate.sleep_while_training=false"], {Need.WEIGHTS}),
        (["run.iterations=0"], set()),
        (["run.iterations=0", "model.prompt_format=chat"], {Need.CHAT}),
        (["train.method=lora", "model.prompt_format=chat"], {Need.ADAPTERS, Need.SLEEP, Need.CHAT}),
    ],
)
def test_what_servers_must_be_able_to_do(settings: list[str], expected: set[Need]) -> None:
    assert needs(load(settings=[*OPENAI, *settings])) == expected


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, "plain"),
        ({"tokenizer_config.json": "{}"}, "plain"),
        ({"tokenizer_config.json": json.dumps({"chat_template": None})}, "plain"),
        ({"tokenizer_config.json": json.dumps({"chat_template": "{{ x }}"})}, "chat"),
        ({"chat_template.jinja": "{{ x }}"}, "chat"),
        ({"tokenizer_config.json": "{}", "chat_template.json": "{}"}, "chat"),
    ],
)
def test_auto_is_sampled_as_it_is_trained(
    tmp_path: Path, files: dict[str, str], expected: str
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    settings = [*OPENAI, f"model.path={tmp_path}", "model.prompt_format=auto"]
    assert prompt_format(load(settings=settings)) == expected


def test_a_model_elsewhere_must_be_told() -> None:
    settings = [*OPENAI, "model.path=some/model", "model.prompt_format="]
    with pytest.raises(ConfigError, match="chat turns"):
        prompt_format(load(settings=[*settings[:-1], "model.prompt_format=auto"]))
    told = load(settings=[*settings[:-1], "model.prompt_format=chat"])
    assert prompt_format(told) is PromptFormat.CHAT
