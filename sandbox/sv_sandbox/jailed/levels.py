"""Of what parts an expression of a test is made: the test's own, and the solution's.

In: a test's text. Out: `Levels`, which knows the level of each name and expression:

    OWN      nothing of the solution is in it
    ONE      one answer, or what Python's functions, the test's own data and this answer make
    SEVERAL  answers side by side, each by itself
    MIXED    anything else

Names have the highest level that they are given anywhere in the text, whatever their scope; an
attribute, an item and what is another name of it likewise. `parts` goes through the statements,
again and again until nothing is new. Pure: nothing of the test's runs here.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Set
from typing import Any, NamedTuple

from .nodes import called, called_by, free, imported_from, inside, parameters, root
from .once import is_listed

OWN, ONE, SEVERAL, MIXED = 0, 1, 2, 3

MAKERS = frozenset(
    "abs all any bin bool bytearray bytes callable chr complex date datetime deepcopy copy"
    " dict divmod enumerate filter float frozenset hash hex int isinstance issubclass iter len"
    " list map max min next oct ord pow range repr reversed round set sorted str sum timedelta"
    " tuple type zip allclose approx array array_equal asarray ceil fabs floor fsum gcd"
    " isclose isfinite isinf isnan prod sqrt chain islice dumps loads Counter Decimal Fraction"
    " OrderedDict deque gather run wait_for".split()
)
"""What makes a value of its arguments, and reads nothing else."""
METHODS = frozenset(
    "copy count decode encode get index items keys tolist values upper lower strip lstrip"
    " rstrip split join splitlines startswith endswith replace isdigit isalpha isupper islower"
    " isspace title isoformat sum mean min max any all round find union intersection"
    " difference issubset most_common total_seconds date time astype flatten ravel item shape"
    " bit_length capitalize swapcase zfill partition is_integer group groups".split()
)
"""Methods of plain data that do the same with their object."""
TEMPLATES = frozenset("format format_map substitute safe_substitute vformat".split())
"""What reads its arguments by the text that it is a method of."""
_REFLECTING = frozenset(
    "globals vars locals getattr eval exec compile __import__ import_module sys inspect gc"
    " importlib builtins ctypes __main__ setattr delattr attrgetter methodcaller dir"
    " getfixturevalue".split()
)
"""What reads or changes what a text names."""
DOCTESTS = frozenset(("get_doctest", "testmod", "run_docstring_examples"))
"""What has examples run, and compares what is printed."""
_SIDE_BY_SIDE = frozenset(
    "list tuple sorted set frozenset dict array deque run wait_for gather iter".split()
)
_SUMMING = frozenset(("all", "sum", "max", "min"))
_JOINING = frozenset(("join", "union", "intersection", "difference"))
"""Methods of the test's own data that an answer may be given to."""
_CHOOSING = frozenset(("get", "pop", "setdefault"))
"""Methods that give their last argument where there is nothing else."""
_SPACES = frozenset(("globals", "vars", "locals"))
_PRINTED = frozenset("getvalue readouterr read readline readlines read_text".split())
_TELLING = frozenset("capsys capfd caplog recwarn".split())
"""Fixtures that tell what the solution has printed, logged, warned."""
_SAFE = frozenset(("append", "add", "appendleft", "extend"))
_GATHERING = _SAFE | {"insert", "update"}
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_EXACT = (ast.Eq, ast.NotEq, ast.Is, ast.IsNot, ast.In, ast.NotIn)
_Function = ast.FunctionDef | ast.AsyncFunctionDef


class Changed(NamedTuple):
    """What the solution has changed in place, by the names that lead there."""

    theirs: Set[str] = frozenset()
    settled: Set[str] = frozenset()
    """Names that held their only value before."""
    heads: Set[str] = frozenset()
    """Names of lists whose items are met once (`once.heads`)."""


