"""Test functions and classes that a text defines and does not run itself: found, run, counted.

In: the namespace in which the text ran, and its parsed tree. `tests_of` gives the tests in pytest's
order, `run` an `Outcome`. Only what the tree binds is a test: names of the solution are none. The
semantics are pytest's and unittest's; what is not here (plugins, `tmpdir`, ...) is `Unsupported`.
`install` comes before the text runs: it makes `import pytest` ours, keeps runners that the text
calls (`unittest.main()`) from exiting or judging, and tells `Sites` of each swallowed exception.
"""

from __future__ import annotations

import ast
import enum
import inspect
import itertools
import re
import unittest
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import FunctionType
from typing import Any, NamedTuple

from . import pytest_names as names
from .collect_run import (
    TEXT,
    Outcome,
    TestItem,
    by_text,
    class_setup,
    method_setup,
    parameters,
    run,
    said,
    text_setup,
)
from .pytest_fixtures import OFFERED, SPLIT
from .pytest_names import Fixture, Mark, Param, Sites, Skipped, Unsupported

NO_SITES = names.NoSites()
_SCOPES = ("session", "package", "module", "class", "function")
__all__ = [
    "Failures",
    "Outcome",
    "TestItem",
    "install",
    "is_end",
    "judge",
    "no_verdict",
    "run",
    "tests_of",
]

_suites: list[unittest.TestCase] = []
_handed_over: list[object] = []
"""What the text gave to runners of unittest, and its calls of any runner: all run here, later."""
_made: set[type] = set()
"""Classes of which it has made a test case: to be named is not to be run."""
_CONTEXT: Any = unittest.case._AssertRaisesContext
_BEGIN: Any = unittest.TestCase.__init__
_LEAVE: Any = _CONTEXT.__exit__
"""As they are before any text runs."""


# ---- installation -------------------------------------------------------------------------------


def install(sites: Sites) -> None:
    """Before the text runs."""
    _suites.clear()
    _handed_over.clear()
    _made.clear()
    names.install(sites, _main)
    case: Any = unittest.TestCase
    runner: Any = unittest.TextTestRunner
    if case.__init__ is not _begin_case:  # once in a process
        case.__init__, _CONTEXT.__exit__ = _begin_case, _leave
        unittest.TestProgram.__init__ = _program  # type: ignore[method-assign]
        runner.run = _keep


def _begin_case(self: Any, *args: object, **words: object) -> None:
    _made.add(type(self))
    _BEGIN(self, *args, **words)


def _leave(self: Any, kind: object, error: Any, tb: object) -> object:
    swallowed = _LEAVE(self, kind, error, tb)
    if swallowed and error is not None:
        names.sites.caught(error, self.expected)
    return swallowed


def _program(self: Any, *args: object, **kwargs: object) -> None:
    self.result = unittest.TestResult()
    _handed_over.append(self)


def _keep(self: object, test: Any) -> unittest.TestResult:
    result = unittest.TestResult()
    result.testsRun = test.countTestCases()
    _handed_over.append(self)
    _suites.extend(_cases(test))
    return result


def _main(*args: object, **kwargs: object) -> int:
    """`pytest.main`, whose answer is the status of the process."""
    _handed_over.append(args)
    return 0


def is_end(error: BaseException) -> bool:
    """Whether the text ended after it handed its tests to a runner: `sys.exit(pytest.main())`."""
    return isinstance(error, SystemExit) and not error.code and bool(_handed_over)


def no_verdict(error: BaseException) -> str:
    """Why an exception that left the text's module level is neither a pass nor a failure; or ''."""
    ours = isinstance(error, Skipped | unittest.SkipTest | Unsupported | names.NotAvailable)
    ours = ours or (isinstance(error, ImportError) and error.name == "pytest")
    # Of its own accord, and not because of an exception of the solution's.
    chosen = error.__context__ is None or error.__suppress_context__
    return said(error) if ours and chosen and by_text(error) else ""


def _cases(test: Any) -> Iterator[unittest.TestCase]:
    if isinstance(test, unittest.TestCase):
        yield test
    else:
        yield from itertools.chain.from_iterable(map(_cases, test))


# ---- what the text defines ----------------------------------------------------------------------


