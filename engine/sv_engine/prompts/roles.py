"""Prompts: what the model is asked in each role, and how its answer is read and written.

A `Template` is the text of a prompt with placeholders (`PLACEHOLDERS`), and a prefill: the
beginning of the answer that is put into the model's mouth. The prefill ends the prompt and begins
the source, so that

    source = prefill + completion        and        completion = answer(sources)

are inverse to each other; training data are always texts that the model could have sampled.
Templates without prefill ask for a fenced block. Literal braces in a template are doubled. Whether
the prompt becomes a chat turn is the tokenizer's affair (`prompt_format`), not this module's.
"""

from __future__ import annotations

import ast
import string
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from sv_engine.config.sections import Roles, RoleSet
from sv_engine.errors import EngineError
from sv_engine.pocket import grammar
from sv_engine.problems import extract
from sv_engine.records import Problem

_PROBLEM = ("prompt", "entry_point")
PLACEHOLDERS = {
    "describe": ("snippet",),
    "solve": _PROBLEM,
    "verify": _PROBLEM,
    "verify_solution": (*_PROBLEM, "solution"),
    "derive": (*_PROBLEM, "argument"),
    "critique": (*_PROBLEM, "tests"),
}
"""What each role's template may name."""


class TemplateError(EngineError):
    """A prompt template that cannot be filled in."""


@dataclass(frozen=True, slots=True)
class Template:
    """One prompt."""

    text: str
    prefill: str = ""
    stop: tuple[str, ...] = ()
    """Texts that end the completion."""

    def fill(self, problem: Problem, **fields: str) -> str:
        """The prompt for `problem`, the prefill at its end."""
        return (self.text + self.prefill).format(
            prompt=problem.prompt, entry_point=problem.entry_point, **fields
        )

    def begin(self, problem: Problem, **fields: str) -> str:
        """What the answer begins with before the model writes anything."""
        return self.prefill.format(prompt=problem.prompt, entry_point=problem.entry_point, **fields)


@dataclass(frozen=True, slots=True)
class RoleTemplates:
    """All prompts of a run."""

    describe: tuple[Template, ...]
    solve: Template
    verify: Template
    verify_solution: Template
    derive: Template
    critique: Template


POCKET = RoleTemplates(
    describe=(Template(grammar.DESCRIBE_TEMPLATE),),
    solve=Template('"""{prompt}"""\n', "def f(xs):"),
    verify=Template('"""{prompt}"""\n', "assert f("),
    verify_solution=Template('{solution}\n"""{prompt}"""\n', "assert f("),
    derive=Template('"""{prompt}"""\n', "assert f({argument}) == ("),
    critique=Template('"""{prompt}"""\n{tests}\n', "assert f("),
)
"""The texts that the pocket model was pre-trained on; verify_solution and critique it never saw."""

CHAT = RoleTemplates(
    describe=(
        Template(
            "Here is a code snippet:\n\n```python\n{snippet}\n```\n\nInspired by it, invent one "
            "short, self-contained Python programming problem that a beginner can solve. State "
            "exactly what the function gets and returns, its signature, and the edge cases. "
            "Answer with a Python function that has only a signature with type hints and a "
            "docstring, in one fenced block."
        ),
        Template(
            "Here is a code snippet:\n\n```python\n{snippet}\n```\n\nInspired by it, invent one "
            "Python programming problem of medium difficulty about strings, lists or dictionaries. "
            "State exactly what the function gets and returns, its signature, and the edge cases. "
            "Answer with a Python function that has only a signature with type hints and a "
            "docstring, in one fenced block."
        ),
        Template(
            "Here is a code snippet:\n\n```python\n{snippet}\n```\n\nInspired by it, invent one "
            "hard algorithmic problem as in a programming contest, solved by one Python function "
            "on plain values. State exactly what the function gets and returns, its signature, "
            "limits and edge cases. Answer with a Python function that has only a signature with "
            "type hints and a docstring, in one fenced block."
        ),
    ),
    solve=Template(
        "{prompt}\n\nWrite the Python function `{entry_point}` that solves this problem. Answer "
        "with the complete function and the imports it needs, in one fenced block."
    ),
    verify=Template(
        "{prompt}\n\nWrite tests for the Python function `{entry_point}` that solves this "
        "problem, without writing the function. Each test is one line of the form "
        "`assert {entry_point}(...) == ...` with literal arguments and a literal expected value. "
        "Cover usual inputs and edge cases. Answer with the tests in one fenced block."
    ),
    verify_solution=Template(
        "{prompt}\n\nHere is a solution, which may be wrong:\n\n```python\n{solution}\n```\n\n"
        "Write tests that every correct `{entry_point}` passes and wrong ones fail. Each test is "
        "one line of the form `assert {entry_point}(...) == ...` with literal arguments and a "
        "literal expected value. Answer with the tests in one fenced block."
    ),
    derive=Template(
        "{prompt}\n\nWork out, step by step, what `{entry_point}({argument})` must return. Answer "
        "with one line of the form `assert {entry_point}({argument}) == ...` in one fenced block."
    ),
    critique=Template(
        "{prompt}\n\nSomebody wrote these tests for `{entry_point}`:\n\n```python\n{tests}\n```\n\n"
        "Check each expected value. Repair the tests that are wrong, drop those that the problem "
        "does not decide, and answer with the remaining tests in one fenced block."
    ),
)
"""For instruction-tuned models."""


