"""Of what parts an expression of a test is made: its level (`levels`).

A whitelist: what is not on it is MIXED, if anything of the solution's is in it. Pure.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from typing import Any

from .levels import GATHERING, MIXED, ONE, OWN, REFLECTING, SAFE, SEVERAL, Levels
from .nodes import called, called_by, inside, parameters

MAKERS = frozenset(
    "abs all any bin bool bytearray bytes callable chr complex date datetime deepcopy copy"
    " dict divmod enumerate filter float frozenset hash hex int isinstance issubclass iter len"
    " list map max min next oct ord pow range repr reversed round set sorted str sum timedelta"
    " tuple type zip allclose approx array array_equal asarray ceil fabs floor fsum gcd"
    " isclose isfinite isinf isnan prod sqrt chain islice dumps loads Counter Decimal Fraction"
    " OrderedDict deque gather run wait_for".split()
)
"""What makes a value of its arguments, and reads nothing else."""
TEMPLATES = frozenset("format format_map substitute safe_substitute vformat".split())
"""What reads its arguments by the text that it is a method of."""
_SIDE_BY_SIDE = frozenset(
    "list tuple sorted set frozenset dict array deque run wait_for gather iter".split()
)
_SUMMING = frozenset(("all", "sum"))
_CHOOSING = frozenset(("get", "pop", "setdefault"))
"""Methods that give their last argument where there is nothing else."""
_HARMLESS = frozenset("maxsize float_info version_info path platform stdout stderr stdin".split())
_OF_ERRORS = frozenset("__notes__ __cause__ __context__ __suppress_context__".split())
_SPACES = frozenset(("globals", "vars", "locals"))
_PRINTED = frozenset("getvalue readouterr read readline readlines read_text".split())
_TELLING = frozenset("capsys capfd caplog recwarn".split())
"""Fixtures that tell what the solution has printed, logged, warned."""
_EXACT = (ast.Eq, ast.NotEq, ast.Is, ast.IsNot, ast.In, ast.NotIn)
"""What NaN, which is not less and not more, decides as well; the others stand only where they are
asserted themselves."""


class Expressions(Levels):
    """Of one test's text."""

    def level(self, node: ast.AST | None) -> int:
        """Of what parts an expression is made."""
        if node is None or type(node) is ast.Constant or node in self.literals:
            return OWN
        do = _LEVELS.get(type(node))
        if do is not None:
            return do(self, node)
        parts = [one for one in ast.iter_child_nodes(node) if isinstance(one, ast.expr)]
        return MIXED if any(map(self.level, parts)) else OWN

    def _name(self, node: ast.Name) -> int:
        if node.id in ("self", "cls"):
            return self.selves
        known = ONE if node.id in self.free or node.id in _TELLING else OWN
        for function in self.functions.get(node.id, ()):  # given to whoever calls it
            for name in parameters(function):
                self.bind(ast.Name(name), ONE)
            known = max(known, self.returned.get(node.id, OWN))
        return max(self.levels.get(node.id, OWN), self.holders.get(node.id, OWN), known)

    def _attribute(self, node: ast.Attribute) -> int:
        if isinstance(node.value, ast.Name) and node.value.id in self.reflecting - self.stored:
            if node.attr == "modules":
                self.free.add("sys.modules")
                return ONE
            return OWN if node.attr in _HARMLESS else MIXED
        is_special = node.attr[:2] == "__" and node.attr not in _OF_ERRORS
        if node.attr in REFLECTING | TEMPLATES or is_special:
            return OWN if node.attr in ("__name__", "__doc__", "__version__") else MIXED
        return max(self._bare(node), self.holders.get(f".{node.attr}", OWN))

    def _bare(self, node: ast.AST) -> int:
        """As `level`, where what attributes of it hold is apart: one of them is asked for."""
        if isinstance(node, ast.Attribute):
            known = self.levels.get(f".{node.attr}", OWN), self.returned.get(node.attr, OWN)
            return max(self._bare(node.value), *known)
        if isinstance(node, ast.Name) and node.id in self.holders:
            return self.levels.get(node.id, OWN)
        return self.level(node)

    def _subscript(self, node: ast.Subscript) -> int:
        of = self.level(node.value)
        if of:
            self.give_to_them([node.slice])
        if self.level(node.slice):
            return MIXED
        return ONE if of == SEVERAL and not isinstance(node.slice, ast.Slice) else of

    def _slice(self, node: ast.Slice) -> int:
        return max(map(self.level, (node.lower, node.upper, node.step)))

    def _display(self, node: ast.List | ast.Tuple | ast.Set | ast.Dict) -> int:
        parts = [*node.keys, *node.values] if isinstance(node, ast.Dict) else node.elts
        found = max(map(self.level, parts), default=OWN)
        if not found and all(type(one) is ast.Constant or one in self.literals for one in parts):
            self.literals.add(node)
        if any(isinstance(one, ast.UnaryOp) and self.level(one) for one in parts):
            return MIXED  # they may make up for each other
        return SEVERAL if found == ONE else found

    def _compare(self, node: ast.Compare) -> int:
        parts = [self.level(one) for one in (node.left, *node.comparators)]
        is_loose = node not in self.asserted and not all(
            isinstance(one, _EXACT) for one in node.ops
        )
        if max(parts) == MIXED or sum(map(bool, parts)) > 1 or (is_loose and any(parts)):
            return MIXED
        return min(ONE, max(parts))

    def _bool(self, node: ast.BoolOp) -> int:
        levels = [self.level(one) for one in node.values]
        if not any(levels):
            return OWN
        theirs = [one for one in node.values if self.level(one)]
        compared = {ast.dump(one.left) for one in theirs if isinstance(one, ast.Compare)}
        is_one = isinstance(node.op, ast.And) or len(compared) == 1
        return (
            max(levels) if is_one and all(isinstance(one, ast.Compare) for one in theirs) else MIXED
        )

    def _unary(self, node: ast.UnaryOp) -> int:
        level = self.level(node.operand)
        return MIXED if level == SEVERAL else level

    def _binary(self, node: ast.BinOp) -> int:
        left, right = self.level(node.left), self.level(node.right)
        if isinstance(node.op, ast.Mod) and left:  # a text with places, perhaps
            number = isinstance(node.right, ast.Constant) and not isinstance(node.right.value, str)
            return left if number and left == ONE else MIXED
        return put([left, right])

    def _text_of(self, node: ast.JoinedStr) -> int:
        return put([self.level(one) for one in node.values])

    def _formatted(self, node: ast.FormattedValue) -> int:
        return MIXED if self.level(node.format_spec) else self.level(node.value)

    def _comprehension(
        self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
    ) -> int:
        over = OWN
        for one in node.generators:
            self.give_items(one.target, one.iter)
            level = self.level(one.iter)
            if any(map(self.level, one.ifs)) or (over and level) or self.is_to_be_filled(one.iter):
                return MIXED
            over = max(over, level)
        elements = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        made = max(map(self.level, elements))
        if MIXED in (made, over):
            return MIXED
        return max(made, over) if over else (SEVERAL if made else OWN)

    def _lambda(self, node: ast.Lambda) -> int:
        for name in parameters(node):
            self.bind(ast.Name(name), ONE)
        return self.level(node.body)

    def _inner(self, node: ast.Await | ast.Starred) -> int:
        return self.level(node.value)

    def _walrus(self, node: ast.NamedExpr) -> int:
        self.give(node.target, node.value)
        return self.level(node.value)

    def _yield(self, node: ast.Yield | ast.YieldFrom) -> int:
        level = self.level(node.value)
        self.raise_to(self.returned, self.function, SEVERAL if level == ONE else level)
        return ONE  # what is sent to it

    def assertion(self, call: ast.Call, name: str) -> int:
        """A call of an assertion's method: `parts` looks at it."""
        return OWN

    # ---- calls -----------------------------------------------------------------------------------

    def _call(self, node: ast.Call) -> int:
        name, func = called(node), node.func
        if isinstance(func, ast.Name):
            return self._call_name(node, func)
        given = [self.level(one) for one in inside(node)]
        if not isinstance(func, ast.Attribute):
            before = self.level(func)
            return (
                ONE if before == ONE and not any(given) else MIXED if before or any(given) else OWN
            )
        if name == "import_module" and not any(given):
            self.free.add("import_module()")
            return ONE
        if name == "parametrize" or any(one.arg == "params" for one in node.keywords):
            told = [one for one in inside(node) if self.level(one)]
            if any(not isinstance(one, ast.List | ast.Tuple) or _is_open(one) for one in told):
                self.mix("a loop over an answer")
        before = max(self.level(func.value), self.levels.get(f".{name}", OWN))
        if name.startswith("assert") and not self.defines(name):
            return self.assertion(node, name)
        if name in self.reflecting or before == MIXED or (name in TEMPLATES and before):
            return MIXED
        if name in self.functions and not before:  # a method of the text's
            self._pass(name, node)
            return max(before, *given, self.returned.get(name, OWN), OWN)
        if name in _PRINTED and not before:
            return ONE
        if name in GATHERING and before in (OWN, SEVERAL):
            return self._gather(func.value, name, max(given, default=OWN))
        if name in MAKERS and not before:
            return self._make(node, name)
        self.give_to_them(inside(node) if before else [])
        if not any(given):
            chooses = name in _CHOOSING and len(given) > 1
            return MIXED if chooses or before == SEVERAL else before
        return put(given) if name == "join" and not before else MIXED

    def _gather(self, into: ast.expr, name: str, given: int) -> int:
        """`own.append(answer)`: it is there, and gives nothing."""
        self.change(into, given and (SEVERAL if name in SAFE and given < MIXED else MIXED))
        return given and ONE

    def _call_name(self, node: ast.Call, func: ast.Name) -> int:
        name = func.id
        if name in self.functions and not self.levels.get(name) and name not in self.free:
            self._pass(name, node)
            if any(isinstance(one, ast.ClassDef) for one in self.functions[name]):
                self._pass("__init__", node)
                return MIXED if any(map(self.level, inside(node))) else OWN
            return self.returned.get(name, OWN)
        if self.level(func) or name in sys.stdlib_module_names - self.imported - self.stored:
            self.give_to_them(inside(node))
            self.free.add(name)
            return ONE if self.level(func) <= ONE else MIXED  # whatever it is given
        if name in MAKERS - self.renamed and name not in self.stored:
            return self._make(node, name)
        given = [self.level(one) for one in inside(node)]
        if name in self.stored:
            return MIXED if any(given) else OWN
        if name in _SPACES and not given:
            self.free.add(f"{name}()")  # it may be asked for anything
            return ONE
        if name == "getattr" and len(given) == 2 and not given[1]:
            known = [level for one, level in self.levels.items() if one[:1] == "."]
            return max(given[0], *known, OWN)
        return MIXED if any(given) or name in self.reflecting else OWN

    def _make(self, node: ast.Call, name: str) -> int:
        """What a function of Python's makes of its arguments."""
        functions = called_by(node)
        given = [self.level(one) for one in inside(node) if one not in functions]
        has_default = any(one.arg == "default" for one in node.keywords)
        if any(given) and (has_default or (name == "next" and len(given) > 1)):
            return MIXED
        for function in functions:
            made = self._applied(function, max(given, default=OWN))
            if made == MIXED or (made and name == "filter" and not any(given)):
                return MIXED
            if made and not any(given):
                return SEVERAL if name == "map" else MIXED
        if any(given):
            self.give_to_them(inside(node))
        if name in ("isinstance", "issubclass") and given[0] <= ONE:
            return ONE if given[0] or any(given) else OWN
        if len(given) == 1 and given[0] == SEVERAL:
            return SEVERAL if name in _SIDE_BY_SIDE else ONE if name in _SUMMING else MIXED
        if name == "gather" and max(given, default=OWN) < MIXED:
            return SEVERAL if any(given) else OWN
        if name in ("max", "min") and len(given) > 1 and any(given):
            return MIXED  # NaN is neither
        return put(given)

    def _applied(self, function: ast.expr, to: int) -> int:
        """What a function that Python's is given to call makes of such items."""
        name = getattr(function, "attr", getattr(function, "id", ""))
        if isinstance(function, ast.Lambda):
            for one in parameters(function):
                self.bind(ast.Name(one), min(ONE, to))
            return self.level(function.body)
        if name in self.functions:
            return max(self.level(function), to)
        if self.level(function):
            return ONE if self.level(function) == ONE and not to else MIXED
        known = name in MAKERS or isinstance(function, ast.Constant)
        return to if known else MIXED

    def _pass(self, name: str, call: ast.Call) -> None:
        """What the parameters of a function of the text's get here; what it changes of them."""
        for function in self.functions.get(name, ()):
            names = parameters(function)[int(function in self.methods) :]
            words = {word.arg: word.value for word in call.keywords}
            given = getattr(function, "args", None)
            is_plain = not (given and (given.vararg or given.kwarg)) and words.keys() <= {*names}
            is_plain &= not any(isinstance(one, ast.Starred) for one in call.args)
            is_plain &= len(call.args) <= len(names)
            spread = [one.value for one in call.args if isinstance(one, ast.Starred)]
            spread += [one.value for one in call.keywords if one.arg is None]
            if any(map(self.level, spread)):
                self.mix("an answer that says which arguments there are")
            for at, one in enumerate(names):
                mine = call.args[at : at + 1] or ([words[one]] if one in words else [])
                mine = mine if is_plain else inside(call)  # in doubt each gets all
                self.bind(ast.Name(one), max(map(self.level, mine), default=OWN))
                for value in mine:
                    self.alias(ast.Name(one), value)


