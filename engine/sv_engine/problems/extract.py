"""Programs and tests out of what a model wrote.

In: one raw completion. Out: a self-contained program, or a list of tests, or the reason why there
is none. Two shapes of completion are known:

- CONTINUATION goes on where the prompt stopped: a function body after a signature, or the rest of
  `assert ` after a test prompt. It is cut where the function (or the assert) ends.
- PROGRAM is a text of its own: fenced or not, with prose around it, perhaps truncated; or only the
  body of the function that the prompt begins.

AUTO tells them apart, and reads past thought, fences and tags first (`markup`). Nothing here runs
what it reads, and the text is bounded before it is parsed (`python_text`).
"""

from __future__ import annotations

import ast
import enum
import re
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator

from sv_engine.problems.markup import answer_of, read_blocks
from sv_engine.problems.program import assemble, pieces, prelude
from sv_engine.problems.python_text import (
    MAX_SOURCE_CHARS,
    Drop,
    bound_names,
    check_text,
    compiles,
    free_names,
    owner_of,
    parse,
)
from sv_engine.problems.suite import asserts_in_prose, asserts_split, tests_in

__all__ = [
    "MAX_SOURCE_CHARS",
    "Drop",
    "Style",
    "check_text",
    "compiles",
    "cut",
    "extract_solution",
    "extract_tests",
    "parse",
]

STOPS = ("\nclass", "\ndef", "\n#", "\nif", "\nprint")
"""Where a continuation has left the function it was asked for (as CodeT, Chen et al. 2022,
arXiv 2207.10397, cuts)."""

_FENCE_LINE = re.compile(r"^[ \t]*(?:```|~~~)", re.MULTILINE)
_COMMENTS = re.compile(r"\A(?:\s*#[^\n]*\n)+")
_AT_MARGIN = re.compile(r"\n(?!def |class |async def |@|#)\S")
"""A line that belongs to no indented body, and is no definition after one."""
_STATEMENT = re.compile(
    r"(?:assert|import|from|(?:async +)?def|class|if|for|while|with|try|print)\b"
    r"|[@#>\[{\"']|\w+ *=[^=]"
)
_CODE_LINE = re.compile(r"(?:import|from|(?:async +)?def|class|if|for|while|assert) \S|@\w|\w+ *=")


class Style(enum.StrEnum):
    """What a completion is."""

    AUTO = "auto"
    CONTINUATION = "continuation"
    PROGRAM = "program"


def cut(text: str) -> str:
    """Return `text` up to the first of `STOPS`."""
    return text[: min((at for stop in STOPS if (at := text.find(stop)) >= 0), default=len(text))]


def extract_solution(
    completion: str, *, prompt: str, entry_point: str, style: Style = Style.AUTO
) -> str | Drop:
    """Return a program that defines `entry_point`, or why there is none.

    A continuation is `prompt` plus the completion up to the end of the function; it is kept even
    if it does not compile: that is the model's error, and the sandbox's verdict to give.
    A program is kept whole, but for the statements that `program.tidied` lists and a last one that
    was truncated. Imports and helpers that it lacks are taken from a prompt that is code itself.
    """
    if reason := check_text(completion):
        return reason
    if style is Style.CONTINUATION:
        return prompt + cut(completion)
    answer = answer_of(completion)
    if answer is None:
        return Drop.ONLY_THOUGHT
    if not answer.strip():
        if style is Style.AUTO and _defines(prompt, entry_point):
            return prompt + answer
        return Drop.EMPTY
    if style is Style.AUTO and _goes_on(answer, prompt, entry_point):
        return _continued(answer, prompt, entry_point)
    reading = read_blocks(answer, begins_inside=_begins_with_code(answer))
    blocks = _whole_functions(reading.python())
    for texts in (blocks, [reading.unfenced]):
        program = assemble((p for text in texts for p in pieces(text)), entry_point)
        if program is not None and compiles(program):
            return _with_prelude(program, prompt, entry_point)
    program = assemble(["\n".join(blocks)], entry_point)
    if program is not None and compiles(program):  # a function in several blocks
        return _with_prelude(program, prompt, entry_point)
    if program := _body_or_method(blocks, prompt, entry_point):
        return program
    texts = [*blocks, reading.unfenced]
    broken = any(_defines(text, entry_point) for text in texts)
    return Drop.DOES_NOT_COMPILE if broken else Drop.NO_ENTRY_POINT


