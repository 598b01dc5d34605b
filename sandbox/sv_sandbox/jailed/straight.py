"""Straight tests: those whose text alone says what is asserted, and of what.

In: a test's text. Out: `Straight`. A straight text imports, assigns names, asks the solution,
asserts, and loops over what it has written itself; it branches nowhere, catches nothing, and
changes no object. So its text decides which of its assertions are reached, and of what the solution
does to an object nothing but that object tells. Pure: nothing of the test's runs here.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Iterator

from . import levels, text
from .levels import METHODS, MIXED, ONE, OWN
from .nodes import called, inside, names
from .parts import Parts

LAZY = frozenset("enumerate map reversed zip filter".split())
"""What makes a value of its arguments when it is asked for the next: where a call or a loop takes
it at once."""
MAKERS = levels.MAKERS - LAZY - {"next", "iter", "chain", "islice", "gather", "run", "wait_for"}
MAKERS |= {"print", "Mock", "MagicMock"}
"""What does so at once, and nothing else."""
_PARTS: tuple[type[ast.AST], ...] = (
    *(ast.BinOp, ast.BoolOp, ast.Compare, ast.Dict, ast.FormattedValue, ast.IfExp, ast.JoinedStr),
    *(ast.List, ast.Set, ast.Slice, ast.Starred, ast.Subscript, ast.Tuple, ast.UnaryOp),
)
"""What is made of its parts, and of nothing else."""
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_RAISES = frozenset(("raises", "assertRaises", "assertRaisesRegex"))
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_CHANGING = frozenset("append add extend insert pop remove clear sort reverse discard".split())
_CONSTANTS = frozenset("pi e inf nan tau maxsize".split())
"""What a library's module holds, and nobody changes."""
MANY = 2
"""More than one part of the solution's, or one of which nothing is known; more than one binding."""