_LEVELS: dict[type, Callable[[Expressions, Any], int]] = {
    ast.Name: Expressions._name,
    ast.Attribute: Expressions._attribute,
    ast.Subscript: Expressions._subscript,
    ast.Slice: Expressions._slice,
    **dict.fromkeys((ast.List, ast.Tuple, ast.Set, ast.Dict), Expressions._display),
    **dict.fromkeys((ast.ListComp, ast.SetComp, ast.DictComp), Expressions._comprehension),
    ast.GeneratorExp: Expressions._comprehension,
    ast.Compare: Expressions._compare,
    ast.BoolOp: Expressions._bool,
    ast.UnaryOp: Expressions._unary,
    ast.BinOp: Expressions._binary,
    ast.JoinedStr: Expressions._text_of,
    ast.FormattedValue: Expressions._formatted,
    ast.Lambda: Expressions._lambda,
    ast.Await: Expressions._inner,
    ast.Starred: Expressions._inner,
    ast.NamedExpr: Expressions._walrus,
    ast.Yield: Expressions._yield,
    ast.YieldFrom: Expressions._yield,
    ast.Call: Expressions._call,
}


def _is_open(display: ast.List | ast.Tuple) -> bool:
    return any(isinstance(one, ast.Starred) for one in display.elts)


def put(levels: list[int]) -> int:
    """Of what is made of several parts."""
    theirs = [one for one in levels if one]
    if not theirs:
        return OWN
    return ONE if theirs == [ONE] else MIXED
