"""Test functions and classes that a text defines and does not run itself: found, run, counted.

In: the namespace in which the text ran, and its parsed tree. `tests_of` gives the tests in pytest's
order, `run` an `Outcome`. Only what the tree binds is a test: names of the solution are none. The
semantics are pytest's and unittest's; what is not here (plugins, `caplog`, ...) is `Unsupported`.
`install` comes before the text runs: it makes `import pytest` ours, keeps runners that the text
calls (`unittest.main()`) from exiting or judging, and tells `Sites` of each swallowed exception.
"""

from __future__ import annotations

import ast
import dataclasses
import enum
import inspect
import itertools
import re
import unittest
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from . import pytest_names as names
from .collect_run import (
    TestItem,
    by_text,
    class_setup,
    function_setup,
    method_setup,
    module_setup,
    parameters,
    run,
    said,
)
from .pytest_names import Fixture, Mark, Param, Sites, Skipped, Unsupported

SCOPES = ("session", "package", "module", "class", "function")
TEXT = "<test>"
"""The file name that a test's text is compiled under."""

__all__ = ["Outcome", "TestItem", "Unsupported", "install", "no_verdict", "run", "tests_of"]

_suites: list[unittest.TestCase] = []
"""What the text handed to a runner of unittest: run here, later."""


# ---- installation -------------------------------------------------------------------------------


def install(sites: Sites) -> None:
    """Before the text runs, once in a process that runs one row."""
    _suites.clear()
    names.install(sites, lambda *args, **kwargs: 0)
    context: Any = unittest.case._AssertRaisesContext
    runner: Any = unittest.TextTestRunner
    leave = context.__exit__

    def left(self: Any, kind: Any, error: Any, tb: Any) -> Any:
        swallowed = leave(self, kind, error, tb)
        if swallowed and error is not None:
            names.sites.caught(error, self.expected)
        return swallowed

    def program(self: Any, *args: Any, **kwargs: Any) -> None:
        self.result = unittest.TestResult()

    def keep(self: Any, test: Any) -> unittest.TestResult:
        result = unittest.TestResult()
        result.testsRun = test.countTestCases()
        _suites.extend(_cases(test))
        return result

    context.__exit__ = left
    unittest.TestProgram.__init__ = program  # type: ignore[method-assign]
    runner.run = keep


def no_verdict(error: BaseException) -> str:
    """Why an exception that left the text's module level is neither a pass nor a failure; or ''."""
    if isinstance(error, ImportError) and error.name == "pytest":
        return str(error)
    skips = isinstance(error, Skipped | unittest.SkipTest) and by_text(error)
    return said(error) if skips or isinstance(error, Unsupported | names.NotAvailable) else ""


def _cases(test: Any) -> Iterator[unittest.TestCase]:
    if isinstance(test, unittest.TestCase):
        yield test
    else:
        yield from itertools.chain.from_iterable(map(_cases, test))


# ---- what the text defines ----------------------------------------------------------------------


def tests_of(namespace: Mapping[str, Any], tree: ast.Module) -> list[TestItem]:
    bound = _bound(_statements(tree.body, namespace))
    setup = {"module": (module_setup(namespace),), "function": (function_setup(namespace),)}
    fixtures = {f" {name}": chain for name, chain in setup.items()} | _fixtures(
        {name: namespace[name] for name in bound if name in namespace}
    )
    ran = _ran(tree, namespace, bound)
    marks = _marks_of(namespace.get("pytestmark", ()))
    items: list[TestItem] = []
    for name, node in bound.items():
        value = namespace.get(name)
        if isinstance(value, type):
            items += _class_items(
                value, TestItem(name, value, marks=marks, fixtures=fixtures, namespace=namespace)
            )
        elif name.startswith("test") and name not in ran and getattr(value, "__test__", True):
            defined = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            if getattr(node, "decorator_list", None) and not callable(value) and name in namespace:
                value = _dropped
            if callable(value) and (defined or inspect.isfunction(inspect.unwrap(value))):
                items += _expand(
                    TestItem(name, value, marks=marks, fixtures=fixtures, namespace=namespace)
                )
    if _suites:
        items = [item for item in items if item.case is None]
        items += [_case_item(case, fixtures, namespace) for case in _suites]
    return items


