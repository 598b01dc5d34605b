"""Of what parts a test's assertions are made: the test's own, and the solution's.

In: a test's text. Out: `Parts`: the level of each expression, and why its passes cannot be proven
(`mixed`), if they cannot. An assertion is sound if it compares the test's own with one thing of the
solution's, as it came or as Python's own functions make it: then who does not know what the test
expects cannot pass. Whatever else is done with an answer (two of them together, given to other code,
a branch, a name, a template, an index) may pass for another reason, and nobody looks at which.

    OWN      nothing of the solution is in it
    ONE      one answer, or what Python's functions, the test's own data and this answer make
    SEVERAL  answers side by side, each by itself
    MIXED    anything else

Names have the highest level that they are given anywhere in the text, whatever their scope. Pure.
"""

from __future__ import annotations

import ast
import builtins
import symtable
from collections.abc import Callable, Iterable
from typing import Any

from . import text

OWN, ONE, SEVERAL, MIXED = 0, 1, 2, 3

MAKERS = frozenset(
    "abs all any bool bytearray bytes complex dict divmod enumerate filter float frozenset hash hex"
    " int isinstance issubclass iter len list map max min next oct ord bin chr pow print range repr"
    " reversed round set sorted str sum tuple type zip approx array asarray array_equal allclose"
    " isclose isnan isinf sqrt floor ceil fabs fsum prod Decimal Fraction date datetime timedelta"
    " Counter OrderedDict deque deepcopy copy callable isfinite gcd islice chain run wait_for"
    " loads dumps next total_ordering".split()
)
"""What makes a value of its arguments, and reads nothing else."""
_SIDE_BY_SIDE = frozenset("list tuple sorted set frozenset dict len array deque".split())
_SUMMING = frozenset(("all", "any", "sum", "len", "max", "min"))
METHODS = frozenset(
    "copy count decode encode get index items keys tolist values upper lower strip lstrip rstrip split"
    " join splitlines startswith endswith replace isdigit isalpha isupper islower isspace title"
    " isoformat sum mean min max any all round find union intersection difference issubset"
    " most_common total_seconds date time astype flatten ravel item date shape bit_length"
    " capitalize swapcase zfill partition is_integer group groups".split()
)
"""Methods of plain data that do the same with their object."""
_GATHERING = frozenset("append add extend insert update appendleft".split())
_REFLECTING = frozenset(
    "globals vars locals getattr eval exec compile __import__ import_module sys inspect gc importlib"
    " builtins ctypes __main__ setattr delattr attrgetter methodcaller dir".split()
)
"""What reads or changes what a text names."""
_TEMPLATES = frozenset("format format_map substitute safe_substitute vformat".split())
"""What reads its arguments by the text that it is a method of."""
_SPACES = frozenset(("globals", "vars", "locals"))
_PRINTED = frozenset("getvalue readouterr read readline readlines".split())
_DISPLAYS = (ast.List, ast.Tuple, ast.Set, ast.Dict)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_RAISES = frozenset(
    "raises assertRaises assertRaisesRegex subTest suppress warns assertWarns".split()
)
_EXACT = (ast.Eq, ast.NotEq, ast.Is, ast.IsNot, ast.In, ast.NotIn)
_MOST_ROUNDS = 12
_SEVERAL_PARTS = "an assertion on more than one answer"


