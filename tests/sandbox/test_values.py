"""The codec: what goes in comes out, only exact types are plain, and no bytes can hurt."""

from __future__ import annotations

import array
import enum
import ipaddress
import math
import os
import pathlib
import random
import re
import statistics
import string
import struct
import subprocess
import sys
import threading
import time
import types
import uuid
import zoneinfo
from collections import (
    ChainMap,
    Counter,
    OrderedDict,
    UserDict,
    UserList,
    UserString,
    defaultdict,
    deque,
    namedtuple,
)
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from datetime import time as clock
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sv_sandbox import _native
from sv_sandbox.jailed import table, values
from sv_sandbox.jailed.values import CodecError, Unencodable, decode, encode

hashables = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.complex_numbers()
    | st.text(st.characters())
    | st.binary()
    | st.decimals(allow_nan=False)
    | st.fractions()
    | st.dates()
    | st.timedeltas()
    | st.datetimes(timezones=st.none() | st.just(UTC))
    | st.times()
    | st.just(...)
    | st.just(NotImplemented),
    lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3),
    max_leaves=8,
)
plain = st.recursive(
    hashables | st.binary().map(bytearray),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(hashables, inner, max_size=3)
        | st.sets(hashables, max_size=3)
        | st.lists(inner, max_size=3).map(deque)
        | st.tuples(inner, inner)
        | st.builds(slice, inner, inner)
    ),
    max_leaves=12,
)


def same(a: Any, b: Any) -> bool:
    """Equality that sees types, signed zeros and NaN, as `repr` does."""
    if type(a) is not type(b):
        return False
    if isinstance(a, set | frozenset):
        return len(a) == len(b) and all(any(same(x, y) for y in b) for x in a)
    if isinstance(a, dict):
        return len(a) == len(b) and all(
            same(x, y) for x, y in zip([*a.items()], [*b.items()], strict=True)
        )
    if isinstance(a, list | tuple | deque):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, slice):
        return same([a.start, a.stop, a.step], [b.start, b.stop, b.step])
    return repr(a) == repr(b)


@given(plain)
def test_round_trip(value: Any) -> None:
    message = encode(value)
    back = decode(message)
    assert same(back, value)


Point = namedtuple("Point", "x y")


class Typed(NamedTuple):
    left: int
    right: list[int]


RNG = random.Random(3)
ROWS: tuple[Any, ...] = (
    *(Decimal("1.50"), Decimal("-0"), Decimal("NaN"), Decimal("sNaN5"), Decimal("-Infinity")),
    *(Fraction(1, 3), Fraction(-(10**40), 7)),
    *(timedelta(days=-1, microseconds=7), date(1, 1, 1), datetime(9999, 12, 31, fold=1)),
    datetime(2024, 3, 1, 12, tzinfo=zoneinfo.ZoneInfo("UTC")),
    *(clock(23, 59, 59, 999999), clock(1, tzinfo=timezone(timedelta(hours=2)), fold=1)),
    *(UTC, timezone(timedelta(hours=2)), timezone(timedelta(hours=-5), "EST")),
    zoneinfo.ZoneInfo("UTC"),
    *(deque([1, [2]], maxlen=5), deque(), Counter("abca"), Counter(a=-1)),
    OrderedDict([("b", 1), ("a", [2])]),
    *(defaultdict(list, {1: [2]}), defaultdict(None, a=1), defaultdict(Counter)),
    *(UserDict({"a": 1}), UserList([1, 2]), UserString("abc")),
    *(ChainMap({"a": 1}, {"b": 2}), ChainMap(OrderedDict(a=1))),
    *(types.MappingProxyType({"a": [1]}), types.SimpleNamespace(a=1, b=[2])),
    *({"a": 1}.keys(), {"a": [1], "b": 2}.values(), {"a": 1}.items(), {}.keys()),
    *(OrderedDict(a=1).keys(), OrderedDict(a=[1]).values(), OrderedDict(a=1).items()),
    *(pathlib.PurePosixPath("a/b"), pathlib.Path("/x/../y"), pathlib.PureWindowsPath("c:\\d")),
    *(uuid.UUID(int=5), ipaddress.ip_address("10.0.0.1"), ipaddress.ip_address("fe80::1%eth0")),
    *(ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("::/0")),
    *(ipaddress.ip_interface("10.0.0.1/8"), ipaddress.ip_interface("::1/64")),
    *(array.array("d", [1.5, 2]), array.array("B"), array.array("u", "añ")),
    *(re.compile("a(b)?", re.I | re.M), re.compile(rb"\d")),
    *(random.Random(7), statistics.NormalDist(1, 2), string.Template("$a")),
    *(Point(1, [2]), Typed(1, [2]), namedtuple("Odd", "a def", rename=True)(1, 2)),
    *(time.gmtime(0), time.localtime(0), os.stat("/"), os.terminal_size((80, 24)), os.times()),
    *(range(1, 10, 3), range(10**30), slice(None, 2, [3]), range(0)),
)


