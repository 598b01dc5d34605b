"""The table of plain data beyond the built-in values: one row per type.

A row names a type, the types that its parts may be of (exactly: checked at both ends), the parts of
a value, and how a value is built from them. A value whose parts are of other types is not plain
data. In the judge `build` runs on what a solution chose: it may raise anything, which is a
CodecError, but it evaluates, unpickles and imports nothing. A cell in which such a value crosses
runs in one process as well (`values.REBUILT`). What crosses by name (`named`) is of
fixed lists.
"""

from __future__ import annotations

import abc
import array
import builtins
import contextlib
import datetime as dt
import importlib
import ipaddress
import numbers
import pathlib
import random
import re
import sys
import uuid
import warnings
import zoneinfo
from collections import (
    Counter,
    OrderedDict,
    defaultdict,
    deque,
)
from collections import abc as abstract
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from functools import partial, reduce
from operator import or_
from types import MappingProxyType, SimpleNamespace, UnionType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING or __package__ != "jailed":
    from sv_sandbox import _native as native
else:
    import _native as native  # put there by the zygote, while our modules are imported

__all__ = ["ROWS", "CodecError", "Parts", "Row", "native"]
CodecError = native.CodecError

MAX_EXPONENT = 5_000  # of a Decimal: a few bytes must not stand for a number that fills a memory

Parts = tuple[object, ...]
Kinds = type | tuple[type, ...]


class Row(NamedTuple):
    """How the values of one type cross."""

    kind: type
    takes: tuple[Kinds, ...]
    """What each part is of, exactly; `object` for anything."""
    parts: Callable[[Any], Parts]
    build: Callable[..., object]
    mutable: bool = False
    """Numbered, so that its identity survives."""
    word: bool = False
    """Computes when it is called, or compares loosely: a verdict may rest on the choice of it."""

    def fits(self, parts: Parts) -> bool:
        """Whether these are parts of a value of this type."""
        return len(parts) == len(self.takes) and all(
            kinds is object or type(part) is kinds or (type(kinds) is tuple and type(part) in kinds)
            for part, kinds in zip(parts, self.takes, strict=True)
        )


# ---- what crosses by name --------------------------------------------------------------------

_BUILTINS = (
    "abs all any ascii bin bool bytearray bytes callable chr complex dict divmod enumerate filter"
    " float format frozenset hash hex id int isinstance issubclass iter len list map max min next"
    " object oct ord pow print range repr reversed round set slice sorted str sum tuple type zip"
)
_ERRORS = (
    "_csv.Error _queue.Empty asyncio.exceptions.CancelledError asyncio.exceptions.InvalidStateError"
    " asyncio.queues.QueueEmpty asyncio.queues.QueueFull binascii.Error copy.Error"
    " concurrent.futures._base.CancelledError configparser.NoOptionError"
    " configparser.NoSectionError dataclasses.FrozenInstanceError decimal.DecimalException"
    " decimal.DivisionByZero"
    " decimal.Inexact decimal.InvalidOperation decimal.Overflow decimal.Rounded decimal.Underflow"
    " graphlib.CycleError json.decoder.JSONDecodeError locale.Error numpy.exceptions.AxisError"
    " numpy.linalg.LinAlgError queue.Full re.error shutil.Error statistics.StatisticsError"
    " struct.error zlib.error"
)
LIBRARY_ERRORS = frozenset(_ERRORS.split())
"""Exception classes of libraries that cross by name."""
BUILTINS = {name: getattr(builtins, name) for name in _BUILTINS.split()}
"""Built-in functions and types that cross by name: none that reaches code, memory or files."""
EXCEPTIONS: dict[str, type[BaseException]] = {
    name: kind
    for name, kind in vars(builtins).items()
    if isinstance(kind, type) and issubclass(kind, BaseException)
}
"""Built-in exception classes, which cross by name as well."""


