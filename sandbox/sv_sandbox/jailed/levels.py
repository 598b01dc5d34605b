"""What each name of a test holds: the test's own, or what of the solution's.

In: a test's text. Out: `Levels`, which knows the level of each name:

    OWN      nothing of the solution is in it
    ONE      one answer, or what Python's functions, the test's own data and this answer make
    SEVERAL  answers side by side, each by itself
    MIXED    anything else

Names have the highest level that they are given anywhere in the text, whatever their scope; an
attribute, an item and what is another name of it likewise. `expressions` knows the level of what is
made of names, and `parts` goes through the statements, again and again until nothing is new. Pure:
nothing of the test's runs here.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Set

from .nodes import (
    FUNCTIONS,
    Said,
    called,
    free,
    goes_by_a_class_name,
    imported_from,
    inside,
    path,
    root,
    said,
)
from .straight import is_literal

OWN, ONE, SEVERAL, MIXED = 0, 1, 2, 3

REFLECTING = frozenset(
    "globals vars locals getattr eval exec compile __import__ import_module sys inspect gc"
    " importlib builtins ctypes __main__ setattr delattr attrgetter methodcaller dir"
    " getfixturevalue".split()
)
"""What reads or changes what a text names."""
SAFE = frozenset(("append", "add", "appendleft", "extend"))
GATHERING = SAFE | {"insert", "update"}
_EMPTY = frozenset("list dict set deque bytearray OrderedDict Counter defaultdict".split())
_NOTHING = Said(frozenset(), [])
_Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


class Levels:
    """Of one test's names and expressions."""

    def __init__(
        self,
        source: str,
        nodes: list[ast.AST],
        entry_point: str | None,
        modules: Set[str],
    ):
        """`nodes`: all of its tree; `entry_point` is the solution's, whatever the name, and so are
        `modules` beside it."""
        self.free = free(source, nodes) | ({entry_point} if entry_point else set())
        self.levels: dict[str, int] = {}
        self.functions: dict[str, list[_Function | ast.ClassDef]] = {}
        self.methods: set[ast.AST] = set()
        """Functions whose first parameter is an object or a class."""
        self.holders: dict[str, int] = {}
        """Names of objects whose attributes hold such a thing."""
        self.returned: dict[str, int] = {}
        """By the name of a function, what it gives."""
        self.is_new = True
        self.function = ""
        """The function at hand, the class whose body is, and the level of its `self`."""
        self.class_body = ""
        self.selves = OWN
        self.why = ""
        self.given: set[str] = set()
        """Names of what the solution is given."""
        self.stored: set[str] = set()
        self._modules = modules
        self._blank: set[str] = set()
        """Names of what was made empty, and of what the text fills itself."""
        self._filled: set[str] = set()
        self.asserted: set[ast.AST] = set()
        """Comparisons that hold where they are asserted, and stand nowhere else."""
        self._words: dict[ast.AST, Said] = {}
        self._answers: set[str] = set()
        self._said: set[str] = set()
        self._made: dict[str, list[ast.expr]] = {}
        """By what classes, as they are called, what names hold was made."""
        self.classes: set[str] = set()
        """Names by which the solution's classes are called, if that is what they are."""
        self.imported: set[str] = set()
        self.renamed: set[str] = set()
        self.reflecting = {*REFLECTING}
        self.aliases: dict[str, set[str]] = {}
        self._changed: set[str] = set()
        """Names of objects that the text changes in place."""
        self.literals: set[ast.AST] = set()
        for one in nodes:
            self._note(one)
        self.asking = self._asking()
        """Functions of the text that ask the solution, or call such a one."""

    def _note(self, one: ast.AST) -> None:
        """What a node says whenever it is come to."""
        if isinstance(one, ast.Name) and type(one.ctx) is not ast.Load:
            self.stored.add(one.id)
        elif isinstance(one, ast.arg):
            self.stored.add(one.arg)
        elif isinstance(one, (*FUNCTIONS, ast.ClassDef)):
            self.functions.setdefault(one.name, []).append(one)
            for part in one.body if isinstance(one, ast.ClassDef) else ():
                if isinstance(part, FUNCTIONS) and not any(map(_is_static, part.decorator_list)):
                    self.methods.add(part)
        elif isinstance(one, ast.Assign) and isinstance(one.value, ast.Lambda):
            for target in one.targets:
                if isinstance(target, ast.Name):
                    self.functions.setdefault(target.id, []).append(one.value)
        elif isinstance(one, ast.Import | ast.ImportFrom):
            self.imported.update(known.asname or known.name for known in one.names)
            renamed = {known.asname: known.name for known in one.names if known.asname}
            self.renamed |= renamed.keys()
            self.reflecting |= {to for to, of in renamed.items() if of in REFLECTING}
            self.free.update(imported_from(one, {"solution", *self._modules}))
        elif isinstance(one, ast.Call) and called(one) in GATHERING:
            self._filled |= self.said_in(one.func).words
        elif isinstance(one, ast.Subscript) and type(one.ctx) is ast.Store:
            self._filled |= self.said_in(one.value).words

    def _asking(self) -> set[str]:
        said = {name: self.said_by(name) for name in self.functions}
        found: set[str] = set()
        while True:
            known = self.free | found | {f".{name}" for name in found}
            new = {name for name, words in said.items() if not words.isdisjoint(known)}
            if new == found:
                return found
            found = new

    def said_by(self, name: str) -> set[str]:
        return {word for one in self.functions[name] for word in self.said_in(one).words}

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
            self.raise_to(self.levels, target.id, level)
            if self.class_body:
                self.raise_to(self.levels, f".{target.id}", level)
                self.pair({f".{target.id}"}, {target.id})
                self._hold(self.class_body, level)
        elif isinstance(target, ast.Attribute):
            self.raise_to(self.levels, f".{target.attr}", level)
            for one in (root(target), *(f".{one}" for one in path(target.value))):
                self._hold(one, level)
            self.change(target.value, level if level > ONE else OWN)
        elif isinstance(target, ast.Subscript):
            level = SEVERAL if level == ONE else level
            self.change(target.value, MIXED if self.level(target.slice) else level)
        elif isinstance(target, ast.Starred):
            self.bind(target.value, level)
        elif isinstance(target, ast.Tuple | ast.List):
            for part in target.elts:
                self.bind(part, ONE if level == SEVERAL else level)
        elif level:
            self.mix("an answer that is kept elsewhere")

    def _hold(self, name: str, level: int) -> None:
        """An attribute of what this names is given this: wherever it stands as a whole."""
        if name not in ("self", "cls", ""):
            for one in (name, *self.aliases.get(name, ())):
                self.raise_to(self.holders, one, level)

    def change(self, node: ast.expr, level: int) -> None:
        """An object is changed in place, and has this level now, by whatever name."""
        name = root(node)
        if not name and level:
            self.mix("an answer that is kept elsewhere")
        waiting = [one for one in (name, *(f".{one}" for one in path(node))) if one]
        seen = {*waiting}
        self._changed |= seen
        while waiting:
            one = waiting.pop()
            self.raise_to(self.levels, one, level)
            new = self.aliases.get(one, set()) - seen
            seen |= new
            waiting += new

    def alias(self, target: ast.expr, value: ast.expr) -> None:
        """These may be one object, or one in the other."""
        self.pair(self.said_in(target).words, self._leading_to(value))

    def pair(self, targets: Set[str], words: Set[str]) -> None:
        """By each of the ones may be met what is met by the others."""
        for one in targets:
            for other in words - {one}:
                for a, b in ((one, other), (other, one)):
                    self.aliases.setdefault(a, set()).add(b)
                    if b in self._changed:
                        self.raise_to(self.levels, a, self.levels.get(b, OWN))

    def _leading_to(self, value: ast.AST) -> set[str]:
        """Names by which what this gives, or what lies in it, may be met as well."""
        said = self.said_in(value)
        asked = {root(call.func) for call in said.calls if isinstance(call.func, ast.Name)}
        found = {*said.words} - (asked & self.functions.keys()) - self.imported - {"self", "cls"}
        of_library = [one for one in ast.walk(value) if root(one) in self.imported]
        found -= {f".{one.attr}" for one in of_library if isinstance(one, ast.Attribute)}
        for name in {called(call) for call in said.calls} & self.functions.keys():
            found |= self.said_by(name) & self.stored
        return found

    def give(self, target: ast.expr, value: ast.expr) -> None:
        """`target = value`."""
        if isinstance(target, ast.Tuple | ast.List) and isinstance(value, ast.Tuple | ast.List):
            if len(target.elts) == len(value.elts):
                for each, given in zip(target.elts, value.elts, strict=True):
                    self.give(each, given)
                return
        self.alias(target, value)
        if isinstance(target, ast.Tuple | ast.List) and not is_literal(value):
            self.alias(target, target)  # one object may be in it twice
        self.bind(target, self.level(value))
        if isinstance(target, ast.Attribute | ast.Subscript) and self.answers(value):
            self._is_told(root(target))
        if _is_blank(value):
            self._blank |= self.said_in(target).words
        self.keep(value, *self.said_in(target).words)

    def _is_told(self, name: str) -> None:
        """What has this name is given an answer; if it is the solution's, it may say yes to it."""
        if (self.levels.get(name) or name in self.free) and name not in self._said:
            self._said.add(name)
            self.is_new = True

    def give_items(self, target: ast.expr, iterable: ast.expr) -> None:
        """`for target in iterable`."""
        if isinstance(iterable, ast.Call) and isinstance(target, ast.Tuple):
            name, parts, elts = called(iterable), iterable.args, target.elts
            if name == "zip" and len(parts) == len(elts):
                for each, part in zip(elts, parts, strict=True):
                    self.give_items(each, part)
                return
            if name == "enumerate" and len(elts) == 2 and parts:
                self.bind(elts[0], OWN)
                self.give_items(elts[1], parts[0])
                return
        level = self.level(iterable)
        self.alias(target, iterable)
        if not root(iterable) and not is_literal(iterable):
            self.alias(target, target)  # one object may be in it twice
        self.bind(target, ONE if level == SEVERAL else level)

    def keep(self, value: ast.expr | None, *names: str) -> None:
        """These hold this: perhaps an answer, or what the solution says of one."""
        for one in self._asked(value):
            if _is_class(one.func):
                for name in names:
                    self._made.setdefault(name, []).append(one.func)
        for kept, is_one in ((self._answers, self.answers(value)), (self._said, self.says(value))):
            if is_one and not kept.issuperset(names):
                kept.update(names)
                self.is_new = True

    def answers(self, node: ast.AST | None) -> bool:
        """Whether there is an answer in it, which is no new object of a class."""
        if not self.said_in(node).words.isdisjoint(self._answers):
            return True
        return any(not _is_class(one.func) for one in self._asked(node))

    def says(self, node: ast.AST | None) -> bool:
        """Whether the solution is given an answer of its own there, and may say yes to it. Of what
        goes by a class's name it is still to be seen whether that is one (`classes`)."""
        if not self.said_in(node).words.isdisjoint(self._said):
            return True
        given = [part for one in self._asked(node) for part in inside(one)]
        if any(map(self.answers, given)):
            return True
        for part in given:
            made = [one.func for one in self._asked(part)]
            made += [one for name in self.said_in(part).words for one in self._made.get(name, ())]
            self.classes.update(map(root, made))
        return False

    def _asked(self, node: ast.AST | None) -> Iterator[ast.Call]:
        """Calls in it of what is the solution's."""
        for one in self.said_in(node).calls:
            if not self.defines(root(one.func)) and self.level(one.func):
                yield one

    def said_in(self, node: ast.AST | None) -> Said:
        """What stands in a node; looked up once."""
        if node is None:
            return _NOTHING
        if node not in self._words:
            self._words[node] = said(node)
        return self._words[node]

    def defines(self, name: str) -> bool:
        """Whether the text says itself what this name stands for."""
        return name in self.functions or name in self.stored

    def give_to_them(self, nodes: list[ast.expr]) -> None:
        """The solution gets these."""
        for node in nodes:
            words = self.said_in(node).words
            self.given |= words
            for one in words & self._blank - self._filled:  # which is to be filled
                self.raise_to(self.levels, one, ONE)

    def is_to_be_filled(self, node: ast.AST) -> bool:
        """Whether this is empty until the solution fills it, if it does."""
        return not self.said_in(node).words.isdisjoint(self.given & self._blank - self._filled)

    def may_be_known(self, node: ast.AST) -> bool:
        """Whether the solution has what this is made of, and the text has changed it since."""
        return not self.said_in(node).words.isdisjoint(self.given & self._changed)

    def level(self, node: ast.AST | None) -> int:
        """Of what parts an expression is made (`expressions`)."""
        raise NotImplementedError


def _is_blank(node: ast.expr) -> bool:
    """Whether this makes something empty that can be filled."""
    if isinstance(node, ast.List | ast.Set | ast.Tuple):
        return not node.elts
    if isinstance(node, ast.Dict):
        return not node.keys
    return isinstance(node, ast.Call) and not inside(node) and called(node) in _EMPTY


def _is_static(decorator: ast.expr) -> bool:
    return isinstance(decorator, ast.Name) and decorator.id == "staticmethod"


def _is_class(node: ast.expr) -> bool:
    return goes_by_a_class_name(getattr(node, "attr", getattr(node, "id", "")))