def told(value: Any) -> str:
    """All there is to a value, as text."""
    if isinstance(value, random.Random):
        return repr(value.getstate())
    if isinstance(value, string.Template):
        return value.template
    if isinstance(value, os.stat_result):
        return repr((value, value.st_mtime_ns, value.st_blocks))
    return repr((type(value), value))


@pytest.mark.parametrize("value", ROWS, ids=lambda value: type(value).__name__)
def test_every_row(value: Any) -> None:
    heard: list[int] = []
    back = decode(encode(value), heard=lambda: heard.append(1))
    assert type(back) is type(value)
    assert told(back) == told(value)
    assert told(decode(encode([value, {"a": value}], plain=True))[1]["a"]) == told(value)
    assert not heard


def test_every_row_of_the_table_has_an_example() -> None:
    assert {row.kind for row in table.ROWS} <= {type(value) for value in (*ROWS, memoryview(b""))}


def test_memoryview() -> None:
    for view in (memoryview(b"abcd"), memoryview(array.array("i", [1, 2]))):
        back: Any = decode(encode(view))
        assert (type(back), back.tolist(), back.format) == (memoryview, view.tolist(), view.format)
    odd = numpy.zeros(2, ">i4")  # of a format that no memoryview casts to
    for odd in (memoryview(b"abcd")[::2], memoryview(bytes(4)).cast("B", (2, 2)), memoryview(odd)):
        with pytest.raises(Unencodable):
            encode(odd)


def test_numbers_keep_every_bit() -> None:
    payload = struct.unpack("<d", bytes.fromhex("0100000000e0f87f"))[0]
    for value in (payload, -0.0, math.inf, 5e-324):
        assert struct.pack("<d", decode(encode(value))) == struct.pack("<d", value)
    for bits in (7, 8, 15, 16, 31, 32, 62, 63, 64, 65, 127, 128, 10_000):
        for value in (2**bits - 1, 2**bits, -(2**bits), -(2**bits) - 1):
            assert decode(encode(value)) == value
    for value in range(-300, 300):
        assert decode(encode(value)) == value


# ---- identity ------------------------------------------------------------------------------------


def test_shared_references_and_cycles() -> None:
    inner = [1]
    outer: list[Any] = [inner, inner, {"again": inner}, deque([inner])]
    outer.append(outer)
    back: Any = decode(encode(outer))
    assert back[0] is back[1] is back[2]["again"] is back[3][0]
    assert back[4] is back
    loop: dict[str, Any] = {}
    loop["self"] = (loop, {"deeper": loop})
    again: Any = decode(encode(loop))
    assert again["self"][0] is again is again["self"][1]["deeper"]


