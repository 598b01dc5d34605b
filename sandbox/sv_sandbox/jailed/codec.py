"""The restricted codec: plain data between a subject and a judge, and nothing else.

Encodes exact built-in values and a fixed list of standard-library values; an instance of a
subclass (IntEnum, an `int` with its own `__eq__`, ...) travels as the plain value it extends.
Anything else is offered to `export` (a handle to a remote object) or raises `Unencodable`.
Decoding builds values from tags and lengths only: no eval, no pickle, no import but of three
modules of the standard library (`_BY_TEXT`); every length is checked against what is left, nesting
against `MAX_DEPTH`. Malformed bytes raise `CodecError` and nothing else (MemoryError and
RecursionError included, they are bounded away).

Mutable containers are numbered in the order they are met, so that shared references and cycles
survive, and so that both ends can speak of "container 3" (`known`).
"""

from __future__ import annotations

import importlib
import struct
import sys
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from keyword import iskeyword
from typing import Any

MAX_DEPTH = 100
MAX_BYTES = 16 << 20
MAX_FIELDS = 64
MAX_RANGE = 100_000
MAX_EXPONENT = 5_000
MAX_EXPANDED = 200_000
"""What `encode` and `decode` take of a range, a Decimal, and items counted through shared
references: a few bytes that stand for more could keep whoever walks them busy for ever, and their
reader runs where nothing may hang."""

_pack_double = struct.Struct(">d").pack
_unpack_double = struct.Struct(">d").unpack_from

BUILTINS: dict[str, Any] = {
    name: getattr(__import__("builtins"), name)
    for name in (
        "abs all any ascii bin bool bytearray bytes callable chr complex dict divmod enumerate"
        " filter float format frozenset hash hex id int isinstance issubclass iter len list map"
        " max min next object oct ord pow print range repr reversed round set slice sorted str sum"
        " tuple type zip"
    ).split()
}
"""Built-in functions and types that cross by name."""
EXCEPTIONS: dict[str, type[BaseException]] = {
    name: value
    for name, value in vars(__import__("builtins")).items()
    if isinstance(value, type) and issubclass(value, BaseException)
}
"""Built-in exception classes, which cross by name as well."""
_LIBRARY = frozenset(
    (
        *("dataclasses.FrozenInstanceError", "json.decoder.JSONDecodeError", "queue.Empty"),
        *("_queue.Empty", "queue.Full", "struct.error", "re.error", "binascii.Error", "zlib.error"),
        *("asyncio.exceptions.CancelledError", "asyncio.exceptions.InvalidStateError"),
        *("asyncio.queues.QueueEmpty", "asyncio.queues.QueueFull", "statistics.StatisticsError"),
        *("concurrent.futures._base.CancelledError", "_csv.Error"),
        *("configparser.NoSectionError", "configparser.NoOptionError", "copy.Error"),
        *("numpy.linalg.LinAlgError", "numpy.exceptions.AxisError", "graphlib.CycleError"),
        *("locale.Error", "shutil.Error"),
        *(f"decimal.{name}" for name in "DecimalException InvalidOperation DivisionByZero".split()),
        *("decimal.Overflow", "decimal.Underflow", "decimal.Inexact", "decimal.Rounded"),
    )
)
"""Exception classes of libraries that cross by name, where the module is loaded at both ends."""


def exception(name: str) -> type[BaseException] | None:
    """The class of Python's own or of a library that goes by this name; imports nothing."""
    if name not in _LIBRARY:
        return EXCEPTIONS.get(name)
    module, _, short = name.rpartition(".")
    kind = getattr(sys.modules.get(module), short, None)
    return kind if isinstance(kind, type) and issubclass(kind, BaseException) else None


def exception_name(kind: type[BaseException]) -> str | None:
    """The name under which this very class crosses; None for the solution's own."""
    if EXCEPTIONS.get(kind.__name__) is kind:
        return kind.__name__
    name = f"{kind.__module__}.{kind.__qualname__}"
    return name if name in _LIBRARY and exception(name) is kind else None


