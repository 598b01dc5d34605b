"""Looks at a model or adapter directory before an engine touches it, and tells models apart.

vLLM dies of a bad path, so everything that can be known from the files is checked here first:
presence, readable JSON, whole safetensors files, shapes that fit the model that is being served,
adapter rank. Nothing is loaded; the headers of the safetensors files are enough.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sv_engine.generate.errors import ModelPathError, WeightsError

TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "tekken.json")

TOLD_BYTES, TOLD_PLACES = 256, 16
"""Of each tensor, evenly spaced: training moves all that it trains."""

_TOLD_WHOLE = frozenset(
    "config.json generation_config.json tokenizer_config.json special_tokens_map.json"
    " added_tokens.json merges.txt".split()
)

SHAPE_KEYS = (
    "architectures",
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "tie_word_embeddings",
)
"""Entries of config.json that must agree for weights to be swapped in place."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """A LoRA adapter directory that passed the checks."""

    path: Path
    rank: int


def absolute(path: Path) -> str:
    """The path as an engine in another process or on another host must be told it."""
    return str(path.resolve())


def is_adapter(path: Path) -> bool:
    """Whether `path` is a LoRA adapter directory rather than a whole model."""
    return (path / "adapter_config.json").is_file()


def check_model(model: str) -> None:
    """Raise ModelPathError unless `model` is a loadable directory or may be a hub name."""
    path = Path(model)
    if not path.exists():
        near = _near(path)
        if near is None and model.count("/") == 1 and not model.startswith((".", "/", "~")):
            return  # a hub name, "organisation/model"; the hub will say whether it exists
        raise ModelPathError(
            "the model directory does not exist",
            where=model,
            remedy=f"did you mean {near}?"
            if near
            else "give a directory with config.json, *.safetensors and a tokenizer, "
            'or a hub name such as "organisation/model"',
        )
    if not path.is_dir():
        raise ModelPathError(
            "the model is a file, not a directory",
            where=model,
            remedy="`sv-engine model FILE --out DIR` makes one of a GGUF file"
            if path.suffix == ".gguf"
            else f"did you mean {path.parent}?",
        )
    try:
        check_weights(path)
    except WeightsError as error:
        raise ModelPathError(error.what, where=error.where, remedy=error.remedy) from error
    if not any((path / name).is_file() for name in TOKENIZER_FILES):
        raise ModelPathError(
            f"the model has no tokenizer (none of {', '.join(TOKENIZER_FILES)})",
            where=str(path),
            remedy="save the tokenizer beside the weights: tokenizer.save_pretrained(directory)",
        )


def _near(path: Path) -> Path | None:
    """A model directory that is called nearly so."""
    try:
        names = [file.parent.name for file in path.parent.glob("*/config.json")]
    except OSError:
        return None
    found = difflib.get_close_matches(path.name, names, 1)
    return path.parent / found[0] if found else None


def check_weights(path: Path, served: Path | None = None) -> None:
    """Raise WeightsError unless `path` holds whole weights, of the same shapes as `served`."""
    config = _read_json(path, "config.json")
    files = sorted(path.glob("*.safetensors"))
    if not files:
        raise WeightsError(
            "no *.safetensors file in the weights directory",
            where=str(path),
            remedy="save with save_pretrained(directory, safe_serialization=True)",
        )
    shapes = {name: shape for file in files for name, shape in read_shapes(file).items()}
    if served is None or not (served / "config.json").is_file():
        return
    expected = _read_json(served, "config.json")
    for key in SHAPE_KEYS:
        if config.get(key) != expected.get(key):
            raise WeightsError(
                f"the weights are of another model: {key} is {config.get(key)}, "
                f"the served model has {expected.get(key)}",
                where=str(path),
                remedy=f"load weights trained from {served}, or start the engine on this model",
            )
    for file in served.glob("*.safetensors"):
        for name, shape in read_shapes(file).items():
            # A tied output layer may be written or left out: it is the embedding again.
            if shapes.get(name) != shape and not (name not in shapes and name == "lm_head.weight"):
                raise WeightsError(
                    f"tensor {name} has shape {shapes.get(name)}, the served model's is {shape}",
                    where=str(path),
                    remedy="save merged weights under the checkpoint's own names "
                    "(merge_and_unload, then save_pretrained)",
                )


def check_adapter(path: Path, max_rank: int) -> Adapter:
    """Raise WeightsError unless `path` is a whole LoRA adapter of rank at most `max_rank`.

    max_rank: 0 when the engine was started without room for adapters.
    """
    config = _read_json(path, "adapter_config.json")
    rank = max([int(config.get("r", 0)), *map(int, config.get("rank_pattern", {}).values())])
    if max_rank == 0:
        raise WeightsError(
            "the engine was started without room for LoRA adapters",
            where=str(path),
            remedy=f"set train.lora_rank = {rank}, or load the merged weights of this adapter",
        )
    if rank > max_rank:
        raise WeightsError(
            f"the adapter has rank {rank}, the engine has room for {max_rank}",
            where=str(path),
            remedy=f"set train.lora_rank = {rank}, or train with a rank <= {max_rank}",
        )
    file = path / "adapter_model.safetensors"
    if not file.is_file():
        raise WeightsError(
            "the adapter has no adapter_model.safetensors",
            where=str(path),
            remedy="save the adapter again; a training run may have been killed while saving",
        )
    read_shapes(file)
    return Adapter(path, rank)


def content_of(model: str) -> str:
    """Digest of what makes a model the same one, wherever its directory lies: configuration,
    tokenizer, and of each tensor its name, its shape and some bytes. Empty for a model that is not
    on this machine, or is none; a name is all that is known of it then."""
    path = Path(model)
    if not path.is_dir():
        return ""
    digest = hashlib.blake2b(digest_size=16)
    named = {*_TOLD_WHOLE, *TOKENIZER_FILES}
    try:
        for file in sorted([*path.glob("*.*")]):
            if file.name in named or file.stem == "chat_template":
                content = file.read_bytes()
            elif file.suffix == ".safetensors":
                content = _told_bytes(file)
            else:
                continue
            digest.update(f"{file.name}\0{len(content)}\0".encode() + content)
    except (OSError, WeightsError):
        return ""
    return digest.hexdigest()


def _told_bytes(file: Path) -> bytes:
    tensors, told = sorted(_read_tensors(file).items()), []
    with file.open("rb") as stream:
        for _, (_, first, end) in tensors:
            last = max(first, end - TOLD_BYTES)
            for place in range(TOLD_PLACES):
                stream.seek(first + (last - first) * place // (TOLD_PLACES - 1))
                told.append(stream.read(min(TOLD_BYTES, end - first)))
    return repr(tensors).encode() + b"".join(told)


def read_shapes(file: Path) -> dict[str, tuple[int, ...]]:
    """Tensor name -> shape of a safetensors file; WeightsError when it is cut off or broken."""
    return {name: shape for name, (shape, _, _) in _read_tensors(file).items()}


def _read_tensors(file: Path) -> dict[str, tuple[tuple[int, ...], int, int]]:
    """Tensor name -> shape, first byte, end.

    Format: 8 bytes little-endian length, a JSON header of that length, then the tensors' bytes.
    """
    try:
        size = file.stat().st_size
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            header = json.loads(stream.read(min(length, size)))
        header.pop("__metadata__", None)
        end = max((entry["data_offsets"][1] for entry in header.values()), default=0)
        tensors = {
            name: (tuple(entry["shape"]), *(8 + length + at for at in entry["data_offsets"]))
            for name, entry in header.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(
            f"not a readable safetensors file: {error}",
            where=str(file),
            remedy="save the weights again",
        ) from error
    if 8 + length + end != size:
        raise WeightsError(
            f"the file is cut off: {size} bytes, its header promises {8 + length + end}",
            where=str(file),
            remedy="save the weights again; the disk may have been full",
        )
    return tensors


def _read_json(directory: Path, name: str) -> dict[str, Any]:
    """A JSON object in `directory`; WeightsError when it is absent or broken."""
    file = directory / name
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        inside = directory / "weights"  # where an iteration of a run has them
        here = inside if (inside / name).is_file() else "the directory that save_pretrained wrote"
        raise WeightsError(
            f"no {name} in the weights directory", where=str(directory), remedy=f"give {here}"
        ) from None
    except (OSError, ValueError) as error:
        raise WeightsError(
            f"{name} cannot be read: {error}", where=str(file), remedy="save the weights again"
        ) from error
    if not isinstance(value, dict):
        raise WeightsError(f"{name} is not an object", where=str(file), remedy="save it again")
    return value