def extract_tests(
    completion: str, *, entry_point: str, style: Style = Style.AUTO, limit: int | None = None
) -> tuple[list[str], Counter[Drop]]:
    """Return the first `limit` tests that name `entry_point` and compile, and what was dropped.

    A continuation goes on after `assert `; it is split at `assert ` and each part is cut. In a
    program the tests are found in the syntax tree, each with what it needs of the statements
    before it (`suite.tests_in` says what one test is).
    """
    if reason := check_text(completion):
        return [], Counter([reason])
    if style is Style.CONTINUATION:
        return _checked(asserts_split("assert " + completion, entry_point, cut), limit)
    answer = answer_of(completion)
    if answer is None:
        return [], Counter([Drop.ONLY_THOUGHT])
    goes_on = style is Style.AUTO and _tests_go_on(answer, entry_point)
    if goes_on:
        answer = "assert " + answer.lstrip()
    reading = read_blocks(answer, begins_inside=goes_on or _begins_with_code(answer))
    blocks = reading.python() or [answer]
    if goes_on:
        head = blocks[0] if reading.opened_by_prompt else _before_fence(answer)
        return _checked(asserts_split(head, entry_point, cut), limit)
    found: list[str | Drop] = []
    for texts in (blocks, [block.text for block in reading.blocks], [reading.unfenced]):
        found = tests_in(texts, entry_point) or found
        if not found:
            found = list(asserts_in_prose("\n".join(texts), entry_point, cut))
        if any(isinstance(test, str) for test in found):
            break
    tests, dropped = _checked(found, limit)
    if not tests and not dropped:
        dropped[Drop.NO_ASSERT if answer.strip() else Drop.EMPTY] += 1
    return tests, dropped


def _checked(found: Iterable[str | Drop], limit: int | None) -> tuple[list[str], Counter[Drop]]:
    """The first `limit` tests that compile; the reasons of the others are counted."""
    tests: list[str] = []
    dropped: Counter[Drop] = Counter()
    for test in found:
        if isinstance(test, Drop):
            dropped[test] += 1
        elif compiles(test):
            tests.append(test)
        else:
            dropped[Drop.DOES_NOT_COMPILE] += 1
        if len(tests) == limit:
            break
    return tests, dropped


# ---- which style --------------------------------------------------------------------------------


def _defines(text: str, entry_point: str) -> bool:
    """Whether `text` looks as if it defines the entry point, or tries to."""
    name = re.escape(owner_of(entry_point))
    return re.search(rf"^[ \t>.]*(?:(?:async +)?def|class) +{name}\b", text, re.M) is not None


def _first_line(text: str) -> str:
    return next((line for line in text.split("\n") if line.strip()), "")


def _begins_with_code(text: str) -> bool:
    """Whether the first line is code, so that a bare fence after it closes a block."""
    line = _first_line(_COMMENTS.sub("", text))
    return (line[:1] in " \t" and "```" not in line) or _CODE_LINE.match(line) is not None


def _goes_on(answer: str, prompt: str, entry_point: str) -> bool:
    """Whether the answer goes on in the function that the prompt began."""
    if not _defines(prompt, entry_point):
        return False
    line = _first_line(_COMMENTS.sub("", answer))
    name = re.escape(entry_point.rpartition(".")[2])
    if re.match(rf"[ \t]*(?:(?:async +)?def +{name}|class +{owner_of(entry_point)})\b", line):
        return False
    if _FENCE_LINE.match(line):
        return False
    if line[:1] in " \t":
        return True
    return not (_defines(answer, entry_point) or _FENCE_LINE.search(answer))


def _tests_go_on(answer: str, entry_point: str) -> bool:
    """Whether the first line is the rest of an assert."""
    line = _first_line(answer).strip()
    if owner_of(entry_point) + "(" not in line or "`" in line or "assert " in line:
        return False
    return not (_STATEMENT.match(line) or _FENCE_LINE.match(line))


