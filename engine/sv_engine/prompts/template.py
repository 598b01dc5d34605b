"""The text of a prompt: placeholders, turns, and the beginning of the answer.

A `Template` is a text with placeholders (`PLACEHOLDERS`), and a prefill: the beginning of the
answer that is put into the model's mouth. Literal braces in a template are doubled.

A prefill that opens a fence makes the prompt a conversation: worked examples, then the question,
each followed by its answer, the last of which is the prefill. It travels as one text with two marks
that no problem can hold, `ANSWER` before each answer and `TURN` after each but the last; `turns_of`
reads it back, so that a chat template gets turns and a model without one gets plain text
(`plain_text`). Any other prefill is simply the end of the text.
"""

from __future__ import annotations

from dataclasses import dataclass

from sv_engine.errors import EngineError
from sv_engine.records import Problem

ANSWER, TURN = "\x1d", "\x1e"
FENCE = "```python\n"
FENCE_END = "\n```"

_PROBLEM = ("prompt", "entry_point")
PLACEHOLDERS = {
    "describe": ("snippet",),
    "solve": _PROBLEM,
    "verify": _PROBLEM,
    "verify_solution": (*_PROBLEM, "solution"),
    "derive": (*_PROBLEM, "argument"),
    "critique": (*_PROBLEM, "tests"),
    "apart": (*_PROBLEM, "first", "second"),
}
"""What each role's template may name."""

Message = dict[str, str]
"""`role` and `content` of one turn."""


class TemplateError(EngineError):
    """A prompt template that cannot be filled in."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Template:
    """One prompt."""

    text: str
    prefill: str = ""
    stop: tuple[str, ...] = ()
    """Texts that end the completion."""
    examples: tuple[tuple[str, str], ...] = ()
    """Questions with their answers, as they stand in the prompt; only with a prefill that opens a
    fence."""
    of_programs: Template | None = None
    """What is asked instead where the solution is a program that reads and writes."""

    def of(self, problem: Problem) -> Template:
        """The template that this problem is asked with."""
        return self.of_programs if problem.is_program and self.of_programs else self

    @property
    def fenced(self) -> bool:
        """Whether the answer begins inside a fence that the prompt opened."""
        return self.prefill.startswith(FENCE)

    def fill(self, problem: Problem, **fields: str) -> str:
        """The prompt for `problem`, the prefill at its end."""
        if self.of(problem) is not self:
            return self.of(problem).fill(problem, **fields)
        if not self.fenced:
            return self._format(self.text + self.prefill, problem, fields)
        asked = self._format(self.text, problem, fields)
        last = asked + ANSWER + self.begin(problem, **fields)
        return TURN.join([*(ANSWER.join(example) for example in self.examples), last])

    def begin(self, problem: Problem, **fields: str) -> str:
        """What the answer begins with before the model writes anything."""
        return self._format(self.of(problem).prefill, problem, fields)

    @staticmethod
    def _format(text: str, problem: Problem, fields: dict[str, str]) -> str:
        values = {"prompt": problem.prompt, "entry_point": problem.entry_point, **fields}
        return text.format(**{name: _without_marks(value) for name, value in values.items()})


@dataclass(frozen=True, slots=True)
class RoleTemplates:
    """All prompts of a run."""

    describe: tuple[Template, ...]
    solve: Template
    verify: Template
    verify_solution: Template
    derive: Template
    critique: Template
    apart: Template
    """Tests for two programs that disagree (`sv-engine solve`)."""


def turns_of(prompt: str) -> tuple[list[Message], str]:
    """The turns of a prompt, the user's last, and the beginning of the answer to it."""
    turns: list[Message] = []
    begin = ""
    for turn in prompt.split(TURN):
        asked, _, begin = turn.partition(ANSWER)
        turns.append({"role": "user", "content": asked})
        turns.append({"role": "assistant", "content": begin})
    return turns[:-1], begin


def plain_text(prompt: str) -> str:
    """The prompt for a model without turns: the same texts, one under the other."""
    return prompt.replace(ANSWER, "\n\n").replace(TURN, "\n\n\n")


def _without_marks(text: str) -> str:
    return text.replace(ANSWER, "").replace(TURN, "")
