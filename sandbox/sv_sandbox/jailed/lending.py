"""What of a test's objects the solution may use, and how: a table per type, in the judge.

Plain data crosses as it is. Everything else of the test's that reaches the solution is *lent*: each
use of it is a question, answered here if `allow` lets it. Whoever was lent an object may use it as
a caller would: call, operators, public names, of objects of the test's own classes all names but
special ones; and give a class of the test's what a decorator gives it. Code, constants, frames,
closures and modules stay out of reach, and so does what would corrupt the judge's memory. What is
never lent needs one process (OneProcess) where the test passes it; where the solution reaches for
it, it is a TypeError there.
"""

from __future__ import annotations

import sys
from types import (
    AsyncGeneratorType,
    BuiltinFunctionType,
    CellType,
    CodeType,
    CoroutineType,
    FrameType,
    FunctionType,
    GeneratorType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodType,
    MethodWrapperType,
    ModuleType,
    TracebackType,
    WrapperDescriptorType,
)
from typing import Any

from .link import OneProcess, Uncrossed
from .provenance import is_reference
from .shapes import CONTENT, mro, names_in
from .sites import Sites

_FUNCTIONS = (FunctionType, MethodType, BuiltinFunctionType, MethodWrapperType)
_NEVER = (
    *(FrameType, CodeType, ModuleType, TracebackType, CellType),
    *(GetSetDescriptorType, MemberDescriptorType, WrapperDescriptorType),
)
_OF_CLASS_BODIES = (GetSetDescriptorType, MemberDescriptorType)
_LENT_FROM = frozenset(
    "test solution builtins types typing abc enum dataclasses collections itertools functools"
    " operator contextlib io _io re random _random array argparse unittest unittest.mock threading"
    " _thread queue _queue concurrent.futures._base concurrent.futures.thread asyncio.locks"
    " asyncio.queues asyncio.tasks asyncio.futures asyncio.events asyncio.mixins _asyncio decimal"
    " fractions datetime zoneinfo uuid pathlib ipaddress jailed.pytest_approx numpy numpy.ma"
    " collections.abc numpy.random._generator numpy.random.mtrand _thread. weakref _weakref csv"
    " _csv json.decoder json.encoder struct _struct numbers numpy.dtypes string.templatelib"
    " graphlib heapq xml.etree.ElementTree _elementtree _abc".split()
)
"""Modules whose objects are lent; those of others (mapped memory, event loops, SQL, …) might do
anything here."""
_NAMES_OF_FUNCTIONS = frozenset(
    (
        "__name__ __qualname__ __doc__ __module__ __dict__ __annotations__ __defaults__"
        " __kwdefaults__ __wrapped__ __isabstractmethod__ __type_params__ __text_signature__"
    ).split()
)
_NAMES_OF_OBJECTS = frozenset(
    "__doc__ __module__ __dict__ __annotations__ __notes__ __dataclass_fields__".split()
)
_NAMES_OF_TYPES = frozenset(("__origin__", "__args__", "__parameters__", "__doc__"))
_NAMES_OF_CLASSES = frozenset(
    (
        "__name__ __qualname__ __init__ __post_init__ __init_subclass__ __annotations__ __slots__"
        " __match_args__ __members__ __dataclass_fields__ __dataclass_params__ __abstractmethods__"
        " __dict__ __set_name__ __str__ __repr__ __eq__ __hash__ __lt__ __len__ __iter__ __call__"
        " __enter__ __exit__ __getitem__ __contains__ __add__ __version__"
    ).split()
)
_DATA_OF_CLASSES = frozenset("__name__ __qualname__ __match_args__ __abstractmethods__".split())
"""Of these special names of a class, those that hold data whoever wrote the class."""
_OF_CLASSES = frozenset("call eq ne lt le gt ge hash repr str or ror".split())
"""Special methods by which a class is asked."""
_OF_FUNCTIONS = frozenset("call eq ne hash repr str".split())
_DESCRIPTORS = frozenset("get set delete set_name".split())
_NAMES_TO_SET = frozenset("__name__ __qualname__ __doc__ __module__ __wrapped__".split())
_NAMES_TO_DECORATE = frozenset(
    (
        "__init__ __post_init__ __repr__ __str__ __eq__ __ne__ __lt__ __le__ __gt__ __ge__ __hash__"
        " __call__ __len__ __iter__ __contains__ __getitem__ __add__ __enter__ __exit__ __doc__"
    ).split()
)
_ONLY: dict[type, frozenset[str]] = {
    CoroutineType: frozenset(("send", "throw", "close", "__name__", "__qualname__")),
    GeneratorType: frozenset(("send", "throw", "close", "__name__", "__qualname__")),
    AsyncGeneratorType: frozenset(("asend", "athrow", "aclose", "__name__", "__qualname__")),
}
"""Objects whose other public names lead to code and frames."""
_KEPT_BACK = {
    "numpy.ndarray": frozenset("resize ctypes dump dumps tofile data base setflags".split()),
    "numpy.random.mtrand.RandomState": frozenset(("set_state",)),
    "unittest.mock.NonCallableMock": frozenset(("method_calls",)),
}
"""Public names by which a library's objects would break the judge's memory, or lead to what nobody
lent; of `unittest` those that its classes define, too: a solution does not set up a mock."""