class Levels:
    """Of one test's names and expressions."""

    def __init__(
        self,
        source: str,
        nodes: list[ast.AST],
        entry_point: str | None,
        modules: Set[str],
        changed: Changed,
    ):
        """`nodes`: all of its tree; `entry_point` is the solution's, whatever the name, and so are
        `modules` beside it."""
        self.free = free(source) | ({entry_point} if entry_point else set())
        self.levels: dict[str, int] = {}
        self.functions: dict[str, list[_Function | ast.ClassDef]] = {}
        self.returned: dict[str, int] = {}
        """By the name of a function, what it gives."""
        self.is_new = True
        self.function = ""
        """The function at hand, and whether a class's body is, and the level of its `self`."""
        self.is_class_body = False
        self.selves = OWN
        self.why = ""
        self.given: set[str] = set()
        """Names of what the solution is given."""
        self.stored: set[str] = set()
        self._imported: set[str] = set()
        self._renamed: set[str] = set()
        self._makers: set[str] = set()
        """Names that are given a function of Python's, and such as are given anything else."""
        self._others: set[str] = set()
        self._reflecting = {*_REFLECTING}
        self.aliases: dict[str, set[str]] = {}
        self._changed: set[str] = {*changed.theirs}
        """Names of objects that are changed in place."""
        self._settled, self.heads = changed.settled, changed.heads
        self.levels.update(dict.fromkeys(changed.theirs, ONE))
        self.rebound: set[str] = set()
        """Names that a function binds for others."""
        self._literals: set[ast.AST] = set()
        for one in nodes:
            if isinstance(one, ast.Name) and type(one.ctx) is not ast.Load:
                self.stored.add(one.id)
            elif isinstance(one, ast.arg):
                self.stored.add(one.arg)
            elif isinstance(one, ast.Global | ast.Nonlocal):
                self.rebound.update(one.names)
            elif isinstance(one, (*_FUNCTIONS, ast.ClassDef)):
                self.functions.setdefault(one.name, []).append(one)
            elif isinstance(one, ast.Import | ast.ImportFrom):
                self._imported.update(known.asname or known.name for known in one.names)
                renamed = {known.asname: known.name for known in one.names if known.asname}
                self._renamed |= renamed.keys()
                self._reflecting |= {to for to, of in renamed.items() if of in _REFLECTING}
                self.free.update(imported_from(one, {"solution", *modules}))

    def mix(self, why: str) -> None:
        """A pass proves nothing any more."""
        self.why = self.why or why

    # ---- names -----------------------------------------------------------------------------------

    def raise_to(self, levels: dict[str, int], name: str, level: int) -> None:
        if level > levels.get(name, OWN):
            levels[name] = level
            self.is_new = True

    def bind(self, target: ast.expr, level: int) -> None:
        """This is given to a target of an assignment or a loop."""
        if isinstance(target, ast.Name):
            if target.id not in self._settled:
                self.raise_to(self.levels, target.id, level)
            if self.is_class_body:
                self.raise_to(self.levels, f".{target.id}", level)
        elif isinstance(target, ast.Attribute):
            self.raise_to(self.levels, f".{target.attr}", level)
            self.change(target.value, level if level > ONE else OWN)
        elif isinstance(target, ast.Subscript):
            level = SEVERAL if level == ONE else level
            self.change(target.value, MIXED if self.level(target.slice) else level)
        elif isinstance(target, ast.Starred):
            self.bind(target.value, level)
        elif isinstance(target, ast.Tuple | ast.List):
            for one in target.elts:
                self.bind(one, ONE if level == SEVERAL else level)
        elif level:
            self.mix("an answer that is kept elsewhere")

    def change(self, node: ast.expr, level: int) -> None:
        """An object is changed in place, and has this level now, by whatever name."""
        name = root(node)
        if not name:
            if level:
                self.mix("an answer that is kept elsewhere")
            return
        self._changed.add(name)
        waiting, seen = [name], {name}
        while waiting:
            one = waiting.pop()
            self.raise_to(self.levels, one, level)
            new = self.aliases.get(one, set()) - seen
            seen |= new
            waiting += new

    def alias(self, target: ast.expr, value: ast.expr) -> None:
        """These may be one object, or one in the other."""
        for one in ast.walk(target):
            names = root(one), root(value)
            is_apart = not self._settled.isdisjoint(names) or names[1] in self.heads
            if isinstance(one, ast.Name) and all(names) and names[0] != names[1] and not is_apart:
                for a, b in (names, names[::-1]):
                    self.aliases.setdefault(a, set()).add(b)
                    if b in self._changed:
                        self.raise_to(self.levels, a, self.levels.get(b, OWN))

    def give(self, target: ast.expr, value: ast.expr) -> None:
        """`target = value`."""
        if isinstance(target, ast.Tuple | ast.List) and isinstance(value, ast.Tuple | ast.List):
            if len(target.elts) == len(value.elts):
                for one, part in zip(target.elts, value.elts, strict=True):
                    self.give(one, part)
                return
        self.alias(target, value)
        self.bind(target, self.level(value))
        if isinstance(target, ast.Name):
            is_maker = isinstance(value, ast.Name) and value.id in MAKERS - self.stored
            (self._makers if is_maker else self._others).add(target.id)

    def give_items(self, target: ast.expr, iterable: ast.expr) -> None:
        """`for target in iterable`."""
        if isinstance(iterable, ast.Call) and isinstance(target, ast.Tuple):
            name, given, parts = called(iterable), iterable.args, target.elts
            if name == "zip" and len(given) == len(parts):
                for one, part in zip(parts, given, strict=True):
                    self.give_items(one, part)
                return
            if name == "enumerate" and len(parts) == 2 and given:
                self.bind(parts[0], OWN)
                self.give_items(parts[1], given[0])
                return
        level = self.level(iterable)
        self.alias(target, iterable)
        if not root(iterable) and not is_listed(iterable):
            for one in target.elts if isinstance(target, ast.Tuple) else ():
                self.alias(target, one)  # one object may be in it twice
        self.bind(target, ONE if level == SEVERAL else level)

    def defines(self, name: str) -> bool:
        """Whether the text says itself what this name stands for."""
        return name in self.functions or name in self.stored

    def give_to_them(self, nodes: list[ast.expr]) -> None:
        """The solution gets these."""
        names = [one.id for node in nodes for one in ast.walk(node) if isinstance(one, ast.Name)]
        self.given.update(names)

    # ---- expressions -----------------------------------------------------------------------------

    def level(self, node: ast.AST | None) -> int:
        """Of what parts an expression is made."""
        if node is None or type(node) is ast.Constant or node in self._literals:
            return OWN
        do = _LEVELS.get(type(node))
        return MIXED if do is None else do(self, node)

    def _name(self, node: ast.Name) -> int:
        if node.id in ("self", "cls"):
            return self.selves
        known = ONE if node.id in self.free or node.id in _TELLING else OWN
        for function in self.functions.get(node.id, ()):  # given to whoever calls it
            for name in parameters(function):
                self.bind(ast.Name(name), ONE)
            known = max(known, self.returned.get(node.id, OWN))
        return max(self.levels.get(node.id, OWN), known)

    def _attribute(self, node: ast.Attribute) -> int:
        if isinstance(node.value, ast.Name) and node.value.id in self._reflecting - self.stored:
            if node.attr == "modules":
                self.free.add("sys.modules")
                return ONE
            return OWN if node.attr in ("maxsize", "float_info", "version_info") else MIXED
        if node.attr in _REFLECTING | TEMPLATES or node.attr[:2] == "__":
            return OWN if node.attr in ("__name__", "__doc__", "__version__") else MIXED
        known = self.levels.get(f".{node.attr}", OWN), self.returned.get(node.attr, OWN)
        return max(self.level(node.value), *known)

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
        if not found and all(type(one) is ast.Constant or one in self._literals for one in parts):
            self._literals.add(node)
        if any(isinstance(one, ast.UnaryOp) and self.level(one) for one in parts):
            return MIXED  # they may make up for each other
        return SEVERAL if found == ONE else found

    def _compare(self, node: ast.Compare) -> int:
        parts = [self.level(one) for one in (node.left, *node.comparators)]
        if max(parts) == MIXED or sum(map(bool, parts)) > 1:
            return MIXED
        return min(ONE, max(parts))

    def _bool(self, node: ast.BoolOp) -> int:
        levels = [self.level(one) for one in node.values]
        are_comparisons = all(isinstance(one, ast.Compare) for one in node.values)
        return max(levels) if are_comparisons or not any(levels) else MIXED

    def _unary(self, node: ast.UnaryOp) -> int:
        level, of = self.level(node.operand), node.operand
        is_loose = isinstance(of, ast.Compare) and not isinstance(of.ops[0], _EXACT)
        if level and isinstance(node.op, ast.Not) and is_loose:  # NaN is not less, and not more
            return MIXED
        return MIXED if level == SEVERAL else level

    def _binary(self, node: ast.BinOp) -> int:
        left, right = self.level(node.left), self.level(node.right)
        if isinstance(node.op, ast.Mod) and left:  # a text with places, perhaps
            number = isinstance(node.right, ast.Constant) and not isinstance(node.right.value, str)
            return left if number and left == ONE else MIXED
        return put([left, right])

    def _choice(self, node: ast.IfExp) -> int:
        if self.level(node.test):
            return MIXED
        return max(self.level(node.body), self.level(node.orelse))

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
            if any(map(self.level, one.ifs)) or (over and level):
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
        if name in DOCTESTS:
            self.given.add(name)
            return OWN
        if not isinstance(func, ast.Attribute):
            before = self.level(func)
            return (
                ONE if before == ONE and not any(given) else MIXED if before or any(given) else OWN
            )
        if name == "import_module" and not any(given):
            self.free.add("import_module()")
            return ONE
        before = max(self.level(func.value), self.levels.get(f".{name}", OWN))
        if name.startswith("assert") and not self.defines(name):
            return self.assertion(node, name)
        if name in self._reflecting or before == MIXED or (name in TEMPLATES and before):
            return MIXED
        if name in self.functions and not before:  # a method of the text's
            self._pass(name, node)
            return max(before, *given, self.returned.get(name, OWN), OWN)
        if name in _PRINTED and not before:
            return ONE
        if name in _GATHERING and before in (OWN, SEVERAL):
            return self._gather(func.value, name, max(given, default=OWN))
        if name in MAKERS and not before:
            return self._make(node, name)
        self.give_to_them(inside(node) if before else [])
        if not any(given):
            chooses = name in _CHOOSING and len(given) > 1
            return MIXED if chooses or (before == SEVERAL and name not in METHODS) else before
        known = _JOINING if not before else METHODS
        return put([before, *given]) if name in known else MIXED

    def _gather(self, into: ast.expr, name: str, given: int) -> int:
        """`own.append(answer)`: it is there, and gives nothing."""
        self.change(into, given and (SEVERAL if name in _SAFE and given < MIXED else MIXED))
        return given and ONE

    def _call_name(self, node: ast.Call, func: ast.Name) -> int:
        name = func.id
        if name in self.functions and not self.levels.get(name) and name not in self.free:
            self._pass(name, node)
            if any(isinstance(one, ast.ClassDef) for one in self.functions[name]):
                self._pass("__init__", node)
                return MIXED if any(map(self.level, inside(node))) else OWN
            return self.returned.get(name, OWN)
        if self.level(func) or name in sys.stdlib_module_names - self._imported - self.stored:
            self.give_to_them(inside(node))
            self.free.add(name)
            return ONE if self.level(func) <= ONE else MIXED  # whatever it is given
        given = [self.level(one) for one in inside(node)]
        if name in self._makers - self._others:
            return put(given)
        if name in self.stored:
            return MIXED if any(given) else OWN
        if name in _SPACES and not given:
            self.free.add(f"{name}()")  # it may be asked for anything
            return ONE
        if name == "getattr" and len(given) == 2 and not given[1]:
            return given[0]
        if name in self._reflecting:
            return MIXED
        if name in MAKERS - self._renamed:
            return self._make(node, name)
        return MIXED if any(given) else OWN

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
        if any(given) or any(map(self.level, functions)):
            self.give_to_them(inside(node))
        if name in ("isinstance", "issubclass") and given[0] <= ONE:
            return ONE if given[0] or any(given) else OWN
        if len(given) == 1 and given[0] == SEVERAL:
            return SEVERAL if name in _SIDE_BY_SIDE else ONE if name in _SUMMING else MIXED
        if name in ("gather", "max", "min") and max(given, default=OWN) < MIXED:
            return (SEVERAL if name == "gather" else ONE) if any(given) else OWN
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
        known = name in MAKERS or name in METHODS or isinstance(function, ast.Constant)
        return to if known else MIXED

    def _pass(self, name: str, call: ast.Call) -> None:
        """What the parameters of a function of the text's get here; what it changes of them."""
        for function in self.functions.get(name, ()):
            names = [one for one in parameters(function) if one not in ("self", "cls")]
            unpacks = any(isinstance(one, ast.Starred) for one in call.args)
            unpacks |= any(word.arg is None for word in call.keywords)
            for at, one in enumerate(names):
                words = [word.value for word in call.keywords if word.arg == one]
                mine = inside(call) if unpacks else call.args[at : at + 1] or words
                if at == len(names) - 1 and len(call.args) > len(names):
                    mine = call.args[at:]  # `*more`
                self.bind(ast.Name(one), max(map(self.level, mine), default=OWN))
                for value in mine:
                    self.alias(ast.Name(one), value)


