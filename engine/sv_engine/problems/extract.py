"""Programs and assert tests out of what a model wrote.

In: one raw completion. Out: a self-contained program, or a list of single-assert tests, or the
reason why there is none. Two shapes of completion are known:

- CONTINUATION goes on where the prompt stopped: a function body after a signature, or the rest of
  `assert ` after a test prompt. It is cut where the function (or the assert) ends.
- PROGRAM is a text of its own: fenced or not, with prose around it, perhaps truncated.

AUTO tells them apart. Nothing here runs what it reads. The text is untrusted: it is bounded before
it is parsed (`MAX_SOURCE_CHARS`), and a parser that gives up costs the sample, never the process.
"""

from __future__ import annotations

import ast
import builtins
import enum
import re
import warnings
from collections import Counter, deque
from collections.abc import Iterator

MAX_SOURCE_CHARS = 64 << 10
"""Longest sample; at this size CPython's parser takes at most about 0.5 s on hostile text."""

STOPS = ("\nclass", "\ndef", "\n#", "\nif", "\nprint")
"""Where a continuation has left the function it was asked for (as CodeT, Chen et al. 2022,
arXiv 2207.10397, cuts)."""

MAX_REPAIRS = 8
"""How often a program that does not parse is shortened by a statement before it is given up."""

_FENCE = re.compile(r"^[ \t]*(```+|~~~+)[^\n]*\n(.*?)(?:^[ \t]*\1|\Z)", re.MULTILINE | re.DOTALL)
_SURROGATE = re.compile("[\ud800-\udfff]")
_CODE_START = re.compile(r"^(?:import \w|from \S+ import\b|(?:async +)?def \w|class \w|@\w)", re.M)
_STATEMENT = re.compile(r"(?:assert|import|from|(?:async +)?def|class|if|for|with|try)\b|[@#]")
_REFUSALS = (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError)


class Style(enum.StrEnum):
    """What a completion is."""

    AUTO = "auto"
    CONTINUATION = "continuation"
    PROGRAM = "program"


class Drop(enum.Enum):
    """Why a sample gives no program or no test."""

    NOT_TEXT = "not a string"
    TOO_LARGE = "too large"
    NUL = "NUL byte"
    SURROGATE = "lone surrogate"
    EMPTY = "empty"
    NO_ENTRY_POINT = "entry point not defined"
    DOES_NOT_COMPILE = "does not compile"
    NO_ASSERT = "no assert on the entry point"
    NEEDS_CONTEXT = "assert needs local names"


def check_text(sample: object) -> Drop | None:
    """Return why `sample` cannot be source text at all, or None if it can."""
    if not isinstance(sample, str):
        return Drop.NOT_TEXT
    if len(sample) > MAX_SOURCE_CHARS:
        return Drop.TOO_LARGE
    if "\0" in sample:
        return Drop.NUL
    if _SURROGATE.search(sample):
        return Drop.SURROGATE
    return None


def cut(text: str) -> str:
    """Return `text` up to the first of `STOPS`."""
    return text[: min((at for stop in STOPS if (at := text.find(stop)) >= 0), default=len(text))]


def parse(source: str) -> ast.Module | None:
    """Return the syntax tree of `source`, or None where Python (or its parser) refuses it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SyntaxWarning: `1 is 1`, "\d"
        try:
            return ast.parse(source)
        except _REFUSALS:
            return None


def compiles(source: str) -> bool:
    """Whether Python accepts `source` as a module; more than `parse`: `return` at top level."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            compile(source, "<sample>", "exec", dont_inherit=True)
        except _REFUSALS:
            return False
        return True