def _dropped() -> None:
    raise TypeError("its decorator returned nothing that can be called")


def _statements(body: Sequence[ast.stmt], namespace: Mapping[str, Any]) -> Iterator[ast.stmt]:
    """Those of the module level, inside `if`, `try`, `for` and `with` too, where they may run."""
    for node in body:
        yield node
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        is_main = isinstance(node, ast.If) and ast.unparse(node.test) in (
            "__name__ == '__main__'",
            "'__main__' == __name__",
        )
        for part in ("body", "orelse", "finalbody"):
            if is_main and (part == "body") != (namespace.get("__name__") == "__main__"):
                continue
            yield from _statements(getattr(node, part, ()), namespace)
        for inner in (*getattr(node, "handlers", ()), *getattr(node, "cases", ())):
            yield from _statements(inner.body, namespace)


def _bound(statements: Iterable[ast.stmt]) -> dict[str, ast.stmt]:
    """Names that the statements bind by `def`, `class` and `=`, in order, with the last of them."""
    found: dict[str, ast.stmt] = {}
    for node in statements:
        targets: list[Any] = [node] if hasattr(node, "name") else []
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = getattr(node, "targets", None) or [node.target]  # type: ignore[union-attr]
        for target in targets:
            name = getattr(target, "name", None) or getattr(target, "id", None)
            if name:
                found.pop(name, None)
                found[name] = node
    return found


_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def _ran(tree: ast.Module, namespace: Mapping[str, Any], bound: Mapping[str, ast.stmt]) -> set[str]:
    """Functions that the text runs itself: mentioned at its module level, called by one of those,
    or called by another test function."""
    calls = {name: _calls(node) for name, node in bound.items() if isinstance(node, _FUNCTIONS)}
    mentioned: set[str] = set()
    for node in _statements(tree.body, namespace):
        if not isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
            inner = getattr(node, "body", None)
            parts = ast.iter_child_nodes(node) if inner else [node]
            mentioned.update(
                *(_mentions(p) for p in parts if not isinstance(p, ast.stmt)),
                *([_mentions(node)] if not inner else []),
            )
    ran = _reach(mentioned, calls)
    tests = [name for name in calls if name.startswith("test") and name not in ran]
    reach = {name: _reach(calls[name], calls) for name in tests}
    return ran | {
        name
        for name in tests
        for other in tests
        if other != name and name in reach[other] and other not in reach[name]
    }


def _mentions(node: ast.AST) -> set[str]:
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return set()  # `test_a.__test__ = False` runs nothing
    found = {node.id} if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) else set()
    return found.union(*map(_mentions, ast.iter_child_nodes(node)))


def _calls(node: ast.AST) -> set[str]:
    nodes = (n.func for n in ast.walk(node) if isinstance(n, ast.Call))
    return {func.id for func in nodes if isinstance(func, ast.Name)}