def exception(name: str) -> type[BaseException] | None:
    """The class of Python's own or of a library that goes by this name. Loads that library, since
    perhaps only the other end has."""
    if name not in LIBRARY_ERRORS:
        return EXCEPTIONS.get(name)
    module, _, short = name.rpartition(".")
    with contextlib.suppress(ImportError):
        importlib.import_module(module)
    kind = getattr(sys.modules.get(module), short, None)
    return kind if isinstance(kind, type) and issubclass(kind, BaseException) else None


def exception_name(kind: type[BaseException]) -> str | None:
    """The name under which this very class crosses; None for the solution's own."""
    if EXCEPTIONS.get(kind.__name__) is kind:
        return kind.__name__
    name = f"{kind.__module__}.{kind.__qualname__}"
    return name if name in LIBRARY_ERRORS and exception(name) is kind else None


def named(name: str) -> object:
    """What goes by this name. Raises CodecError."""
    value = _NAMED.get(name) or exception(name)
    if value is None:
        raise CodecError("no such name")
    return value


def name_of(value: object) -> str | None:
    """The name under which this very object crosses."""
    name = _NAMES.get(id(value))
    if name is None and type(value) is type and issubclass(value, BaseException):
        return exception_name(value)
    return name


def call(value: object, name: str) -> None:
    """From now on this object crosses by that name, too."""
    _NAMES[id(value)] = name


# ---- the rows --------------------------------------------------------------------------------

_MAPPINGS = (dict, OrderedDict, defaultdict, Counter)
_NONE = type(None)
_DATE = ("year", "month", "day")
_TIME = ("hour", "minute", "second", "microsecond", "tzinfo", "fold")
_FACTORIES: dict[str, Callable[[], object]] = {
    kind.__name__: kind
    for kind in (
        *(bool, bytes, complex, dict, float, frozenset, int, list, set, str, tuple),
        *(Counter, OrderedDict, deque),
    )
}


def _attributes(*names: str) -> Callable[[object], Parts]:
    return lambda value: tuple(getattr(value, name) for name in names)


def _decimal(value: Decimal) -> Parts:
    extreme = value.is_finite() and abs(value.adjusted()) > MAX_EXPONENT
    return () if extreme else (str(value),)


def _attributes_of(value: SimpleNamespace) -> Parts:
    """NumPy and others believe special names of any object."""
    return () if any(name[:2] == "__" for name in vars(value)) else (dict(vars(value)),)


def _build_namespace(attributes: dict[str, object]) -> SimpleNamespace:
    if any(name[:2] == "__" for name in attributes):
        raise CodecError("special names")
    return SimpleNamespace(**attributes)


def _build_decimal(text: str) -> Decimal:
    value = Decimal(text)
    if not _decimal(value):
        raise CodecError("a Decimal of extreme size")
    return value


def _timezone(value: dt.timezone) -> Parts:
    offset, *name = value.__getinitargs__()  # type: ignore[attr-defined]
    return (offset, name[0] if name else None)


def _build_timezone(offset: dt.timedelta, name: str | None) -> dt.timezone:
    return dt.timezone(offset) if name is None else dt.timezone(offset, name)


def _build_zone(key: str) -> zoneinfo.ZoneInfo:
    if not re.fullmatch(r"[A-Za-z0-9_+-]{1,40}(/[A-Za-z0-9_+-]{1,40}){0,2}", key):
        raise CodecError("no name of a time zone")
    return zoneinfo.ZoneInfo(key)


def _defaultdict(value: defaultdict[object, object]) -> Parts:
    factory: object = value.default_factory
    for name, known in _FACTORIES.items():
        if known is factory:
            factory = name
    return (factory, dict(value))


def _build_defaultdict(factory: Any, items: dict[object, object]) -> object:
    return defaultdict(_FACTORIES[factory] if type(factory) is str else factory, items)


def _build_pattern(pattern: str, flags: int) -> re.Pattern[str]:
    if flags & re.DEBUG:
        raise CodecError("a pattern that prints")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return re.compile(pattern, flags)


