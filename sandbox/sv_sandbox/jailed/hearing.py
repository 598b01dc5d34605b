"""What arrives from the solution in one cell, and whether its pass may rest on it.

In: the answers that the judge's end of the link hears, and the proxies that it makes of them. Out:
marks (`provenance`). What the test names (`name`, `beside`) is what it asks on its own
account; whatever else arrives is an answer. Nothing that arrives goes unmarked but plain data, a
new object of a class that the test names, a function of a class or module that it names, and
something that only steps through data.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Set
from decimal import Decimal
from types import ModuleType
from typing import Any

from . import makers, plan, proxies, text
from .link import Link
from .provenance import ANSWER, FREE, NAMED, is_reference
from .shapes import mro, names_in
from .sites import Sites
from .values import CodecError, row_of

_MANY, _EMPTY = 100_000, "nothing"
_MOST_PARTS = 100_000
_NUMBERS = frozenset((float, complex))
_TEXTS = frozenset((str, bytes, bytearray))
_PLAIN = frozenset((int, float, bool, str, bytes, complex, type(None)))
_CONTAINERS = frozenset((list, tuple, set, frozenset, dict))
_WORD = object()
"""Stands for a class or function of Python's own among what arrived."""


class Hearing:
    """One cell's. `spoken_of`: the names of the test's text; `module`: our own copy of a module."""

    def __init__(
        self,
        link: Link,
        marks: Sites,
        spoken_of: Set[str],
        module: Callable[[str], ModuleType | None],
    ):
        self._link, self._marks, self._spoken_of, self._module = link, marks, spoken_of, module
        self._named: set[int] = set()
        self._answered: set[int] = set()
        """Functions that came as answers, or in them."""
        self._naming: list[object] | None = None
        """What arrives while a name is asked for."""
        self._errors: list[BaseException] = []
        """Exceptions of the solution's classes that came with the last answer."""
        self._programs: set[int] = set()
        """Classes whose objects stand for the program: `Solution`, or the entry point's."""
        self.has_answered = False
        """Whether it knows anything that the solution may have chosen."""

    # ---- what the test names ---------------------------------------------------------------------

    def ask_for(self, operation: str, *operands: object) -> tuple[Any, list[object]]:
        """An answer that is no answer of the solution's to a question of the test's, and what
        arrived meanwhile."""
        arrived: list[object] = []
        with self._link.lock:
            outer, self._naming = self._naming, arrived
            try:
                return self._link.ask(operation, *operands), arrived
            finally:
                self._naming, self._link.makers.newest = outer, -1

    def name(self, name: str, entry_point: str | None, asked_for: bool) -> tuple[bool, Any]:
        """What the solution has by this name, which the test imports by it if it is `asked_for`."""
        found, arrived = self.ask_for("name", name)
        if type(found) is not tuple or len(found) != 2:
            raise CodecError("not a name")
        exists, value = found[0] is True, found[1]
        is_meant = asked_for or name == entry_point
        if is_reference_class(value):
            self._looks_at_class(name)
        elif not proxies.is_fixed(value):
            self.looked_at(value)
        module, original = proxies.origin_of(value)
        if original == name and self._module(module) is not None:
            self.arrived_beside(value, arrived)
            value = getattr(self._module(module), name, value)  # our own
            if name not in plan.TOOLS:
                self._marks.word(f"{name} of the library's, as the solution says")
            return True, value
        number = self._number(value)
        known = number < 0 or proxies.is_fixed(value) or makers.is_called_only(value)
        self.arrived_beside(value if known else None, arrived)
        if number >= 0:
            self._name(number)
            if name == "Solution" or name == (entry_point or "").partition("(")[0]:
                self._programs.add(number)
            is_tool = name in plan.TOOLS or name.startswith("assert") or name == "approx"
            is_module = name in text.TOOLS and not proxies.is_plain_function(value)
            if (is_tool or is_module) and not is_meant:
                self._marks.word(f"the solution's own {name}")
        return exists, value

    def _looks_at_class(self, name: str) -> None:
        """What the test calls as it calls a function, and whose answers it takes for data, is a
        class: its objects are answers, not objects of a class that the test names."""
        if not goes_by_a_class_name(name):
            self._marks.word("a class that goes by a function's name")

    def beside(self, name: str) -> Any:
        """A module beside the solution, which the test names by importing it."""
        found, arrived = self.ask_for("import", name)
        self.arrived_beside(found, arrived)
        self._name(self._number(found))
        return found

    def awaited(self, coroutine: object) -> Any:
        """The task that runs a coroutine of the solution's, which nobody but us asks."""
        task, arrived = self.ask_for("start", coroutine)
        self.arrived_beside(task, arrived)
        return task

    def arrived_beside(self, expected: object, arrived: Iterable[object]) -> None:
        """What else arrived while something was asked for is an answer like any other."""
        words = 0
        for one in arrived:
            words += one is _WORD
            if one is not expected and one is not _WORD:
                self.arrived(one)
        if words > (callable(expected) and not is_reference(expected)):
            self.word()

    def _name(self, number: int) -> None:
        if number >= 0 and number not in self._answered:
            self._named.add(number)

    # ---- what the solution answers ---------------------------------------------------------------

    def heard(self, operation: str, operands: tuple[Any, ...], answer: object) -> None:
        """An answer of the solution's: on to `provenance`."""
        self._heard(operation, operands, answer)
        self._link.makers.newest = -1

    def _heard(self, operation: str, operands: tuple[Any, ...], answer: object) -> None:
        self._errors_came(None)
        if operation in ("isinstance", "issubclass", "contains"):
            self._marks.word(f"{operation} of a class")
        if operation in ("len", "iter", "getitem"):
            self._stepped(operation, operands, answer)
        if operation == "above":
            special = operands[2].strip("_") if operands[2][:2] == "__" else None
            self._marks.asked(special, NAMED, bool(operands[3]), answer)
        if operation not in ("special", "call", "method", "get"):
            return
        self.has_answered = True
        number = self._number(operands[0])
        named = number in self._named
        if not (named and operation == "get" and proxies.is_fixed(answer)):
            self._came(operation, operands[0], answer)
        is_told = operation == "get" and operands[1] in ("__name__", "__doc__", "__wrapped__")
        is_theirs = is_reference_class(operands[0])
        if is_theirs and not named:
            self._marks.word("a class as an answer")
        elif operation == "get" and proxies.is_plain_function(operands[0]) and not named | is_told:
            self._marks.word("an attribute of a function that is an answer")
        whom = FREE if named else NAMED if self.is_of_named_class(operands[0]) else ANSWER
        if operation == "get":
            if named and (isinstance(operands[0], type) or proxies.is_module(operands[0])):
                if is_reference_class(answer):
                    self._looks_at_class(operands[1])
                there = self._number(answer)  # a function of a class, of a module
                self._answered.discard(there)
                self._name(there)
        elif operation == "special":
            given = operands[2]
            if operands[1] in ("exit", "aexit") and given and given[0] is None:
                given = ()  # there was no error
            self._marks.asked(operands[1], max(whom, NAMED), bool(given), answer)
        else:
            if named and operation == "method" and not isinstance(operands[0], type):
                whom = FREE if proxies.is_module(operands[0]) else NAMED
            if not self._programs.isdisjoint(_class_numbers(operands[0])):
                whom = FREE  # a method under test is a function
            self._marks.asked(None, whom, any(operands[-2:]), answer)

    def _stepped(self, operation: str, operands: tuple[Any, ...], answer: Any) -> None:
        """A class was asked for its items, as an enumeration is."""
        number = self._number(operands[0])
        if number not in self._named:
            self._marks.word("items of a class that is an answer")
        elif operation != "getitem":
            count = answer if operation == "len" else len(answer)
            self._link.makers.count(number, count)

    def _came(self, operation: str, target: Any, answer: object) -> None:
        """A class makes an object at each call, or a named tuple; of the test's own, nothing that
        compares loosely is an answer."""
        if type(target) is proxies.ReferenceClass and operation == "call":
            number = self._number(answer)
            if number >= 0 or not _is_of_its_own(answer, target):
                if number < 0 or number != self._link.makers.newest or is_reference_class(answer):
                    self._marks.word("a class that makes no new object")
                return
        self.looked_at(answer)

    def looked_at(self, value: object) -> None:
        """Something that the solution made, which the test may compare."""
        for found in _loose(value) - {"NaN"}:  # of which `came` tells
            if found != _EMPTY or "numpy" in self._spoken_of:  # it is equal to nothing else
                self._marks.word(f"{found} as an answer")

    def came(self, parts: object) -> None:
        """This came from the solution: an answer, what it gives to the test's functions, or what is
        told of an object of it."""
        if self._spoken_of.isdisjoint(("nan", "isnan")) and "NaN" in _loose(parts):
            self._marks.word("NaN as an answer")

    def word(self) -> None:
        """A class or function of Python's own, or a loose number, came."""
        if self._naming is not None:
            self._naming.append(_WORD)
        else:
            self._marks.word("a function, a class or a loose number that it answered")

    def arrived(self, value: object) -> None:
        """A proxy of an object was made, or, in an answer, a function referred to again."""
        if self._naming is not None:
            self._naming.append(value)
        elif isinstance(value, BaseException):
            self._errors.append(value)  # `heard` and `raised` know what came of it
        elif issubclass(type(value), proxies.Function) or self._is_answer_again(value):
            # It is an answer, whether the test names it as well or not.
            self._named.discard(self._number(value))
            self._answered.add(self._number(value))
        elif not self.is_of_named_class(value) and not makers.steps(value):
            self._marks.word("an object as an answer")

    def _is_answer_again(self, value: object) -> bool:
        """Whether an object that the test names for a function comes as an answer."""
        if self._number(value) not in self._named or not makers.is_called_only(value):
            return False
        self._marks.word("an object as an answer")
        return True

    def _errors_came(self, raised: BaseException | None) -> None:
        """Exceptions that arrived and are not what was raised are answers like other objects."""
        excused: list[BaseException | None] = [raised]
        for error in excused:
            if error is not None and len(excused) < 100:
                excused += [error.__cause__, error.__context__]
                excused += error.exceptions if isinstance(error, BaseExceptionGroup) else []
        for error in self._errors:
            if not any(error is one for one in excused) and not self.is_of_named_class(error):
                self._marks.word("an exception as an answer")
        self._errors.clear()

    def _number(self, value: object) -> int:
        known = proxies.number_of(value, self._link)
        return -1 if known is None else known[0]

    def is_of_named_class(self, value: object) -> bool:
        return not self._named.isdisjoint(_class_numbers(value))

    def raised(
        self, operation: str, operands: tuple[object, ...], error: BaseException
    ) -> BaseException:
        """An exception by which Python would end an iteration, a task or a thread of the test's
        without a word, and what is asserted there, is a RuntimeError, unless the test speaks of it.
        """
        self._errors_came(error)
        for one in error.args:
            self.looked_at(one)
        if isinstance(error, IndexError) and operation == "special" and operands[1] == "getitem":
            index = operands[2]
            assert isinstance(index, tuple)
            self._link.makers.ends_at(self._number(operands[0]), index)
        quiet = type(error).__name__ if _ends_quietly(error) else ""
        steps = operation == "special" and operands[1] in ("next", "anext")
        steps = steps or (operation == "run" and isinstance(error, StopAsyncIteration))
        steps = steps or (operation == "method" and makers.steps(operands[0]))  # `send`
        is_call = operation in ("call", "method", "run") and not _ends_quietly(error)
        self._marks.returned(error, is_call)
        if not quiet or steps:
            return error
        if quiet in self._spoken_of:
            self._marks.word(f"{quiet} of the solution's, which the test may wait for")
            return error
        told = RuntimeError(f"the solution raised {quiet}")
        told.__cause__ = error
        return told


