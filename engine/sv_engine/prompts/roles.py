"""Roles: what the model is asked in each, and how its answer is read and written.

The prefill of a template ends the prompt and begins the source, so that

    source = prefill + completion        and        completion = answer(sources)

are inverse to each other; training data are always texts that the model could have sampled.
Templates without prefill ask for a fenced block; a prefill that opens one is read as if the model
had, and the answer closes it. Whether the prompt becomes chat turns is the tokenizer's affair
(`prompt_format`), not this module's.
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
from sv_engine.problems import extract
from sv_engine.problems.programs_io import (
    io_pairs,
    io_test,
    read_io_tests,
    read_output,
    read_program,
    written_tests,
)
from sv_engine.prompts.sets import CHAT as CHAT
from sv_engine.prompts.sets import EXAMPLES as EXAMPLES
from sv_engine.prompts.sets import POCKET as POCKET
from sv_engine.prompts.template import FENCE, FENCE_END, PLACEHOLDERS
from sv_engine.prompts.template import RoleTemplates as RoleTemplates
from sv_engine.prompts.template import Template as Template
from sv_engine.prompts.template import TemplateError as TemplateError
from sv_engine.records import Problem

_SETS = {RoleSet.POCKET: POCKET, RoleSet.CHAT: CHAT, RoleSet.EXAMPLES: EXAMPLES}


def templates(config: Roles) -> RoleTemplates:
    """The default set with the templates that the configuration overrides.

    An overriding template has no prefill. Where the verifier sees a solution, `verify` is
    `verify_solution`. Raises TemplateError on unknown placeholders.
    """
    chosen = _SETS[config.templates]
    if config.test_begins:
        chosen = _begun(chosen, config.test_begins)
    if config.describe:
        chosen = replace(chosen, describe=tuple(_checked("describe", t) for t in config.describe))
    for role in ("solve", "verify", "verify_solution", "derive", "critique"):
        if text := getattr(config, role):
            changes: dict[str, Any] = {role: _checked(role, text)}
            chosen = replace(chosen, **changes)
    if config.verifier_sees == "solution":
        chosen = replace(chosen, verify=chosen.verify_solution)
    return chosen


def _begun(chosen: RoleTemplates, text: str) -> RoleTemplates:
    """The set with the first argument of each begun test begun too."""
    text = text.replace("{", "{{").replace("}", "}}")
    changes: dict[str, Any] = {}
    for role in ("verify", "verify_solution", "critique", "apart"):
        template: Template = getattr(chosen, role)
        if template.prefill:
            changes[role] = replace(template, prefill=template.prefill + text)
    return replace(chosen, **changes)


def read_solution(template: Template, problem: Problem, completion: str) -> str | extract.Drop:
    """The program in a completion of the solver, or why there is none."""
    if problem.is_program:
        return read_program(template.begin(problem) + completion)
    begin, prompt = template.begin(problem), problem.prompt
    style = extract.Style.CONTINUATION if begin else extract.Style.AUTO
    if template.fenced:
        completion, style = begin + completion, extract.Style.PROGRAM
    elif begin:
        prompt = begin
    return extract.extract_solution(
        completion, prompt=prompt, entry_point=problem.entry_point, style=style
    )


def read_tests(
    template: Template,
    problem: Problem,
    completion: str,
    limit: int | None = None,
    **fields: str,
) -> tuple[list[str], Counter[extract.Drop]]:
    """The first `limit` asserts in a completion of the verifier, and what was dropped."""
    if problem.is_program:
        return _read_io(completion, limit, fields.get("argument"))
    begin = template.begin(problem, **fields)
    style = extract.Style.PROGRAM if begin else extract.Style.AUTO
    text, entry_point = begin + completion, problem.entry_point
    return extract.extract_tests(text, entry_point=entry_point, style=style, limit=limit)


def _read_io(
    completion: str, limit: int | None, argument: str | None
) -> tuple[list[str], Counter[extract.Drop]]:
    if argument is None:
        return read_io_tests(completion, limit)
    output = read_output(completion)
    if output is None:
        return [], Counter([extract.Drop.EMPTY])
    return [io_test(argument, output)], Counter()


def answer(template: Template, problem: Problem, sources: Sequence[str]) -> str | None:
    """The completion that reads as `sources`; None where the prefill makes that impossible."""
    template = template.of(problem)
    if problem.is_program and all(io_pairs(source) for source in sources):
        return written_tests(sources)
    text = "\n".join(sources)
    if not template.prefill:
        return f"```python\n{text.strip()}\n```"
    begin = template.begin(problem)
    if template.fenced:
        text = FENCE + text.strip() + FENCE_END
    return text.removeprefix(begin) if text.startswith(begin) else None


def whole(template: Template, problem: Problem, completion: str) -> str:
    """The sources that `answer` made `completion` of, as one text."""
    template = template.of(problem)
    if problem.is_program:
        return "\n".join(read_io_tests(completion, None)[0])
    text = template.begin(problem) + completion
    if template.fenced or not template.prefill:
        return text.removeprefix(FENCE).removesuffix(FENCE_END)
    return text


def written(template: Template, problem: Problem, completion: str, source: str) -> str:
    """What the solver is taught where it wrote `completion`, read as `source`; empty for
    `answer(source)`.

    The normal form of a completion is the program in it, alone in a fence, every line as it was
    sampled and none that the prompt added. Where there is no such program (a body alone, a method
    without its class) it is the completion as it stands.
    """
    template = template.of(problem)
    if template.prefill and not template.fenced:
        return ""
    said = template.begin(problem) + completion
    if source.strip() in said and answer(template, problem, [source]):
        return ""
    own = read_program(said) if problem.is_program else None
    own = own or extract.extract_solution(said, prompt="", entry_point=problem.entry_point)
    if not isinstance(own, extract.Drop) and _lines_in(own, said):
        if text := answer(template, problem, [own]):
            return text
    return completion + FENCE_END if template.fenced else completion


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
    """The call in a test of the form `assert f(...) == value`; None for tests of another form.

    Of a program (an empty entry point): what it reads, what it prints, and the words that it reads.
    """
    if not entry_point:
        pairs = io_pairs(test)
        return Call(*pairs[0], len(pairs[0][0].split())) if pairs and len(pairs) == 1 else None
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