def _reach(start: Iterable[str], calls: Mapping[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    new = set(start)
    while new:
        seen |= new
        new = set().union(*(calls.get(name, set()) for name in new)) - seen
    return seen


# ---- classes and arguments ----------------------------------------------------------------------


def _own_names(cls: type) -> set[str]:
    """What it and its bases define, `object` apart."""
    return set().union(*(vars(base) for base in cls.__mro__[:-1]))


def _class_items(cls: type, of: TestItem) -> list[TestItem]:
    """The tests of a class; `of` is an item for the class itself, whose parts they share."""
    is_case = issubclass(cls, unittest.TestCase)
    wanted = is_case or of.name.rpartition(".")[2].startswith("Test")
    if not wanted or not getattr(cls, "__test__", True):
        return []
    if not is_case and {"__init__", "__new__"} & _own_names(cls):
        return []
    marks = tuple(m for base in cls.__mro__ for m in _marks_of(vars(base).get("pytestmark", ())))
    members: dict[str, Any] = {}
    for base in cls.__mro__:
        members = {k: v for k, v in vars(base).items() if k not in members} | members
    bound = {
        k: dataclasses.replace(v, bound=True) for k, v in members.items() if isinstance(v, Fixture)
    }
    setup = {f"{of.name}.class": (class_setup(cls),), f"{of.name}.method": (method_setup(cls),)}
    fixtures = _joined(of.fixtures, setup | _fixtures(bound))
    of = dataclasses.replace(of, cls=cls, marks=marks + of.marks, fixtures=fixtures)
    if is_case:
        found = unittest.defaultTestLoader.getTestCaseNames(cls) or ["runTest"]
        return [
            _case_item(cls(n), fixtures, of.namespace, of.marks) for n in found if hasattr(cls, n)
        ]
    items: list[TestItem] = []
    for name, member in members.items():
        inner = dataclasses.replace(of, name=f"{of.name}.{name}")
        if isinstance(member, type):
            items += _class_items(member, inner) if name.startswith("Test") else []
        elif name.startswith("test") and not isinstance(member, Fixture):
            function = getattr(cls, name)
            if callable(function) and getattr(function, "__test__", True):
                items += _expand(dataclasses.replace(inner, function=function, method=name))
    return items


def _case_item(
    case: unittest.TestCase,
    fixtures: Mapping[str, tuple[Fixture, ...]],
    namespace: Mapping[str, Any],
    marks: tuple[Mark, ...] = (),
) -> TestItem:
    cls, method = type(case), case._testMethodName
    function = getattr(case, method, None)
    name = f"{cls.__qualname__.rpartition('.')[2]}.{method}"
    item = TestItem(
        name, function or case.run, cls, case=case, fixtures=fixtures, namespace=namespace
    )
    marks = _marks_of(getattr(function, "pytestmark", ())) + marks
    return dataclasses.replace(item, marks=marks, needs=_closure(item, _asked(item, ())))


def _expand(of: TestItem) -> list[TestItem]:
    """The item once for each set of arguments that its marks and its fixtures' `params` give."""
    marks = _marks_of(getattr(of.function, "pytestmark", ())) + of.marks
    of = dataclasses.replace(of, marks=marks)
    plain = inspect.isfunction(inspect.getattr_static(of.cls, of.method)) if of.cls else False
    needs = _closure(of, _asked(of, parameters(of.function, plain)))
    rows = [("", of)]
    for mark in (m for m in marks if m.name == "parametrize"):
        rows = [
            (f"{tag}-{more}" if tag else more, new)
            for tag, item in rows
            for more, new in _with_arguments(item, *mark.args, **mark.kwargs)
        ]
    for name in needs:
        chain = of.fixtures.get(name, ())
        if (
            chain
            and chain[-1].params is not None
            and name not in (rows[0][1].direct.keys() | rows[0][1].indirect.keys())
        ):
            values = _params(chain[-1].params, 1)
            tags = _ids([name], values, chain[-1].ids)
            rows = [
                (
                    f"{tag}-{more}" if tag else more,
                    dataclasses.replace(
                        item,
                        marks=value.marks + item.marks,
                        indirect={**item.indirect, name: (at, value.values[0])},
                    ),
                )
                for tag, item in rows
                for at, (more, value) in enumerate(zip(tags, values, strict=True))
            ]
    return [
        dataclasses.replace(
            item,
            name=f"{of.name}[{tag}]" if tag else of.name,
            needs=tuple(name for name in needs if name not in item.direct),
        )
        for tag, item in rows
    ]


def _with_arguments(
    item: TestItem, argnames: Any, argvalues: Any, indirect: Any = False, ids: Any = None, **_: Any
) -> list[tuple[str, TestItem]]:
    """One parametrize mark applied. No values at all: one skipped test."""
    keys = (
        [k.strip() for k in argnames.split(",") if k.strip()]
        if isinstance(argnames, str)
        else list(argnames)
    )
    single = len(keys) == 1 and (not isinstance(argnames, str) or "," not in argnames)
    single = single and isinstance(argnames, str)
    rows = _params(argvalues, 1 if single else 0)
    if not rows:
        rows = [Param((None,) * len(keys), "NOTSET", (Mark("skip", ("got empty parameter set",)),))]
    through = keys if indirect is True else list(indirect or ())
    found = []
    for at, (tag, row) in enumerate(zip(_ids(keys, rows, ids), rows, strict=True)):
        if len(row.values) != len(keys):
            raise ValueError(f"parametrize: {len(keys)} names, {len(row.values)} values: {row}")
        pairs = dict(zip(keys, row.values, strict=True))
        found.append(
            (
                tag,
                dataclasses.replace(
                    item,
                    marks=row.marks + item.marks,
                    direct={**item.direct, **{k: v for k, v in pairs.items() if k not in through}},
                    indirect={
                        **item.indirect,
                        **{k: (at, v) for k, v in pairs.items() if k in through},
                    },
                ),
            )
        )
    return found


def _params(values: Iterable[Any], single: int) -> list[Param]:
    return [v if isinstance(v, Param) else Param((v,) if single else tuple(v)) for v in values]


def _ids(keys: Sequence[str], rows: Sequence[Param], ids: Any) -> list[str]:
    given = list(ids) if ids is not None and not callable(ids) else []
    tags = []
    for at, row in enumerate(rows):
        own = row.id if row.id is not None else given[at] if at < len(given) else None
        parts = (
            _id(value, f"{key}{at}", ids if callable(ids) else None)
            for key, value in zip(keys, row.values, strict=False)
        )
        tags.append("-".join(parts) if own is None else str(own))
    for tag in {tag for tag in tags if tags.count(tag) > 1}:
        count = itertools.count()
        between = "_" if tag[-1:].isdigit() else ""
        tags = [f"{one}{between}{next(count)}" if one == tag else one for one in tags]
    return tags


def _id(value: Any, otherwise: str, ids: Callable[[Any], Any] | None) -> str:
    said = ids(value) if ids else None
    if said is not None:
        return str(said)
    if isinstance(value, str):
        return value.encode("unicode_escape").decode()
    if value is None or isinstance(value, int | float | complex | enum.Enum):
        return str(value)
    if isinstance(value, bytes):
        return value.decode("ascii", "backslashreplace")
    if isinstance(value, re.Pattern):
        return str(value.pattern)
    called = getattr(value, "__name__", None) if isinstance(value, type) or callable(value) else 0
    return called if isinstance(called, str) else otherwise


def _marks_of(value: Any) -> tuple[Mark, ...]:
    return tuple(value) if isinstance(value, list | tuple) else (value,)


# ---- fixtures -----------------------------------------------------------------------------------


def _fixtures(namespace: Mapping[str, Any]) -> dict[str, tuple[Fixture, ...]]:
    return {
        value.name or name: (value,)
        for name, value in sorted(namespace.items())
        if isinstance(value, Fixture)
    }


def _joined(
    outer: Mapping[str, tuple[Fixture, ...]], inner: Mapping[str, tuple[Fixture, ...]]
) -> dict[str, tuple[Fixture, ...]]:
    return {**outer, **{name: outer.get(name, ()) + chain for name, chain in inner.items()}}


def _asked(item: TestItem, arguments: Sequence[str]) -> list[str]:
    auto = [name for name, chain in item.fixtures.items() if any(f.autouse for f in chain)]
    used = [name for m in item.marks if m.name == "usefixtures" for name in m.args]
    return [*auto, *used, *arguments]


def _closure(item: TestItem, asked: Iterable[str]) -> tuple[str, ...]:
    """`asked`, and what these need; wider scopes first."""
    found = list(dict.fromkeys(asked))
    for name in found:  # grows
        for fixture in item.fixtures.get(name, ()):
            more = parameters(fixture.function, fixture.bound)
            found += [n for n in more if n not in found and n != "request"]
    scope = {n: SCOPES.index(c[-1].scope) for n, c in item.fixtures.items() if c}
    return tuple(sorted(found, key=lambda name: scope.get(name, len(SCOPES) - 1)))
