"""Which statements at the top of a module ask something of what stands before them.

For `split_text`: a test ends with the last of them. A statement asks if it

- asserts, raises AssertionError, or calls for its own sake what is named `assert...`;
- raises something else outside a handler, by more than what it can tell from literals and from
  Python's own functions and modules: `if f(1) != 2: raise ValueError`, not `if x > 5: ...`;
- calls for its own sake a function that asserts (`check(f)`, `sys.exit(main())`), a method of a
  class of tests, or does something with functions that are named `test...`;
- runs the cases of `unittest`.

What leaves with an exit code, or prints, does not ask: every program does. Needs the standard
library only.
"""

from __future__ import annotations

import ast
import builtins
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from sv_engine.serve.statements import (
    SCOPES,
    imports,
    last_name,
    names_bound,
    names_input,
    nodes_of,
    running,
)

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_PASSING_ON = frozenset({"exit", "quit", "_exit", "SystemExit", "run", "run_until_complete"})
"""What is given the answer of a function of tests: `sys.exit(main())`, `asyncio.run(main())`."""
_SPACES = frozenset({"globals", "locals", "vars", "dir"})
_BUILTINS = frozenset(dir(builtins)) - {"exec", "eval", "__import__", "getattr", "open", "input"}


@dataclass(slots=True)
class Asked:
    """What the statements of a module ask."""

    froms: list[int | None] = field(default_factory=list)
    """For each statement None, or the last index from which on a test may begin if it is to ask
    something when this statement runs."""
    checks: set[int] = field(default_factory=set)
    """Indices of functions that are there to assert, and of classes of tests."""
    within: set[int] = field(default_factory=set)
    """Indices at which no test begins: between a class of `unittest` and what runs it."""


def asked(body: Sequence[ast.stmt]) -> Asked:
    """What is asked by the statements of a module."""
    reader = _Reader()
    for at, statement in enumerate(body):
        reader.read(at, statement)
    return reader.told


def names_called(node: ast.AST) -> Iterator[str]:
    """Names of the functions that are called here for their own sake, or may be: those that are
    named `test...`."""
    call = node.value if isinstance(node, ast.Expr) else None
    if isinstance(node, ast.Raise):
        call = node.exc
    if isinstance(call, ast.Call):
        if isinstance(call.func, ast.Name):
            yield call.func.id
        if last_name(call.func) in _PASSING_ON:
            yield from (name for each in call.args if (name := _called_name(each)) is not None)
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id.startswith("test"):
        yield node.id