class Straight:
    """Of one test's text."""

    def __init__(self, source: str):
        tree = ast.parse(source)
        nodes = [*ast.walk(tree)]
        self._text = text.read(nodes)
        self._parts = Parts(source, tree, nodes)
        self._functions = [one for one in nodes if isinstance(one, _FUNCTIONS)]
        self._named = {one.name for one in self._functions}
        self._stored = _stored(nodes)
        self._library = {name for one in nodes for name in _imported(one)}
        self._calls = [one for one in nodes if isinstance(one, ast.Call)]
        self._bound: dict[str, int] = {}
        self._given: list[tuple[ast.expr, ast.expr | None]] = []
        self._loops: list[ast.For] = []
        self._depth = 0
        self._pure: dict[tuple[str, int], bool] = {}
        self.statements: dict[int, list[ast.stmt]] = {}
        """By each line of theirs; of those that hold others, of their heads."""
        for node in nodes:
            if isinstance(node, ast.stmt):
                self._place(node)
        self.is_straight = self._all(tree.body)
        self._answers = self._only(self._is_asked)
        heads = [one.iter for one in self._loops]
        apart = {one for head in heads for one in ast.walk(head)}
        found = [one for one in nodes if isinstance(one, ast.Name) and one not in apart]
        self._used = {one.id for one in found if type(one.ctx) is ast.Load}
        self._once = self._only(self._lists)
        self._listed = self._only(lambda value: value in heads and self._is_head(value))
        self._listed |= self._once
        self.is_straight &= all(map(self._is_head, heads))

    def _place(self, node: ast.stmt) -> None:
        inner = [one.lineno for one in ast.iter_child_nodes(node) if isinstance(one, ast.stmt)]
        end = min(inner) - 1 if inner else node.end_lineno or node.lineno
        for line in range(node.lineno, max(end, node.lineno) + 1):
            self.statements.setdefault(line, []).append(node)

    # ---- whether it is straight ------------------------------------------------------------------

    def _outer(self, node: ast.stmt) -> bool:
        if isinstance(node, ast.ClassDef):
            is_case = all(ast.unparse(base).endswith("TestCase") for base in node.bases)
            is_case &= bool(node.bases) or node.name.startswith("Test")
            only = [one for one in node.body if not _is_text(one)]
            are_functions = all(isinstance(one, _FUNCTIONS) for one in only)
            return is_case and are_functions and not node.decorator_list and self._all(only)
        if isinstance(node, _FUNCTIONS):
            for argument in ast.walk(node.args):
                if isinstance(argument, ast.arg):
                    self._bind([ast.Name(argument.arg)], None)
            marks = node.decorator_list
            known = all("mark." in ast.unparse(one) and self._lists(one) for one in marks)
            return known and not node.args.defaults and self._all(node.body)
        is_main = isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'"
        return is_main or self._inner(node)

    def _all(self, body: list[ast.stmt]) -> bool:
        known = True
        for one in body:  # all are looked at: each may bind a name
            known &= self._outer(one)
        return known

    def _inner(self, node: ast.stmt) -> bool:
        if isinstance(node, ast.Assign):
            self._bind(node.targets, node.value)
            return all(map(_is_name, node.targets)) and self._is_still(node.value)
        if isinstance(node, ast.For):
            return self._loop(node)
        if isinstance(node, ast.With):
            return self._with(node)
        if isinstance(node, ast.Assert):
            return self._is_still(node.test) and (node.msg is None or self._is_still(node.msg))
        if isinstance(node, ast.Expr):
            return self._is_still(node.value) or self._is_site(node.value)
        return isinstance(node, ast.Import | ast.ImportFrom | ast.Pass)

    def _loop(self, node: ast.For) -> bool:
        self._depth += 1
        self._loops.append(node)
        self._bind([node.target], node.iter)
        known = self._all(node.body)
        self._depth -= 1
        return known and _is_name(node.target) and not node.orelse

    def _with(self, node: ast.With) -> bool:
        call = node.items[0].context_expr
        if len(node.items) > 1 or not isinstance(call, ast.Call):
            return False
        if node.items[0].optional_vars is not None:
            self._bind([node.items[0].optional_vars], None)
        known = all(map(self._is_still, inside(call))) and self._all(node.body)
        only = isinstance(node.body[0], ast.Assign | ast.Expr) and len(node.body) == 1
        return known and (called(call) == "subTest" or (called(call) in _RAISES and only))

    def _is_site(self, node: ast.expr) -> bool:
        """An assertion's method; a function of the text's, which is straight itself."""
        if not isinstance(node, ast.Call):
            return False
        name = called(node)
        known = name.startswith("assert") or (
            name in self._named and isinstance(node.func, ast.Name)
        )
        return (known or name == "main") and all(map(self._is_still, inside(node)))

    def _is_still(self, node: ast.expr, at_once: bool = False) -> bool:
        """Whether evaluating this changes nothing, unless the solution does, and waits for nothing
        that may change; `at_once`: as it is taken at once, it may do so later as well."""
        if isinstance(node, ast.Await):
            return self._is_still(node.value)
        if isinstance(node, ast.Lambda):
            return self.is_pure(node.body)
        if isinstance(node, _COMPREHENSIONS):
            taken = at_once or not isinstance(node, ast.GeneratorExp)
            return taken and self.is_pure(node)
        if isinstance(node, ast.Call):
            known = self._makes(node) or (called(node) in LAZY and at_once)
            known = (known and self._calls_none(node)) or self._is_ask(node)
            if called(node) in _CHANGING and isinstance(
                getattr(node.func, "value", None), ast.Name
            ):
                return all(map(self._lists, inside(node)))  # by what is written there
            return known and all(self._is_still(one, True) for one in self._operands(node))
        if isinstance(node, ast.Attribute):
            is_library = _base(node) in self._library | text.TOOLS
            return self._is_still(node.value) and (not is_library or node.attr in _CONSTANTS)
        if isinstance(node, ast.Constant | ast.Name):
            return True
        parts = [one for one in _parts(node) if isinstance(one, ast.expr)]
        return isinstance(node, _PARTS) and all(self._is_still(one, at_once) for one in parts)

    def _calls_none(self, call: ast.Call) -> bool:
        """Whether what a function of Python's is given to call makes a value, and no more."""
        given = [one.value for one in call.keywords if one.arg in ("key", "default_factory")]
        given += call.args[:1] if called(call) in ("map", "filter") else []
        return all(
            isinstance(one, ast.Lambda)
            or (isinstance(one, ast.Name) and one.id not in self._stored)
            for one in given
        )

    def is_pure(self, node: ast.AST) -> bool:
        """Whether this makes a value of others, and changes nothing, whoever asks for it."""
        if isinstance(node, _FUNCTIONS):
            return not node.decorator_list and all(map(self.is_pure, node.body))
        if isinstance(node, ast.Call):
            is_named = isinstance(node.func, ast.Name) and node.func.id in self._named
            known = self._makes(node) or called(node) in LAZY or is_named
            return known and all(map(self.is_pure, self._operands(node)))
        if isinstance(node, ast.Assign):
            return all(map(_is_name, node.targets)) and self.is_pure(node.value)
        known = isinstance(node, (*_PARTS, *_COMPREHENSIONS, ast.Attribute, ast.Constant, ast.Name))
        known |= isinstance(node, ast.Return | ast.If | ast.Pass | ast.Raise | ast.Expr)
        known |= isinstance(node, ast.comprehension | ast.Lambda)
        return known and all(map(self.is_pure, _parts(node)))

    def makes(self, call: ast.Call) -> bool:
        """Whether this is a function of Python's, and none of the text's, that makes a value; or a
        method of what is written there."""
        if isinstance(call.func, ast.Attribute) and not self._is_maker(call):
            return called(call) in METHODS and isinstance(call.func.value, ast.Constant)
        return self._is_maker(call)

    def is_pure_code(self, name: str, line: int) -> bool:
        """As `is_pure` of the functions of this name that begin on a line; comprehensions are parts
        of what they stand in."""
        if name in ("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"):
            return True
        if (name, line) not in self._pure:
            self._pure[name, line] = self._is_pure_code(name, line)
        return self._pure[name, line]

    def _is_pure_code(self, name: str, line: int) -> bool:
        if name == "<lambda>":
            inside = [part for one in self.statements.get(line, ()) for part in ast.walk(one)]
            found: list[ast.AST] = [one.body for one in inside if isinstance(one, ast.Lambda)]
        else:
            found = [one for one in self._functions if one.name == name]
        return bool(found) and all(map(self.is_pure, found))

    # ---- what names hold -------------------------------------------------------------------------

    def _bind(self, targets: list[ast.expr], value: ast.expr | None) -> None:
        for target in targets:
            self._given.append((target, value))
            for name in names(target):
                times = MANY if self._depth or value is None else 1
                self._bound[name] = min(MANY, self._bound.get(name, 0) + times)

    def _only(self, known: Callable[[ast.expr], bool]) -> frozenset[str]:
        """Names that get nothing but such values."""
        found = {
            (name, value is not None and known(value))
            for target, value in self._given
            for name in names(target)
        }
        return frozenset(name for name, known in found if known and (name, False) not in found)

    def _is_asked(self, node: ast.expr) -> bool:
        if isinstance(node, ast.Await):
            return self._is_asked(node.value)
        return isinstance(node, ast.Call) and self.asks(node)

    def _lists(self, node: ast.AST) -> bool:
        """Whether all that this is made of is written there."""
        if isinstance(node, ast.Call):
            known = self._is_maker(node) or called(node) in LAZY or called(node) == "parametrize"
            known |= called(node) in METHODS and not self._is_maker(node)
            return known and all(map(self._lists, self._operands(node)))
        return isinstance(node, (*_PARTS, ast.Constant)) and all(map(self._lists, _parts(node)))

    def _is_head(self, node: ast.AST) -> bool:
        """Whether a loop goes over what the text lists, as it lists it: there, or by a name that is
        given it once and stands nowhere else."""
        if isinstance(node, ast.Name):
            return node.id in self._once and self._bound[node.id] == 1 and node.id not in self._used
        if isinstance(node, ast.Call):
            known = self._is_maker(node) or called(node) in LAZY
            return self._lists(node) or (known and all(map(self._is_head, inside(node))))
        return self._lists(node)

    def is_bound_once(self, name: str) -> bool:
        return self._bound.get(name) == 1

    def is_imported(self, name: str) -> bool:
        """Whether the library has this."""
        return name in self._library

    def is_listed(self, name: str) -> bool:
        """Whether a name holds what the text lists, if nobody has changed that."""
        return name in self._listed

    def is_given(self, name: str) -> bool:
        """Whether the solution may be given what this holds."""
        return name in self._parts.given

    def is_theirs(self, name: str) -> bool:
        """Whether the solution has this name."""
        return name in self._parts.free

    # ---- what is called --------------------------------------------------------------------------

    def asks(self, call: ast.Call) -> bool:
        """Whether the solution is called: by a name that is its own, or that always holds an answer
        of it."""
        base = _base(call.func)
        if not isinstance(call.func, ast.Name) and base not in self._bound:
            return isinstance(call.func, ast.Attribute) and self._text.is_free(call.func)
        if base in self._text.parameters:
            return isinstance(call.func, ast.Name) and self._is_candidate(base)
        return self._text.is_free(call.func) or self._holds_answer(base)

    def _is_ask(self, call: ast.Call) -> bool:
        """As `asks`, where that is one call, and no method of what another has answered."""
        is_plain = isinstance(call.func, ast.Name)
        is_plain |= isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name)
        return is_plain and self.asks(call)

    def _holds_answer(self, name: str) -> bool:
        values = [value for target, value in self._given if name in names(target)]
        return bool(values) and all(
            isinstance(value, ast.Call) and name != _base(value.func) and self.asks(value)
            for value in values
        )

    def _is_candidate(self, parameter: str) -> bool:
        """Whether a parameter only ever gets what the solution has by a name, as far as the text
        calls its function."""
        holders = {
            one.name
            for one in self._functions
            if any(isinstance(arg, ast.arg) and arg.arg == parameter for arg in ast.walk(one.args))
        }
        given = [part for one in self._calls if called(one) in holders for part in inside(one)]
        return all(isinstance(part, ast.Name) and self._text.is_free(part) for part in given)

    def receivers(self) -> set[str]:
        """Names of answers by methods of which these might be changed, if they are plain data."""
        return {
            call.func.value.id
            for call in self._calls
            if isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name)
            if not self._makes(call)
            and called(call) not in _CHANGING
            and call.func.value.id in self._bound.keys() - {"self"}
        }

    def _makes(self, call: ast.Call) -> bool:
        is_method = isinstance(call.func, ast.Attribute) and called(call) in METHODS
        return is_method or self._is_maker(call)

    def _is_maker(self, call: ast.Call) -> bool:
        """Whether it is one of Python's or the library's, by its name."""
        base = _base(call.func)
        if called(call) not in MAKERS or base in self._stored:
            return False
        is_builtin = isinstance(call.func, ast.Name) and hasattr(builtins, base)
        return is_builtin or base in self._library or base in text.TOOLS

    def _operands(self, call: ast.Call) -> list[ast.expr]:
        """What a call is given; of a method its object, too."""
        is_method = isinstance(call.func, ast.Attribute) and not self._is_maker(call)
        return [*inside(call), *([call.func.value] if is_method else [])]  # type: ignore[attr-defined]

    # ---- an assertion ----------------------------------------------------------------------------

    def level(self, node: ast.AST, is_own: Callable[[str], bool | None]) -> int:
        """As `Parts.level`, after a change. `is_own` says of a name whether it holds what it held
        before anything was changed; None where nothing is known."""

        def now(name: str) -> int:
            own = is_own(name) if name in self._bound or name in self._library else True
            if own is None:
                return ONE if name in self._answers | self._listed else MIXED
            return OWN if own else ONE

        return self._parts.level_now(node, now)