@pytest.mark.parametrize(
    "make",
    [
        *(list, dict, set, bytearray, deque, Counter, OrderedDict, UserDict, UserList, ChainMap),
        *(lambda: defaultdict(int), lambda: array.array("i"), lambda: numpy.zeros(2)),
        *(types.SimpleNamespace, lambda: random.Random(1), lambda: types.MappingProxyType({})),
    ],
)
def test_mutable_objects_are_numbered_at_both_ends(make: Callable[[], Any]) -> None:
    shared, mine, theirs = make(), [], []
    back: Any = decode(encode((shared, [shared], 3), containers=mine), containers=theirs)
    assert back[0] is back[1][0]
    assert len(mine) == len(theirs)
    number = next(n for n, one in enumerate(mine) if one is shared)
    assert theirs[number] is back[0]
    assert decode(encode(shared, containers=mine), containers=theirs) is back[0]
    assert encode(back[0], containers=theirs) == encode(shared, containers=mine)


def test_numbers_are_taken_back_on_errors() -> None:
    known: list[Any] = [[1]]
    with pytest.raises(Unencodable):
        encode([[], {}, deque([object()])], containers=known)
    assert known == [[1]]
    message = encode([[], {}, deque([1])])
    with pytest.raises(CodecError):
        decode(message[:-1], containers=known)
    with pytest.raises(CodecError):
        decode(message + b"\0", containers=known)
    assert known == [[1]]


def test_a_cycle_through_the_table_is_refused() -> None:
    for make, close in (
        (deque, lambda d: d.append(d)),
        (OrderedDict, lambda d: d.update(me=[d])),
        (types.SimpleNamespace, lambda d: d.__dict__.update(me=(d,))),
    ):
        value: Any = make()
        close(value)
        with pytest.raises(Unencodable):
            encode(value)
        with pytest.raises(Unencodable):
            encode([value])


def test_a_container_that_changes_while_it_is_encoded_is_written_as_it_was() -> None:
    value: list[Any] = [1, object(), 2]

    def refer(one: object) -> tuple[object, ...]:
        value.clear()
        return ("x",)

    assert decode(encode(value, refer), lambda name: name) == [1, "x", 2]


# ---- what is not plain ---------------------------------------------------------------------------


class Evil(int):
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = int.__hash__


class Text(str):
    __slots__ = ()


class Sequence(list[Any]):
    pass


class Colour(enum.IntEnum):
    RED = 3


class Said(NamedTuple):
    x: int

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = tuple.__hash__


class Shown(NamedTuple):
    x: int

    def __repr__(self) -> str:
        return "42"


class More(Point):
    pass


class Meta(type):
    def __eq__(cls, other: object) -> bool:
        return True

    def __hash__(cls) -> int:
        return hash(Decimal)


class Posing(metaclass=Meta):
    pass


class Zone(zoneinfo.ZoneInfo):
    pass


OTHER: tuple[Any, ...] = (
    *(Evil(4), Text("a"), Sequence([1]), Colour.RED, Said(1), Shown(1), More(1, 2), Posing()),
    *(object(), lambda: 0, type("X", (), {}), open, eval, exec, compile, __import__, input),
    *(getattr, setattr, globals, vars, breakpoint, type("D", (Decimal,), {})("1"), iter([])),
    *(Decimal("1E99999"), sys, ValueError("x"), zoneinfo),
    *(datetime(2024, 1, 1, tzinfo=Zone.no_cache("UTC")), numpy.array([object()]), (x for x in ())),
    *(
        numpy.zeros(2, "i4,i4"),
        numpy.ma.array([1]),
        numpy.zeros(2).flags,
        type("E", (ValueError,), {}),
    ),
)


@pytest.mark.parametrize("value", OTHER)
def test_what_is_not_plain_is_referred_to(value: Any) -> None:
    with pytest.raises(Unencodable):
        encode(value)
    with pytest.raises(Unencodable):
        encode({"a": [value]})
    met: list[Any] = []

    def refer(one: object) -> tuple[object, ...]:
        met.append(one)
        return (len(met) - 1, "about")

    message = encode([value, (value,)], refer)
    back: Any = decode(message, lambda number, about: (met[number], about))
    if met[0] is value:
        assert back[0][0] is back[1][0][0] is value
    with pytest.raises(CodecError):
        decode(message)


def test_shared_tuples_do_not_fill_the_memory() -> None:
    value: tuple[Any, ...] = ()
    for _ in range(60):
        value = (value, value)
    with pytest.raises(Unencodable, match="too large"):
        encode(value)


