"""The configuration: layers, their order, and the errors of each."""

from __future__ import annotations

from pathlib import Path

import pytest

from sv_engine.config.layers import ConfigError, dump, load, packaged_names
from sv_engine.config.sections import Config


def write(folder: Path, text: str) -> str:
    path = folder / "run.toml"
    path.write_text(text, "utf-8")
    return str(path)


def test_each_layer_is_over_the_one_before(tmp_path: Path) -> None:
    source = write(tmp_path, "[run]\nseed = 1\niterations = 1\nname = 'file'\n")
    environment = {"SV_ENGINE_RUN__SEED": "2", "SV_ENGINE_RUN__ITERATIONS": "2", "HOME": "/"}
    config = load(source, environment=environment, settings=["run.seed=3"])
    assert (config.run.seed, config.run.iterations, config.run.name) == (3, 2, "file")
    assert config.generate == Config().generate


def test_later_settings_win_and_text_needs_no_quotes(tmp_path: Path) -> None:
    source = write(tmp_path, "")
    config = load(source, settings=["model.path=a/b", "select.selector='em'", "model.path=c"])
    assert (config.model.path, config.select.selector) == ("c", "em")
    config = load(source, settings=["evaluate.temperatures=[0.5, 0]", "train.threads=2"])
    assert config.evaluate.temperatures == (0.5, 0)


@pytest.mark.parametrize("name", packaged_names())
def test_packaged_configurations_are_valid_and_dump_reads_back(name: str, tmp_path: Path) -> None:
    config = load(name)
    assert load(write(tmp_path, dump(config))) == config


@pytest.mark.parametrize(
    ("text", "suggestion"),
    [
        ("[run]\niteration = 3\n", "run.iterations"),
        ("[generate]\nlearning_rate = 3\n", "sft.learning_rate"),
        ("[evaluat]\nsamples = 3\n", "evaluate"),
    ],
)
def test_unknown_name_is_an_error_with_the_nearest_known(
    tmp_path: Path, text: str, suggestion: str
) -> None:
    source = write(tmp_path, text)
    with pytest.raises(ConfigError, match="unknown") as caught:
        load(source)
    assert suggestion in caught.value.remedy
    assert caught.value.where == source


def test_unknown_name_in_environment_and_command_line(tmp_path: Path) -> None:
    source = write(tmp_path, "")
    with pytest.raises(ConfigError, match="SV_ENGINE_RUN__SEEED"):
        load(source, environment={"SV_ENGINE_RUN__SEEED": "2"})
    with pytest.raises(ConfigError, match=r"--set run\.seeed=2"):
        load(source, settings=["run.seeed=2"])
    with pytest.raises(ConfigError, match=r"section\.key=value"):
        load(source, settings=["run"])


def test_wrong_value_names_key_and_layer(tmp_path: Path) -> None:
    source = write(tmp_path, "[run]\niterations = -1\n")
    with pytest.raises(ConfigError, match=r"run\.iterations") as caught:
        load(source)
    assert caught.value.where == source
    with pytest.raises(ConfigError, match=r"generate\.solutions") as caught:
        load(write(tmp_path, ""), settings=["generate.solutions=many"])
    assert "--set" in caught.value.where


@pytest.mark.parametrize("selector", ["random", "em", "b4"])
def test_selectors_of_the_registry_are_known(tmp_path: Path, selector: str) -> None:
    assert load(write(tmp_path, ""), settings=[f"select.selector={selector}"]).select
    with pytest.raises(ConfigError, match="unknown option of"):
        load(write(tmp_path, ""), settings=[f"select.selector={selector}", "select.options={x=1}"])


def test_keys_that_need_each_other(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"generate\.urls"):
        load(write(tmp_path, "[generate]\nbackend = 'openai'\n"))
    with pytest.raises(ConfigError, match=r"problems\.path"):
        load(write(tmp_path, "[problems]\nsource = 'describe'\n"))


@pytest.mark.parametrize("text", ["[run\n", "run = 3\n"])
def test_broken_file(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"run\.toml"):
        load(write(tmp_path, text))


def test_missing_file_lists_the_packaged_ones() -> None:
    with pytest.raises(ConfigError, match="pocket"):
        load("nowhere.toml")


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ('evaluate.benchmarks="mbpp"', "evaluate.benchmarks: Input should be a list, as in [...]"),
        (
            'evaluate.temperatures=["hot"]',
            "evaluate.temperatures.0: Input should be a valid number",
        ),
        ("evaluate.temperatures=[]", "evaluate.temperatures: List should have at least 1 item"),
        ("evaluate.temperatures=[inf]", "evaluate.temperatures.0: Input should be a finite number"),
        ("generate.temperature=nan", "generate.temperature: Input should be a finite number"),
    ],
)
def test_a_list_is_told_in_words_of_toml(setting: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(settings=[setting])
    assert caught.value.what.startswith(told)
    assert "uple" not in str(caught.value)
    assert ";" not in caught.value.what  # one mistake, told once
