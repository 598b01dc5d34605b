"""Tests out of Python that a model wrote, each with what it needs and nothing else.

In: the texts of an answer, and the entry point. Out: sources that raise if the solution is wrong,
in the order of the text. One test is

- an assert at module level, with the statements before it that bind or change what it reads;
- a loop, `with`, `if` or `try` at module level that asserts, with the same;
- a call of a function that asserts (`check(f)`, `check_case(1, 2)`), with that function;
- a test function, or a `TestCase` class, whole and with the call that runs it. Where all its
  checks are asserts that stand alone, these are the tests instead: finer evidence;
- an example of a doctest, and a pair of a JSON list (`cases`).

Definitions of the entry point, and imports of it, are never part of a test: the solution under
test defines it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from sv_engine.cases import doctests, json_pairs
from sv_engine.program import pieces
from sv_engine.python_text import (
    BUILTINS,
    Drop,
    bound_names,
    free_names,
    imported_names,
    in_scope,
    owner_of,
    parse,
)

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_BLOCKS = (ast.For, ast.While, ast.With, ast.If, ast.Try, ast.AsyncFor, ast.AsyncWith)
_MARKS = ("- ", "* ", "+ ", "`")


def tests_in(texts: list[str], entry_point: str) -> list[str | Drop]:
    """The tests of all texts; a later text sees the definitions of the earlier ones."""
    found: list[str | Drop] = []
    suite = _Suite(owner_of(entry_point), entry_point)
    for text in texts:
        cases = json_pairs(text, entry_point) or doctests(text, entry_point)
        if cases:
            found += cases
            continue
        for piece in pieces(text):
            tree = parse(piece)
            if tree is not None:
                found += suite.read(tree.body, piece.split("\n"))
    return found


def asserts_in_prose(
    text: str, entry_point: str, cut: Callable[[str], str]
) -> Iterator[str | Drop]:
    """Split `text` at `assert `; what each part has is the source up to where `cut` ends it."""
    name = owner_of(entry_point)
    for part in text.split("assert ")[1:]:
        test = cut("assert " + part).strip()
        if "`" in test and not _parses(test):
            test = test.split("`", 1)[0].strip()
        if name in test:
            yield test


def _parses(source: str) -> bool:
    return parse(source) is not None


@dataclass(slots=True)
class _Statement:
    """A statement that tests may need."""

    node: ast.stmt
    source: str
    needs: set[str]
    gives: set[str]
    """Names that it binds or changes."""
    is_check: bool = False


@dataclass(slots=True)
class _Suite:
    """Reads statements one after the other, and remembers those that later tests may need."""

    owner: str
    entry_point: str
    before: list[_Statement] = field(default_factory=list)
    ran: set[str] = field(default_factory=set)
    """Functions and classes that are tests already."""

    def read(self, body: list[ast.stmt], lines: list[str]) -> Iterator[str | Drop]:
        """Yield the tests of the statements of a module."""
        statements = [_statement(node, lines) for node in _flat(body)]
        uncalled = {s.node.name for s in statements if isinstance(s.node, _FUNCTIONS)}
        named = {n.func.id for s in statements for n in in_scope([s.node]) if _is_call(n)}
        for statement in statements:
            node = statement.node
            if self.owner in _binds(node):
                continue
            if isinstance(node, ast.ClassDef) and _is_test_case(node):
                yield from self._whole(statement, _RUN_CLASS.format(name=node.name), lines)
                self.before.append(statement)
            elif (run := self._run(node, uncalled - named)) is not None:
                yield from self._whole(statement, run, lines)
                self.before.append(statement)
            elif isinstance(node, (ast.Assert, ast.Expr, *_BLOCKS)):
                yield from self._check(statement)
            else:
                self.before.append(statement)

    def _check(self, statement: _Statement) -> Iterator[str | Drop]:
        """A statement at module level, which is a test if it asserts and names the entry point."""
        node = statement.node
        calls = {n.func.id for n in ast.walk(node) if _is_call(n)}
        context = self._context(statement)
        names = statement.needs.union(*(s.needs for s in context))
        asserts = _asserts(node) or any(
            s.node.name in calls and _asserts(s.node)
            for s in context
            if isinstance(s.node, _FUNCTIONS)
        )
        statement.is_check = asserts
        if asserts and self.owner in names and not (calls and calls <= self.ran):
            yield self._joined(statement, context)
        if not asserts or isinstance(node, ast.Assert):
            self.before.append(statement)

    def _whole(self, statement: _Statement, run: str, lines: list[str]) -> Iterator[str | Drop]:
        """A function or a class as one test, or the asserts in it."""
        node = statement.node
        assert isinstance(node, (*_FUNCTIONS, ast.ClassDef))
        context = self._context(statement)
        names = statement.needs.union(*(s.needs for s in context))
        if self.owner not in names:
            return
        self.ran.add(node.name)
        asserts = self._standing_alone(node, lines)
        if asserts:
            for inner in asserts:
                yield self._joined(inner, self._context(inner))
            return
        test = self._joined(statement, context)
        if isinstance(test, str) and run:
            test = f"{test}\n{run}"
            if "unittest" in run and not re.search(r"^import unittest$", test, re.M):
                test = f"import unittest\n{test}"
        yield test

    def _standing_alone(self, node: ast.AST, lines: list[str]) -> list[_Statement]:
        """The asserts of a test, if they are its only checks and need no name of it."""
        checks: list[_Statement] = []
        known = {self.owner}.union(*(s.gives for s in self.before)) | BUILTINS
        for inner in ast.walk(node):
            match inner:
                case ast.For() | ast.While() | ast.With() | ast.Try() | ast.Raise():
                    return []
                case ast.Call(func=ast.Attribute(value=ast.Name(id="self"))):
                    return []
                case ast.Assert():
                    statement = _statement(inner, lines)
                    local = statement.needs - known
                    if local or self.owner not in statement.needs:
                        return []
                    checks.append(statement)
        parametrized = getattr(node, "decorator_list", [])
        return [] if parametrized else sorted(checks, key=lambda s: s.node.lineno)

    def _run(self, node: ast.stmt, uncalled: set[str]) -> str | None:
        """What runs a test function; None if it is none, or is called with arguments."""
        if not isinstance(node, ast.FunctionDef) or not _asserts(node):
            return None
        required = len(node.args.posonlyargs + node.args.args) - len(node.args.defaults)
        if loop := _parameter_loop(node):
            return loop
        if node.decorator_list:
            return "" if node.name.startswith("test") else None  # fixtures: who runs tests knows
        if required == 0:
            return f"{node.name}()"
        if required == 1 and node.name in uncalled and not node.name.startswith("test"):
            parameter = (node.args.posonlyargs + node.args.args)[0].arg
            if any(_is_call(n) and n.func.id == parameter for n in ast.walk(node)):
                return f"{node.name}({self.entry_point})"
        return "" if node.name.startswith("test") else None

    def _context(self, statement: _Statement) -> list[_Statement]:
        """The statements before it that it needs, and that these need."""
        needed = set(statement.needs)
        stateful = {
            name
            for s in self.before
            if isinstance(s.node, ast.Expr) and s.node is not statement.node
            for name in _method_bases(s.node)
        }
        chosen: list[_Statement] = []
        for earlier in reversed(self.before):
            gives = earlier.gives & needed
            if earlier.is_check:
                gives &= stateful
            if gives or ("*" in earlier.gives and needed):
                chosen.append(earlier)
                needed |= earlier.needs
        # A function may need what is bound after it.
        for earlier in reversed(self.before):
            if earlier not in chosen and not earlier.is_check and earlier.gives & needed:
                chosen.append(earlier)
                needed |= earlier.needs
        order = {id(s): i for i, s in enumerate(self.before)}
        return sorted(chosen, key=lambda s: order[id(s)])

    def _joined(self, statement: _Statement, context: list[_Statement]) -> str | Drop:
        given = {self.owner}.union(*(s.gives for s in context), statement.gives)
        needed = statement.needs.union(*(s.needs for s in context))
        if "*" not in given and needed - given - BUILTINS:
            return Drop.NEEDS_CONTEXT
        imports = [s for s in context if isinstance(s.node, ast.Import | ast.ImportFrom)]
        others = [s for s in context if s not in imports]
        header = sorted({s.source for s in imports})
        return "\n".join([*header, *(s.source for s in others), statement.source])


_RUN_CLASS = "unittest.defaultTestLoader.loadTestsFromTestCase({name}).debug()"


def _flat(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a module, those under `if __name__ == "__main__"` among them."""
    for node in body:
        if isinstance(node, ast.If) and "__name__" in ast.unparse(node.test):
            yield from _flat(node.body)
        else:
            yield node


