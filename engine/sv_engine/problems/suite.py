"""Tests out of Python that a model wrote, each with what it needs and nothing else.

In: the texts of an answer, and the entry point. Out: sources that raise if the solution is wrong,
in the order of the text. One test is

- an assert at module level, with the statements before it that bind or change what it reads;
- a loop, `with`, `if` or `try` at module level that asserts, with the same;
- a call of a function that asserts (`check(f)`, `check_case(1, 2)`), with that function;
- a test function or class as pytest and unittest collect them, whole, with the fixtures it names:
  the sandbox collects and runs it. Where all its checks are asserts that stand alone, these are the
  tests instead: finer evidence. A function under another name comes with the call that runs it;
- an example of a doctest, and a pair of a JSON list (`cases`).

Definitions of the entry point, and imports of it, are never part of a test: the solution under
test defines it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from sv_engine.problems.cases import doctests, json_pairs
from sv_engine.problems.program import pieces
from sv_engine.problems.python_text import (
    BUILTINS,
    Drop,
    bound_names,
    free_names,
    imported_names,
    in_scope,
    outer_names,
    owner_of,
    parse,
)

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_BLOCKS = (ast.For, ast.While, ast.With, ast.If, ast.Try, ast.AsyncFor, ast.AsyncWith)
MAX_ASSERT_LINES = 20
MAX_STATEMENTS = 500
"""How much of one answer is looked at: statements at module level."""
MAX_PROSE_ASSERTS = 200
_AROUND = re.compile(r"(setup|teardown|setUp|tearDown)_?([mM]odule|function)$|pytestmark$")
"""What pytest and unittest do around the tests of a module, without being named."""


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
                body = tree.body[: max(0, MAX_STATEMENTS - len(suite.before))]
                found += suite.read(body, piece.split("\n"))
    return found


def asserts_split(text: str, entry_point: str, cut: Callable[[str], str]) -> Iterator[str]:
    """Split `text` at `assert `; each part is source up to where `cut` ends it."""
    for part in text.split("assert ")[1:]:
        test = cut("assert " + part).strip()
        if owner_of(entry_point) in test:
            yield test


def asserts_in_prose(
    text: str, entry_point: str, cut: Callable[[str], str]
) -> Iterator[str | Drop]:
    """The asserts of a text that is no Python, as in a list; those that stand alone."""
    for test in islice(asserts_split(text, entry_point, cut), MAX_PROSE_ASSERTS):
        lines = test.split("`", 1)[0].split("\n")[:MAX_ASSERT_LINES]
        while len(lines) > 1 and not _parses("\n".join(lines)):
            lines.pop()
        source = "\n".join(lines).strip()
        alone = free_names(source) <= {owner_of(entry_point)}
        yield source if alone else Drop.NEEDS_CONTEXT


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
    fixtures: set[str] = field(default_factory=set)
    around: set[str] = field(default_factory=set)
    """What every collected test has around it: fixtures that ask for it, set-up of the module."""

    def read(self, body: list[ast.stmt], lines: list[str]) -> Iterator[str | Drop]:
        """Yield the tests of the statements of a module."""
        statements = [_statement(node, lines) for node in _flat(body)]
        uncalled = {s.node.name for s in statements if isinstance(s.node, _FUNCTIONS)}
        named: set[str] = set().union(*(_called(in_scope([s.node])) for s in statements))
        for statement in statements:
            node = statement.node
            if self.owner in _binds(node):
                continue
            self._note(statement)
            if (run := self._run(node, uncalled - named)) is not None:
                yield from self._whole(statement, run, lines)
                self.before.append(statement)
            elif isinstance(node, (ast.Assert, ast.Expr, *_BLOCKS)):
                yield from self._check(statement)
            else:
                self.before.append(statement)

    def _note(self, statement: _Statement) -> None:
        """What pytest gives to a function or class by name, and what it gives to all."""
        node = statement.node
        if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
            statement.needs |= _asked_by_name(node) & self.fixtures
            marks = " ".join(map(ast.unparse, node.decorator_list))
            if "fixture" in marks:
                self.fixtures.add(node.name)
                self.around |= {node.name} if "autouse=True" in marks else set()
        self.around |= {name for name in _binds(node) if _AROUND.match(name)}

    def _check(self, statement: _Statement) -> Iterator[str | Drop]:
        """A statement at module level, which is a test if it asserts and names the entry point."""
        node = statement.node
        calls = _called(ast.walk(node))
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
        if not run:
            statement.needs |= self.around
        context = self._context(statement)
        names = statement.needs.union(*(s.needs for s in context))
        if self.owner not in names and self.entry_point not in run:
            return
        self.ran.add(node.name)
        asserts = self._standing_alone(node, lines)
        if asserts:
            for inner in asserts:
                yield self._joined(inner, self._context(inner))
            return
        test = self._joined(statement, context)
        yield f"{test}\n{run}" if isinstance(test, str) and run else test

    def _standing_alone(self, node: ast.AST, lines: list[str]) -> list[_Statement]:
        """The asserts of a test, if they are its only checks and need nothing of it."""
        checks: list[_Statement] = []
        known = {self.owner}.union(*(s.gives for s in self.before)) | BUILTINS
        known -= _local(node)
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
        whole = getattr(node, "decorator_list", []) or self.around
        return [] if whole else sorted(checks, key=lambda s: s.node.lineno)

    def _run(self, node: ast.stmt, uncalled: set[str]) -> str | None:
        """What runs a test: nothing where the sandbox collects it. None if it is no test."""
        if isinstance(node, ast.ClassDef):
            return "" if self._is_test_class(node) else None
        if not isinstance(node, _FUNCTIONS) or not _asserts(node):
            return None
        if node.name.startswith("test"):
            return None if node.name in self.fixtures else ""
        if node.decorator_list or isinstance(node, ast.AsyncFunctionDef):
            return None
        required = len(node.args.posonlyargs + node.args.args) - len(node.args.defaults)
        if required == 0 and not _AROUND.match(node.name):
            return f"{node.name}()"
        if required == 1 and node.name in uncalled:
            parameter = (node.args.posonlyargs + node.args.args)[0].arg
            if parameter in _called(ast.walk(node)):
                return f"{node.name}({self.entry_point})"
        return None

    def _is_test_class(self, node: ast.ClassDef) -> bool:
        """Whether unittest or pytest finds tests in it; those of its bases count."""
        family = [node]
        for earlier in reversed([s.node for s in self.before if isinstance(s.node, ast.ClassDef)]):
            if any(_is_base(earlier, of) for of in family):
                family.append(earlier)
        methods = [m for cls in family for m in cls.body if isinstance(m, _FUNCTIONS)]
        if not any(m.name.startswith("test") or m.name == "runTest" for m in methods):
            return False
        bases = [ast.unparse(base) for cls in family for base in cls.bases]
        is_case = any(base.endswith("TestCase") for base in bases)
        return is_case or (node.name.startswith("Test") and any(map(_asserts, family)))

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
                needed -= _binds(earlier.node) if _rebinds(earlier.node) else set()
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


def _is_base(cls: ast.ClassDef, of: ast.ClassDef) -> bool:
    return any(isinstance(base, ast.Name) and base.id == cls.name for base in of.bases)


def _local(node: ast.AST) -> set[str]:
    """Names that a function or class binds inside."""
    found = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and type(n.ctx) is ast.Store}
    return found | {n.arg for n in ast.walk(node) if isinstance(n, ast.arg)}


def _asked_by_name(node: ast.AST) -> set[str]:
    """Names that may be those of fixtures: parameters, and words of decorators."""
    found: set[str] = set()
    for inner in ast.walk(node):
        if isinstance(inner, (*_FUNCTIONS, ast.ClassDef)):
            words = (n for mark in inner.decorator_list for n in ast.walk(mark))
            found |= {
                n.value for n in words if isinstance(n, ast.Constant) and type(n.value) is str
            }
        if isinstance(inner, ast.arg):
            found.add(inner.arg)
    return found


def _flat(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a module, those under `if __name__ == "__main__"` among them."""
    for node in body:
        if isinstance(node, ast.If) and "__name__" in ast.unparse(node.test):
            yield from _flat(node.body)
        else:
            yield node