def test_a_factory_of_the_solution_is_referred_to() -> None:
    value = defaultdict(lambda: 7, a=[1])
    with pytest.raises(Unencodable):
        encode(value)
    back: Any = decode(encode(value, lambda one: (3,)), lambda number: lambda: number)
    assert (type(back), back, back["b"]) == (defaultdict, {"a": [1], "b": 3}, 3)


def test_words() -> None:
    words: tuple[Any, ...] = (
        *(bool, len, int, ValueError, Decimal, type(None), struct.error, numpy.int8),
        *(numpy.dtype("f8"), numpy.float16(2), numpy.float32(2), numpy.int8(1), numpy.uint64(1)),
        *(numpy.longdouble(1), numpy.complex64(1), numpy.str_("a"), numpy.datetime64("2024-01-01")),
        numpy.array(["2024-01-01"], "M8[D]"),
        *(numpy.zeros(2, "f2"), numpy.zeros(2, "f4"), numpy.zeros(2, "c8"), numpy.zeros(2, "g")),
    )
    for value in words:
        heard: list[int] = []
        back: Any = decode(encode([value]), heard=lambda heard=heard: heard.append(1))
        assert heard == [1], value
        assert type(back[0]) is type(value)
        assert repr(back[0]) == repr(value)


def test_plain_has_no_words() -> None:
    for value in (bool, ValueError, numpy.zeros(2, "f4"), numpy.int8, numpy.dtype("f8")):
        with pytest.raises(Unencodable):
            encode([value], plain=True)
    for scalar, bare in (
        *((numpy.float16("inf"), math.inf), (numpy.int8(3), 3), (numpy.bool_(True), True)),
        *((numpy.float64(1.5), 1.5), (numpy.complex64(1), 1 + 0j), (numpy.str_("a"), "a")),
    ):
        back = decode(encode(scalar, plain=True))
        assert type(back) is type(bare)
        assert back == bare
    for scalar in (numpy.longdouble(1), numpy.datetime64("2024-01-01", "ns")):
        with pytest.raises(Unencodable):
            encode(scalar, plain=True)


def test_numpy() -> None:
    heard: list[int] = []
    for value in (
        *(
            numpy.arange(6).reshape(2, 3),
            numpy.array(3.5),
            numpy.zeros((0, 4)),
            numpy.array([True]),
        ),
        *(numpy.array(["a", "bcd"]), numpy.array([b"x"]), numpy.array([1, 2], ">i4")),
        *(
            numpy.asfortranarray(numpy.eye(3)),
            numpy.eye(2)[:, 0],
        ),
        *(numpy.float64(1.5), numpy.int64(3), numpy.bool_(False), numpy.complex128(1j)),
    ):
        back: Any = decode(encode(value), heard=lambda: heard.append(1))
        assert type(back) is type(value)
        assert back.dtype == value.dtype
        assert back.shape == value.shape
        assert (back == value).all()
    assert not heard
    assert decode(encode(numpy.str_(""))) == ""


def test_numpy_only_where_it_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    message = encode(numpy.float64(1.5))
    monkeypatch.delitem(sys.modules, "numpy")
    with pytest.raises(CodecError):
        decode(message)


def test_a_namedtuple_that_comes_back_is_of_its_own_class() -> None:
    values.forget()
    message = encode(Typed(1, [2]))
    assert type(decode(message)) is Typed
    values.forget()
    stranger: Any = decode(message)
    assert type(stranger) is not Typed
    assert (type(stranger).__name__, stranger.left, stranger) == ("Typed", 1, (1, [2]))
    assert type(decode(message)) is type(stranger)


def test_names_are_harmless() -> None:
    dangerous = {
        *("eval", "exec", "compile", "open", "__import__", "input", "globals", "locals", "vars"),
        *("getattr", "setattr", "delattr", "breakpoint", "memoryview", "super", "classmethod"),
    }
    assert dangerous.isdisjoint(table.BUILTINS)
    assert dangerous.isdisjoint(table.EXCEPTIONS)