def judge(
    namespace: Mapping[str, object],
    tree: ast.Module,
    through: tuple[type[BaseException], ...] = (),
    one_process: bool = False,
) -> str:
    """Run what the text hands over. Raises what fails it; returns why nothing was judged, or ''.
    `one_process`: the solution runs here as well, so that fixtures reach it."""
    try:
        outcome = run(tests_of(namespace, tree), OFFERED if one_process else SPLIT, through=through)
    except Unsupported as error:
        return str(error)
    ran = {name.partition("[")[0].rpartition(".")[2] for name in outcome.passed}
    if outcome.skipped or (ran and not _named_tests(tree.body) <= ran):
        names.sites.word("a test that was left out")
    failed = outcome.error()
    if failed is None:
        return ""
    if isinstance(failed, Skipped):
        return str(failed)
    if len(outcome.passed) + len(outcome.failed) > 1 and isinstance(failed, Exception):
        raise Failures(outcome.detail(), failed) from failed
    raise failed


def _named_tests(body: list[ast.stmt]) -> set[str]:
    """Functions and methods of the text that go by a test's name."""
    classes = [one for one in body if isinstance(one, ast.ClassDef)]
    own = {one.name for one in body if isinstance(one, _FUNCTIONS) and one.name.startswith("test")}
    return own.union(*(_named_tests(one.body) for one in classes))


class Failures(Exception):
    """Some of several tests failed; `first` is the first of them."""

    def __init__(self, detail: str, first: Exception):
        super().__init__(detail)
        self.first = first


def tests_of(namespace: Mapping[str, object], tree: ast.Module) -> list[TestItem]:
    """What runs of the text, after it has run itself."""
    is_main = namespace.get("__name__") == "__main__"
    bound = _bound(tree, is_main)
    tests = [n for n in bound if n.startswith("test") or isinstance(bound[n], ast.ClassDef)]
    if "load_tests" in bound and (_handed_over or not tests):
        raise Unsupported("load_tests")
    if not tests and not _suites:
        return []  # so it is with almost all texts
    ran, called = _ran(tree, is_main), _calls(tree)
    ran -= {name for name in ran if _is_case(namespace, name) and namespace[name] not in _made}
    named = {name for name in tests if name.lower().startswith("test") or _is_case(namespace, name)}
    if ran & named and not _suites and not _handed_over:
        return []  # the text runs its tests itself
    own = {name: namespace[name] for name in bound if name in namespace}
    each = {" function": (text_setup("function", own),)}
    fixtures = {" module": (text_setup("module", own),), **_fixtures(own)}
    marks = _marks_of(namespace.get("pytestmark"))
    module = TestItem("", None, marks=marks, fixtures=fixtures, namespace=namespace)
    items: list[TestItem] = []
    for name, node in bound.items():
        value = namespace.get(name)
        of = replace(module, name=name, function=value if callable(value) else _dropped)
        if isinstance(value, type):
            items += _class_items(value, of)
        elif name.startswith("test") and name not in ran and _is_test(name, node, namespace):
            found = _expand(replace(of, fixtures={**each, **fixtures}))
            # a helper that only other tests can call, since no fixture gives what it needs
            helper = name in called and found and not _known(found[0])
            items += [] if helper else found
    if _suites:
        items = [item for item in items if item.case is None]
        kinds = {type(case): _of_class(type(case), module) for case in _suites}
        items += [_case_item(case, kinds[type(case)]) for case in _suites]
    return items


def _is_case(namespace: Mapping[str, Any], name: str) -> bool:
    value = namespace.get(name)
    return type(value) is type and issubclass(value, unittest.TestCase)


def _dropped() -> None:
    raise TypeError("the decorator of this test gave nothing that can be called")


def _is_test(name: str, node: ast.AST, namespace: Mapping[str, object]) -> bool:
    """By what the text says; an object of the solution is asked nothing, so it can drop no test."""
    value = namespace.get(name)
    if name not in namespace or type(value) is Fixture:
        return False
    if type(value) is FunctionType:
        defined = isinstance(node, _FUNCTIONS) or value.__code__.co_filename == TEXT
        return defined and getattr(value, "__test__", True)
    return isinstance(node, _FUNCTIONS) and (callable(value) or bool(node.decorator_list))


def _known(item: TestItem) -> bool:
    return all(name in item.fixtures or name == "request" for name in item.needs)


_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_MAIN = ("__name__ == '__main__'", "'__main__' == __name__")


