"""Training data: files of rows, and rows as the token ids that the trainers take.

Files are JSON lines in the formats that TRL and others read; further keys are ignored:

    SFT   {"prompt", "completion"}
    DPO   {"prompt", "chosen", "rejected"}

Texts are tokenised here and not in the trainers: the prompt exactly as in generation, the
completion on its own with the end-of-sequence token behind it. Tokenising both as one text would
merge tokens across the border and train on contexts that are never sampled from.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sv_engine.prompts.format import PromptFormat, completion_token_ids, prompt_token_ids
from sv_engine.records import Example, PreferencePair
from sv_engine.train.errors import TrainInputError

TokenRow = dict[str, list[int]]
"""Column name -> token ids or labels."""

IGNORED = -100
"""Label of tokens that the loss does not count; the convention of torch's cross entropy."""


def write_rows(path: Path, rows: Iterable[Example | PreferencePair]) -> int:
    """Write examples or pairs as JSON lines; the number written."""
    number = 0
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(asdict(row), ensure_ascii=False) + "\n")
            number += 1
    return number


def read_rows(path: Path, keys: Sequence[str]) -> list[dict[str, str]]:
    """Rows with the texts `keys`; TrainInputError when the file is absent, broken or empty."""
    rows = []
    try:
        with path.open(encoding="utf-8") as file:
            for line in file:
                row = json.loads(line)
                rows.append({key: row[key] for key in keys})
                if not all(isinstance(text, str) for text in rows[-1].values()):
                    raise TypeError(f"{', '.join(keys)} must be texts")
    except OSError as error:
        raise TrainInputError(
            f"the training data cannot be read: {error.strerror}",
            where=str(path),
            remedy="give a JSON lines file",
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise TrainInputError(
            f"row {len(rows) + 1} of the training data is broken: {error}",
            where=str(path),
            remedy=f"each line is an object with the texts {', '.join(keys)}",
        ) from error
    if not rows:
        raise TrainInputError(
            "the training data is empty",
            where=str(path),
            remedy="selection accepted nothing: sample more, or loosen the selection",
        )
    return rows


def sft_rows(
    rows: Sequence[dict[str, str]], tokenizer: Any, prompt_format: PromptFormat, max_length: int
) -> list[TokenRow]:
    """`input_ids` and `labels` per row; rows whose prompt alone fills `max_length` are left out."""
    encoded = []
    for row in rows:
        prompt = prompt_token_ids(tokenizer, row["prompt"], prompt_format)
        completion = completion_token_ids(tokenizer, row["completion"])
        if len(prompt) < max_length:
            labels = [IGNORED] * len(prompt) + completion
            encoded.append(
                {"input_ids": (prompt + completion)[:max_length], "labels": labels[:max_length]}
            )
    return encoded


def dpo_rows(
    rows: Sequence[dict[str, str]], tokenizer: Any, prompt_format: PromptFormat, max_length: int
) -> list[TokenRow]:
    """`prompt_ids`, `chosen_ids`, `rejected_ids` per row; full prompts are left out."""
    encoded = []
    for row in rows:
        prompt = prompt_token_ids(tokenizer, row["prompt"], prompt_format)
        room = max_length - len(prompt)
        if room > 0:
            encoded.append(
                {
                    "prompt_ids": prompt,
                    "chosen_ids": completion_token_ids(tokenizer, row["chosen"])[:room],
                    "rejected_ids": completion_token_ids(tokenizer, row["rejected"])[:room],
                }
            )
    return encoded


def row_length(row: TokenRow) -> int:
    """Tokens of the longest sequence that the trainer makes of a row."""
    if "input_ids" in row:
        return len(row["input_ids"])
    return len(row["prompt_ids"]) + max(len(row["chosen_ids"]), len(row["rejected_ids"]))