# ---- hostile bytes -------------------------------------------------------------------------------


def forged(row: Any, *parts: object) -> bytes:
    """A message that has these parts under the tag of a row, whatever they are."""

    def other(value: object) -> tuple[int, bool, tuple[object, ...]]:
        if value is forged:
            return values._TAGS[id(row)], False, parts
        found = values._plain(value, False, False)
        assert found is not None
        return values._TAGS[id(found[0])], found[0].mutable, found[1]

    return _native.encode(forged, other, [])


STRANGE: tuple[object, ...] = (
    *(None, 0, -1, 10**30, 2.5, math.nan, "", "a", "\0", "<f8", "eval", b"", b"abc", (), (1,)),
    *([], [1], {}, {"a": 1}, {1: 2}, {1}, frozenset(), bool, Decimal(1), slice(1), range(3)),
    *(bytearray(), timedelta(1), UTC, OrderedDict(), ("Point", "x", "y"), "O" * 300, True),
)


@pytest.mark.parametrize("row", values._BY_TAG, ids=lambda row: row.kind.__name__)
def test_every_row_with_hostile_parts(row: Any) -> None:
    draw = random.Random(1)
    arity = len(row.takes)
    accepted = 0
    for _ in range(1500):
        count = arity if draw.random() < 0.9 else draw.randrange(12)
        parts = []
        for index in range(count):
            kinds = row.takes[index] if index < arity and draw.random() < 0.7 else object
            fitting = [
                one
                for one in STRANGE
                if kinds is object or type(one) in (kinds if isinstance(kinds, tuple) else (kinds,))
            ]
            parts.append(draw.choice(fitting or STRANGE))
        try:
            value = decode(forged(row, *parts))
        except CodecError:
            continue
        accepted += 1
        if row.kind is not object:
            assert type(value) is row.kind
    assert accepted < 1500


@pytest.mark.parametrize(
    ("row", "parts"),
    [
        (Decimal, ("1E99999999",)),
        (Decimal, ("abc",)),
        (Fraction, (1, 0)),
        (Fraction, ("1/3", 1)),
        (zoneinfo.ZoneInfo, ("../../etc/passwd",)),
        (zoneinfo.ZoneInfo, ("/etc/passwd",)),
        (defaultdict, ("eval", {})),
        (defaultdict, (3, {})),
        (deque, ([], None)),
        (deque, ((), -1)),
        (array.array, ("O", b"")),
        (array.array, ("i", b"abc")),
        (re.Pattern, ("(" * 5000, 0)),
        (re.Pattern, ("(", 0)),
        (re.Pattern, ("a", re.DEBUG.value)),
        (random.Random, ((3, (1, 2), None),)),
        (statistics.NormalDist, (1.0, -2.0)),
        (types.SimpleNamespace, ({1: 2},)),
        (ChainMap, ((1,),)),
        (memoryview, (b"abc", "d")),
        (memoryview, (b"abc", "O")),
        (uuid.UUID, (-1,)),
        (datetime, (1, 2, 3, 4, 5, 6, 7, 8, 0)),
        (datetime, (2024, 13, 1, 0, 0, 0, 0, None, 0)),
        (pathlib.PosixPath, (b"a",)),
        (values.NAME, ("eval",)),
        (values.NAME, ("os.system",)),
        (values.NAME, ("__class__",)),
        (values.NAMEDTUPLE, (("a", "__import__"), (1,))),
        (values.NAMEDTUPLE, (("a", "x", "x"), (1, 2))),
        (values.NAMEDTUPLE, (("a", "def"), (1,))),
        (values.NAMEDTUPLE, (("a", "x y"), (1,))),
        (values.NAMEDTUPLE, (("a", "x"), ())),
        (values.NAMEDTUPLE, (("a",), ())),
        (values.NAMEDTUPLE, ((), ())),
        (values.SEQUENCE, ("os.system", (1,))),
        (values.SEQUENCE, ("time.struct_time", (1,))),
        (values.ARRAY, ("|O", (1,), bytes(8))),
        (values.ARRAY, ("<i4,<i4", (1,), bytes(8))),
        (values.ARRAY, ("<f4", (1,), bytes(4))),
        (values.ARRAY, ("<f8", (5,), bytes(8))),
        (values.ARRAY, ("<f8", (-1,), bytes(8))),
        (values.ARRAY, ("|b1", (1,), b"\2")),
        (values.ARRAY, ("<U1", (1,), b"\xff\xff\xff\x7f")),
        (values.ARRAY, ("<U0", (10**12,), b"")),
        (values.LOOSE_ARRAY, ("<f8", (1,), bytes(8))),
        (values.SCALAR, ("<f2", bytes(2))),
        (values.SCALAR, ("<f8", bytes(16))),
        (values.LOOSE_SCALAR, ("<f8", bytes(8))),
        (values.DTYPE, ("|O",)),
        (values.SCALAR_TYPE, ("ndarray",)),
        (values.SCALAR_TYPE, ("load",)),
        (values.BARE, ((),)),
    ],
)
def test_parts_that_are_refused(row: Any, parts: tuple[object, ...]) -> None:
    if isinstance(row, type):
        row = next(one for one in table.ROWS if one.kind is row)
    with pytest.raises(CodecError):
        decode(forged(row, *parts))