def _build_random(state: tuple[object, ...]) -> random.Random:
    value = random.Random(0)
    value.setstate(state)
    return value


def _build_union(kinds: tuple[object, ...]) -> object:
    if len(kinds) < 2 or not all(isinstance(kind, type) for kind in kinds):
        raise CodecError("not a union of classes")
    return reduce(or_, kinds)


def _folded(kind: Callable[..., object]) -> Callable[..., object]:
    return lambda *parts: kind(*parts[:-1], fold=parts[-1])


def _views(kind: type[dict[object, object]]) -> Iterator[Row]:
    """Of keys, values and items: each crosses as a dictionary that has them."""
    for view, whole in (
        (kind.keys, lambda v: (kind.fromkeys(v),)),
        (kind.values, lambda v: (kind(enumerate(v)),)),
        (kind.items, lambda v: (kind(v),)),
    ):
        yield _mutable(type(view(kind())), (kind,), whole, view)


_mutable = partial(Row, mutable=True)
_BY_TEXT = (
    *(pathlib.PosixPath, pathlib.PurePosixPath, pathlib.PureWindowsPath),
    *(ipaddress.IPv4Address, ipaddress.IPv4Network, ipaddress.IPv4Interface),
    *(ipaddress.IPv6Address, ipaddress.IPv6Network, ipaddress.IPv6Interface),
)
ROWS = (
    Row(Decimal, (str,), _decimal, _build_decimal),
    Row(Fraction, (int, int), _attributes("numerator", "denominator"), Fraction),
    Row(dt.timedelta, (int,) * 3, _attributes("days", "seconds", "microseconds"), dt.timedelta),
    Row(dt.date, (int,) * 3, _attributes(*_DATE), dt.date),
    Row(
        *(dt.datetime, (*(int,) * 7, object, int), _attributes(*_DATE, *_TIME)),
        _folded(dt.datetime),
    ),
    Row(dt.time, (*(int,) * 4, object, int), _attributes(*_TIME), _folded(dt.time)),
    Row(dt.timezone, (dt.timedelta, (str, _NONE)), _timezone, _build_timezone),
    Row(zoneinfo.ZoneInfo, (str,), _attributes("key"), _build_zone),
    _mutable(deque, (tuple, (int, _NONE)), lambda v: (tuple(v), v.maxlen), deque),
    _mutable(Counter, (dict,), lambda v: (dict(v),), Counter),
    _mutable(OrderedDict, (dict,), lambda v: (dict(v),), OrderedDict),
    _mutable(defaultdict, (object, dict), _defaultdict, _build_defaultdict),
    _mutable(MappingProxyType, (_MAPPINGS,), lambda v: (v.copy(),), MappingProxyType),
    _mutable(SimpleNamespace, (dict,), _attributes_of, _build_namespace),
    *_views(dict),
    *_views(OrderedDict),
    *(Row(kind, (str,), lambda v: (str(v),), kind) for kind in _BY_TEXT),
    Row(uuid.UUID, (int,), _attributes("int"), lambda number: uuid.UUID(int=number)),
    _mutable(array.array, (str, bytes), lambda v: (v.typecode, v.tobytes()), array.array),
    Row(re.Pattern, ((str, bytes), int), _attributes("pattern", "flags"), _build_pattern),
    Row(UnionType, (tuple,), _attributes("__args__"), _build_union, word=True),
    _mutable(random.Random, (tuple,), lambda v: (v.getstate(),), _build_random),
)
_NAMED: dict[str, object] = {
    **BUILTINS,
    **EXCEPTIONS,
    **{f"{row.kind.__module__}.{row.kind.__name__}": row.kind for row in ROWS},
    **{"NoneType": _NONE, "abc.ABC": abc.ABC},
    **{
        f"{of.__name__}.{name}": vars(of)[name] for of in (abstract, numbers) for name in of.__all__
    },
}
_NAMES = {id(value): name for name, value in _NAMED.items()}