# ---- what the prompt adds -----------------------------------------------------------------------


def _before_fence(text: str) -> str:
    fence = _FENCE_LINE.search(text)
    return text[: fence.start()] if fence else text


def _continued(answer: str, prompt: str, entry_point: str) -> str:
    """`prompt` with the rest of its function, and with helpers after it that it needs."""
    reading = read_blocks(answer, begins_inside=True)
    text = reading.blocks[0].text if reading.opened_by_prompt else _before_fence(answer)
    program = prompt + cut(text.lstrip("\n"))
    if not compiles(program):
        repaired = _body(text, prompt, entry_point) if text[:1].strip() else None
        return repaired or program
    later = parse(prompt + text)
    if later and free_names(program) & bound_names(*later.body):
        return assemble([prompt + text], entry_point) or program
    return program


def _whole_functions(blocks: list[str]) -> list[str]:
    """The blocks, those that begin inside a function joined to the one before."""
    joined: list[str] = []
    for text in blocks:
        if joined and _first_line(text)[:1] in " \t" and compiles(joined[-1] + text):
            joined[-1] += text
        else:
            joined.append(text)
    return joined


def _with_prelude(program: str, prompt: str, entry_point: str) -> str:
    """`program` after the imports and helpers of the prompt that it lacks."""
    before = prelude(prompt, program, entry_point)
    whole = f"{before}\n\n\n{program}"
    return whole if before and compiles(whole) else program


def _body_or_method(blocks: list[str], prompt: str, entry_point: str) -> str | None:
    """A program of which only the body was written, or the method without its class."""
    owner, method = owner_of(entry_point), entry_point.rpartition(".")[2]
    for text in reversed(blocks):
        if owner != entry_point:
            tree = parse(textwrap.dedent(text))
            if tree and method in bound_names(*tree.body):
                whole = f"class {owner}:\n" + textwrap.indent(textwrap.dedent(text), "    ")
                return _with_prelude(whole, prompt, entry_point)
        if _defines(prompt, entry_point) and (program := _body(text, prompt, entry_point)):
            return program
    return None


def _body(text: str, prompt: str, entry_point: str) -> str | None:
    """`prompt` with `text` as the rest of its last function, None if that is no program."""
    signatures = list(re.finditer(r"^([ \t]*)(?:async +)?def ", prompt, re.MULTILINE))
    if not signatures:
        return None
    name = entry_point.rpartition(".")[2]
    last = prompt[signatures[-1].start() :].split("\n")
    inner = next((line for line in last[1:] if line.strip() and line[:1] in " \t"), "")
    indent = inner[: len(inner) - len(inner.lstrip())]
    if len(indent) <= len(signatures[-1][1]):
        indent = signatures[-1][1] + "    "
    for body in _indentations(text.strip("\n"), indent):
        program = f"{prompt.rstrip()}\n{body.rstrip()}\n"
        tree = parse(program)
        if tree and _has_a_body(tree, name) and compiles(program):
            return program
    return None


def _indentations(text: str, indent: str) -> Iterator[str]:
    """How a body may have been meant: as it stands, or moved, or with a first line whose
    indentation the prompt had."""
    yield text
    first, _, rest = text.partition("\n")
    lost = [width + text for width in (indent, " ", "  ", "\t")] if first[:1].strip() else []
    moved = [
        textwrap.indent(textwrap.dedent(text), indent),
        textwrap.indent(f"{first}\n{textwrap.dedent(rest)}", indent),
    ]
    yield from (lost + moved if _AT_MARGIN.search(f"\n{rest}") is None else moved + lost)


def _has_a_body(tree: ast.Module, name: str) -> bool:
    """Whether the last function `name` returns something, or at least does more than call itself
    as an example does."""
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == name]
    nodes = [node for function in functions[-1:] for node in ast.walk(function)]
    if any(isinstance(node, ast.Return | ast.Yield | ast.YieldFrom) for node in nodes):
        return True
    return not any(isinstance(node, ast.Name) and node.id == name for node in nodes) and any(
        isinstance(node, ast.Assign | ast.AugAssign | ast.Call | ast.Raise) for node in nodes
    )