LIST, TUPLE, SET, FROZENSET, DICT, SLICE, RANGE, REFERENCE, TABLE, MUTABLE = range(15, 25)
HUGE = b"\xff\xff\xff\xff\x0f"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes([LIST]) + HUGE,
        bytes([LIST]) + b"\xff" * 20,  # a length without end
        bytes([TUPLE]) + HUGE + b"\0" * 100,
        bytes([DICT, 1]) + b"\0",
        bytes([12, 5]) + b"ab",  # a str cut short
        bytes([12, 1, 255]),  # not UTF-8
        bytes([10, 0, 0]),  # a float cut short
        bytes([REFERENCE, 0]),
        bytes([LIST, 1, REFERENCE, 1]),
        bytes([MUTABLE, 20, 2, REFERENCE, 0, 0]),  # a reference to what is not yet built
        bytes([LIST, 1]) * 5000 + b"\0",
        bytes([TUPLE, 1]) * 2001 + b"\0",
        bytes([SET, 1]) + bytes([TUPLE, 1]) * 300 + b"\0",
        bytes([DICT, 1, LIST, 0, 0]),  # an unhashable key
        bytes([SET, 1, DICT, 0]),
        bytes([RANGE, 96, 97, 96]),  # step 0
        bytes([RANGE, 0, 96, 97]),
        bytes([TABLE, 0, 0]),  # a reference to an object where none can be
        bytes([TABLE, 0xFF, 0xFF, 3, 0]),
        bytes([TABLE, 0xFF, 0xFF, 0x7F, 0]),
        bytes([40]),
        b"\0\0",
    ],
)
def test_malformed(data: bytes) -> None:
    with pytest.raises(CodecError):
        decode(data)


def test_lengths_allocate_nothing_that_cannot_come() -> None:
    """Each of 2,000 nested tuples claims all that is left: together far more than there is."""
    left = 1 << 20
    message = bytearray()
    for _ in range(1900):
        message += bytes([TUPLE]) + bytes([left & 127 | 128, left >> 7 & 127 | 128, left >> 14])
    script = (
        "import resource, sys; from sv_sandbox.jailed.values import decode, CodecError\n"
        "data = sys.stdin.buffer.read() + bytes((1 << 20) + 5)\n"
        "used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: decode(data)\n"
        "except CodecError: pass\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - used)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], input=bytes(message), capture_output=True, check=True
    )
    assert int(done.stdout) < 64 << 10  # KiB


@settings(max_examples=500)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_value_or_a_codec_error(data: bytes) -> None:
    try:
        decode(data)
    except CodecError:
        pass