_TYPES: dict[str, Any] = {
    f"{kind.__module__}.{kind.__name__}": kind
    for kind in (
        *(Counter, OrderedDict, defaultdict, deque, Decimal, Fraction),
        *(date, datetime, time, timedelta, timezone),
    )
}
"""Classes of the standard library whose values are plain data, and which cross by name."""
_BY_TEXT: dict[str, tuple[str, ...]] = {
    "pathlib": ("PosixPath", "PurePosixPath", "PureWindowsPath"),
    "uuid": ("UUID",),
    "ipaddress": ("IPv4Address", "IPv6Address"),
}
"""Classes of the standard library whose values are what their text says, by their modules."""
_NAMED = {**BUILTINS, **EXCEPTIONS, **_TYPES, "NoneType": type(None)}
_NAMES = {id(value): name for name, value in _NAMED.items()}
_NUMPY_KINDS = frozenset("biufcSUmM")
_SCALARS: dict[str, type] = {
    **dict.fromkeys("int8 int16 int32 int64 uint8 uint16 uint32 uint64".split(), int),
    **dict.fromkeys("float16 float32 float64".split(), float),
    **dict.fromkeys("complex64 complex128".split(), complex),
    **dict.fromkeys("bool_ bool".split(), bool),
}
"""NumPy's types of numbers that cross as themselves, and the built-in type that holds them all."""


class CodecError(ValueError):
    """Bytes that no encoder wrote."""


class Unencodable(TypeError):
    """A value that cannot cross."""


class Handle:
    """A remote object, as it crosses: `kind` says what it is, `mine` whether it lives at the
    decoding end, `value` (unless None) what is told of it."""

    __slots__ = ("index", "kind", "mine", "value")

    def __init__(self, index: int, kind: str, mine: bool, value: Any = None):
        self.index, self.kind, self.mine, self.value = index, kind, mine, value


mro: Callable[[type], tuple[type, ...]] = type.__dict__["__mro__"].__get__
"""The bases of a class, whatever its metaclass says."""


def _varint(out: bytearray, value: int) -> None:
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)


def _unbounded(value: range | Decimal) -> bool:
    if isinstance(value, range):
        return abs(value.stop - value.start) // abs(value.step) > MAX_RANGE
    return value.is_finite() and abs(value.adjusted()) > MAX_EXPONENT


def _steps(data: bytes, shape: Any) -> int:
    """What an array counts for: of one without data, the empty rows."""
    return len(data) // 16 + max(shape, default=0)


