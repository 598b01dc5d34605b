"""Read a configuration: defaults < TOML file < environment < command line.

The environment sets `SV_ENGINE_SECTION__KEY`, the command line `section.key=value`; a value is
read as TOML and, where it is none, as plain text. An unknown section or key is an error in
whichever layer it stands, with the nearest known name suggested; a value that does not fit names
the layer it came from.
"""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sv_engine.config.sections import Config
from sv_engine.errors import EngineError

ENVIRONMENT_PREFIX = "SV_ENGINE_"
DEFAULT = "pocket"
"""The packaged configuration that runs when none is named."""

Layer = dict[str, dict[str, Any]]
"""section -> key -> value, as far as one source sets it."""


class ConfigError(EngineError):
    """A configuration that cannot be used."""

    exit_code = 2


def load(
    source: str | Config | None = DEFAULT,
    *,
    environment: Mapping[str, str] | None = None,
    settings: Sequence[str] = (),
) -> Config:
    """The resolved configuration.

    source: a TOML file, the name of a packaged configuration, or one that is already resolved;
    None: the defaults of the schema.
    environment: variables with our prefix are read, and must name a key; others are ignored.
    settings: `section.key=value` texts; later ones win.
    Raises ConfigError.
    """
    layers = [
        *([] if source is None else [_read(source)]),
        *_environment_layers(environment or {}),
        *(_setting_layer(setting) for setting in settings),
    ]
    merged: Layer = {}
    origin: dict[tuple[str, str], str] = {}
    for where, layer in layers:
        _refuse_unknown(where, layer)
        for section, values in layer.items():
            merged.setdefault(section, {}).update(values)
            origin.update({(section, key): where for key in values})
    try:
        return Config.model_validate(merged)
    except ValidationError as error:
        raise as_config_error(error, origin) from None


def packaged_names() -> list[str]:
    """Names of the configurations that come with the package."""
    folder = resources.files("sv_engine.config") / "presets"
    return sorted(
        f.name.removesuffix(".toml") for f in folder.iterdir() if f.name.endswith(".toml")
    )


def dump(config: Config) -> str:
    """The resolved configuration as TOML; `load` reads it back to an equal one."""
    lines = []
    for section, values in config.model_dump(mode="json", exclude_none=True).items():
        lines.append(f"[{section}]")
        lines += [f"{key} = {_toml(value)}" for key, value in values.items()]
        lines.append("")
    return "\n".join(lines)


def _toml(value: Any) -> str:
    # JSON's strings, numbers, booleans and arrays are TOML's; its objects are not.
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {_toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value)


def _read(source: str | Config) -> tuple[str, Layer]:
    if isinstance(source, Config):
        return "the configuration", source.model_dump(mode="json", exclude_none=True)
    path = Path(source)
    if source in packaged_names():
        where = f"packaged configuration {source}"
        text = (resources.files("sv_engine.config") / "presets" / f"{source}.toml").read_text(
            "utf-8"
        )
    else:
        where = str(path)
        try:
            text = path.read_text("utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            near = difflib.get_close_matches(source, packaged_names(), 1)
            raise ConfigError(
                f"cannot read the configuration: {reason}",
                where=where,
                remedy=f"did you mean {near[0]}?"
                if near
                else f"name a TOML file, or one of {', '.join(packaged_names())}",
            ) from None
    try:
        layer = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"not TOML: {error}", where=where, remedy="correct the file") from None
    for name, value in layer.items():
        if name in Config.model_fields and not isinstance(value, dict):
            raise ConfigError(
                f"{name} is a section, not a value", where=where, remedy=f"write [{name}]"
            )
    return where, layer


def _environment_layers(environment: Mapping[str, str]) -> list[tuple[str, Layer]]:
    layers = []
    for name, text in sorted(environment.items()):
        if not name.startswith(ENVIRONMENT_PREFIX):
            continue
        if "__" not in name:
            raise _no_variable(name)
        section, _, key = name.removeprefix(ENVIRONMENT_PREFIX).lower().partition("__")
        layers.append((f"environment variable {name}", {section: {key: _value(text)}}))
    return layers


def _no_variable(name: str) -> ConfigError:
    """What to say of a variable with our prefix that names no key."""
    known = [
        f"{ENVIRONMENT_PREFIX}{section}__{key}".upper()
        for section in Config.model_fields
        for key in _keys(section)
    ]
    near = difflib.get_close_matches(name, known, 1, cutoff=0.8)
    return ConfigError(
        f"the environment variable {name} names no key",
        where="the environment",
        remedy=f"did you mean {near[0]}?"
        if near
        else "unset it: SV_ENGINE_SECTION__KEY sets a key",
    )


def _setting_layer(setting: str) -> tuple[str, Layer]:
    name, equals, text = setting.partition("=")
    section, dot, key = name.strip().partition(".")
    where = f"--set {setting}"
    if not (equals and dot and section and key):
        raise ConfigError(
            f"not of the form section.key=value: {setting!r}",
            where="--set",
            remedy="for example --set run.iterations=3",
        )
    return where, {section: {key: _value(text.strip())}}


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _refuse_unknown(where: str, layer: Mapping[str, Any]) -> None:
    for section, values in layer.items():
        if section not in Config.model_fields:
            raise _unknown(f"section [{section}]", section, list(Config.model_fields), where)
        known = _keys(section)
        for key in values:
            if key not in known:
                elsewhere = [f"{s}.{k}" for s in Config.model_fields for k in _keys(s) if k == key]
                near = elsewhere or [
                    f"{section}.{k}" for k in difflib.get_close_matches(key, known)
                ]
                raise _unknown(f"key {section}.{key}", "", near, where)


def _keys(section: str) -> list[str]:
    return list(type(getattr(Config(), section)).model_fields)


def _unknown(what: str, name: str, candidates: list[str], where: str) -> ConfigError:
    near = difflib.get_close_matches(name, candidates, 1) if name else candidates[:1]
    return ConfigError(
        f"unknown {what}",
        where=where,
        remedy=f"did you mean {near[0]}?" if near else "`sv-engine run --dry-run` lists every key",
    )


def as_config_error(error: ValidationError, origin: dict[tuple[str, str], str]) -> ConfigError:
    """What does not fit, with the layer that each value came from (`origin`)."""
    problems, places = [], []
    deep = {item["loc"][:2] for item in error.errors() if len(item["loc"]) > 2}
    for item in error.errors():
        if item["type"] == "too_short" and item["loc"] in deep:
            continue  # for want of the very items that are told of
        location = ".".join(map(str, item["loc"]))
        message = item["msg"].removeprefix("Value error, ")
        message = message.replace("a valid tuple", "a list, as in [...]").replace("Tuple", "List")
        problems.append(f"{location}: {message}" if location else message)
        if len(item["loc"]) > 1:
            place = origin.get((str(item["loc"][0]), str(item["loc"][1])))
            places += [place] if place and place not in places else []
    return ConfigError(
        "; ".join(problems), where=", ".join(places) or "the configuration", remedy="correct it"
    )