def _inside(node: ast.AST, is_main: bool) -> Iterable[ast.AST]:
    """The parts of a node that run with the module: not the insides of functions."""
    if isinstance(node, (*_FUNCTIONS, ast.Lambda)):
        return ()
    if isinstance(node, ast.If) and ast.unparse(node.test) in _MAIN:
        return node.body if is_main else node.orelse
    if isinstance(node, ast.ClassDef):  # to be a base is not to be run
        return [*node.decorator_list, *node.body]
    return ast.iter_child_nodes(node)


def _bound(node: ast.AST, is_main: bool) -> dict[str, ast.AST]:
    """Names that the module level binds by `def`, `class` and `=`, with the last that does."""
    found: dict[str, ast.AST] = {}
    for inner in _inside(node, is_main):
        if isinstance(inner, (*_FUNCTIONS, ast.ClassDef)):
            found[inner.name] = inner
        elif isinstance(inner, ast.Assign | ast.AnnAssign):
            targets = inner.targets if isinstance(inner, ast.Assign) else [inner.target]
            found.update({name.id: inner for name in targets if isinstance(name, ast.Name)})
        elif not isinstance(inner, ast.expr):
            found.update(_bound(inner, is_main))
    return found


def _ran(tree: ast.Module, is_main: bool) -> set[str]:
    """Functions that the text runs itself: those its module level mentions, and those they call."""
    calls = {node.name: _calls(node) for node in ast.walk(tree) if isinstance(node, _FUNCTIONS)}
    ran: set[str] = set()
    new = _mentions(tree, is_main)
    while new:
        ran |= new
        new = set().union(*(calls.get(name, set()) for name in new)) - ran
    return ran


def _mentions(node: ast.AST, is_main: bool) -> set[str]:
    if isinstance(node, ast.Attribute | ast.Assign) and isinstance(node.value, ast.Name):
        return set()  # `test_a.__test__ = False` and `test_b = test_a` run nothing
    found = {node.id} if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) else set()
    return found.union(*(_mentions(inner, is_main) for inner in _inside(node, is_main)))


def _calls(node: ast.AST) -> set[str]:
    functions = (inner.func for inner in ast.walk(node) if isinstance(inner, ast.Call))
    return {function.id for function in functions if isinstance(function, ast.Name)}


# ---- classes and arguments ----------------------------------------------------------------------


def _of_class(cls: type, of: TestItem) -> TestItem:
    """`of` with what the tests of a class share: its marks, its set-up, its fixtures."""
    marks = tuple(m for base in cls.__mro__ for m in _marks_of(vars(base).get("pytestmark")))
    bound = {k: replace(v, bound=True) for k, v in _members(cls).items() if type(v) is Fixture}
    inner = {
        f"{of.name}.class": (class_setup(cls),),
        f"{of.name}.method": (method_setup(),),
        **_fixtures(bound),
    }
    joined = {name: of.fixtures.get(name, ()) + chain for name, chain in inner.items()}
    return replace(of, cls=cls, marks=marks + of.marks, fixtures={**of.fixtures, **joined})


def _members(cls: type, module: str = "") -> dict[str, object]:
    """What the class and its bases (those of one module) define, bases first."""
    members: dict[str, object] = {}
    for base in cls.__mro__[:-1]:
        if module in ("", base.__module__):
            members = {k: v for k, v in vars(base).items() if k not in members} | members
    return members


def _class_items(cls: type, of: TestItem) -> list[TestItem]:
    """The tests of a class, if it is one of tests."""
    own = _members(cls, cls.__module__)
    if not own.get("__test__", True):
        return []
    if issubclass(cls, unittest.TestCase):
        shared = _of_class(cls, of)
        found = unittest.defaultTestLoader.getTestCaseNames(cls) or ["runTest"]
        return [_case_item(cls(name), shared) for name in found if hasattr(cls, name)]
    if not of.name.rpartition(".")[2].startswith("Test") or {"__init__", "__new__"} & own.keys():
        return []
    items: list[TestItem] = []
    shared = _of_class(cls, of)
    for name, member in _members(cls).items():
        inner = replace(shared, name=f"{of.name}.{name}")
        if isinstance(member, type):
            items += _class_items(member, inner)
        elif name.startswith("test") and type(member) is not Fixture:
            function = getattr(cls, name)
            if callable(function) and getattr(function, "__test__", True):
                items += _expand(replace(inner, function=function, method=name))
    return items