class Encoder:
    """Appends values to `out`. `known` are containers that the other end has already, by number.

    `bounded` refuses values that are small here and large when they are walked; `strict` those
    whose class adds methods to plain data.
    """

    def __init__(
        self,
        export: Callable[..., Handle | None] | None = None,
        known: list[Any] | None = None,
        bounded: bool = False,
        strict: bool = False,
    ):
        self.bounded = bounded
        self._strict = strict
        self.out = bytearray()
        self.containers: list[Any] = list(known or ())  # kept alive: ids must stay theirs
        self._number = {id(value): index for index, value in enumerate(self.containers)}
        self._export = export
        self.repeats: dict[int, int] = {}  # how often a container was met again
        self._depth = 0
        self._expanded = 0  # items so far, those behind references included
        self._sizes: dict[int, int] = {}

    def message(self, value: Any) -> bytes:
        """Everything appended, after this last value. Raises Unencodable."""
        self.add(value)
        return bytes(self.out)

    def add(self, value: Any) -> None:
        """Append one value. Raises Unencodable and nothing else: a value with hostile attributes
        may raise what it likes while it is looked at."""
        try:
            self.put(value)
        except Exception as error:
            if isinstance(error, Unencodable):
                raise
            raise Unencodable(f"{type(error).__name__} while it was encoded") from None

    def put(self, value: Any) -> None:
        """Append one value."""
        write = _WRITERS.get(type(value))
        number, before = len(self.containers), self._expanded
        if write is None:
            self._put_other(value)
        else:
            write(self, value)
        if len(self.containers) > number:
            self._sizes[number] = self._expanded - before + 1
            if self.bounded and self._expanded > MAX_EXPANDED:
                raise Unencodable("too many items")
        if len(self.out) > MAX_BYTES:
            raise Unencodable("the value is too large")

    def _put_other(self, value: Any) -> None:
        name = _NAMES.get(id(value))
        if name is not None:
            self.out.append(88)  # X
            self._text(name)
            return
        bases = mro(type(value))  # `__class__`, which isinstance believes, can lie
        for base, plain in PLAIN:
            if base in bases:
                if self._export is not None and self._whole(value, base, plain):
                    return None
                if self._strict and _has_methods(bases[: bases.index(base)]):
                    raise Unencodable(f"a {type(value).__name__} has methods of its own")
                if base is tuple and _is_namedtuple(type(value)):
                    return self._namedtuple(value)
                if base is float and self._scalar(value):  # a numpy.float64 extends float
                    return None
                return _WRITERS[base](self, plain(value))
        numpy = sys.modules.get("numpy")
        if numpy is not None and type(getattr(numpy, "ndarray", None)) is type:
            if self._numpy(numpy, value):
                return
        if self._by_text(value):
            return
        handle = self._export(value) if self._export is not None else None
        if handle is None:
            raise Unencodable(f"a {type(value).__name__} cannot cross")
        self._handle(handle)

    def _by_text(self, value: Any) -> bool:
        kind = type(value)
        for module, names in _BY_TEXT.items():
            if kind.__name__ in names:
                if getattr(sys.modules.get(module), kind.__name__, None) is not kind:
                    return False
                self.out.append(80)  # P
                self._text(f"{module}.{kind.__name__}")
                self._text(kind.__str__(value))
                return True
        return False

    def _handle(self, handle: Handle) -> None:
        if handle.value is not None:
            self.out.append(104)  # h
        self.out.append(71 if handle.mine else 72)  # G, H
        _varint(self.out, handle.index)
        self._text(handle.kind)
        if handle.value is not None:
            self.put(handle.value)

    def _whole(self, value: Any, base: type, plain: Callable[[Any], Any]) -> bool:
        """Writes a handle for a value of a subclass, where it is to keep its methods; what cannot
        change crosses with it."""
        assert self._export is not None
        handle = self._export(value, True)
        if handle is None:
            return False
        if handle.kind.startswith("value"):
            self.out.append(104)  # h
            self._handle(handle)
            if base is tuple and _is_namedtuple(type(value)):
                self._namedtuple(value)
            else:
                _WRITERS[base](self, plain(value))
        else:
            self._handle(handle)
        return True

    def _text(self, text: str) -> None:
        data = text.encode("utf-8", "surrogatepass")
        _varint(self.out, len(data))
        self.out += data

    def _reference(self, value: Any) -> bool:
        """Writes a reference when the container is known; else numbers it."""
        number = self._number.get(id(value))
        if number is not None:
            self.out.append(82)  # R
            _varint(self.out, number)
            self.repeats[number] = self.repeats.get(number, 0) + 1
            self._expanded += self._sizes.get(number, 0)
            return True
        self._number[id(value)] = len(self.containers)
        self.containers.append(value)
        return False

    def _items(self, tag: int, items: Any, count: int) -> None:
        out = self.out
        out.append(tag)
        _varint(out, count)
        self._expanded += count
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise Unencodable("nested too deeply")
        put = self.put
        for item in items:
            put(item)
        self._depth -= 1

    def _pairs(self, tag: int, value: Any) -> None:
        if not self._reference(value):
            flat = [part for pair in value.items() for part in pair]
            self._items(tag, flat, len(flat) // 2)

    def _namedtuple(self, value: Any) -> None:
        kind = type(value)
        _namedtuples[kind.__name__, *kind._fields] = kind  # what comes back is of it again
        self.out.append(110)  # n
        self._text(kind.__name__)
        _varint(self.out, len(kind._fields))
        for field in kind._fields:
            self._text(field)
        self._items(116, tuple.__iter__(value), tuple.__len__(value))

    def _numpy(self, numpy: Any, value: Any) -> bool:
        bases = mro(type(value))
        if numpy.ndarray in bases:
            array = numpy.asarray(value)
            if not _is_simple(array.dtype):
                return False
            if self._reference(value):
                return True
            self.out.append(65)  # A
            self._text(array.dtype.str)
            _varint(self.out, array.ndim)
            for size in array.shape:
                _varint(self.out, size)
            data = array.tobytes()
            _varint(self.out, len(data))
            self.out += data
            self._expanded += _steps(data, array.shape)
            return True
        if numpy.generic in bases:
            return self._scalar(value) or self._item(value)
        if numpy.dtype in bases and _is_simple(value):
            self.out.append(107)  # k
            self._text(value.str)
            return True
        if type(value) is type and _scalar_type(value.__name__) is value:
            self.out.append(106)  # j
            self._text(value.__name__)
            return True
        return False

    def _item(self, value: Any) -> bool:
        plain = value.item()
        if type(plain) in _WRITERS:
            self.put(plain)
            return True
        return False

    def _scalar(self, value: Any) -> bool:
        """Writes a number of one of NumPy's own types, so that it stays one."""
        numpy, name = sys.modules.get("numpy"), type(value).__name__
        if numpy is None or name not in _SCALARS or type(value) is not vars(numpy).get(name):
            return False
        plain = value.item()
        if type(plain) is not _SCALARS[name]:
            return False
        self.out.append(103)  # g
        self._text(name)
        self.put(plain)
        return True


_LITERAL = frozenset(
    f"__{name}__"
    for name in (
        "add radd sub rsub truediv rtruediv floordiv rfloordiv str len contains getitem missing"
    ).split()
)
"""Methods that an expression on answers would call."""


def _is_simple(dtype: Any) -> bool:
    """Whether arrays of this type cross."""
    return dtype.kind in _NUMPY_KINDS and dtype.fields is None and dtype.subdtype is None


def _scalar_type(name: str) -> Any:
    """NumPy's class of scalars that goes by this name, or None."""
    numpy = sys.modules.get("numpy")
    kind = None if numpy is None else vars(numpy).get(name)
    return kind if type(kind) is type and numpy.generic in mro(kind) else None  # type: ignore[union-attr]


def _has_methods(classes: tuple[type, ...]) -> bool:
    return any(
        not _LITERAL.isdisjoint(one.__dict__)
        for one in classes
        if one.__module__ not in ("collections", "numpy", "enum")
    )


def _is_namedtuple(kind: type) -> bool:
    fields = getattr(kind, "_fields", None)
    return (
        type(fields) is tuple
        and 0 < len(fields) <= MAX_FIELDS
        and all(type(field) is str for field in fields)
    )


def _write_int(encoder: Encoder, value: int) -> None:
    out = encoder.out
    if -64 <= value < 64:
        out += bytes((105, 1, value & 255))
        return
    data = value.to_bytes((value.bit_length() + 8) // 8, "big", signed=True)
    out.append(105)  # i
    _varint(out, len(data))
    out += data


def _write_str(encoder: Encoder, value: str) -> None:
    data = value.encode("utf-8", "surrogatepass")
    out = encoder.out
    out.append(115)  # s
    _varint(out, len(data))
    out += data


def _write_bytes(encoder: Encoder, value: bytes) -> None:
    encoder.out.append(98)  # b
    _varint(encoder.out, len(value))
    encoder.out += value


def _write_bytearray(encoder: Encoder, value: bytearray) -> None:
    if not encoder._reference(value):
        encoder.out.append(66)  # B
        _varint(encoder.out, len(value))
        encoder.out += value
        encoder._expanded += len(value) // 16


def _write_list(encoder: Encoder, value: list[Any]) -> None:
    if not encoder._reference(value):
        encoder._items(108, value, len(value))  # l


def _write_set(encoder: Encoder, value: set[Any]) -> None:
    if not encoder._reference(value):
        encoder._items(83, value, len(value))  # S


def _write_deque(encoder: Encoder, value: deque[Any]) -> None:
    if not encoder._reference(value):
        encoder.out.append(113)  # q
        encoder.put(value.maxlen)
        encoder._items(108, value, len(value))


def _write_defaultdict(encoder: Encoder, value: defaultdict[Any, Any]) -> None:
    if encoder._number.get(id(value)) is None:
        encoder.out.append(121)  # y
        encoder.put(value.default_factory)
    encoder._pairs(100, value)


def _write_fields(tag: int, fields: Callable[[Any], tuple[Any, ...]]) -> Callable[..., None]:
    def write(encoder: Encoder, value: Any) -> None:
        parts = fields(value)
        encoder._items(tag, parts, len(parts))

    return write


def _write_range(encoder: Encoder, value: range) -> None:
    if encoder.bounded and _unbounded(value):
        raise Unencodable("a range too long to walk")
    encoder._items(114, (value.start, value.stop, value.step), 3)  # r


def _write_decimal(encoder: Encoder, value: Decimal) -> None:
    if encoder.bounded and _unbounded(value):
        raise Unencodable("a Decimal of extreme size")
    encoder._items(68, (str(value),), 1)  # D


def _zone(value: Any) -> Any:
    """A fixed offset travels as a timedelta; other zones as what they are at that moment."""
    return None if value.tzinfo is None else value.utcoffset()


_WRITERS: dict[type, Callable[[Encoder, Any], None]] = {
    type(None): lambda e, v: e.out.append(78),  # N
    bool: lambda e, v: e.out.append(84 if v else 70),  # T, F
    int: _write_int,
    float: lambda e, v: e.out.extend(b"f" + _pack_double(v)),
    complex: lambda e, v: e.out.extend(b"c" + _pack_double(v.real) + _pack_double(v.imag)),
    str: _write_str,
    bytes: _write_bytes,
    bytearray: _write_bytearray,
    list: _write_list,
    tuple: lambda e, v: e._items(116, v, len(v)),  # t
    dict: lambda e, v: e._pairs(100, v),  # d
    set: _write_set,
    frozenset: lambda e, v: e._items(90, v, len(v)),  # Z
    range: _write_range,
    slice: _write_fields(76, lambda v: (v.start, v.stop, v.step)),  # L
    type(...): lambda e, v: e.out.append(69),  # E
    Decimal: _write_decimal,
    Fraction: _write_fields(81, lambda v: (v.numerator, v.denominator)),  # Q
    timedelta: _write_fields(117, lambda v: (v.days, v.seconds, v.microseconds)),  # u
    date: _write_fields(119, lambda v: (v.year, v.month, v.day)),  # w
    time: _write_fields(
        118, lambda v: (v.hour, v.minute, v.second, v.microsecond, _zone(v), v.fold)
    ),  # v
    datetime: _write_fields(
        87,
        lambda v: (
            v.year, v.month, v.day, v.hour, v.minute, v.second, v.microsecond, _zone(v), v.fold
        ),
    ),  # W
    deque: _write_deque,
    Counter: lambda e, v: e._pairs(67, v),  # C
    OrderedDict: lambda e, v: e._pairs(79, v),  # O
    defaultdict: _write_defaultdict,
}  # fmt: skip
for _view in (dict.fromkeys(""), OrderedDict()):
    _WRITERS[type(_view.keys())] = lambda e, v: e._items(75, v, len(v))  # K
    _WRITERS[type(_view.values())] = lambda e, v: e._items(86, v, len(v))  # V
    _WRITERS[type(_view.items())] = lambda e, v: e._items(73, v, len(v))  # I
_WRITERS[timezone] = _write_fields(122, lambda v: (v.utcoffset(None),))  # z


def _slots(base: type, value: Any, names: str) -> list[Any]:
    """Attributes as the base class has them, past whatever a subclass puts in front."""
    return [getattr(base, name).__get__(value) for name in names.split()]


# Subclasses travel as what they extend. Methods of the base class are called by name, never the
# instance's own. Order matters: bool is an int, Counter a dict, datetime a date.
PLAIN: tuple[tuple[type, Callable[[Any], Any]], ...] = (
    (int, int.__pos__),
    (float, float.__pos__),
    (complex, complex.__pos__),
    (str, str.__str__),
    (bytes, lambda v: b"".join((memoryview(v),))),
    (bytearray, lambda v: bytearray(memoryview(v))),
    (tuple, lambda v: tuple(tuple.__iter__(v))),
    (Counter, lambda v: Counter(dict(dict.items(v)))),
    (OrderedDict, lambda v: OrderedDict(OrderedDict.items(v))),
    (defaultdict, lambda v: defaultdict(None, dict.items(v))),
    (dict, lambda v: dict(dict.items(v))),
    (list, lambda v: list(list.__iter__(v))),
    (deque, lambda v: deque(deque.__iter__(v))),
    (set, lambda v: set(set.__iter__(v))),
    (frozenset, lambda v: frozenset(frozenset.__iter__(v))),
    (Decimal, lambda v: Decimal(Decimal.__str__(v))),
    (Fraction, lambda v: Fraction(*_slots(Fraction, v, "_numerator _denominator"))),
    (timedelta, lambda v: timedelta(*_slots(timedelta, v, "days seconds microseconds"))),
    (datetime, lambda v: datetime.combine(datetime.date(v), datetime.timetz(v))),
    (date, lambda v: date(*_slots(date, v, "year month day"))),
    (time, lambda v: time(*_slots(time, v, "hour minute second microsecond tzinfo"))),
)


FIXED = (int, float, complex, str, bytes, tuple, frozenset)
"""Plain data that cannot change; an object that extends them crosses with its value."""


def is_plain(kind: type) -> bool:
    """Whether values of exactly this type are plain data."""
    return kind in _WRITERS


class Decoder:
    """Reads values from `data`. `known` are containers already here, by number."""

    def __init__(
        self,
        data: bytes,
        import_handle: Callable[..., Any] | None = None,
        known: list[Any] | None = None,
        bounded: bool = False,
    ):
        self.bounded = bounded
        self._data = data
        self._at = 0
        self.containers: list[Any] = list(known or ())
        self._import = import_handle
        self.repeats: dict[int, int] = {}
        self._depth = 0
        self._expanded = 0
        self._sizes: dict[int, int] = {}

    def get(self) -> Any:
        """The next value. Raises CodecError."""
        data, at = self._data, self._at
        if data[at : at + 2] == b"i\x01" and at + 2 < len(data):  # most values are small ints
            self._at = at + 3
            byte = data[at + 2]
            return byte if byte < 128 else byte - 256
        try:
            read = _READERS[data[at]]
        except (IndexError, KeyError):
            raise CodecError(f"no value at byte {at}") from None
        self._at = at + 1
        self._depth += 1
        if self._depth > MAX_DEPTH + 2:  # room for the frame that a message has around its values
            raise CodecError("nested too deeply")
        number, before = len(self.containers), self._expanded
        value = read(self)
        if len(self.containers) > number:
            self._sizes[number] = self._expanded - before + 1
        if self.bounded and self._expanded > MAX_EXPANDED:
            raise CodecError("too many items")
        self._depth -= 1
        return value

    def end(self) -> None:
        """Raises CodecError unless everything was read."""
        if self._at != len(self._data):
            raise CodecError(f"{len(self._data) - self._at} bytes too many")

    def _count(self, unit: int = 1) -> int:
        """A length, of which `unit` bytes each must still be there."""
        data, at = self._data, self._at
        if at < len(data) and data[at] < 128 and data[at] * unit < len(data) - at:
            self._at = at + 1
            return data[at]
        value = shift = 0
        while True:
            if at >= len(data) or shift > 28:
                raise CodecError(f"bad length at byte {at}")
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            if byte < 128:
                break
            shift += 7
        if value * unit > len(data) - at:
            raise CodecError(f"length {value} at byte {at} is more than there is")
        self._at = at
        return value

    def _bytes(self) -> bytes:
        count = self._count()
        self._at += count
        return self._data[self._at - count : self._at]

    def _text(self) -> str:
        try:
            return self._bytes().decode("utf-8", "surrogatepass")
        except UnicodeDecodeError as error:
            raise CodecError(str(error)) from None

    def _many(self, count: int) -> list[Any]:
        get = self.get
        self._expanded += count
        return [get() for _ in range(count)]

    def _fields(self, *kinds: type | tuple[type, ...]) -> list[Any]:
        count = self._count()
        if count != len(kinds):
            raise CodecError(f"{count} fields where {len(kinds)} belong")
        values = self._many(count)
        for value, kind in zip(values, kinds, strict=True):
            if not isinstance(value, kind):
                raise CodecError(f"a {type(value).__name__} in a place it cannot be")
        return values

    def _double(self) -> float:
        if self._at + 8 > len(self._data):
            raise CodecError("a float is cut short")
        self._at += 8
        value: float = _unpack_double(self._data, self._at - 8)[0]
        return value


_OPTIONAL_INT = (int, type(None))
_OPTIONAL_DELTA = (timedelta, type(None))
_ANY = object


def _checked(build: Callable[[Decoder], Any]) -> Callable[[Decoder], Any]:
    """Constructors refuse what is out of range in many ways; all of them are CodecError here."""

    def read(d: Decoder) -> Any:
        try:
            return build(d)
        except (CodecError, MemoryError, RecursionError):
            raise
        except Exception as error:
            raise CodecError(f"{type(error).__name__}: {error}") from None

    return read


def _read_list(d: Decoder) -> list[Any]:
    count = d._count()
    value: list[Any] = []
    d.containers.append(value)  # before its items, which may refer to it
    value += d._many(count)
    return value


def _read_set(d: Decoder) -> set[Any]:
    count = d._count()
    value: set[Any] = set()
    d.containers.append(value)
    value.update(d._many(count))
    return value


def _read_pairs(value: Any) -> Callable[[Decoder], Any]:
    def read(d: Decoder) -> Any:
        count = d._count(2)
        target = value()
        d.containers.append(target)
        flat = d._many(2 * count)
        for index in range(0, len(flat), 2):
            target[flat[index]] = flat[index + 1]
        return target

    return read


def _read_defaultdict(d: Decoder) -> Any:
    factory = d.get()
    if factory is not None and not callable(factory):
        raise CodecError(f"a factory that is a {type(factory).__name__}")
    if d._data[d._at : d._at + 1] != b"d":
        raise CodecError("a defaultdict without its items")
    d._at += 1
    return _read_pairs(lambda: defaultdict(factory))(d)


def _read_bytearray(d: Decoder) -> bytearray:
    value = bytearray(d._bytes())
    d._expanded += len(value) // 16
    d.containers.append(value)
    return value


def _read_reference(d: Decoder) -> Any:
    number = d._count(0)
    if number >= len(d.containers):
        raise CodecError(f"no container {number}")
    d.repeats[number] = d.repeats.get(number, 0) + 1
    d._expanded += d._sizes.get(number, 0)
    return d.containers[number]


def _read_deque(d: Decoder) -> Any:
    maxlen = d.get()
    if maxlen is not None and (type(maxlen) is not int or maxlen < 0):
        raise CodecError("a deque of impossible length")
    if d._data[d._at : d._at + 1] != b"l":
        raise CodecError("a deque without its items")
    d._at += 1
    count = d._count()
    value: deque[Any] = deque(maxlen=maxlen)
    d.containers.append(value)
    value.extend(d._many(count))
    return value


_namedtuples: dict[tuple[str, ...], Any] = {}
"""Classes by their name and fields: those of values that were sent, and others, made here."""


def forget() -> None:
    """Forget the classes of values that were sent."""
    _namedtuples.clear()


def is_read(kind: type) -> bool:
    """Whether this is a class of namedtuples that was made here, for what came."""
    return kind.__module__ == "solution" and _is_namedtuple(kind)


def _read_namedtuple(d: Decoder) -> Any:
    name = d._text()
    count = d._count()
    fields = [d._text() for _ in range(count)]
    if count > MAX_FIELDS or any(len(word) > 100 for word in (name, *fields)):
        raise CodecError("not a namedtuple")
    for word in (name, *fields):
        if not word.isidentifier() or iskeyword(word):
            raise CodecError(f"{word!r} is no name")
    values = d.get()
    if type(values) is not tuple or len(values) != count:
        raise CodecError("a namedtuple without its values")
    key = (name, *fields)
    if key not in _namedtuples:
        if len(_namedtuples) > 1000:
            _namedtuples.clear()
        _namedtuples[key] = namedtuple(name, fields, rename=True, module="solution")
    return tuple.__new__(_namedtuples[key], values)


def _read_array(d: Decoder) -> Any:
    numpy = sys.modules.get("numpy")
    dtype, ndim = d._text(), d._count(0)
    if ndim > 32:
        raise CodecError("too many dimensions")
    shape = [d._count(0) for _ in range(ndim)]
    data = d._bytes()
    kind = _dtype(dtype)
    d._expanded += _steps(data, shape)
    value = numpy.frombuffer(bytearray(data), dtype=kind).reshape(shape)  # type: ignore[union-attr]
    d.containers.append(value)
    return value


def _dtype(text: str) -> Any:
    numpy = sys.modules.get("numpy")
    if numpy is None or len(text) > 16 or text[1:2] not in _NUMPY_KINDS:
        raise CodecError(f"no array of {text!r} here")
    dtype = numpy.dtype(text)
    if not _is_simple(dtype):  # what no encoder takes, and so could not go back
        raise CodecError(f"no array of {text!r} here")
    return dtype


def _read_scalar_type(d: Decoder) -> Any:
    kind = _scalar_type(d._text())
    if kind is None:
        raise CodecError("no type of scalars here")
    return kind


def _read_scalar(d: Decoder) -> Any:
    name, plain = d._text(), d.get()
    numpy = sys.modules.get("numpy")
    if type(plain) is not _SCALARS.get(name):
        raise CodecError("not a number")
    return plain if numpy is None else getattr(numpy, name)(plain)


def _read_by_text(d: Decoder) -> Any:
    module, _, name = d._text().partition(".")
    if name not in _BY_TEXT.get(module, ()):
        raise CodecError(f"no value of {name!r} here")
    return getattr(importlib.import_module(module), name)(d._text())


def _read_extended(d: Decoder) -> Any:
    if d._data[d._at : d._at + 1] != b"H" or d._import is None:
        raise CodecError("a value without its handle")
    d._at += 1
    handle = Handle(d._count(0), d._text(), False)
    return d._import(handle, d.get())


def _read_handle(mine: bool) -> Callable[[Decoder], Any]:
    def read(d: Decoder) -> Any:
        handle = Handle(d._count(0), d._text(), mine)
        if d._import is None:
            raise CodecError("a handle where none can be")
        return d._import(handle)

    return read


def _read_name(d: Decoder) -> Any:
    name = d._text()
    if name not in _NAMED:
        raise CodecError(f"no builtin {name!r}")
    return _NAMED[name]


def _zoned(parts: list[Any]) -> tuple[list[Any], dict[str, Any]]:
    *numbers, offset, fold = parts
    zone = None if offset is None else timezone(offset)
    return numbers, {"tzinfo": zone, "fold": fold}


def _read_time(d: Decoder) -> time:
    numbers, zone = _zoned(d._fields(int, int, int, int, _OPTIONAL_DELTA, int))
    return time(*numbers, **zone)


def _read_datetime(d: Decoder) -> datetime:
    numbers, zone = _zoned(d._fields(*[int] * 7, _OPTIONAL_DELTA, int))
    return datetime(*numbers, **zone)


def _read_range(d: Decoder) -> range:
    value = range(*d._fields(int, int, int))
    if d.bounded and _unbounded(value):
        raise CodecError("a range too long to walk")
    return value


def _read_decimal(d: Decoder) -> Decimal:
    value = Decimal(*d._fields(str))
    if d.bounded and _unbounded(value):
        raise CodecError("a Decimal of extreme size")
    return value


_READERS: dict[int, Callable[[Decoder], Any]] = {
    ord(tag): read
    for tag, read in {
        "N": lambda d: None,
        "T": lambda d: True,
        "F": lambda d: False,
        "E": lambda d: ...,
        "i": lambda d: int.from_bytes(d._bytes(), "big", signed=True),
        "f": Decoder._double,
        "c": lambda d: complex(d._double(), d._double()),
        "s": Decoder._text,
        "b": Decoder._bytes,
        "B": _read_bytearray,
        "l": _read_list,
        "t": lambda d: tuple(d._many(d._count())),
        "d": _checked(_read_pairs(dict)),
        "S": _checked(_read_set),
        "Z": _checked(lambda d: frozenset(d._many(d._count()))),
        "R": _read_reference,
        "r": _checked(_read_range),
        "L": _checked(lambda d: slice(*d._fields(_ANY, _ANY, _ANY))),
        "D": _checked(_read_decimal),
        "Q": _checked(lambda d: Fraction(*d._fields(int, int))),
        "u": _checked(lambda d: timedelta(*d._fields(int, int, int))),
        "w": _checked(lambda d: date(*d._fields(int, int, int))),
        "v": _checked(_read_time),
        "W": _checked(_read_datetime),
        "z": _checked(lambda d: timezone(*d._fields(timedelta))),
        "q": _checked(_read_deque),
        "C": _checked(_read_pairs(Counter)),
        "O": _checked(_read_pairs(OrderedDict)),
        "y": _checked(_read_defaultdict),
        "n": _checked(_read_namedtuple),
        "A": _checked(_read_array),
        "H": _checked(_read_handle(False)),
        "G": _checked(_read_handle(True)),
        "X": _read_name,
        "g": _checked(_read_scalar),
        "j": _read_scalar_type,
        "k": _checked(lambda d: _dtype(d._text())),
        "K": _checked(lambda d: dict.fromkeys(d._many(d._count())).keys()),
        "V": lambda d: dict(enumerate(d._many(d._count()))).values(),
        "I": _checked(lambda d: dict(d._many(d._count())).items()),
        "P": _checked(_read_by_text),
        "h": _checked(_read_extended),
    }.items()
}


def encode(value: Any, strict: bool = True) -> bytes:
    """One value without handles, bounded; if `strict`, without methods. Raises Unencodable."""
    return Encoder(bounded=True, strict=strict).message(value)


def decode(data: bytes) -> Any:
    """One value without handles, bounded. Raises CodecError."""
    decoder = Decoder(data, bounded=True)
    value = decoder.get()
    decoder.end()
    return value
