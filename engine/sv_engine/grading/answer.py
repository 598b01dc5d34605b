"""The program in what a model answered."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

_FENCE = re.compile(r"^[ \t]*(```+|~~~+)[ \t]*(\w*)[^\n]*\n(.*?)(?:^[ \t]*\1|\Z)", re.M | re.S)
_PYTHON = frozenset({"python", "py", "python3"})
_THOUGHT = "</think>"


def code_of(answer: str | Sequence[Any]) -> str:
    """The last fenced block of Python, else the last fenced block, else the text itself.

    A list of chat messages is the text of its last message. A block that was cut off counts.
    """
    text = text_of(answer).rpartition(_THOUGHT)[2]
    blocks = [(match[2].lower(), match[3]) for match in _FENCE.finditer(text)]
    python = [code for language, code in blocks if language in _PYTHON]
    if python:
        return python[-1]
    return blocks[-1][1] if blocks else text


def text_of(answer: str | Sequence[Any]) -> str:
    """The text of an answer that is text, or a conversation of which the last message counts."""
    if isinstance(answer, str):
        return answer
    if not answer:
        return ""
    last: Any = answer[-1]
    content = last["content"] if isinstance(last, dict) else last.content
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content or ())