class Parts:
    """Of one test's text."""

    def __init__(self, source: str, tree: ast.Module, nodes: list[ast.AST]):
        """`nodes`: all of the tree."""
        self.free = _free(symtable.symtable(source, "<test>", "exec"))
        for one in nodes:
            if isinstance(one, ast.Import | ast.ImportFrom):
                self.free.update(_of_solution(one))
        self._stored = {
            one.id for one in nodes if type(one) is ast.Name and type(one.ctx) is not ast.Load
        }
        self._functions: dict[str, list[Any]] = {}
        for one in nodes:
            if isinstance(one, (*_FUNCTIONS, ast.ClassDef)):
                self._functions.setdefault(one.name, []).append(one)
        self._called = {called(one) for one in nodes if isinstance(one, ast.Call)} | {"__init__"}
        self.levels: dict[str, int] = {}
        self._returned: dict[str, int] = {}
        self._literals: set[ast.AST] = set()
        self._why = ""
        self._function_name = ""
        self._selves = OWN
        """The level of `self` in the class at hand."""
        self._now: Callable[[str], int] = lambda name: OWN
        self._is_new = True
        for _ in range(_MOST_ROUNDS):
            self._is_new = False
            self._why, self._sound, self._twins = "", 0, False
            self._all(tree.body)
            if not self._is_new:
                break
        else:
            self._mix("a test that is too much")

    @property
    def mixed(self) -> str:
        """Why a pass of this test proves nothing; empty where it does."""
        return self._why or (_SEVERAL_PARTS if self._twins and not self._sound else "")

    def _mix(self, why: str) -> None:
        self._why = self._why or why

    # ---- statements ------------------------------------------------------------------------------

    def _all(self, body: Iterable[ast.AST]) -> None:
        for node in body:
            self._statement(node)

    def _statement(self, node: Any) -> None:
        kind = type(node)
        if kind in _FUNCTIONS:
            self._function(node)
        elif kind is ast.ClassDef:
            self._class(node)
        elif kind is ast.Return:
            self._raise_to(self._returned, self._function_name, self.level(node.value))
        elif kind in (ast.Assign, ast.AnnAssign, ast.NamedExpr):
            for target in node.targets if kind is ast.Assign else [node.target]:
                self._give(target, node.value)
        elif kind is ast.AugAssign:
            added = self.level(node.value)
            if added and not isinstance(node.op, ast.Add) and self.level(node.target):
                added = MIXED
            self._bind(node.target, added)
        elif kind is ast.Assert:
            self._assert(node.test)
        elif kind is ast.Expr:
            self._expr(node.value)
        elif kind in (ast.For, ast.AsyncFor):
            self._give_items(node.target, node.iter)
            if self.level(node.iter):
                self._mix("a loop over an answer")
            self._all([*node.body, *node.orelse])
        elif kind in (ast.If, ast.While):
            if self.level(node.test) and not _only_fails(node):
                self._mix("a branch by an answer")
            self._all([*node.body, *node.orelse])
        elif kind in (ast.With, ast.AsyncWith):
            for item in node.items:
                self._with(item)
            self._all(node.body)
        elif kind in (ast.Try, getattr(ast, "TryStar", ast.Try)):
            self._all([*node.body, *node.orelse, *node.finalbody])
            for handler in node.handlers:
                if handler.name:
                    self._bind(ast.Name(handler.name), ONE)
                self._handled(handler.body)
        elif kind is ast.Delete:
            if any(self.level(one) > ONE for one in node.targets):
                self._mix("something deleted by an answer")
        elif kind is ast.Match:
            self._match(node)
        elif kind is ast.Raise and node.exc is not None:
            self.level(node.exc)

    def _assert(self, test: ast.expr) -> None:
        if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
            for value in test.values:
                self._assert(value)
        elif self.level(test) <= ONE:
            self._sound += self.level(test) == ONE
        elif isinstance(test, ast.Compare) and all(isinstance(one, ast.Eq) for one in test.ops):
            sides = [self.level(one) for one in (test.left, *test.comparators)]
            self._assert_equal(sides)
        else:
            self._mix(_SEVERAL_PARTS)

    def _assert_equal(self, sides: list[int]) -> None:
        """Two answers that are equal prove nothing; nor do they hurt beside what does."""
        if max(sides, default=OWN) == MIXED:
            self._mix(_SEVERAL_PARTS)
        elif sum(one > OWN for one in sides) > 1:
            self._twins = True
        else:
            self._sound += any(sides)

    def _handled(self, body: list[ast.stmt]) -> None:
        """What is done once something was raised: the solution decides whether it is."""
        for node in body:
            for inner in ast.walk(node):
                if isinstance(inner, ast.Name) and type(inner.ctx) is ast.Store:
                    self._bind(inner, ONE)
        self._all(body)

    def _match(self, node: Any) -> None:
        if self.level(node.subject):
            self._mix("a branch by an answer")
        for case in node.cases:
            for inner in ast.walk(case.pattern):
                name = getattr(inner, "name", None) or getattr(inner, "rest", None)
                if name:
                    self._bind(ast.Name(name), self.level(node.subject))
            self._all(case.body)

    def _with(self, item: ast.withitem) -> None:
        level = self.level(item.context_expr)
        is_expected = (
            isinstance(item.context_expr, ast.Call) and called(item.context_expr) in _RAISES
        )
        if item.optional_vars is not None:
            self._bind(item.optional_vars, ONE if is_expected else level)

    def _function(self, node: Any) -> None:
        outer, self._function_name = self._function_name, node.name
        for decorator in node.decorator_list:
            if self.level(decorator):
                for argument in _arguments(node):
                    self._bind(ast.Name(argument), ONE)
                if "mark" not in ast.unparse(decorator):
                    self._raise_to(self.levels, node.name, ONE)
        for default in [*node.args.defaults, *node.args.kw_defaults]:
            if default is not None and self.level(default):
                self._mix("a default that is an answer")
        if node.name not in self._called and not node.name.startswith("test"):
            for name in _arguments(node):  # whoever calls it
                self._bind(ast.Name(name), ONE)
        for name in _arguments(node):
            if name in self._functions and self._returned.get(name):  # a fixture
                self._bind(ast.Name(name), self._returned[name])
        self._all(node.body)
        self._function_name = outer

    def _class(self, node: ast.ClassDef) -> None:
        is_theirs = any(map(self.level, [*node.bases, *node.decorator_list]))
        if is_theirs:
            self._raise_to(self.levels, node.name, ONE)
        outer, self._selves = self._selves, ONE if is_theirs else OWN
        self._all(node.body)
        self._selves = outer

    def _expr(self, value: ast.expr) -> None:
        call = value.value if isinstance(value, ast.Await) else value
        if not isinstance(call, ast.Call):
            self.level(value)
            return
        name = called(call)
        if name.startswith("assert") or name == "fail":
            parts = [self.level(one) for one in _given(call)]
            base = call.func.value if isinstance(call.func, ast.Attribute) else None
            parts += [self.level(base)] if base is not None else []
            if name in _RAISES and len(call.args) > 1:
                parts = [self.level(call.args[0]), min(ONE, max(parts[1:]))]
            if "qual" in name or "equal" in name:
                self._assert_equal(parts)
            elif sum(one > OWN for one in parts) > 1 or max(parts, default=OWN) > ONE:
                self._mix(_SEVERAL_PARTS)
            else:
                self._sound += any(parts)
        elif name == "print":
            [self.level(one) for one in call.args]
        elif name in _GATHERING and isinstance(call.func, ast.Attribute):
            self._gather(call)
        elif self.level(call) > ONE:
            self._mix("a call that is given answers")

    def _gather(self, call: ast.Call) -> None:
        receiver: Any = call.func
        base, given = self.level(receiver.value), [self.level(one) for one in _given(call)]
        if not any(given):
            return
        if base not in (OWN, SEVERAL) or isinstance(receiver.value, ast.Call):
            self._mix("an answer put into another object")
        safe = called(call) in ("append", "add", "appendleft", "extend") and max(given) < MIXED
        self._bind(receiver.value, SEVERAL if safe else MIXED)

    # ---- names -----------------------------------------------------------------------------------

    def _raise_to(self, levels: dict[str, int], name: str, level: int) -> None:
        if level > levels.get(name, OWN):
            levels[name] = level
            self._is_new = True

    def _bind(self, target: Any, level: int) -> None:
        if isinstance(target, ast.Name):
            self._raise_to(self.levels, target.id, level)
        elif isinstance(target, ast.Attribute):
            self._raise_to(self.levels, f".{target.attr}", level)
            if level > ONE:
                self._bind(target.value, level)
        elif isinstance(target, ast.Subscript):
            at = self.level(target.slice)
            self._bind(target.value, MIXED if at else SEVERAL if level in (ONE, SEVERAL) else level)
        elif isinstance(target, ast.Starred):
            self._bind(target.value, level)
        else:
            for one in getattr(target, "elts", ()):
                self._bind(one, ONE if level == SEVERAL else level)

    def _give(self, target: Any, value: Any) -> None:
        if value is None:
            return
        pairs = (ast.Tuple, ast.List)
        if (
            isinstance(target, pairs)
            and isinstance(value, pairs)
            and len(target.elts) == len(value.elts)
        ):
            for one, part in zip(target.elts, value.elts, strict=True):
                self._give(one, part)
        else:
            self._bind(target, self.level(value))

    def _give_items(self, target: Any, iterable: ast.expr) -> None:
        """What a loop's target gets."""
        parts = getattr(target, "elts", None)
        if isinstance(iterable, ast.Call) and parts is not None:
            name, given = called(iterable), iterable.args
            if name == "zip" and len(given) == len(parts):
                for one, part in zip(parts, given, strict=True):
                    self._give_items(one, part)
                return
            if name == "enumerate" and len(parts) == 2 and given:
                self._bind(parts[0], OWN)
                self._give_items(parts[1], given[0])
                return
        level = self.level(iterable)
        self._bind(target, ONE if level == SEVERAL else level)

    # ---- expressions -----------------------------------------------------------------------------

    def level_now(self, node: Any, now: Callable[[str], int]) -> int:
        """As `level`, where names may have a higher one by now."""
        self._now = now
        return self.level(node)

    def level(self, node: Any) -> int:
        """Of what parts an expression is made."""
        if node is None or type(node) is ast.Constant or node in self._literals:
            return OWN
        do = _LEVELS.get(type(node))
        return MIXED if do is None else do(self, node)

    def _name(self, node: ast.Name) -> int:
        for function in self._functions.get(node.id, ()):  # given to whoever calls it
            for name in _arguments(function) if isinstance(function, _FUNCTIONS) else ():
                self._bind(ast.Name(name), ONE)
            if self._returned.get(node.id) == MIXED:
                return MIXED
        if node.id in ("self", "cls"):
            return self._selves
        known = ONE if node.id in self.free else OWN
        return max(self.levels.get(node.id, known), known, self._now(node.id))

    def _attribute(self, node: ast.Attribute) -> int:
        if isinstance(node.value, ast.Name) and node.value.id in _REFLECTING - self._stored:
            if node.attr == "modules":
                return ONE
            return OWN if node.attr in ("maxsize", "float_info", "version_info") else MIXED
        if node.attr in _REFLECTING | _TEMPLATES or node.attr[:2] == "__":
            return OWN if node.attr in ("__name__", "__doc__", "__version__") else MIXED
        return max(self.level(node.value), self.levels.get(f".{node.attr}", OWN))

    def _subscript(self, node: ast.Subscript) -> int:
        at, of = self.level(node.slice), self.level(node.value)
        if at:
            return MIXED
        return ONE if of == SEVERAL and not isinstance(node.slice, ast.Slice) else of

    def _slice(self, node: ast.Slice) -> int:
        return max(map(self.level, (node.lower, node.upper, node.step)))

    def _display(self, node: Any) -> int:
        parts = [
            *getattr(node, "elts", ()),
            *getattr(node, "keys", ()),
            *getattr(node, "values", ()),
        ]
        found = max(map(self.level, parts), default=OWN)
        if not found and all(type(one) is ast.Constant or one in self._literals for one in parts):
            self._literals.add(node)
        return SEVERAL if found == ONE else found

    def _compare(self, node: ast.Compare) -> int:
        parts = [self.level(one) for one in (node.left, *node.comparators)]
        if max(parts) == MIXED or sum(one > OWN for one in parts) > 1:
            return MIXED
        return min(ONE, max(parts))

    def _bool(self, node: ast.BoolOp) -> int:
        levels = [self.level(one) for one in node.values]
        are_comparisons = all(isinstance(one, ast.Compare) for one in node.values)
        return max(levels) if are_comparisons or sum(map(bool, levels)) < 2 else MIXED

    def _unary(self, node: ast.UnaryOp) -> int:
        level, of = self.level(node.operand), node.operand
        is_loose = isinstance(of, ast.Compare) and not isinstance(of.ops[0], _EXACT)
        if level and isinstance(node.op, ast.Not) and is_loose:  # NaN is not less, and not more
            return MIXED
        return MIXED if level == SEVERAL else level

    def _binary(self, node: ast.BinOp) -> int:
        left, right = self.level(node.left), self.level(node.right)
        if isinstance(node.op, ast.Mod) and left:
            number = isinstance(node.right, ast.Constant) and not isinstance(node.right.value, str)
            return left if number and left == ONE else MIXED
        if isinstance(node.op, ast.Add) and max(left, right) < MIXED:
            return max(left, right)
        return _put([left, right])

    def _choice(self, node: ast.IfExp) -> int:
        if self.level(node.test):
            return MIXED
        return max(self.level(node.body), self.level(node.orelse))

    def _text_of(self, node: ast.JoinedStr) -> int:
        return _put([self.level(one) for one in node.values])

    def _formatted(self, node: ast.FormattedValue) -> int:
        return MIXED if self.level(node.format_spec) else self.level(node.value)

    def _comprehension(self, node: Any) -> int:
        over = OWN
        for one in node.generators:
            self._give_items(one.target, one.iter)
            level = self.level(one.iter)
            if any(map(self.level, one.ifs)) or (over and level):
                return MIXED
            over = max(over, level)
        elements = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        made = max(map(self.level, elements))
        if made == MIXED or over == MIXED:
            return MIXED
        return max(made, over) if over else (SEVERAL if made else OWN)

    def _lambda(self, node: ast.Lambda) -> int:
        for name in _arguments(node):
            self._bind(ast.Name(name), ONE)
        return MIXED if self.level(node.body) == MIXED else OWN

    def _inner(self, node: Any) -> int:
        return self.level(node.value)

    def _walrus(self, node: ast.NamedExpr) -> int:
        self._give(node.target, node.value)
        return self.level(node.value)

    def _call(self, node: ast.Call) -> int:
        name, func = called(node), node.func
        given = [self.level(one) for one in _given(node)]
        if isinstance(func, ast.Name):
            return self._call_name(node, func, given)
        if not isinstance(func, ast.Attribute):
            return _asked(self.level(func), given)
        if name == "import_module" and not any(given):
            return ONE
        if name in _REFLECTING:
            return MIXED
        before = self.level(func.value)
        if name in _TEMPLATES and before:
            return MIXED
        if before == MIXED:
            return MIXED
        if name in self._functions:  # a method of the text's
            self._arguments_of(name, node)
            return max(before, *given, self._returned.get(name, OWN), OWN)
        if name in _PRINTED and not before:
            return ONE
        if name in _GATHERING and not before:
            return max(given, default=OWN)
        if not any(given):
            return MIXED if before == SEVERAL and name not in METHODS else before
        if name == "gather" and not before:
            return SEVERAL if max(given) < MIXED else MIXED
        if name in METHODS or (not before and name in MAKERS):
            return _put([before, *given])
        return MIXED

    def _call_name(self, node: ast.Call, func: ast.Name, given: list[int]) -> int:
        name = func.id
        if name in self._functions and self.levels.get(name, OWN) == OWN:
            self._arguments_of(name, node)
            kinds = [type(one) for one in self._functions[name]]
            if ast.ClassDef in kinds:
                self._arguments_of("__init__", node)
                return MIXED if any(given) else OWN
            return self._returned.get(name, OWN)
        if self.level(func):  # the solution's, whatever it is given
            return self.level(func) if self.level(func) != SEVERAL else MIXED
        if name in _SPACES and not given:
            return ONE
        if name == "getattr" and len(given) > 1 and not any(given[1:]):
            return given[0]
        if name in _REFLECTING - self._stored:
            return MIXED
        if not any(given):
            return OWN
        if name in ("isinstance", "issubclass") and given[0] <= ONE:
            return ONE
        if name not in MAKERS or name in self._stored:
            return MIXED
        if any(map(self._is_unknown, _called_by(node))):
            return MIXED
        if name in _SIDE_BY_SIDE and len(given) == 1:
            return given[0]
        if name in _SUMMING and len(given) == 1:
            return min(ONE, given[0]) if given[0] < MIXED else MIXED
        return _put(given)

    def _is_unknown(self, node: ast.expr) -> bool:
        """Whether what Python's function is to call is neither Python's nor in the text."""
        if isinstance(node, ast.Lambda) or self.level(node):
            return False
        name = getattr(node, "attr", getattr(node, "id", ""))
        return name not in self._functions and name not in MAKERS and name not in METHODS

    def _arguments_of(self, name: str, call: ast.Call) -> None:
        """What the parameters of a function of the text's get here."""
        given = [self.level(one) for one in _given(call)]
        for function in self._functions.get(name, ()):
            if not isinstance(function, _FUNCTIONS):
                continue
            names = _arguments(function)
            if names[:1] in (["self"], ["cls"]):
                names = names[1:]
            is_plain = not any(isinstance(one, ast.Starred) for one in call.args)
            for at, one in enumerate(names):
                words = [self.level(word.value) for word in call.keywords if word.arg == one]
                level = given[at] if at < len(call.args) and is_plain else max(given, default=OWN)
                if at >= len(call.args) and is_plain:
                    level = words[0] if words else OWN
                self._bind(ast.Name(one), level)


