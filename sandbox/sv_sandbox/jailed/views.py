"""What the expressions of a test are worth in one frame, as `changes` follows it: the test's own,
the solution's, or changed by it. Nothing of the test's runs for it.

In: an expression or a statement, as parsed. Out: a level (CLEAN, ANSWER, CHANGED), or whether an
assertion rests on the test's own word (`View.decides`).
"""

from __future__ import annotations

import ast
import builtins
from collections import deque
from collections.abc import Collection, Iterator
from itertools import filterfalse, pairwise
from types import BuiltinFunctionType, CodeType, FrameType, FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any

from .provenance import Provenance, is_reference
from .shapes import names_in
from .statements import LOOPS, TEXT, Statements, is_site, name_of

if TYPE_CHECKING:
    from .changes import Changes

CLEAN, ANSWER, CHANGED = 0, 1, 2

ATOMS = frozenset((int, float, complex, bool, str, bytes, type(None), type(...), range))
APART = (FunctionType, ModuleType, FrameType, CodeType)
"""What they read counts when they run."""
_WRAPPERS = frozenset("enumerate zip reversed list tuple iter".split())
_VIEWS = frozenset("items keys values".split())
_BY_TWO = frozenset("isclose allclose array_equal".split())
_BY_ONE = frozenset("assertTrue assertFalse assertIsNone assertIsNotNone assert_".split())
_EXPECTING = frozenset("assertRaises assertRaisesRegex assertWarns assertWarnsRegex".split())
_SIZED = (int, float, str, bytes, list, tuple, dict, set, frozenset)
_CONTAINERS = (list, dict, set, bytearray, deque)
SPACES = (globals, locals, vars, eval, exec, dir)
"""What leads to names that no expression names."""
_PRINTED = frozenset(("StringIO", "redirect_stdout", "capsys", "capfd"))
_MISSING = object()
_BUILTINS = vars(builtins)