def extract_solution(
    completion: str, *, prompt: str, entry_point: str, style: Style = Style.AUTO
) -> str | Drop:
    """Return a program that defines `entry_point`, or why there is none.

    A continuation is `prompt` plus the completion up to the end of the function; it is kept even
    if it does not compile: that is the model's error, and the sandbox's verdict to give.
    A program keeps imports, definitions and the assignments they use; calls, prints, asserts and a
    `__main__` block go, and so does a last statement that was truncated. A prompt that is code
    itself (a signature with its imports and helpers) goes before the program.
    """
    if reason := check_text(completion):
        return reason
    prompt_defines = _defines(prompt, entry_point)
    if style is Style.AUTO:
        style = _solution_style(completion, entry_point, prompt_defines)
    if style is Style.CONTINUATION:
        return prompt + cut(completion)
    if not completion.strip():
        return Drop.EMPTY
    blocks = _fenced(completion)
    if len(blocks) > 1:  # parts of one program, or versions of which the last counts
        blocks.insert(0, "\n".join(blocks))
    reason = Drop.NO_ENTRY_POINT
    for text in blocks or [completion]:
        program = _definitions(text, entry_point)
        if isinstance(program, Drop):
            reason = Drop.DOES_NOT_COMPILE if program is Drop.DOES_NOT_COMPILE else reason
            continue
        whole = f"{prompt}\n\n{program}"
        return whole if prompt_defines and compiles(whole) else program
    return reason


def extract_tests(
    completion: str, *, entry_point: str, style: Style = Style.AUTO, limit: int | None = None
) -> tuple[list[str], Counter[Drop]]:
    """Return the first `limit` asserts that name `entry_point` and compile, and what was dropped.

    A continuation goes on after `assert `; it is split at `assert ` and each part is cut. In a
    program the asserts are found in the syntax tree, with the imports they need before them;
    an assert on local variables cannot stand alone and is dropped.
    """
    if reason := check_text(completion):
        return [], Counter([reason])
    blocks = _fenced(completion)
    if style is Style.AUTO:
        style = Style.PROGRAM if blocks else _tests_style(completion, entry_point)
    if style is Style.CONTINUATION:
        blocks = ["assert " + completion]
    tests: list[str] = []
    dropped: Counter[Drop] = Counter()
    for text in blocks or [completion]:
        tree = None if style is Style.CONTINUATION else parse(text)
        if tree is None:
            found: Iterator[str | Drop] = _asserts_in_text(text, entry_point)
        else:
            found = _asserts_in_tree(tree, text, entry_point)
        for test in found:
            if isinstance(test, Drop):
                dropped[test] += 1
            elif compiles(test):
                tests.append(test)
            else:
                dropped[Drop.DOES_NOT_COMPILE] += 1
            if len(tests) == limit:
                return tests, dropped
    if not tests and not dropped:
        dropped[Drop.NO_ASSERT if completion.strip() else Drop.EMPTY] += 1
    return tests, dropped


# ---- which style --------------------------------------------------------------------------------


def _defines(text: str, name: str) -> bool:
    pattern = rf"^(?:(?:async +)?def|class) +{re.escape(name)}\b"
    return re.search(pattern, text, re.MULTILINE) is not None


def _fenced(text: str) -> list[str]:
    """The contents of fenced blocks; the last may be open, as truncation leaves it."""
    return [match[2] for match in _FENCE.finditer(text) if match[2].strip()]


def _solution_style(completion: str, entry_point: str, prompt_defines: bool) -> Style:
    if not prompt_defines:
        return Style.PROGRAM
    first_line = next((line for line in completion.split("\n") if line.strip()), "")
    if first_line[:1] in " \t" and "```" not in first_line:
        return Style.CONTINUATION
    is_program = _defines(completion, entry_point) or _fenced(completion)
    return Style.PROGRAM if is_program else Style.CONTINUATION


def _tests_style(completion: str, entry_point: str) -> Style:
    first_line = completion.strip().split("\n", 1)[0]
    goes_on = entry_point + "(" in first_line and not _STATEMENT.match(first_line)
    return Style.CONTINUATION if goes_on else Style.PROGRAM


# ---- programs -----------------------------------------------------------------------------------


