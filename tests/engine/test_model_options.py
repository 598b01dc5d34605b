"""Which prompts and settings `eval` and `solve` use."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sv_engine.commands.model_options import SETS, resolve
from sv_engine.config.choices import RoleSet


def folder(path: Path, *, template: bool) -> str:
    path.mkdir()
    settings = {"chat_template": "{{ messages }}"} if template else {}
    (path / "tokenizer_config.json").write_text(json.dumps(settings))
    return str(path)


def test_the_choices_are_the_values() -> None:
    assert SETS == ("auto", "pocket", "chat", "examples")


@pytest.mark.parametrize("template", [True, False])
def test_auto_looks_for_a_chat_template(template: bool, tmp_path: Path) -> None:
    found = resolve(folder(tmp_path / "m", template=template), None, [], "auto")
    assert found.roles.templates is (RoleSet.CHAT if template else RoleSet.EXAMPLES)


@pytest.mark.parametrize(
    ("model", "config", "role_set", "expected"),
    [
        ("pocket", None, "auto", RoleSet.POCKET),
        ("organisation/model", None, "auto", RoleSet.CHAT),
        ("organisation/model", "smollm2-135m", "auto", RoleSet.EXAMPLES),
        ("organisation/model", "smollm2-135m", "chat", RoleSet.CHAT),
        ("organisation/model", None, "examples", RoleSet.EXAMPLES),
    ],
)
def test_a_named_set_or_configuration_decides(
    model: str, config: str | None, role_set: str, expected: RoleSet
) -> None:
    found = resolve(model, config, ["generate.tests=3"], role_set)
    assert found.roles.templates is expected
    assert found.model.path == model
    assert (found.generate.tests, found.run.iterations) == (3, 0)
