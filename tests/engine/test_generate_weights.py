"""Weight directories are judged by their files, before an engine sees them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sv_engine.generate.errors import ModelLoadError, WeightsError
from sv_engine.generate.weights import (
    check_adapter,
    check_model,
    check_weights,
    content_of,
    read_shapes,
)

CONFIG = {"architectures": ["LlamaForCausalLM"], "vocab_size": 8, "hidden_size": 4}


def _safetensors(path: Path, tensors: dict[str, tuple[int, ...]], missing_bytes: int = 0) -> None:
    """Write zeros of these shapes, optionally cut off at the end."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    data = b""
    for name, shape in tensors.items():
        values = np.zeros(shape, np.float32).tobytes()
        offsets = [len(data), len(data) + len(values)]
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": offsets}
        data += values
    text = json.dumps(header).encode()
    whole = len(text).to_bytes(8, "little") + text + data
    path.write_bytes(whole[: len(whole) - missing_bytes])


def _model(path: Path, shape: tuple[int, ...] = (8, 4), **config: Any) -> Path:
    path.mkdir()
    (path / "config.json").write_text(json.dumps({**CONFIG, **config}), encoding="utf-8")
    (path / "tokenizer.json").write_text("{}", encoding="utf-8")
    _safetensors(path / "model.safetensors", {"embed": shape})
    return path


def _adapter(path: Path, **config: Any) -> Path:
    path.mkdir()
    (path / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")
    _safetensors(path / "adapter_model.safetensors", {"lora_A": (8, 4)})
    return path


def test_whole_directories_pass(tmp_path: Path) -> None:
    served, new = _model(tmp_path / "served"), _model(tmp_path / "new")
    check_model(str(served))
    check_weights(new, served)
    assert read_shapes(new / "model.safetensors") == {"embed": (8, 4)}
    assert check_adapter(_adapter(tmp_path / "adapter", r=8), 16).rank == 8


def test_hub_names_are_left_to_the_hub() -> None:
    check_model("organisation/model")


@pytest.mark.parametrize("name", ["absent", "/no/such/directory", "./absent/model"])
def test_absent_models(name: str) -> None:
    with pytest.raises(ModelLoadError, match="does not exist"):
        check_model(name)


def test_a_model_without_tokenizer(tmp_path: Path) -> None:
    path = _model(tmp_path / "model")
    (path / "tokenizer.json").unlink()
    with pytest.raises(ModelLoadError, match="no tokenizer"):
        check_model(str(path))


def test_a_model_without_config(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match=r"no config\.json"):
        check_model(str(tmp_path))


def test_weights_without_tensors(tmp_path: Path) -> None:
    path = _model(tmp_path / "model")
    (path / "model.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"no \*\.safetensors"):
        check_weights(path)


def test_cut_off_weights(tmp_path: Path) -> None:
    path = _model(tmp_path / "model")
    _safetensors(path / "model.safetensors", {"embed": (8, 4)}, missing_bytes=1)
    with pytest.raises(WeightsError, match="cut off"):
        check_weights(path)


@pytest.mark.parametrize("content", [b"", b"\x05\0\0\0\0\0\0\0oops!", b"\xff" * 64])
def test_broken_weights(tmp_path: Path, content: bytes) -> None:
    path = _model(tmp_path / "model")
    (path / "model.safetensors").write_bytes(content)
    with pytest.raises(WeightsError, match="not a readable safetensors file"):
        check_weights(path)


def test_weights_of_another_model(tmp_path: Path) -> None:
    served = _model(tmp_path / "served")
    with pytest.raises(WeightsError, match="vocab_size is 9, the served model has 8"):
        check_weights(_model(tmp_path / "other", vocab_size=9), served)
    with pytest.raises(WeightsError, match="tensor embed has shape"):
        check_weights(_model(tmp_path / "reshaped", shape=(4, 8)), served)


@pytest.mark.parametrize(
    ("config", "room", "message"),
    [
        ({"r": 32}, 16, "rank 32, the engine has room for 16"),
        ({"r": 8, "rank_pattern": {"q_proj": 64}}, 16, "rank 64"),
        ({"r": 8}, 0, "without room for LoRA"),
    ],
)
def test_adapters_that_do_not_fit(
    tmp_path: Path, config: dict[str, Any], room: int, message: str
) -> None:
    with pytest.raises(WeightsError, match=message) as caught:
        check_adapter(_adapter(tmp_path / "adapter", **config), room)
    assert "lora_rank = " in caught.value.remedy


def test_an_adapter_without_tensors(tmp_path: Path) -> None:
    path = _adapter(tmp_path / "adapter", r=8)
    (path / "adapter_model.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"no adapter_model\.safetensors"):
        check_adapter(path, 16)


def test_a_mistyped_model_directory_is_no_hub_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    good = Path("models") / "small-135m"
    good.mkdir(parents=True)
    (good / "config.json").write_text("{}")
    with pytest.raises(ModelLoadError, match=f"did you mean {good}"):
        check_model("models/small-135")
    check_model("someone/else")  # a hub name
    with pytest.raises(ModelLoadError, match=f"did you mean {good}"):
        check_model(str(good / "config.json"))


def test_a_model_is_the_same_one_wherever_it_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = _model(tmp_path / "model", (400, 4))
    content = content_of(str(model))
    shutil.copytree(model, tmp_path / "copy")
    (tmp_path / "copy" / "README.md").write_text("of no matter")
    monkeypatch.chdir(tmp_path)
    assert {content_of(name) for name in ("model", "copy", str(tmp_path / "copy"))} == {content}
    assert content


def other_weights(model: Path) -> None:
    file = model / "model.safetensors"
    whole = bytearray(file.read_bytes())
    for at in range(1, 1600):  # the last quarter of 6,400 bytes
        whole[-at] ^= 1
    file.write_bytes(whole)


@pytest.mark.parametrize(
    "change",
    [
        other_weights,
        lambda model: (model / "generation_config.json").write_text('{"top_k": 1}'),
        lambda model: _safetensors(model / "model.safetensors", {"other": (400, 4)}),
        lambda model: _safetensors(model / "model.safetensors", {"embed": (4, 400)}),
        lambda model: _safetensors(model / "more.safetensors", {"more": (1,)}),
        lambda model: (model / "config.json").write_text("{}"),
        lambda model: (model / "tokenizer.json").write_text("[]"),
        lambda model: (model / "chat_template.jinja").write_text("{{ x }}"),
        lambda model: (model / "tokenizer.json").rename(model / "vocab.json"),
    ],
)
def test_another_model_in_its_place_is_another_one(
    tmp_path: Path, change: Callable[[Path], object]
) -> None:
    model = _model(tmp_path / "model", (400, 4))
    content = content_of(str(model))
    change(model)
    assert content_of(str(model)) not in (content, "")


def test_of_a_name_or_a_broken_model_no_content_is_known(tmp_path: Path) -> None:
    assert content_of("organisation/model") == ""
    model = _model(tmp_path / "model")
    (model / "model.safetensors").write_bytes(b"cut off")
    assert content_of(str(model)) == ""