def _definitions(text: str, entry_point: str) -> str | Drop:
    """Return the part of `text` that defines things, `entry_point` among them."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    start = _CODE_START.search(text)
    if start is None:
        return Drop.NO_ENTRY_POINT
    lines = text[start.start() :].split("\n")
    tree = _parse_prefix(lines)
    if tree is None or entry_point not in {name for node in tree.body for name in _bound(node)}:
        return Drop.DOES_NOT_COMPILE if _defines(text, entry_point) else Drop.NO_ENTRY_POINT
    program = "\n".join(_kept_lines(tree, lines)).strip("\n") + "\n"
    return program if compiles(program) else Drop.DOES_NOT_COMPILE


def _parse_prefix(lines: list[str]) -> ast.Module | None:
    """Parse the longest run of whole statements; shortens `lines` in place to what was parsed."""
    for _ in range(MAX_REPAIRS):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                return ast.parse("\n".join(lines))
            except SyntaxError as error:
                wrong = min(error.lineno or 1, len(lines)) - 1
            except _REFUSALS:
                return None
        while wrong > 0 and lines[wrong][:1] in (" ", "\t", ""):  # to where its statement begins
            wrong -= 1
        while wrong > 0 and lines[wrong - 1].startswith("@"):
            wrong -= 1
        if wrong == 0:
            return None
        del lines[wrong:]
    return None


def _bound(node: ast.stmt) -> set[str]:
    """Names that a top-level statement binds."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return {node.name}
        case ast.Assign() | ast.AnnAssign() | ast.AugAssign():
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            return {name for target in targets for name in _names(target)}
        case _:
            return set()


def _names(tree: ast.AST) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def _kept_lines(tree: ast.Module, lines: list[str]) -> Iterator[str]:
    """The lines of imports, definitions and the assignments that these use."""
    definitions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    assignments = (ast.Assign, ast.AnnAssign, ast.AugAssign)
    used = {n for node in tree.body if isinstance(node, definitions) for n in _names(node)}
    gone: set[int] = set()
    stay: set[int] = set()
    for node in reversed(tree.body):
        match node:
            case ast.Import() | ast.ImportFrom():
                keep = True
            case ast.If():  # `if __name__ == "__main__"` goes, a version switch stays
                keep = "__name__" not in _names(node.test)
            case ast.Try():  # usually guards an import
                keep = True
            case _ if isinstance(node, definitions):
                keep = True
            case _ if isinstance(node, assignments):
                keep = not used.isdisjoint(_bound(node))
            case _:
                keep = False
        if keep:
            used |= _names(node)
        span = range(node.lineno, (node.end_lineno or node.lineno) + 1)
        (stay if keep else gone).update(span)
    return (line for number, line in enumerate(lines, 1) if number in stay or number not in gone)


# ---- tests --------------------------------------------------------------------------------------


def _asserts_in_text(text: str, entry_point: str) -> Iterator[str | Drop]:
    for part in text.split("assert ")[1:]:
        test = cut("assert " + part).strip()
        if entry_point in test:
            yield test


def _asserts_in_tree(tree: ast.Module, text: str, entry_point: str) -> Iterator[str | Drop]:
    """Yield each assert on `entry_point` as source that stands alone, in the order of the text."""
    imports: dict[str, str] = {}  # bound name -> the statement that binds it
    asserts: list[tuple[ast.Assert, set[str]]] = []  # with the names that it needs
    for node in _statements(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                imports[alias.asname or alias.name.split(".")[0]] = ast.unparse(node)
        elif isinstance(node, ast.Assert):
            read, bound = _read_and_bound(node)
            if entry_point in read:
                asserts.append((node, read - bound - _BUILTINS - {entry_point}))
    for node, needed in sorted(asserts, key=lambda found: (found[0].lineno, found[0].col_offset)):
        if needed - imports.keys():
            yield Drop.NEEDS_CONTEXT
            continue
        header = sorted({imports[name] for name in needed})
        yield "\n".join([*header, ast.get_source_segment(text, node) or ast.unparse(node)])


def _statements(tree: ast.Module) -> Iterator[ast.stmt]:
    """Every statement, those in the bodies of others too; expressions are not entered."""
    nodes: deque[ast.AST] = deque([tree])
    while nodes:
        node = nodes.popleft()
        for name in ("body", "orelse", "finalbody", "handlers", "cases"):
            for inner in getattr(node, name, ()):
                if isinstance(inner, ast.stmt):
                    yield inner
                nodes.append(inner)


def _read_and_bound(tree: ast.Assert) -> tuple[set[str], set[str]]:
    """Names that an assert reads, and names that it binds itself (comprehension, lambda)."""
    read: set[str] = set()
    bound: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            (read if isinstance(node.ctx, ast.Load) else bound).add(node.id)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
    return read, bound


_BUILTINS = frozenset(dir(builtins))