def _statement(node: ast.stmt, lines: list[str]) -> _Statement:
    source = _source(node, lines)
    needs = free_names(source)
    if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):  # `x = x + 1` reads `x`
        loads = [n for n in in_scope([node]) if isinstance(n, ast.Name)]
        needs |= {n.id for n in loads if isinstance(n.ctx, ast.Load)} - BUILTINS
        if isinstance(node, ast.AugAssign):
            needs |= bound_names(node)
    return _Statement(node, source, needs, _binds(node) | _changes(node))


def _source(node: ast.stmt, lines: list[str]) -> str:
    """The text of a statement, its decorators included, moved to the margin."""
    first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
    last, indent = node.end_lineno or first, node.col_offset
    block = lines[first - 1 : last]
    if isinstance(node, ast.Assert | ast.Expr | ast.Assign | ast.AugAssign | ast.AnnAssign):
        text = "\n".join(lines[node.lineno - 1 : last])
        tail = lines[last - 1].encode()[node.end_col_offset :].decode()
        text = text[: len(text) - len(tail)] if tail else text
        return text.encode()[indent:].decode()
    if block[0][:indent].strip():  # after a semicolon
        return ast.unparse(node)
    moved = "\n".join(line[indent:] if not line[:indent].strip() else line for line in block)
    return moved if _parses(moved) else ast.unparse(node)