class View:
    """What expressions are worth in one frame, now."""

    def __init__(self, changes: Changes, frame: FrameType):
        self._changes, self._frame = changes, frame
        self._locals: Any = {} if frame.f_locals is frame.f_globals else frame.f_locals
        self._is_lost = changes.is_lost(frame)

    def at_entry(self, but: Collection[str] = ()) -> int:
        """Of all that the function may read, `but` these."""
        names = {*self._locals, *_names_in(self._frame.f_code)} - {*but}
        found = [self._name(name) for name in names if self._has(name)]
        return max(found, default=CLEAN)

    def read_by(self, statement: ast.stmt) -> int:
        """Of what a statement reads itself."""
        level = max(map(self._name, self._changes.statements.reads(statement)), default=CLEAN)
        if level < CHANGED:
            return level
        if isinstance(statement, LOOPS):
            simple = self._items(statement)
            if simple is not None:
                return simple
        found = [self.of(head) for head in Statements.heads(statement)]
        if isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Name):
            found.append(self._name(statement.target.id))
        return max(found, default=CLEAN)

    def _items(self, loop: Any) -> int | None:
        """Of a loop over containers as they are: who only gives items need not be clean inside."""
        depth, source = _depth(loop.target), [loop.iter]
        if type(loop.iter) is ast.Call:
            call = loop.iter
            if type(call.func) is ast.Name and call.func.id in _WRAPPERS and call.args:
                source = call.args
                depth -= call.func.id in ("enumerate", "zip")
            elif type(call.func) is ast.Attribute and call.func.attr in _VIEWS and not call.args:
                source = [call.func.value]
                depth -= call.func.attr == "items"
        found = CLEAN
        for one in source:
            path = self._path(one)
            if path is None:
                return None
            found = max(found, path[0], self._spine(path[1], depth))
        return found

    def _spine(self, value: object, depth: int) -> int:
        if type(value) not in (list, tuple, dict, set, frozenset):
            return self._changes.level(value)
        if self._changes.is_changed(value):
            return CHANGED
        if depth <= 0:
            return CLEAN
        inside: Any = value
        items = inside.values() if type(inside) is dict else inside
        return max((self._spine(one, depth - 1) for one in items), default=CLEAN)

    def of(self, node: ast.AST) -> int:
        """Of an expression."""
        level = max(map(self._name, self._changes.statements.free(node)), default=CLEAN)
        if level < CHANGED or getattr(node, "generators", None) or isinstance(node, ast.Lambda):
            return level
        if isinstance(node, ast.Name | ast.Attribute | ast.Subscript):
            path = self._path(node)
            if path is not None:
                return max(path[0], self._changes.level(path[1]))
        if isinstance(node, ast.Call) and self._is_theirs(node.func):
            return ANSWER
        if isinstance(node, ast.Attribute) and type(node.ctx) is not ast.Load:
            return CLEAN
        if isinstance(node, ast.Subscript) and type(node.ctx) is not ast.Load:
            return self.of(node.slice)
        if isinstance(node, ast.Name):
            return level
        return max(map(self.of, ast.iter_child_nodes(node)), default=CLEAN)

    def _is_theirs(self, function: ast.expr) -> bool:
        """Whether what is called is the solution's."""
        path = self._path(function)
        if path is not None:
            return is_reference(path[1]) or is_reference(getattr(path[1], "__func__", None))
        while isinstance(function, ast.Attribute | ast.Subscript):
            path = self._path(function.value)
            if path is not None:
                return is_reference(path[1])
            function = function.value
        return type(function) is ast.Name

    def _has(self, name: str) -> bool:
        there = name in self._locals or dict.__contains__(self._frame.f_globals, name)
        return there or self._changes.names_of(self._frame, name).get(name, 0) > 0

    def _name(self, name: str) -> int:
        value = self._find(name)
        level = self._changes.names_of(self._frame, name).get(name, CLEAN)
        level = CHANGED if self._is_lost else level
        return max(level, ANSWER if value is _MISSING else self._changes.level(value))

    def _find(self, name: str) -> object:
        """The value of a name; `_MISSING` for one of the solution's."""
        if name in self._locals:
            return self._locals[name]
        found = dict.get(self._frame.f_globals, name, _MISSING)
        return _BUILTINS.get(name, _MISSING) if found is _MISSING else found

    def _path(self, node: ast.AST) -> tuple[int, object] | None:
        """What `name.attribute[0]` is, and of what is on the way; None where that cannot be told
        without running anything."""
        if type(node) is ast.Name:
            value = self._find(node.id)
            level = self._changes.names_of(self._frame, node.id).get(node.id, CLEAN)
            level = CHANGED if self._is_lost else level
            return (level, value) if value is not _MISSING else None
        if type(node) is ast.Constant:
            return CLEAN, node.value
        if not isinstance(node, ast.Attribute | ast.Subscript) or type(node.ctx) is not ast.Load:
            return None
        base = self._path(node.value)
        if base is None or is_reference(base[1]):
            return None
        level = max(base[0], CHANGED * self._changes.is_changed(base[1]))
        if type(node) is ast.Attribute:
            found = _attribute(base[1], node.attr)
        else:
            assert isinstance(node, ast.Subscript)
            key = self._path(node.slice)
            level = max(level, key[0] if key is not None else CLEAN)
            found = _MISSING if key is None else _item(base[1], key[1])
        return None if found is _MISSING else (level, found)

    def may_change(self, statement: ast.AST) -> Iterator[object]:
        """Objects of the test's into which this statement may put what it reads."""
        for node in ast.walk(statement):
            if isinstance(node, ast.Attribute | ast.Subscript) and type(node.ctx) is ast.Store:
                yield from self._holders(node.value)
            elif type(node) is ast.Call and self._may_change(node.func):
                if name_of(node) == "setattr" and node.args:
                    yield from self._holders(node.args[0])
                if isinstance(node.func, ast.Attribute):
                    yield from filterfalse(_is_fixed, self._holders(node.func.value))
                given = [*node.args, *(one.value for one in node.keywords)]
                for path in filter(None, map(self._path, given)):
                    if not _is_fixed(path[1]):
                        yield path[1]

    def _holders(self, node: ast.expr) -> Iterator[object]:
        """What is stored into; where that cannot be told, whatever it is reached from."""
        path = self._path(node)
        if path is not None and not isinstance(path[1], ModuleType):
            yield path[1]
            return
        if path is not None:
            self._changes.lose()  # its names are read as they are
        for name in self._changes.statements.free(node):
            if not _is_fixed(self._find(name)):
                yield self._find(name)
        calls = [one.func for one in ast.walk(node) if type(one) is ast.Call]
        for called in map(self._path, calls):
            if called is None or _is_tests(called[1]) or called[1] in SPACES:
                self._changes.lose()

    def _may_change(self, function: ast.expr) -> bool:
        path = self._path(function)
        if path is None:
            return not self._is_theirs(function)
        if path[1] is print and not _PRINTED.isdisjoint(self._changes.statements.text.names):
            self._changes.lose()
        is_pure = type(function) is ast.Name and function.id in _BUILTINS
        is_pure = is_pure and path[1] not in (setattr, delattr)
        return not (is_pure or is_reference(path[1]) or _is_tests(path[1]))

    def calls(self, call: ast.Call, code: CodeType) -> bool:
        """Whether this is a call of the function with this code."""
        path = self._path(call.func)
        called: Any = path[1] if path is not None else None
        if isinstance(called, type):
            called = names_in(called).get("__init__")
        return getattr(getattr(called, "__func__", called), "__code__", None) is code

    def given(self, call: ast.Call, code: CodeType, has_read: bool) -> list[str]:
        """The parameters that get something made of what was changed."""
        path = self._path(call.func)
        bound = path is not None and isinstance(path[1], type | MethodType)
        names = code.co_varnames[bound : code.co_argcount + code.co_kwonlyargcount]
        pairs = [*zip(names, call.args, strict=False)]
        pairs += [(one.arg or "", one.value) for one in call.keywords]
        made = [name for name, value in pairs if self._is_made_by(value, has_read)]
        unpacked = len(call.args) > len(names) or not {*made} <= {*names}
        if unpacked or any(isinstance(one, ast.Starred) for one in call.args):
            return [*code.co_varnames]
        return made

    def _is_made_by(self, node: ast.expr, has_read: bool) -> bool:
        return self.of(node) == CHANGED or (has_read and self._runs_tests(node))

    def decides(self, asserted: ast.expr, has_read: bool) -> bool:
        """Whether what is asserted rests on nothing changed, or compares it with something
        clean."""
        names = self._changes.statements.free(asserted)
        if not has_read and max(map(self._name, names), default=CLEAN) < CHANGED:
            return True
        if isinstance(asserted, ast.BoolOp):
            is_or = isinstance(asserted.op, ast.Or)
            if is_or and any(map(self._is_container, asserted.values)):
                return False  # which of them counts is the solution's choice
            return all(self.decides(one, has_read) for one in asserted.values)
        if isinstance(asserted, ast.UnaryOp):
            return self.decides(asserted.operand, has_read)
        if self._is_container(asserted):
            return True  # it is empty, or not
        if isinstance(asserted, ast.Compare):
            sides = [asserted.left, *asserted.comparators]
            return all(self._rests([*pair], has_read) for pair in pairwise(sides))
        if isinstance(asserted, ast.Call):
            name = name_of(asserted)
            given = [*asserted.args, *(one.value for one in asserted.keywords)]
            if name in _EXPECTING:
                return True
            if is_site(asserted) and given:
                if len(given) == 1 or name in _BY_ONE:
                    return self.decides(given[0], has_read)
                return self._rests(given[:2], has_read)
            if name in _BY_TWO and len(given) > 1:
                return self._rests(given[:2], has_read)
        return self._rests([asserted], has_read)

    def _is_container(self, node: ast.expr) -> bool:
        while isinstance(node, ast.UnaryOp):
            node = node.operand
        path = self._path(node)
        is_made = path is None or path[0] or self._changes.is_derived(path[1])
        return path is not None and not is_made and type(path[1]) in _CONTAINERS

    def _rests(self, sides: list[ast.expr], has_read: bool) -> bool:
        """Whether nothing changed is compared, or one of two sides is the test's own word."""
        levels = [self.of(side) for side in sides]
        if max(levels) < CHANGED and not has_read:
            return True
        if len(sides) < 2 or not any(
            level == CLEAN and self._is_word(side, has_read)
            for side, level in zip(sides, levels, strict=True)
        ):
            return False
        if any(map(self._holds_both, sides)):
            return False
        mixed = has_read or any(map(self._is_mixed, sides))
        return not (mixed and any(map(self._is_common, sides)))

    def _is_common(self, side: ast.expr) -> bool:
        """Whether anybody would guess this: nothing, a yes or no, or what the text makes of one."""
        if isinstance(side, ast.Call):
            return not (side.args or side.keywords) and not self._is_theirs(side.func)
        if isinstance(side, ast.List | ast.Tuple | ast.Dict):
            return not list(ast.iter_child_nodes(side))[isinstance(side, ast.List | ast.Tuple) :]
        path = self._path(side)
        if path is None or path[0] == CHANGED or self._changes.level(path[1]) == CHANGED:
            return False
        value: Any = path[1]
        if type(value) in ATOMS and not isinstance(value, range):
            is_named = not isinstance(side, ast.Constant)
            if self._changes.statements.bare[type(value), value] > is_named:
                return True
        return type(value) is bool or value is None or (type(value) in _SIZED and not value)

    def _holds_both(self, side: ast.expr) -> bool:
        """Whether an answer is measured by what was changed (`abs(f(xs) - sum(xs))`): what comes of
        it is the solution's choice. `nums[:k]` only chooses."""
        if self.of(side) < CHANGED or isinstance(side, ast.Subscript):
            return False
        return {ANSWER, CHANGED} <= {*self._leaves(side)}

    def _leaves(self, node: ast.AST) -> Iterator[int]:
        """Levels of what an expression is made of; what a call is given is not."""
        if isinstance(node, ast.Call) and self._is_theirs(node.func):
            yield ANSWER
        elif isinstance(node, ast.Name):
            yield self._name(node.id)
        else:
            for child in ast.iter_child_nodes(node):
                yield from self._leaves(child)

    def _is_mixed(self, side: ast.expr) -> bool:
        """Whether the test has made this of what was changed, and not only looked at it."""
        if self.of(side) < CHANGED:
            return False
        names = self._changes.statements.free(side)
        levels = {self._name(name) for name in names}
        if {ANSWER, CHANGED} <= levels:
            return True
        return any(map(self._is_made, names))

    def _is_made(self, name: str) -> bool:
        known = self._changes.names_of(self._frame, name).get(name, CLEAN)
        return known == CHANGED or self._is_lost or self._changes.is_derived(self._find(name))

    def _is_word(self, side: ast.expr, has_read: bool) -> bool:
        """Whether this side is the test's own word."""
        if self._changes.statements.text.is_answer(side, True):
            return False
        return not (has_read and self._runs_tests(side))

    def _runs_tests(self, node: ast.expr) -> bool:
        """Whether evaluating, or comparing, this may run code of the test's."""
        calls = [one.func for one in ast.walk(node) if type(one) is ast.Call]
        names = [one for one in ast.walk(node) if type(one) is ast.Name]
        paths = [self._path(one) for one in (*calls, *names)]
        return any(path is None or self._runs(path[1]) for path in paths)

    def _runs(self, value: object) -> bool:
        """Whether using this value may run code of the test's."""
        reached = (_is_tests(type(one)) for one in self._changes.reached(value))
        return _is_tests(value) or _is_tests(type(value)) or any(reached)