def asserted(statement: ast.stmt) -> Iterator[ast.AST]:
    """What a statement asserts, each to be decided by itself."""
    if isinstance(statement, ast.Assert):
        yield from _both(statement.test)
    elif isinstance(statement, ast.With):
        yield statement.items[0].context_expr
        yield from (getattr(one, "value", one) for one in statement.body)
    elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        call = statement.value
        if called(call) in ("assertTrue", "assertFalse", "assert_") and call.args:
            yield from _both(call.args[0])
        elif called(call) in _RAISES and len(call.args) > 1:
            yield call.args[0]
            yield ast.Call(call.args[1], call.args[2:], call.keywords)
        elif called(call).startswith("assert"):
            asked = [call.func.value] if isinstance(call.func, ast.Attribute) else []
            mocks = [one for one in asked if ast.unparse(one) not in ("self", "np.testing")]
            yield ast.Compare(ast.Constant(0), [], [*inside(call), *mocks])


def _both(test: ast.expr) -> list[ast.expr]:
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        return [one for value in test.values for one in _both(value)]
    return [test]


def _base(node: ast.AST) -> str:
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def _parts(node: ast.AST) -> list[ast.AST]:
    """What is in a node, apart from what says how it is put together."""
    apart = (ast.operator, ast.unaryop, ast.cmpop, ast.boolop, ast.expr_context, ast.arguments)
    return [one for one in ast.iter_child_nodes(node) if not isinstance(one, apart)]


def _stored(nodes: list[ast.AST]) -> set[str]:
    """Names that a text binds, but by an import or a definition."""
    stored = {one.id for one in nodes if isinstance(one, ast.Name) and type(one.ctx) is ast.Store}
    return stored | {one.arg for one in nodes if isinstance(one, ast.arg)}


def _imported(node: ast.AST) -> Iterator[str]:
    """What an import takes from the library."""
    if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in text.TOOLS:
        yield from (one.asname or one.name for one in node.names)
    elif isinstance(node, ast.Import):
        known = [one for one in node.names if one.name.split(".")[0] in text.TOOLS]
        yield from (one.asname or one.name.split(".")[0] for one in known)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_name(target: ast.expr) -> bool:
    if isinstance(target, ast.Tuple):
        return all(map(_is_name, target.elts))
    return isinstance(target, ast.Name)
