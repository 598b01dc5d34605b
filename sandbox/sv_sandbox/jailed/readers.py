"""What reads whatever a text names: templates, attributes by name, namespaces, SQL. Where the text
is the solution's, it may name what the test expects.

In: what is called by one of `READERS`' names, with what. Out: whether the solution chose what is
read (`Said.reads`). A text is the solution's if the test's own text says so (`text.is_answer`), or
if a string that it answered in this cell is in it, or it in such a string.
"""

from __future__ import annotations

import sys
from types import MappingProxyType
from typing import Any

from .provenance import is_reference

RECEIVER = -1
READERS: dict[str, int] = {
    **dict.fromkeys(("format_map", "substitute", "safe_substitute"), RECEIVER),
    **dict.fromkeys("format vformat Formatter attrgetter itemgetter methodcaller".split(), 0),
    **dict.fromkeys("import_module __import__ execute executemany executescript".split(), 0),
    **dict.fromkeys("read_sql read_sql_query open dictConfig fileConfig".split(), 0),
    **dict.fromkeys("resolve_name locate loadTestsFromName expandvars read_string".split(), 0),
    **dict.fromkeys("getattr setattr hasattr delattr getattr_static".split(), 1),
    **dict.fromkeys("__getattribute__ __getattr__ __format__ mod".split(), 0),
    **dict.fromkeys(("get", "pop", "setdefault", "__getitem__"), 0),
    "__mod__": RECEIVER,
}
"""By the name under which they are called: which argument is the text. `str.format` has it before
the dot."""
OF_SPACES = frozenset(("get", "pop", "setdefault", "__getitem__"))
"""Of these, those that count only where a namespace stands before the dot."""
SPACES = frozenset(("globals", "locals", "vars"))
"""What gives a namespace, whose items go by name."""
_OF_ARGUMENTS = frozenset(
    "format vformat mod getattr setattr hasattr delattr getattr_static __format__".split()
)
"""Of these, those that read their other arguments; the rest reads anything."""
_SCALARS = (int, float, complex, bool, str, bytes, type(None))
_MOST = 10_000
_FEW = 3
"""Shorter texts are in others by chance."""


class Said:
    """The strings that the solution answered in one cell."""

    def __init__(self) -> None:
        self._texts: set[str] = set()

    def heard(self, answer: object) -> None:
        """An answer came: its strings, also those of built-in containers in it."""
        waiting, seen = [answer], 0
        while waiting and seen < _MOST and len(self._texts) < _MOST:
            value: Any = waiting.pop()
            seen += 1
            if type(value) is str:
                self._texts.add(value)
            elif type(value) is dict:
                waiting += [*value, *value.values()]
            elif type(value) in (list, tuple, set, frozenset):
                waiting += value
            elif isinstance(value, BaseException):
                waiting += [*value.args, *vars(value).values()]

    def has(self, text: object) -> bool:
        """Whether this is the solution's, or was made of what it said."""
        if isinstance(text, bytes):
            text = text.decode("utf-8", "replace")
        if not isinstance(text, str):
            text = getattr(text, "template", None)  # a `string.Template`
        if type(text) is not str:
            return False
        if text in self._texts or len(self._texts) >= _MOST:
            return True
        return any(
            (len(one) >= _FEW and one in text) or (len(text) >= _FEW and text in one)
            for one in self._texts
        )

    def reads(self, name: str, called: Any, answers: int, given: tuple[Any, ...]) -> bool:
        """Whether this call reads what the solution names. `answers`: bit 0 says that what stands
        before the dot is an answer, bit 1 that the argument of the table is,
        bit 2 that arguments are unpacked, so that nobody wrote down which there are, bit 3 that it
        is called elsewhere."""
        before = getattr(called, "__self__", None)
        at = 1 if called is format else READERS[name]
        if is_reference(called) or is_reference(before) or (given and is_reference(given[0])):
            return False
        if at == RECEIVER or (name == "format" and isinstance(before, str)):
            text, is_theirs, others = before, answers & 1, given
        else:
            text, is_theirs = (given[at] if len(given) > at else None), answers & 2
            others = given[:at] + given[at + 1 :] if name in _OF_ARGUMENTS else (called,)
        may_read = answers & 4 or not all(map(self.is_scalar, others))
        return bool(may_read and (is_theirs or self.has(text)))

    @staticmethod
    def is_reader(value: object) -> bool:
        """Whether what goes by such a name, and is not called where it is named, is a function."""
        if isinstance(value, type):
            return value.__module__ == "operator"
        return callable(value) and not is_reference(value)

    def is_scalar(self, value: object) -> bool:
        """Whether nothing can be read of this but itself."""
        if type(value) is tuple:
            return all(map(self.is_scalar, value))
        return type(value) in _SCALARS

    @staticmethod
    def is_space(value: object) -> bool:
        """Whether the items of this are names with what they stand for."""
        own = type(value).__name__ == "TestNamespace" or type(value) is MappingProxyType
        return own or value is sys.modules