def _case_item(case: unittest.TestCase, of: TestItem) -> TestItem:
    method = case._testMethodName
    function = getattr(case, method, case.run)
    name = f"{type(case).__qualname__.rpartition('.')[2]}.{method}"
    marks = _marks_of(getattr(function, "pytestmark", None)) + of.marks
    item = replace(of, name=name, function=function, case=case, marks=marks)
    return replace(item, needs=_closure(item, _asked(item, ())))


class _Row(NamedTuple):
    """One point of an axis of arguments."""

    tag: str
    direct: dict[str, object]
    indirect: dict[str, tuple[int, object]]
    marks: tuple[Mark, ...]


def _expand(of: TestItem) -> list[TestItem]:
    """The item once for each set of arguments that fixtures' `params` and its marks give."""
    marks = _marks_of(getattr(of.function, "pytestmark", None)) + of.marks
    of = replace(of, marks=marks)
    plain = inspect.isfunction(inspect.getattr_static(of.cls, of.method)) if of.cls else False
    needs = _closure(of, _asked(of, parameters(of.function, plain)))
    axes = [_mark_axis(*mark.args, **mark.kwargs) for mark in marks if mark.name == "parametrize"]
    given = {name for axis in axes for name in (*axis[0].direct, *axis[0].indirect)}
    if not given <= set(needs):
        raise ValueError(f"{of.name} uses no argument {sorted(given - set(needs))}")
    last = {name: of.fixtures[name][-1] for name in needs if name in of.fixtures.keys() - given}
    wide = [
        _axis([name], map(_one, fixture.params), fixture.ids, [name])
        for name, fixture in last.items()
        if fixture.params is not None
    ]
    items = []
    for rows in itertools.product(*wide, *axes):
        tag = f"[{'-'.join(row.tag for row in rows)}]" if rows else ""
        item = replace(of, name=of.name + tag, direct={}, indirect={})
        for row in rows:
            item = replace(
                item,
                direct={**item.direct, **row.direct},
                indirect={**item.indirect, **row.indirect},
                marks=row.marks + item.marks,
            )
        wanted = tuple(name for name in needs if name not in item.direct)
        items.append(replace(item, needs=wanted))
    return items


def _mark_axis(
    argnames: Any, argvalues: Any, indirect: Any = False, ids: object = None, **_: object
) -> list[_Row]:
    """What `parametrize(argnames, argvalues)` gives."""
    if isinstance(argnames, str):
        keys = [key.strip() for key in argnames.split(",") if key.strip()]
        argvalues = argvalues if "," in argnames else [_one(value) for value in argvalues]
    else:
        keys = list(argnames)
    return _axis(keys, argvalues, ids, keys if indirect is True else indirect or ())


def _one(value: object) -> Param:
    return value if isinstance(value, Param) else Param((value,))


def _axis(keys: list[str], values: Any, ids: object, through: Collection[str]) -> list[_Row]:
    """A row for each of `values`; those of the names in `through` go to fixtures. No values at
    all: one row that is skipped."""
    rows = [value if isinstance(value, Param) else Param(tuple(value)) for value in values]
    if not rows:
        rows = [Param((None,) * len(keys), "NOTSET", (Mark("skip", ("got empty parameter set",)),))]
    found = []
    for at, (tag, row) in enumerate(zip(_ids(keys, rows, ids), rows, strict=True)):
        if len(row.values) != len(keys):
            raise ValueError(f"parametrize: {len(keys)} names, {len(row.values)} values: {row}")
        pairs = dict(zip(keys, row.values, strict=True))
        direct = {key: value for key, value in pairs.items() if key not in through}
        indirect = {key: (at, value) for key, value in pairs.items() if key in through}
        found.append(_Row(tag, direct, indirect, row.marks))
    return found


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


def _id(value: object, otherwise: str, ids: Callable[[object], object] | None) -> str:
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
    """Marks, and nothing else that calls itself so."""
    values = value if type(value) in (list, tuple) else (value,)
    return tuple(mark for mark in values if type(mark) is Mark)


# ---- fixtures -----------------------------------------------------------------------------------


def _fixtures(namespace: Mapping[str, object]) -> dict[str, tuple[Fixture, ...]]:
    return {
        value.name or name: (value,)
        for name, value in sorted(namespace.items())
        if type(value) is Fixture
    }


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
    scope = {n: _SCOPES.index(c[-1].scope) for n, c in item.fixtures.items() if c}
    return tuple(sorted(found, key=lambda name: scope.get(name, len(_SCOPES) - 1)))