class _Reader:
    """Goes through the statements of a module in their order."""

    def __init__(self) -> None:
        self.told = Asked()
        self._checks: dict[str, int] = {}
        """Functions that assert, and where they stand."""
        self._methods: dict[str, int] = {}
        """Methods of classes of tests that are not for `unittest`."""
        self._tests: dict[str, int] = {}
        """Functions of them that are named `test...`, and names of what holds any."""
        self._silent: set[str] = set()
        """Functions that do not assert."""
        self._own: set[str] = set()
        """Names that hold what Python's own functions made of literals."""
        self._modules: set[str] = set()
        self._cases: int | None = None
        """The class of `unittest` at hand."""
        self._within = 0
        self._mains: set[str] = set()
        """Names of the `main` of `unittest`."""

    def read(self, at: int, statement: ast.stmt) -> None:
        asking = self._asks_from(statement, at)
        if isinstance(statement, ast.Import | ast.ImportFrom):
            self._import(statement)
        elif isinstance(statement, _FUNCTIONS):
            self._define(statement.name)
            if asking is not None:
                self._checks[statement.name] = asking
                self.told.checks.add(at)
                if statement.name.startswith("test"):
                    self._tests[statement.name] = asking
            else:
                self._silent.add(statement.name)
        elif isinstance(statement, ast.ClassDef):
            self._define(statement.name)
            self._read_class(at, statement)
        else:
            self._bind(statement)
            if self._cases is not None and self._runs_cases(statement):
                asking = self._cases if asking is None else asking
                self.told.within.update(range(self._within, at + 1))
                self._within = at + 1
        self.told.froms.append(None if isinstance(statement, SCOPES) else asking)

    def _import(self, statement: ast.Import | ast.ImportFrom) -> None:
        for name, path in imports(statement):
            self._define(name)
            if path == name and name in sys.stdlib_module_names:
                self._modules.add(name)
        if isinstance(statement, ast.ImportFrom) and statement.module == "unittest":
            self._mains.update(
                each.asname or "main" for each in statement.names if each.name == "main"
            )

    def _define(self, name: str) -> None:
        """It stands for something else from here on."""
        for names in (self._mains, self._silent, self._own, self._modules):
            names.discard(name)
        self._checks.pop(name, None)
        self._tests.pop(name, None)

    def _read_class(self, at: int, statement: ast.ClassDef) -> None:
        if any((last_name(base) or "").endswith("TestCase") for base in statement.bases):
            self._cases, self._within = at, at + 1
            self.told.checks.add(at)
        elif statement.name.startswith("Test"):
            self.told.checks.add(at)
            if any(map(_is_assertion, nodes_of(statement))):
                methods = [each.name for each in statement.body if isinstance(each, _FUNCTIONS)]
                self._methods.update(dict.fromkeys(methods, at))

    def _bind(self, statement: ast.stmt) -> None:
        bound = names_bound(statement)
        tests = self._tests_in(running(statement))
        is_own = self._is_own(statement)
        for name in bound:
            self._own.discard(name)
            self._modules.discard(name)
            if tests is not None:
                self._tests[name] = tests
            if is_own:
                self._own.add(name)

    def _asks_from(self, statement: ast.stmt, at: int) -> int | None:
        if isinstance(statement, ast.Assert):
            return at
        is_function = isinstance(statement, _FUNCTIONS)
        nodes = nodes_of(statement) if is_function else list(running(statement))
        if any(map(names_input, nodes)):  # a block that reads input is a program at work
            return None
        if any(map(_is_assertion, nodes)) or any(map(self._calls_assertion, nodes)):
            return at
        if not is_function and any(map(_is_raised, _unhandled(statement))):
            if not self._is_own(statement):
                return at
        called = {name for node in nodes for name in names_called(node)}
        found = [self._checks[name] for name in called if name in self._checks]
        found += [
            self._methods[name] for name in map(_method_called, nodes) if name in self._methods
        ]
        if isinstance(statement, ast.Expr | ast.For | ast.While | ast.If | ast.With | ast.Try):
            tests = self._tests_in(nodes)
            found += [] if tests is None else [tests]
        return max(found, default=None)

    def _calls_assertion(self, node: ast.AST) -> bool:
        if not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Call):
            return False
        function = node.value.func
        if isinstance(function, ast.Name) and function.id in self._silent | self._checks.keys():
            return False
        return (last_name(function) or "").startswith("assert")

    def _tests_in(self, nodes: Iterable[ast.AST]) -> int | None:
        """Where the last of the functions stands that are named `test...` and spoken of here."""
        names = {node.id for node in nodes if isinstance(node, ast.Name)}
        spoken_of = self._tests.keys() if names & _SPACES else names & self._tests.keys()
        return max((self._tests[name] for name in spoken_of), default=None)

    def _is_own(self, statement: ast.stmt) -> bool:
        """Whether it reads nothing but literals, and what Python makes of them."""
        for node in running(statement):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                if node.func.id not in _BUILTINS:
                    return False
            if isinstance(node, SCOPES):
                return False
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                is_known = node.id in self._own or node.id in self._modules
                is_pythons = node.id in _BUILTINS and node.id not in self._silent | set(
                    self._checks
                )
                if not (is_known or is_pythons or node.id == "__name__"):
                    return False
        return True

    def _runs_cases(self, statement: ast.stmt) -> bool:
        for node in running(statement):
            function = node.func if isinstance(node, ast.Call) else None
            if isinstance(function, ast.Name) and function.id in self._mains:
                return True
            if last_name(function) == "TextTestRunner":
                return True
            if isinstance(function, ast.Attribute) and function.attr == "main":
                if last_name(function.value) == "unittest":
                    return True
        return False


def _called_name(node: ast.AST) -> str | None:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return node.func.id
    return None


def _method_called(node: ast.AST) -> str | None:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        function = node.value.func
        return function.attr if isinstance(function, ast.Attribute) else None
    return None


def _unhandled(statement: ast.stmt) -> Iterator[ast.AST]:
    """What runs with it where nothing was raised: what a handler raises instead decides nothing."""
    waiting: list[ast.AST] = [statement]
    while waiting:
        node = waiting.pop()
        yield node
        left_out = (*SCOPES, ast.ExceptHandler)
        waiting += (each for each in ast.iter_child_nodes(node) if not isinstance(each, left_out))


def _is_raised(node: ast.AST) -> bool:
    """Not what leaves with 0, or with what is not known yet."""
    if not isinstance(node, ast.Raise):
        return False
    if isinstance(node.exc, ast.Call) and last_name(node.exc.func) == "SystemExit":
        return all(isinstance(each, ast.Constant) and each.value for each in node.exc.args)
    return last_name(node.exc) != "SystemExit"


def _is_assertion(node: ast.AST) -> bool:
    if isinstance(node, ast.Raise) and node.exc is not None:
        raised = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        return last_name(raised) == "AssertionError"
    return isinstance(node, ast.Assert)