def tell(value: object, reached: bool) -> None:
    """May this be told of? `reached`: the solution reached for it. Raises OneProcess, TypeError."""
    reason = _why_not(value)
    if reason:
        if reached:
            raise TypeError(f"{reason} is not lent to the solution")
        raise OneProcess(f"{reason} cannot be lent to the solution")


def _why_not(value: Any) -> str:
    kind = type(value)
    if issubclass(kind, BaseException) or value is None:
        return ""
    if issubclass(kind, type):
        lent = issubclass(value, BaseException) or value.__module__ in _LENT_FROM
        return "" if lent else f"the class {value.__name__}"
    if kind in (MethodType, BuiltinFunctionType, MethodWrapperType):
        owner = getattr(value, "__self__", None)
        if isinstance(owner, ModuleType) or owner is None:
            known = getattr(owner, "__name__", "") in _SAFE_MODULES
            return "" if known else f"the function {value.__name__}"
        return "" if is_plain(owner) else _why_not(owner)
    if kind is FunctionType:  # of ours, what reads by a text stands for something else
        return "" if value.__module__ != Sites.__module__ else "what reads by a text"
    if value is str.format or value is str.format_map:  # "{0.__globals__}"
        return "str.format"
    if issubclass(kind, _OF_CLASS_BODIES) and is_tests(value.__objclass__):
        return ""  # what `vars` shows of a class; it is asked for nothing
    if issubclass(kind, _NEVER) or kind.__module__ not in _LENT_FROM:
        return f"a {kind.__name__}"
    return ""


_SAFE_MODULES = frozenset("math cmath operator _operator itertools time _random _heapq".split())
"""Modules whose built-in functions do nothing but compute."""


_PLAIN = frozenset((type(None), *CONTENT))


def is_plain(value: object) -> bool:
    return type(value) in _PLAIN


def is_tests_or_plain(value: object) -> bool:
    """Whether this is data, or an object of a class of the test's own."""
    kind = type(value)
    return is_plain(value) or (not is_reference(value) and is_tests(kind))


def is_tests(kind: type) -> bool:
    """Whether the test's own code made this class, by a class statement or a call."""
    if kind.__module__ == "test":
        return True
    if kind.__module__.startswith("unittest."):  # a mock has a class of its own
        return False
    found: object = sys.modules.get(kind.__module__)
    for name in kind.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is not kind and bool(kind.__flags__ & _MADE_AT_RUN_TIME)


_MADE_AT_RUN_TIME = 1 << 9  # Py_TPFLAGS_HEAPTYPE


# ---- what may be asked ---------------------------------------------------------------------------


def allow(operation: str, operands: tuple[Any, ...]) -> None:
    """May the solution ask this? Raises AttributeError or TypeError, as the object itself would."""
    target: object = operands[0] if operands else None
    if issubclass(type(target), AssertionError):  # its text may say what was expected
        raise TypeError("a failed assertion is not lent")
    if operation in ("get", "method") and len(operands) > 1:
        _readable(target, operands[1])
    elif operation == "above":
        _readable(target, operands[2])  # of the class
    elif operation in ("set", "del") and len(operands) > 1:
        _writable(target, operands[1], operands[2] if operation == "set" else None)
    elif operation == "make":
        if not all(map(_is_open_class, operands[1])):
            raise TypeError("not a class that was lent")
    elif operation == "special" and len(operands) > 1:
        _askable(target, operands[1])
    elif operation in ("iter", "len", "contains", "getitem"):
        if not (isinstance(target, type) and is_tests(target)):
            raise TypeError("not a class of the test's own")
    elif operation == "call":
        _callable(target)


def _is_open_class(kind: object) -> bool:
    """A class of the test's own, or an exception's: a library's makes new powers when called."""
    return isinstance(kind, type) and (is_tests(kind) or issubclass(kind, BaseException))


def _callable(target: Any) -> None:
    if issubclass(type(target), type) and not _is_open_class(target):
        raise TypeError(f"{target.__name__} is not lent to be called")


def _askable(target: object, special: object) -> None:
    """A special method is the class's, and so may be another than the object's own code."""
    kind = type(target)
    if issubclass(kind, type):
        known = special in _OF_CLASSES or is_tests(kind)  # a metaclass of the test's
    elif issubclass(kind, _FUNCTIONS):
        known = special in _OF_FUNCTIONS
    else:
        first = next((one for one in mro(kind) if f"__{special}__" in names_in(one)), object)
        known = special not in _DESCRIPTORS or is_tests(first)
    if not known:
        raise TypeError(f"{kind.__name__!r} object lends no {special}")
    if special == "call":
        _callable(target)


