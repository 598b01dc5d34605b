"""What a test lends to the solution, in the judge: which values, and what may be asked of them.

Plain data crosses as it is; everything else of the test's that reaches a call is lent: the subject
gets a handle, and each use of it comes back here (`asked`). So no value moves a cell to the inline
judge: what is never lent raises Unencodable, a TypeError to the test.

A solution that was lent an object may use it as a caller would: public names and operators. Code,
frames, modules, defaults and closures stay out of its reach, and it cannot put a function of its
own in the place of one of the test's.
"""

from __future__ import annotations

import builtins
import contextlib
import functools
import operator
import sys
from collections.abc import Callable
from types import (
    AsyncGeneratorType,
    BuiltinFunctionType,
    CodeType,
    CoroutineType,
    FrameType,
    FunctionType,
    GeneratorType,
    MethodType,
    ModuleType,
    TracebackType,
)
from typing import Any

from . import about, codec
from .codec import CodecError, Unencodable
from .protocols import OPERATIONS, awaited, supported

_FUNCTIONS = (FunctionType, MethodType, BuiltinFunctionType)
_NEVER = (FrameType, CodeType, ModuleType, TracebackType)
_LENT_FROM = frozenset(
    (
        "test builtins types typing abc enum dataclasses collections itertools functools operator"
        " contextlib io _io string re random _random array argparse unittest unittest.mock"
        " threading _thread queue _queue concurrent.futures._base asyncio.locks asyncio.queues"
        " asyncio.tasks asyncio.futures _asyncio decimal fractions datetime zoneinfo uuid pathlib"
        " ipaddress sqlite3 logging numpy numpy.ma numpy.random._generator numpy.random.mtrand"
    ).split()
)
"""Modules whose objects are lent; those of others (event loops, ctypes, mapped memory, …) might
do anything here."""
_PYTHONS_OWN: dict[type, frozenset[str]] = {
    **dict.fromkeys((*_FUNCTIONS, CoroutineType, functools.partial), frozenset()),
    **dict.fromkeys((operator.attrgetter, operator.itemgetter, operator.methodcaller), frozenset()),
    contextlib._GeneratorContextManager: frozenset(),
    contextlib._AsyncGeneratorContextManager: frozenset(),
    GeneratorType: frozenset(("send", "throw", "close")),
    AsyncGeneratorType: frozenset(("asend", "athrow", "aclose")),
}
"""Objects whose public names or texts lead to code, frames or bound arguments, and the names that
do not."""
_KEPT_BACK = {
    "numpy.ndarray": frozenset("resize ctypes dump dumps tofile".split()),
    "numpy.random.mtrand.RandomState": frozenset(("set_state",)),
    "sqlite3.Connection": frozenset(
        "enable_load_extension load_extension deserialize set_authorizer".split()
    ),
    "unittest.mock.NonCallableMock": frozenset(("method_calls",)),
}
"""Public names by which a library's objects would break the judge's memory, or lead to what nobody
lent; of `unittest` those that its classes lack, too."""


def kind_of(value: Any, number: Callable[[Any], int]) -> tuple[str, Any]:
    """How a value is lent: its kind, and data that goes with it; `number` is of a class's handle.
    Raises Unencodable for what is not lent."""
    kind = type(value)
    if isinstance(value, BaseException):
        lineage, *told = about.described(value)[:4]
        if isinstance(value, AssertionError):  # its text may say what was expected
            told = [(), "", {}]
        return "error", (lineage, *told)
    if kind in (CoroutineType, GeneratorType, AsyncGeneratorType):
        return kind.__name__, None
    if isinstance(value, type):
        if issubclass(value, BaseException):
            return "errors", about.lineage(value)
        if not _may_be_called(value):
            raise Unencodable(f"the class {value.__name__} cannot cross")
        return f"class {_class(value, number)}", None
    if isinstance(value, _FUNCTIONS):
        owner = getattr(value, "__self__", None)
        if owner is builtins:
            raise Unencodable(f"{value.__name__} cannot cross")
        _guard(owner)
        return "function", None
    if isinstance(value, _NEVER) or kind.__module__ not in _LENT_FROM:
        raise Unencodable(f"a {kind.__name__} cannot cross")
    _guard(value)
    return f"object {_class(kind, number)}", None


def _guard(value: Any) -> None:
    """SQL runs here as well: of it, nothing that calls or writes to an address."""
    if any(one.__module__ == "sqlite3" for one in codec.mro(type(value))):
        database = getattr(value, "connection", value)
        if hasattr(database, "set_authorizer"):
            database.set_authorizer(_authorized)


def _authorized(action: int, first: str | None, second: str | None, *where: Any) -> int:
    """As SQLite asks while it compiles a statement: 0 is yes, 1 no."""
    called = action == 31 and second in ("fts3_tokenizer", "load_extension")
    return int(called or (action == 19 and first == "writable_schema"))


def _class(kind: type, number: Callable[[Any], int]) -> str:
    """A class, as a handle tells it: its number (or -1), what its objects support, its name."""
    known = number(kind) if _may_be_called(kind) else -1
    return f"{known} {','.join(supported(codec.mro(kind)[:-1]))} {kind.__name__}"


def _is_tests(kind: type) -> bool:
    """Whether the test's own code made this class."""
    return kind.__module__ == "test"


def _may_be_called(kind: type) -> bool:
    return _is_tests(kind) or codec.is_plain(kind) or kind.__module__ == "collections"