_LEVELS: dict[type, Callable[[Levels, Any], int]] = {
    ast.Name: Levels._name,
    ast.Attribute: Levels._attribute,
    ast.Subscript: Levels._subscript,
    ast.Slice: Levels._slice,
    **dict.fromkeys((ast.List, ast.Tuple, ast.Set, ast.Dict), Levels._display),
    **dict.fromkeys((ast.ListComp, ast.SetComp, ast.DictComp), Levels._comprehension),
    ast.GeneratorExp: Levels._comprehension,
    ast.Compare: Levels._compare,
    ast.BoolOp: Levels._bool,
    ast.UnaryOp: Levels._unary,
    ast.BinOp: Levels._binary,
    ast.IfExp: Levels._choice,
    ast.JoinedStr: Levels._text_of,
    ast.FormattedValue: Levels._formatted,
    ast.Lambda: Levels._lambda,
    ast.Await: Levels._inner,
    ast.Starred: Levels._inner,
    ast.NamedExpr: Levels._walrus,
    ast.Yield: Levels._yield,
    ast.YieldFrom: Levels._yield,
    ast.Call: Levels._call,
}


def put(levels: list[int]) -> int:
    """Of what is made of several parts."""
    theirs = [one for one in levels if one]
    if not theirs:
        return OWN
    return ONE if theirs == [ONE] else MIXED