def _is_tests(called: object) -> bool:
    """Whether this is code of the test's, which is followed itself."""
    function = called.__func__ if type(called) is MethodType else called
    if isinstance(function, type):
        return bool(names_in(function).get("__module__") == "test")
    return type(function) is FunctionType and function.__code__.co_filename == TEXT


def _is_fixed(value: object) -> bool:
    kind = type(value)
    fixed = (*APART, type, MethodType, BuiltinFunctionType, tuple)
    return kind in ATOMS or issubclass(kind, fixed) or is_reference(value) or kind is Provenance


def _names_in(code: CodeType) -> set[str]:
    found = set(code.co_names)
    for const in code.co_consts:
        if type(const) is CodeType:
            found |= _names_in(const)
    return found


def _depth(target: ast.expr) -> int:
    if not isinstance(target, ast.Tuple | ast.List):
        return 0
    return 1 + max(map(_depth, target.elts), default=0)


def _attribute(value: object, name: str) -> object:
    """An attribute that no code computes."""
    if type(value) is ModuleType:
        return vars(value).get(name, _MISSING)
    if isinstance(value, type):
        found = names_in(value).get(name, _MISSING)
        return found if not hasattr(type(found), "__get__") else _MISSING
    try:
        held = object.__getattribute__(value, "__dict__")
    except AttributeError:
        held = None
    if type(held) is dict and name in held:
        return held[name]
    for one in type(value).__mro__:
        if name in names_in(one):
            found = names_in(one)[name]
            if type(found) is FunctionType:
                return MethodType(found, value)
            return found if not hasattr(type(found), "__get__") else _MISSING
    return _MISSING


def _item(value: Any, key: Any) -> object:
    try:
        if type(value) in (list, tuple) and type(key) is int:
            return value[key]
        if type(value) is dict and type(key) in ATOMS:
            return value.get(key, _MISSING)
    except LookupError:
        pass
    return _MISSING