def templates(config: Roles) -> RoleTemplates:
    """The default set with the templates that the configuration overrides.

    An overriding template has no prefill. Where the verifier sees a solution, `verify` is
    `verify_solution`. Raises TemplateError on unknown placeholders.
    """
    chosen = POCKET if config.templates is RoleSet.POCKET else CHAT
    if config.describe:
        chosen = replace(chosen, describe=tuple(_checked("describe", t) for t in config.describe))
    for role in ("solve", "verify", "verify_solution", "derive", "critique"):
        if text := getattr(config, role):
            changes: dict[str, Any] = {role: _checked(role, text)}
            chosen = replace(chosen, **changes)
    if config.verifier_sees == "solution":
        chosen = replace(chosen, verify=chosen.verify_solution)
    return chosen


def read_solution(template: Template, problem: Problem, completion: str) -> str | extract.Drop:
    """The program in a completion of the solver, or why there is none."""
    begin = template.begin(problem)
    style = extract.Style.CONTINUATION if begin else extract.Style.AUTO
    return extract.extract_solution(
        completion,
        prompt=begin or problem.prompt,
        entry_point=problem.entry_point,
        style=style,
    )


def read_tests(
    template: Template,
    problem: Problem,
    completion: str,
    limit: int | None = None,
    **fields: str,
) -> tuple[list[str], Counter[extract.Drop]]:
    """The first `limit` asserts in a completion of the verifier, and what was dropped."""
    begin = template.begin(problem, **fields)
    style = extract.Style.PROGRAM if begin else extract.Style.AUTO
    text, entry_point = begin + completion, problem.entry_point
    return extract.extract_tests(text, entry_point=entry_point, style=style, limit=limit)


def answer(template: Template, problem: Problem, sources: Sequence[str]) -> str | None:
    """The completion that reads as `sources`; None where the prefill makes that impossible."""
    text = "\n".join(sources)
    if not template.prefill:
        return f"```python\n{text.strip()}\n```"
    begin = template.begin(problem)
    return text.removeprefix(begin) if text.startswith(begin) else None


def written(template: Template, problem: Problem, completion: str, source: str) -> str:
    """What the solver is taught where it wrote `completion`, read as `source`; empty for
    `answer(source)`.

    The normal form of a completion is the program in it, alone in a fence, every line as it was
    sampled and none that the prompt added. Where there is no such program (a body alone, a method
    without its class) it is the completion as it stands.
    """
    if template.prefill or source.strip() in completion:
        return ""
    own = extract.extract_solution(completion, prompt="", entry_point=problem.entry_point)
    if isinstance(own, extract.Drop) or not _lines_in(own, completion):
        return completion
    return answer(template, problem, [own]) or completion


def _lines_in(program: str, completion: str) -> bool:
    """Whether the lines of `program` stand in `completion`, in this order."""
    at = 0
    for line in filter(None, map(str.strip, program.split("\n"))):
        found = completion.find(line, at)
        if found < 0:
            return False
        at = found + len(line)
    return True


@dataclass(frozen=True, slots=True)
class Call:
    """What an assert calls the entry point with."""

    argument: str
    """Source text between the parentheses."""
    value: str
    """The expected value, in normal form (`ast.unparse`): equal texts are equal values."""
    size: int
    """Elements in all literal arguments: numbers, characters, list items."""


@lru_cache(maxsize=1 << 16)  # votes, guards and recipes ask again for the same tests
def call_of(test: str, entry_point: str) -> Call | None:
    """The call in a test of the form `assert f(...) == value`; None for tests of another form."""
    tree = extract.parse(test)
    last = tree.body[-1] if tree and tree.body else None
    match last:
        case ast.Assert(
            test=ast.Compare(
                left=ast.Call(func=ast.Name(id=name)) as call, ops=[ast.Eq()], comparators=[value]
            )
        ):
            if name != entry_point:
                return None
            text = ast.get_source_segment(test, call)
            if text is None:
                return None
            argument = text[len(name) :].strip()[1:-1].strip()
            size = sum(_size(node) for node in [*call.args, *call.keywords])
            return Call(argument, ast.unparse(value), size)
        case _:
            return None


def _size(node: ast.AST) -> int:
    match node:
        case ast.List() | ast.Tuple() | ast.Set():
            return sum(max(1, _size(item)) for item in node.elts)
        case ast.Dict():
            return len(node.keys)
        case ast.Constant(value=str() | bytes() as text):
            return len(text)
        case ast.keyword():
            return _size(node.value)
        case _:
            return 1


def _checked(role: str, text: str) -> Template:
    try:
        names = {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}
    except ValueError as error:
        raise TemplateError(
            f"the template is malformed: {error}",
            where=f"roles.{role}",
            remedy="double the braces that are no placeholder: {{ and }}",
        ) from None
    if unknown := names - set(PLACEHOLDERS[role]):
        raise TemplateError(
            f"unknown placeholder {{{sorted(unknown)[0]}}}",
            where=f"roles.{role}",
            remedy=f"known are {', '.join(PLACEHOLDERS[role])}; double literal braces",
        )
    return Template(text)