def makes_a_class(operation: str, operands: tuple[Any, ...]) -> bool:
    """Whether this makes a class here, with what the solution wants for its methods, or an object
    by a constructor of the library's that might take them."""
    if operation == "make":
        return True
    target = operands[0] if operands else None
    is_call = operation == "call" or (operation == "special" and operands[1] == "call")
    if not is_call or not isinstance(target, type):
        return False
    makers = (
        next(one for one in mro(target) if name in names_in(one))
        for name in ("__new__", "__init__")
    )
    known = (object, *CONTENT)
    return issubclass(target, type) or not all(
        one in known or is_tests(one) or issubclass(one, BaseException) or one.__module__ == "enum"
        for one in makers
    )


def _readable(value: object, name: object) -> None:
    kind = type(value)
    if type(name) is str and _lends(value, kind, name):
        return
    raise AttributeError(f"{kind.__name__!r} object lends no attribute {name!r}")


def _attributes(value: object) -> dict[str, object]:
    try:
        found: dict[str, object] = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return {}
    return found


def _lends(value: Any, kind: type, name: str) -> bool:
    special = name.startswith("__")
    if kind in _ONLY:
        return name in _ONLY[kind]
    if issubclass(kind, _FUNCTIONS):
        return name in _NAMES_OF_FUNCTIONS if special else name in getattr(value, "__dict__", ())
    if issubclass(kind, type):
        return _lends_of_class(value, name, special)
    if special:
        is_open = is_tests(kind) or kind.__name__ in ("SimpleNamespace", "Namespace")
        if kind.__module__ == "typing" and not is_tests(kind):
            return name in _NAMES_OF_TYPES
        return name in _NAMES_OF_OBJECTS and (is_open or name == "__doc__")
    if is_tests(kind):
        first = next((one for one in mro(kind) if name in names_in(one)), kind)
        held = _attributes(value).get(name, names_in(first).get(name))
        if isinstance(held, BuiltinFunctionType) and _why_not(held):
            return False
        if name in ("format", "format_map") and not is_tests(first):
            return False  # which reads any attribute
        return first not in CONTENT and not _is_kept_back(kind, name)
    is_format = name in ("format", "format_map")  # which reads any attribute
    return name[:1] != "_" and not is_format and not _is_kept_back(kind, name)


def _lends_of_class(value: type, name: str, special: bool) -> bool:
    """As of its objects: what a library's class defines is not the test's to lend, special methods
    least of all; of those of `object` and of plain data nothing can be made."""
    first = next((one for one in mro(value) if name in names_in(one)), value)
    if is_tests(first):
        return not special or name in _NAMES_OF_CLASSES
    if special:
        is_harmless = first is object or first in CONTENT or issubclass(first, BaseException)
        is_open = is_tests(value) and is_harmless and name != "__dict__"
        return name in _DATA_OF_CLASSES or (is_open and name in _NAMES_OF_CLASSES)
    is_format = name in ("format", "format_map")
    return name[:1] != "_" and not is_format and not _is_kept_back(value, name)


def _is_kept_back(kind: type, name: str) -> bool:
    return any(
        (one.__module__.startswith("unittest.") and name in names_in(one))
        or name in _KEPT_BACK.get(f"{one.__module__}.{one.__qualname__}", ())
        for one in mro(kind)
    )


def _writable(value: object, name: object, new: object) -> None:
    """Attributes are set on objects and functions of the test's, where they hold data."""
    kind = type(value)
    if type(name) is str and not name.startswith("__"):
        if kind is FunctionType and not hasattr(kind, name):
            return
    if type(name) is str and kind is FunctionType and name in _NAMES_TO_SET:
        return
    if type(name) is str and not name.startswith("__"):
        there = next((names_in(one)[name] for one in mro(kind) if name in names_in(one)), None)
        is_method = not hasattr(type(there), "__set__") and (
            callable(there) or hasattr(type(there), "__get__")
        )
        if any(one.__module__ == "unittest.mock" for one in mro(kind)):
            is_open = type(new) in _PLAIN and name[:1] != "_" and not _is_kept_back(kind, name)
        else:
            is_open = kind.__name__ in ("SimpleNamespace", "Namespace") or (
                is_tests(kind) and not isinstance(value, type)
            )
        if is_open and not is_method:
            return
    if isinstance(value, type) and is_tests(value):  # as a class decorator does
        if type(name) is str and (name[:2] != "__" or name in _NAMES_TO_DECORATE):
            return
        raise Uncrossed(f"the solution sets {name!r} of a class of the test's")
    raise AttributeError(f"{kind.__name__!r} object lets nobody set {name!r}")