def test_damaged_messages() -> None:
    """100,000 messages with a few bytes changed, cut, repeated or joined."""
    draw = random.Random(8)
    words: list[Any] = [bool, ValueError, numpy.float32(1), numpy.arange(3), numpy.dtype("i4")]
    messages = [encode(value) for value in (*ROWS, *words) if not isinstance(value, random.Random)]
    messages += [encode([*map(list, "abc"), {1: {2}, "x": frozenset({3})}, 1.5, 10**30, b"x", ...])]
    decoded = 0
    for _ in range(100_000):
        message = bytearray(draw.choice(messages))
        for _ in range(draw.randint(1, 3)):
            at = draw.randrange(len(message) + 1)
            match draw.randrange(5):
                case 0 | 1:
                    message[at : at + 1] = bytes([draw.randrange(256)])
                case 2:
                    del message[at:]
                case 3:
                    message[at:at] = draw.choice(messages)[: draw.randrange(40)]
                case 4:
                    message[at : at + 1] = bytes([draw.choice((LIST, TABLE, MUTABLE, DICT, 23))])
        known: list[Any] = []
        try:
            decode(bytes(message), containers=known)
        except CodecError:
            assert not known
        else:
            decoded += 1
    assert 1000 < decoded < 99_000


def test_memory_that_runs_out_anywhere() -> None:
    """Each allocation fails once: that is a MemoryError, and no number is left behind."""
    testcapi = pytest.importorskip("_testcapi")
    value = [1, 2**80, "\ud800é", {1: {2}, "x": frozenset({3})}, 1.5, b"x", slice(1), forged]
    value += [
        range(3),
        1j,
        {1, 2, 3},
        [[[[]]]] * 3,
        list(range(1000, 1100)),
        {str(n): n for n in range(50)},
    ]
    parts = (1, "a", [2])
    message = _native.encode(value, lambda one: (5, True, parts), [])
    known = [*value, *([n] for n in range(99))]
    seen = _native.snapshot(known)
    for one in known[-99:]:
        one.append(1)

    def build(tag: int, got: tuple[object, ...]) -> object:
        return got

    for work in (
        lambda met: _native.encode(value, lambda one: (5, True, parts), met),
        lambda met: _native.decode(message, build, met),
        lambda _: _native.snapshot(known),
        lambda _: _native.changed(known, seen),
    ):
        failed = 0
        for allocation in range(700):
            met: list[object] = []
            testcapi.set_nomemory(allocation, allocation + 1)
            try:
                work(met)
            except MemoryError:
                failed += 1
                assert not met
            finally:
                testcapi.remove_mem_hooks()
        assert failed


# ---- depth ---------------------------------------------------------------------------------------


def nested(depth: int, wrap: Callable[[Any], Any]) -> Any:
    value: Any = ()
    for _ in range(depth - 1):
        value = wrap(value)
    return value


WRAPS: tuple[Callable[[Any], Any], ...] = (
    *(lambda v: [v], lambda v: (v,), lambda v: {1: v}, lambda v: slice(v), lambda v: deque([v])),
    *(lambda v: Point(v, 1), lambda v: OrderedDict(a=v), lambda v: types.MappingProxyType({1: v})),
    *(lambda v: types.SimpleNamespace(a=v), lambda v: UserList([v]), lambda v: {1: v}.values()),
)


