"""Training rows: files, token ids, what the loss counts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sv_engine.errors import EngineError
from sv_engine.prompts.format import ChatTemplateError, PromptFormat, prompt_token_ids
from sv_engine.records import Example, PreferencePair
from sv_engine.train.data import IGNORED, dpo_rows, read_rows, row_length, sft_rows, write_rows
from sv_engine.train.errors import TrainInputError


class Letters:
    """A tokenizer whose ids are code points; 1 begins a text, 2 ends a sequence."""

    eos_token_id = 2
    name_or_path = "letters"

    def __init__(self, chat_template: str | None = None) -> None:
        self.chat_template = chat_template

    def __call__(self, text: str, add_special_tokens: bool = True) -> dict[str, list[int]]:
        return {"input_ids": [1] * add_special_tokens + [ord(c) for c in text]}

    def apply_chat_template(self, turns: list[dict[str, str]], **options: Any) -> str:
        assert options == {"tokenize": False, "add_generation_prompt": True}
        return "".join(f"[{t['role']}]{t['content']}" for t in turns) + "[assistant]"


def _ids(text: str) -> list[int]:
    return [ord(c) for c in text]


def test_rows_survive_the_file(tmp_path: Path) -> None:
    examples = [Example("p", "solve", "prómpt\n", "a\u2028b"), Example("q", "verify", "", "c")]
    path = tmp_path / "sft.jsonl"
    assert write_rows(path, examples) == 2
    rows = read_rows(path, ("prompt", "completion"))
    assert rows == [{"prompt": e.prompt, "completion": e.completion} for e in examples]
    pairs = [PreferencePair("p", "solve", "prompt", "good", "bad")]
    assert write_rows(path, pairs) == 1
    (row,) = read_rows(path, ("prompt", "chosen", "rejected"))
    assert row == {"prompt": "prompt", "chosen": "good", "rejected": "bad"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "empty"),
        ('{"prompt": "a"}\n', "row 1 .* broken: 'completion'"),
        ('{"prompt": "a", "completion": "b"}\nnope\n', "row 2"),
        ('{"prompt": "a", "completion": [1]}\n', "must be texts"),
    ],
)
def test_unfit_files_name_the_row(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "sft.jsonl"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(TrainInputError, match=message) as caught:
        read_rows(path, ("prompt", "completion"))
    assert caught.value.where == str(path)


def test_absent_files(tmp_path: Path) -> None:
    with pytest.raises(TrainInputError, match="cannot be read"):
        read_rows(tmp_path / "absent", ("prompt", "completion"))


def test_the_loss_counts_the_completion_and_its_end() -> None:
    rows = [{"prompt": "ab", "completion": "cd"}]
    (row,) = sft_rows(rows, Letters(), PromptFormat.PLAIN, 100)
    assert row["input_ids"] == [1, *_ids("abcd"), 2]
    assert row["labels"] == [IGNORED] * 3 + [*_ids("cd"), 2]
    assert row_length(row) == 6


def test_long_rows_are_cut_and_full_prompts_left_out() -> None:
    rows = [{"prompt": "ab", "completion": "cdef"}, {"prompt": "abcdef", "completion": "g"}]
    (row,) = sft_rows(rows, Letters(), PromptFormat.PLAIN, 5)
    assert row["input_ids"] == [1, *_ids("abcd")]
    assert row["labels"] == [IGNORED] * 3 + _ids("cd")


def test_pairs_share_the_prompt() -> None:
    rows = [{"prompt": "ab", "chosen": "cde", "rejected": "f"}]
    (row,) = dpo_rows(rows, Letters(), PromptFormat.PLAIN, 6)
    assert row["prompt_ids"] == [1, *_ids("ab")]
    assert row["chosen_ids"] == _ids("cde")  # cut: its end has no room
    assert row["rejected_ids"] == [*_ids("f"), 2]
    assert row_length(row) == 6
    assert dpo_rows(rows, Letters(), PromptFormat.PLAIN, 3) == []


@pytest.mark.parametrize("prompt_format", [PromptFormat.AUTO, PromptFormat.CHAT])
def test_a_chat_template_writes_its_own_special_tokens(prompt_format: PromptFormat) -> None:
    ids = prompt_token_ids(Letters("template"), "hi", prompt_format)
    assert ids == _ids("[user]hi[assistant]")
    plain = prompt_token_ids(Letters("template"), "hi", PromptFormat.PLAIN)
    assert plain == [1, *_ids("hi")] == prompt_token_ids(Letters(), "hi", PromptFormat.AUTO)


def test_chat_without_a_template_says_what_to_do() -> None:
    with pytest.raises(ChatTemplateError, match="no chat template") as caught:
        prompt_token_ids(Letters(), "hi", PromptFormat.CHAT)
    assert caught.value.where == "letters"
    assert 'prompt_format = "plain"' in caught.value.remedy
    assert isinstance(caught.value, EngineError)


def test_rows_are_json_lines_that_others_read(tmp_path: Path) -> None:
    path = tmp_path / "dpo.jsonl"
    write_rows(path, [PreferencePair("p", "verify", "a", "b", "c")])
    assert json.loads(path.read_text(encoding="utf-8")) == {
        "problem_id": "p",
        "role": "verify",
        "prompt": "a",
        "chosen": "b",
        "rejected": "c",
    }
