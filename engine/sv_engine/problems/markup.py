"""What surrounds code in a model's reply: thought, Markdown fences, tags, transcripts.

In: a reply. Out: `answer_of` gives what stands after the thinking, `read_blocks` its fenced code
and the text without fences. Only text is moved or left out here; whether something is code is
decided elsewhere, by parsing it.

- Thought stands in `<think>`, `<thinking>`, `<reasoning>` and the like, or before a closing tag
  that the prompt opened, or in the channels before `final`. A tag in quotes or backticks is text.
- A fence is three or more backticks or tildes after any indentation, `>` or list mark. It closes
  with its own kind, alone on a line, outside of triple-quoted strings. A fence with a language
  opens a new block even where one is open (nested Markdown), unless a longer one holds it. A bare
  fence after a text that begins with code closes a block that the prompt opened.
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass, field

_THOUGHT = (
    r"(?:think|thinking|thought|thoughts|reasoning|reflection|analysis|scratchpad|seed:think)"
)
_TAG = re.compile(
    rf"(?P<open><{_THOUGHT}>|\[THINK\]|◁think▷|<\|begin_of_thought\|>|"
    rf"<\|channel\|>(?:analysis|commentary)[^<]*<\|message\|>)|"
    rf"(?P<close></{_THOUGHT}>|\[/THINK\]|◁/think▷|<\|end_of_thought\|>|"
    rf"<\|channel\|>final[^<]*<\|message\|>)",
    re.IGNORECASE,
)
_END = re.compile(
    r"<\|(?:im_end|endoftext|eot_id|end_of_text|return|end|end_of_solution)\|>|"
    r"<\uff5cend▁of▁sentence\uff5c>|(?:^|(?<=[\n`]))</s>"
)
_WRAPPING = (
    r"</?(?:answer|solution|code|pre|output|final(?:_answer)?|response|python|tests?)\b[^<>\n]*>"
)
_WRAPPER = re.compile(
    rf"^[ \t]*(?:{_WRAPPING}[ \t]*)+\n?|(?<=\S)[ \t]*(?:{_WRAPPING}[ \t]*)+$"
    r"|^<\|(?:begin_of_solution\|>|im_start\|>\w*)|</?tool_call>",
    re.MULTILINE | re.IGNORECASE,
)
_FENCE = re.compile(
    r"^(?P<lead>[ \t]*(?:>[ \t]?)*(?:(?:[-*+]|\d+[.)])[ \t]+)?)(?P<fence>`{3,}|~{3,})"
    r"(?P<info>[^\n`]*)$",
    re.MULTILINE,
)
_TRIPLE = re.compile(r"#[^\n]*|\"\"\"|'''|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'")
_LANGUAGE = re.compile(r"[A-Za-z0-9_+#.-]*")
_PYTHON = frozenset({"", "py", "py3", "python", "python2", "python3", "pycon", "ipython", "sage"})
_PROSE = frozenset({"markdown", "md", "text", "txt", "plaintext"})
_PROMPT = re.compile(r"(?:>>>|\.\.\.)(?: |$)|In \[\d+\]: ?|[ \t]*\.\.\.: ?")


def answer_of(reply: str) -> str | None:
    """The reply without its thought, None where it ends before the thought does.

    Line ends become `\\n`; what follows an end-of-text token goes, and so do tags around the
    answer (`<answer>`).
    """
    text = reply.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    kept: list[str] = []
    at, thinking = 0, False
    for tag in _TAG.finditer(text):
        if _is_quoted(text, tag):
            continue
        if tag["close"]:
            if not thinking:  # the prompt opened it
                kept.clear()
        elif not thinking:
            kept.append(text[at : tag.start()])
        thinking = tag["open"] is not None
        at = tag.end()
    if not thinking:
        kept.append(text[at:])
    answer = "".join(kept)
    if thinking and not answer.strip():
        return None
    if end := next((m for m in _END.finditer(answer) if not _is_quoted(answer, m)), None):
        answer = answer[: end.start()]
    return answer if "```" in answer or "~~~" in answer else _WRAPPER.sub("", answer)


def _is_quoted(text: str, tag: re.Match[str]) -> bool:
    """Whether a quote or a backtick before the tag closes after it, on its line."""
    before, rest = text[: tag.start()], text[tag.end() :].split("\n", 1)[0]
    quote = before[-1:]
    return (
        quote in ('"', "'", "`")
        and not before.endswith("```")
        and quote in (rest.replace("```", ""))
    )


@dataclass(frozen=True, slots=True)
class Block:
    """The contents of one fence, without the indentation or quote mark of its first line."""

    language: str
    """In lower case; `''` where the fence does not say."""
    text: str

    @property
    def is_python(self) -> bool:
        """Whether it may be Python: it says so, or it does not say."""
        return self.language in _PYTHON


@dataclass(slots=True)
class Reading:
    """A text split at its fences."""

    blocks: list[Block] = field(default_factory=list)
    """In their order; the last may be open, as truncation leaves it."""
    unfenced: str = ""
    """The whole text without the fence lines."""
    opened_by_prompt: bool = False
    """The first block has no opening fence."""

    def python(self) -> list[str]:
        """Texts of the blocks that may be Python; of all if none may."""
        found = [block.text for block in self.blocks if block.is_python]
        return found or [block.text for block in self.blocks]


def read_blocks(text: str, begins_inside: bool = False) -> Reading:
    """Split `text` at its fences; `begins_inside`: a bare fence that comes first is a closing one,
    the text before it being code."""
    reading = Reading()
    loose: list[str] = []
    at = 0
    first = _next_fence(text, 0, in_code=begins_inside)
    if begins_inside and first and not first["info"].strip():
        reading.opened_by_prompt = True
        _add(reading, "", text[: first.start()], "")
        loose.append(text[: first.start()])
        at = first.end() + 1
    while fence := _FENCE.search(text, at):
        loose.append(text[at : fence.start()])
        language = _language(fence["info"])
        begin = fence.end() + 1
        end, at = _block_end(text, begin, fence["fence"], language)
        _add(reading, language, text[begin:end], fence["lead"])
        loose.append(text[begin:end])
    loose.append(text[at:])
    reading.unfenced = "".join(loose)
    return reading


def _language(info: str) -> str:
    """The language in what follows a fence: of `{.python}`, `python title="x"`, `py`."""
    found = _LANGUAGE.match(info.lstrip("{. "))
    return found[0].lower().rstrip(".") if found else ""


def _add(reading: Reading, language: str, text: str, lead: str) -> None:
    if text.strip():
        reading.blocks.append(Block(language, _without_lead(text, lead)))


def _without_lead(text: str, lead: str) -> str:
    """Take the indentation and the quote marks of the fence from every line that has them."""
    if ">" in lead:
        text = re.sub(r"^[ \t]*(?:>[ \t]?)+", "", text, flags=re.MULTILINE)
        return text
    width = len(lead.expandtabs(4))
    if not width:
        return text
    lines = text.split("\n")
    least = min(
        (len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0
    )  # a list's code may be indented less than its mark is wide
    width = min(width, least)
    return "\n".join(line[width:] if not line[:width].strip() else line for line in lines)


def _block_end(text: str, begin: int, fence: str, language: str) -> tuple[int, int]:
    """Where the block that begins at `begin` ends, and where the text after it begins."""
    at = begin
    while found := _next_fence(text, at, in_code=language not in _PROSE):
        own_kind = found["fence"][0] == fence[0]
        long_enough = len(found["fence"]) >= len(fence)
        info = found["info"].strip()
        if not info and own_kind and long_enough and found["lead"].strip(" \t>") == "":
            return found.start(), found.end() + 1
        if info and (language in _PROSE or (own_kind and long_enough)):
            return found.start(), found.start()  # another block begins
        at = found.end()
    # A closing fence that stands at the end of the last line of code.
    stray = re.compile(rf"{re.escape(fence)}[ \t]*$", re.MULTILINE).search(text, begin)
    return (stray.start(), stray.end() + 1) if stray else (len(text), len(text))


def _next_fence(text: str, at: int, *, in_code: bool) -> re.Match[str] | None:
    """The next fence line; in code, one that is not part of a triple-quoted string."""
    found = _FENCE.search(text, at)
    hopeless: set[str] = set()
    while found and in_code:
        token = _TRIPLE.search(text, at, found.start())
        if token is None:
            break
        at = token.end()
        if token[0] not in ('"""', "'''") or token[0] in hopeless:
            continue
        close = text.find(token[0], at)
        if close < 0:
            hopeless.add(token[0])
            continue
        at = close + 3
        if at > found.start():
            inside = text[token.end() : close]
            if _closes_elsewhere(inside):
                break
            found = _FENCE.search(text, at)
    return found


def _closes_elsewhere(inside: str) -> bool:
    """Whether a would-be string is the code between two blocks: its quote was never closed."""
    fences = list(_FENCE.finditer(inside))
    return len(fences) > 1 and not fences[0]["info"].strip() and bool(fences[1]["info"].strip())


# ---- transcripts --------------------------------------------------------------------------------


def without_prompts(text: str) -> str:
    """The code of an interactive session (`>>> `), its output left out; other text as it is."""
    first = next((line for line in text.split("\n") if line.strip()), "")
    if not _PROMPT.match(first.lstrip()):
        return text
    lines = textwrap.dedent(text).split("\n")
    return "\n".join(_PROMPT.sub("", line, count=1) for line in lines if _PROMPT.match(line)) + "\n"
