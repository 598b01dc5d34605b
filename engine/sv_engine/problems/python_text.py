"""Python source as text: what may be source at all, what parses, and which names it uses.

In: untrusted text. Out: syntax trees and sets of names, or a refusal. Nothing here runs what it
reads. Text is bounded before it is parsed (`MAX_SOURCE_CHARS`), and a parser that gives up costs
the sample, never the process.
"""

from __future__ import annotations

import ast
import builtins
import enum
import re
import symtable
import sys
import warnings
from collections.abc import Iterable, Iterator

MAX_SOURCE_CHARS = 64 << 10
"""Longest sample; at this size CPython's parser takes at most about 0.5 s on hostile text."""

MAX_REPAIRS = 8
"""How often a text that does not parse is shortened by a statement before it is given up."""

BUILTINS = frozenset(dir(builtins)) | {"__name__", "__file__", "__doc__"}

_SURROGATE = re.compile("[\ud800-\udfff]")
_INSIDE = re.compile(r"[ \t)\]}]|(?:else|elif|except|finally)\b|$")
"""Begins a line that goes on with the statement above it."""
_REFUSALS = (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError)


class Drop(enum.Enum):
    """Why a sample gives no program or no test."""

    NOT_TEXT = "not a string"
    TOO_LARGE = "too large"
    NUL = "NUL byte"
    SURROGATE = "lone surrogate"
    EMPTY = "empty"
    ONLY_THOUGHT = "ended while thinking"
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


def parse_prefix(lines: list[str]) -> ast.Module | None:
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
        while wrong > 0 and _INSIDE.match(lines[wrong]):  # to where its statement begins
            wrong -= 1
        while wrong > 0 and lines[wrong - 1].startswith("@"):
            wrong -= 1
        if wrong == 0:
            return None
        del lines[wrong:]
    return None


# ---- names --------------------------------------------------------------------------------------


def in_scope(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Every node of the scope in which `nodes` stand: blocks are entered, functions, classes,
    lambdas and comprehensions are not."""
    scopes = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
    loops = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
    stack = list(nodes)
    while stack:
        node = stack.pop()
        yield node
        if not isinstance(node, scopes + loops):
            stack.extend(ast.iter_child_nodes(node))


def bound_names(*nodes: ast.AST) -> set[str]:
    """Names that `nodes` bind where they stand, in nested blocks too.

    A module that is not of the standard library binds nothing: `from solution import f` is how
    a model's example pretends to have `f`.
    """
    names: set[str] = set()
    for node in in_scope(nodes):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                names.add(node.name)
            case ast.Name(ctx=ast.Store()):
                names.add(node.id)
            case ast.ImportFrom() if (node.module or "").split(".")[0] not in (
                sys.stdlib_module_names
            ):
                pass
            case ast.Import() | ast.ImportFrom():
                names |= imported_names(node)
            case ast.ExceptHandler() | ast.MatchAs() | ast.MatchStar():
                names |= {node.name} if node.name else set()
    return names


def imported_names(node: ast.Import | ast.ImportFrom) -> set[str]:
    """Names that an import binds; `*` stands for names that are not known."""
    return {alias.asname or alias.name.split(".")[0] for alias in node.names}


def loaded_names(*nodes: ast.AST) -> set[str]:
    """Names that stand anywhere in `nodes`."""
    return {n.id for node in nodes for n in ast.walk(node) if isinstance(n, ast.Name)}


def free_names(source: str) -> set[str]:
    """Names, builtins excepted, that `source` reads and does not bind."""
    return outer_names(source) - BUILTINS


def outer_names(source: str) -> set[str]:
    """Names that `source` reads from a place outside itself; empty where Python refuses it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            top = symtable.symtable(source, "<sample>", "exec")
        except _REFUSALS:
            return set()
    read: set[str] = set()
    own: set[str] = set()
    tables = [top]
    while tables:
        table = tables.pop()
        tables.extend(table.get_children())
        for symbol in table.get_symbols():
            if table is top and (symbol.is_assigned() or symbol.is_imported()):
                own.add(symbol.get_name())
            elif table is top or symbol.is_global():
                if symbol.is_declared_global() and symbol.is_assigned():
                    own.add(symbol.get_name())
                if symbol.is_referenced():
                    read.add(symbol.get_name())
    return read - own


# ---- entry points -------------------------------------------------------------------------------


def owner_of(entry_point: str) -> str:
    """The module-level name in an entry point: `f` of `f`, `Solution` of `Solution().m`."""
    return re.split(r"[.(]", entry_point, maxsplit=1)[0]


def is_entry_point(text: str) -> bool:
    """Whether `text` names what tests call: `f`, or `Solution().m`."""
    match = re.fullmatch(r"(\w+)(?:\(\)\.(\w+))?", text)
    return match is not None and all(part is None or part.isidentifier() for part in match.groups())


def defines(tree: ast.Module, entry_point: str) -> bool:
    """Whether running `tree` binds `entry_point`; of a class, one that may have the method."""
    owner, method = owner_of(entry_point), entry_point.rpartition(".")[2]
    if owner not in bound_names(*tree.body):
        return False
    classes = [n for n in in_scope(tree.body) if isinstance(n, ast.ClassDef) and n.name == owner]
    if owner == entry_point or not classes or any(node.bases for node in classes):
        return True
    return any(method in bound_names(*node.body) for node in classes)


def is_stub(tree: ast.Module, entry_point: str) -> bool:
    """Whether every function called `entry_point` in `tree` has no body, as a signature has."""
    name = entry_point.rpartition(".")[2]
    found = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name
    ]
    return bool(found) and all(_is_empty(node.body) for node in found)


def _is_empty(body: list[ast.stmt]) -> bool:
    for node in body:
        match node:
            case ast.Pass() | ast.Expr(value=ast.Constant()):
                continue
            case ast.Raise(exc=error) if error and "NotImplementedError" in loaded_names(error):
                continue
            case _:
                return False
    return True