def _about(function: Any) -> Any:
    """What the subject may know of a function of the test's. No code of the test's runs."""
    if type(function) is MethodType:
        function = function.__func__
    if type(function) is not FunctionType:
        return None
    names = tuple(getattr(function, name) for name in about.NAMES)
    plain = FunctionType(
        function.__code__, {}, function.__name__, function.__defaults__, function.__closure__
    )
    plain.__kwdefaults__ = function.__kwdefaults__
    return names, about.code_facts(function), tuple(about.parameters_of(plain, shown=False))


# ---- attributes ----------------------------------------------------------------------------------


def _readable(value: Any, name: Any) -> None:
    if type(name) is not str:
        raise CodecError("not a name")
    safe = _PYTHONS_OWN.get(type(value))
    closed = safe is not None and name not in safe
    if closed or name.startswith("_") or _is_kept_back(value, name):
        raise AttributeError(f"{type(value).__name__!r} object lends no attribute {name!r}")


def _is_kept_back(value: Any, name: str) -> bool:
    """Whether this is how a test sets up a mock or a test case or asks it, and not what a mock
    stands for; or one of `_KEPT_BACK`."""
    return any(
        (one.__module__.startswith("unittest.") and name in one.__dict__)
        or name in _KEPT_BACK.get(f"{one.__module__}.{one.__qualname__}", ())
        for one in codec.mro(type(value))
    )


def _getattr(value: Any, name: Any) -> Any:
    _readable(value, name)
    return getattr(value, name)


def _writable(value: Any, name: Any, data: bool = False) -> None:
    """Attributes are set on objects of the test's own classes, where they hold data; what is
    `data` itself on a mock as well."""
    _readable(value, name)
    kind = type(value)
    own = codec.mro(kind)
    there = next((one.__dict__[name] for one in own if name in one.__dict__), None)
    held = getattr(value, "__dict__", {}).get(name)
    is_open = (
        (_is_tests(kind) and not isinstance(value, type))
        or kind.__name__ in ("SimpleNamespace", "Namespace")
        or (data and any(one.__module__ == "unittest.mock" for one in own))
    )
    is_method = not hasattr(type(there), "__set__") and (
        callable(there) or hasattr(type(there), "__get__")
    )
    # What `__getattr__` makes up is looked at as well, but not of a mock: it makes up anything.
    if not is_open or is_method or callable(held if data else getattr(value, name, None)):
        raise AttributeError(f"{kind.__name__!r} object lets nobody set {name!r}")


def _setattr(value: Any, name: Any, new: Any) -> None:
    _writable(value, name, codec.is_plain(type(new)))
    setattr(value, name, new)


def _delattr(value: Any, name: Any) -> None:
    _writable(value, name)
    delattr(value, name)


def _dict(value: Any) -> dict[str, Any]:
    """The public part of an object's `__dict__`."""
    if not _is_tests(type(value)):
        raise AttributeError("__dict__")
    return {name: held for name, held in vars(value).items() if name[:1] != "_"}


def _fields(value: Any) -> list[tuple[Any, ...]]:
    """The fields of a dataclass of the test's."""
    try:
        return about.fields_of(value, shown=False)
    except TypeError:
        raise AttributeError("__dataclass_fields__") from None


# ---- calls, operators, coroutines ----------------------------------------------------------------


def _invoke(function: Any, args: Any, kwargs: Any) -> Any:
    if not callable(function) or type(args) is not tuple:
        raise CodecError("not a call")
    try:
        words = dict(kwargs)
    except (TypeError, ValueError):
        raise CodecError("not a call") from None
    if not all(type(name) is str for name in words):
        raise CodecError("not a call")
    return function(*args, **words)


def _op(value: Any, name: Any, operands: Any) -> Any:
    if type(name) is not str or name not in OPERATIONS or type(operands) is not tuple:
        raise CodecError("no such operation")
    if not any(operand is value for operand in operands):
        raise CodecError("an operation on nothing that was lent")
    if name in ("str", "repr", "format") and type(value) in _PYTHONS_OWN:
        return f"<{type(value).__name__} object>"
    return OPERATIONS[name](*operands)


def _leave(manager: Any, name: Any, error: BaseException | None) -> Any:
    if name not in ("__exit__", "__aexit__"):
        raise CodecError("no such operation")
    return getattr(type(manager), name)(manager, type(error) if error else None, error, None)


def _start(awaitable: Any) -> tuple[bool, Any]:
    """Begin to await: whether it is over, and its result, or what to ask (`_done`) for it."""
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:  # the solution runs a loop of its own, inside a plain call
        return True, asyncio.run(awaited(awaitable))
    return False, asyncio.ensure_future(awaitable)


def _done(task: Any) -> tuple[bool, Any]:
    asyncio = sys.modules.get("asyncio")
    if asyncio is None or not isinstance(task, asyncio.Future):
        raise CodecError("not a task")
    return (True, task.result()) if task.done() else (False, task)


_ANSWERS: dict[str, Callable[..., Any]] = {
    "about": _about,
    "invoke": _invoke,
    "getattr": _getattr,
    "setattr": _setattr,
    "delattr": _delattr,
    "dict": _dict,
    "fields": _fields,
    "op": _op,
    "leave": _leave,
    "start": _start,
    "done": _done,
}


def asked(operation: Any, value: Any, operands: tuple[Any, ...]) -> Any:
    """Answer what the subject asks of a value that was lent to it. Raises CodecError for what no
    stub asks, and whatever the value raises."""
    answer = _ANSWERS.get(operation) if type(operation) is str else None
    if answer is None:
        raise CodecError("no such question")
    if isinstance(value, AssertionError):  # its text may say what was expected
        raise TypeError("a failed assertion is not lent")
    return answer(value, *operands)