_LEVELS: dict[type, Callable[[Parts, Any], int]] = {
    ast.Name: Parts._name,
    ast.Attribute: Parts._attribute,
    ast.Subscript: Parts._subscript,
    ast.Slice: Parts._slice,
    **dict.fromkeys(_DISPLAYS, Parts._display),
    **dict.fromkeys(_COMPREHENSIONS, Parts._comprehension),
    ast.Compare: Parts._compare,
    ast.BoolOp: Parts._bool,
    ast.UnaryOp: Parts._unary,
    ast.BinOp: Parts._binary,
    ast.IfExp: Parts._choice,
    ast.JoinedStr: Parts._text_of,
    ast.FormattedValue: Parts._formatted,
    ast.Lambda: Parts._lambda,
    ast.Await: Parts._inner,
    ast.Starred: Parts._inner,
    ast.NamedExpr: Parts._walrus,
    ast.Call: Parts._call,
    ast.Yield: lambda parts, node: parts.level(node.value),
}


def _asked(before: int, given: list[int]) -> int:
    """Of a call of what an expression gives."""
    if before == ONE and not any(given):
        return ONE
    return MIXED if before or any(given) else OWN


def _free(scope: symtable.SymbolTable) -> set[str]:
    """Names that are read and nobody in the text binds: the solution's, but for the library's."""
    module = {one.get_name() for one in scope.get_symbols() if _binds(one)}
    found, scopes = set(), [scope]
    while scopes:
        scope = scopes.pop()
        scopes += scope.get_children()
        found |= {
            one.get_name() for one in scope.get_symbols() if one.is_referenced() and one.is_global()
        }
    known = {name for name in found if hasattr(builtins, name) or name in text.TOOLS}
    return found - module - known