def goes_by_a_class_name(name: str) -> bool:
    """`Stack` and `_Node`; not `stack`, and not `Find_Area`."""
    bare = name.lstrip("_")
    return bare[:1].isupper() and "_" not in bare


def _class_numbers(value: object) -> set[int]:
    """The other end's numbers of the classes of an object of it."""
    kind = type(value)
    if not isinstance(kind, proxies.ReferenceClass):
        return set()
    return {names_in(one)["_sv_number"] for one in mro(kind) if "_sv_number" in names_in(one)}


def _is_of_its_own(answer: object, kind: type) -> bool:
    """Whether this is plain data that a class makes, a named tuple of its name."""
    return tuple in mro(type(answer)) and type(answer).__name__ == kind.__name__


def is_reference_class(value: Any) -> bool:
    """Whether this is a class of the solution's."""
    return issubclass(type(value), type) and "_sv_body" in names_in(value)


def _loose(answer: Any) -> set[str]:
    """What lies in an answer that compares loosely."""
    waiting_for, room, found = [answer], _MOST_PARTS, set[str]()
    while waiting_for:
        value = waiting_for.pop()
        kind = type(value)
        room -= 1
        if room < 0:
            return found | {"more parts than anybody looks at", "NaN"}
        if kind in _NUMBERS:
            if value != value:
                found.add("NaN")
        elif kind in _CONTAINERS:
            if not value:
                found.add(_EMPTY)
            for parts in (value, value.values()) if kind is dict else (value,):
                kinds = set(map(type, parts))
                if kinds & _NUMBERS and any(one != one for one in parts):
                    found.add("NaN")
                if not kinds <= _PLAIN:
                    waiting_for += [one for one in parts if type(one) not in _PLAIN]
                if not (_EMPTY in found or kinds.isdisjoint(_TEXTS)):
                    if not all(one for one in parts if type(one) in _TEXTS):
                        found.add(_EMPTY)
        elif kind in _TEXTS:
            if not value:
                found.add(_EMPTY)
        elif kind is range:
            if not value:
                found.add(_EMPTY)
            if abs(value.stop - value.start) > _MANY * abs(value.step):
                found.add("a large range")
        elif kind.__name__ == "ndarray":
            if value.dtype.kind in "fc" and (value != value).any():
                found.add("NaN")
        elif kind.__name__ == "array":
            waiting_for.append(list(value))
        elif kind.__module__ in ("unittest.mock", "numpy.ma"):
            found.add("a mock or a masked array of the test's own")
        elif kind is Decimal:
            if value.is_nan():
                found.add("NaN")
        elif is_reference_class(value) or proxies.is_module(value) or kind is ModuleType:
            found.add("a class or a module")
        elif kind not in _PLAIN:
            row = row_of(value)
            waiting_for += row.parts(value) if row is not None else ()
    return found


def _ends_quietly(error: BaseException) -> bool:
    if isinstance(error, StopIteration | StopAsyncIteration):
        return True
    if type(error).__name__ == "CancelledError":
        return True
    main = threading.current_thread() is threading.main_thread()
    return not isinstance(error, Exception) and not main