def in_small_stack(action: Callable[[], None]) -> None:
    """Run something in a thread with 256 KB of stack."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            action()
        except BaseException as error:
            errors.append(error)

    before = threading.stack_size(256 << 10)
    try:
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
    finally:
        threading.stack_size(before)
    if errors:
        raise errors[0]


@pytest.mark.parametrize("wrap", WRAPS)
def test_depth(wrap: Callable[[Any], Any]) -> None:
    def action() -> None:
        assert type(decode(encode(nested(400, wrap)))) is type(wrap(()))
        for depth in (900, 1990, 2001):
            value = nested(depth, wrap)
            try:
                message = encode(value)
            except Unencodable:
                assert depth > 600
            else:
                assert encode(decode(message)) == message

    in_small_stack(action)


def test_depth_of_keys() -> None:
    def action() -> None:
        for wrap in (lambda v: (v,), lambda v: frozenset((v,))):
            for place in (lambda v: {v}, lambda v: {v: 1}, lambda v: frozenset((v,))):
                assert decode(encode(place(nested(150, wrap)))) == place(nested(150, wrap))
                with pytest.raises(Unencodable):
                    encode(place(nested(300, wrap)))
        twice = bytes([SET, 2]) + (bytes([TUPLE, 1]) * 199 + bytes([TUPLE, 0])) * 2
        assert len(decode(twice)) == 1  # compared, item by item

    in_small_stack(action)


# ---- changes -------------------------------------------------------------------------------------


class Hostile:
    def __eq__(self, other: object) -> bool:
        raise AssertionError("asked")

    __hash__ = object.__hash__


def test_changes_are_seen_by_identity() -> None:
    a, b = Hostile(), Hostile()
    known: list[Any] = [[a], {a: b}, {a}, bytearray(b"x"), deque([a]), [], {}, set()]
    seen = _native.snapshot(known)
    assert seen[4] is None
    assert _native.changed(known, seen) == []
    known[0][0] = b
    known[1][a] = a
    known[2].add(b)
    known[3][0] = 1
    known[5].append(1)
    known[6][1] = 2
    known[7].add(3)
    assert _native.changed(known, seen) == [0, 1, 2, 3, 5, 6, 7]
    assert _native.changed(known[:2], seen) == [0, 1]
    same_size: list[Any] = [{a: 1, b: 2}, {a, b}]
    seen = _native.snapshot(same_size)
    same_size[0][a] = same_size[0].pop(a)  # another order
    same_size[1].discard(a)
    same_size[1].add(7)
    assert _native.changed(same_size, seen) == [0, 1]


def test_checksum() -> None:
    one: dict[str, Any] = {"a": 1, "b": len}
    before = _native.checksum([one, vars(time)])
    assert _native.checksum([one, vars(time)]) == before
    for change in (
        lambda: one.update(a=2),
        lambda: one.update(c=1),
        lambda: one.pop("b"),
        lambda: one.update(a=one.pop("a")),
    ):
        change()
        assert _native.checksum([one, vars(time)]) != before
        before = _native.checksum([one, vars(time)])


def test_the_core_takes_only_what_it_names() -> None:
    for call in (
        lambda: _native.encode(1, 2, 3),
        lambda: _native.encode(1),
        lambda: _native.decode(bytearray(b"\0"), 2, []),
        lambda: _native.decode(b"\0", 2, ()),
        lambda: _native.encode(object(), lambda one: 3, []),
        lambda: _native.encode(object(), lambda one: (1, True), []),
        lambda: _native.changed([], ()),
        lambda: _native.snapshot(()),
        lambda: _native.checksum([[]]),
    ):
        with pytest.raises(TypeError):
            call()
    with pytest.raises(ValueError, match="tag"):
        _native.encode(object(), lambda one: (1 << 20, True, ()), [])
    with pytest.raises(ZeroDivisionError):  # what `refer` raises is the caller's
        encode(object(), lambda one: (1 // 0,))


def test_inside_the_jail(tmp_path: pathlib.Path) -> None:
    """The same modules, imported as the zygote does."""
    folder = pathlib.Path(values.__file__).parent.parent
    script = (
        "import sys, importlib.machinery, importlib.util\n"
        f"loader = importlib.machinery.ExtensionFileLoader('_native', {_native.__file__!r})\n"
        "spec = importlib.util.spec_from_file_location('_native', loader.path, loader=loader)\n"
        "native = importlib.util.module_from_spec(spec); loader.exec_module(native)\n"
        "sys.modules['_native'] = native\n"
        f"sys.path.insert(0, {str(folder)!r})\n"
        "from jailed import values\n"
        "del sys.modules['_native']\n"
        "assert 'sv_sandbox' not in sys.modules\n"
        "from decimal import Decimal\n"
        "print(values.decode(values.encode([Decimal('1.5'), 2])))"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-P", "-s", "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[Decimal('1.5'), 2]\n"