def _of_solution(node: ast.Import | ast.ImportFrom) -> list[str]:
    """What an import takes from the solution."""
    of = getattr(node, "module", None)
    return [one.asname or one.name for one in node.names if "solution" in (of, one.name)]


def _binds(symbol: symtable.Symbol) -> bool:
    return symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace()


def _put(levels: list[int]) -> int:
    """Of what is made of several parts."""
    theirs = [one for one in levels if one]
    if not theirs:
        return OWN
    return ONE if theirs == [ONE] else MIXED


def _only_fails(node: Any) -> bool:
    """Whether a branch does nothing but fail."""
    fails = all(isinstance(one, ast.Raise) or _is_false(one) for one in node.body)
    return fails and not node.orelse and isinstance(node, ast.If)


def _is_false(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Assert) and isinstance(node.test, ast.Constant) and not node.test.value
    )


def called(call: ast.Call) -> str:
    """The name by which something is called."""
    return str(getattr(call.func, "attr", getattr(call.func, "id", "")))


def _called_by(call: ast.Call) -> list[ast.expr]:
    """What a function is given to call."""
    given = [one.value for one in call.keywords if one.arg in ("key", "default_factory")]
    return [*given, *(call.args[:1] if called(call) in ("map", "filter", "reduce") else [])]


def _given(call: ast.Call) -> list[ast.expr]:
    return [*call.args, *(one.value for one in call.keywords)]


def _arguments(node: Any) -> list[str]:
    return [one.arg for one in ast.walk(node.args) if isinstance(one, ast.arg)]