def _binds(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.Import | ast.ImportFrom):
        return imported_names(node)
    return bound_names(node)


def _changes(node: ast.stmt) -> set[str]:
    """Names whose objects it may change: of methods called, of what is passed, of items set."""
    changed: set[str] = set()
    if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
        return changed
    for inner in ast.walk(node):
        match inner:
            case ast.Call(func=func, args=args):
                if isinstance(node, ast.Expr | ast.Assign):
                    changed |= {a.id for a in args if isinstance(a, ast.Name)}
                changed |= _root(func) if isinstance(func, ast.Attribute) else set()
            case ast.Attribute(ctx=ast.Store()) | ast.Subscript(ctx=ast.Store()):
                changed |= _root(inner)
    return changed


def _method_bases(node: ast.stmt) -> set[str]:
    return {
        name
        for n in ast.walk(node)
        if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)
        for name in _root(n.func)
    }


def _root(node: ast.expr) -> set[str]:
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return {node.id} if isinstance(node, ast.Name) else set()


def _is_call(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name)


def _asserts(node: ast.AST) -> bool:
    """Whether it can fail by itself: it asserts, raises, or uses a method of a `TestCase`."""
    for inner in ast.walk(node):
        match inner:
            case ast.Assert() | ast.Raise():
                return True
            case ast.Attribute(attr=attr) if re.match(r"assert[A-Z_]|raises$|fail$", attr):
                return True
    return False


def _is_test_case(node: ast.ClassDef) -> bool:
    return any("TestCase" in ast.unparse(base) for base in node.bases)


def _parameter_loop(node: ast.FunctionDef) -> str | None:
    """Calls of a function under one `pytest.mark.parametrize`, from its own list of values."""
    if len(node.decorator_list) != 1:
        return None
    match node.decorator_list[0]:
        case ast.Call(func=func, args=[ast.Constant(value=str(names)), values]) if (
            ast.unparse(func).endswith("parametrize")
        ):
            text = ast.unparse(values)
            if "pytest.param" in text:
                return None
            star = "*" if "," in names else ""
            return f"for _values in {text}:\n    {node.name}({star}_values)"
    return None