def _statement(node: ast.stmt, lines: list[str]) -> _Statement:
    source = _source(node, lines)
    needs = outer_names(source)
    if not isinstance(node, (*_FUNCTIONS, ast.ClassDef)):  # `x = x + 1` reads `x`
        names = [n for n in in_scope([node]) if isinstance(n, ast.Name)]
        needs |= {n.id for n in names if isinstance(n.ctx, ast.Load)}
        needs |= bound_names(node) if isinstance(node, ast.AugAssign) else set()
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


def _rebinds(node: ast.stmt) -> bool:
    """Whether what its names were before does not matter after it."""
    if isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return all(isinstance(target, ast.Name | ast.Tuple) for target in targets)
    return isinstance(node, (*_FUNCTIONS, ast.ClassDef))


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


def _called(nodes: Iterable[ast.AST]) -> set[str]:
    """Names of the functions that calls among `nodes` call."""
    return {n.func.id for n in nodes if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}


def _asserts(node: ast.AST) -> bool:
    """Whether it can fail by itself: it asserts, raises, or uses a method of a `TestCase`."""
    for inner in ast.walk(node):
        match inner:
            case ast.Assert() | ast.Raise():
                return True
            case ast.Attribute(attr=attr) if re.match(r"assert[A-Z_]|raises$|fail$", attr):
                return True
    return False
