"""How a prompt text becomes token ids, the same for sampling and for training.

Both doors that see a tokenizer (`generate`, `train`) call `prompt_token_ids`, so a model is
trained on exactly the ids it was sampled with. The completion's ids follow the prompt's ids and
are never merged with them across the border.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sv_engine.config.sections import PromptFormat
from sv_engine.errors import EngineError
from sv_engine.prompts.template import plain_text, turns_of


class ChatTemplateError(EngineError):
    """`chat` was asked for and the tokenizer has no chat template."""


def is_chat(tokenizer: Any, prompt_format: PromptFormat) -> bool:
    """Whether prompts go through the chat template; ChatTemplateError if asked and absent."""
    has_template = bool(getattr(tokenizer, "chat_template", None))
    if prompt_format is PromptFormat.CHAT and not has_template:
        raise ChatTemplateError(
            "the tokenizer has no chat template",
            where=str(getattr(tokenizer, "name_or_path", "tokenizer")),
            remedy='set model.prompt_format = "plain" (or "auto"), or use an '
            "instruction-tuned model",
        )
    return prompt_format is not PromptFormat.PLAIN and has_template


def has_chat_template(model: Path) -> bool:
    """The same of the tokenizer in a model directory, as far as files tell; nothing is loaded."""
    if any(model.glob("chat_template.*")):
        return True
    try:
        settings = json.loads((model / "tokenizer_config.json").read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return bool(settings.get("chat_template"))


def prompt_token_ids(tokenizer: Any, prompt: str, prompt_format: PromptFormat) -> list[int]:
    """Token ids of `prompt`, with the special tokens that this tokenizer puts in front.

    tokenizer: a Hugging Face tokenizer.
    """
    if is_chat(tokenizer, prompt_format):
        turns, begin = turns_of(prompt)
        text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        # The template wrote the special tokens itself; adding them again would double them.
        return list(tokenizer(text + begin, add_special_tokens=False)["input_ids"])
    return list(tokenizer(plain_text(prompt))["input_ids"])


def completion_token_ids(tokenizer: Any, completion: str) -> list[int]:
    """Token ids of `completion` and the end-of-sequence token, as a model would sample them."""
    ids = list(tokenizer(completion, add_special_tokens=False)["input_ids"])
    return [*ids, int(tokenizer.eos_token_id)]
