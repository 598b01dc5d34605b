"""The codec: what goes in comes out, for every row of its table, and damaged bytes hurt nobody."""

from __future__ import annotations

import array
import ipaddress
import math
import numbers
import pathlib
import random
import re
import struct
import subprocess
import sys
import types
import uuid
import zoneinfo
from collections import (
    Counter,
    OrderedDict,
    abc,
    defaultdict,
    deque,
    namedtuple,
)
from datetime import UTC, date, datetime, timedelta, timezone
from datetime import time as clock
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

import numpy
import pytest
from hypothesis import given
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
Odd: Any = namedtuple("Odd", "a def", rename=True)


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
    *(types.MappingProxyType({"a": [1]}), types.SimpleNamespace(a=1, b=[2])),
    *({"a": 1}.keys(), {"a": [1], "b": 2}.values(), {"a": 1}.items(), {}.keys()),
    *(OrderedDict(a=1).keys(), OrderedDict(a=[1]).values(), OrderedDict(a=1).items()),
    *(pathlib.PurePosixPath("a/b"), pathlib.Path("/x/../y"), pathlib.PureWindowsPath("c:\\d")),
    *(uuid.UUID(int=5), ipaddress.ip_address("10.0.0.1"), ipaddress.ip_address("fe80::1%eth0")),
    *(ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("::/0")),
    *(ipaddress.ip_interface("10.0.0.1/8"), ipaddress.ip_interface("::1/64")),
    *(array.array("d", [1.5, 2]), array.array("B"), array.array("u", "añ")),
    *(re.compile("a(b)?", re.I | re.M), re.compile(rb"\d")),
    random.Random(7),
    *(Point(1, [2]), Typed(1, [2]), Odd(1, 2)),
    *(range(1, 10, 3), range(10**30), slice(None, 2, [3]), range(0)),
)


def told(value: Any) -> str:
    """All there is to a value, as text."""
    if isinstance(value, random.Random):
        return repr(value.getstate())
    return repr((type(value), value))


@pytest.mark.parametrize("value", ROWS, ids=lambda value: type(value).__name__)
def test_every_row(value: Any) -> None:
    heard: list[int] = []
    back = decode(encode(value), heard=lambda: heard.append(1))
    assert type(back) is type(value)
    assert told(back) == told(value)
    within: Any = decode(encode([value, {"a": value}], plain=True))
    assert told(within[1]["a"]) == told(value)
    assert not heard


def test_every_row_of_the_table_has_an_example() -> None:
    assert {row.kind for row in table.ROWS if not row.word} <= {type(value) for value in ROWS}


@pytest.mark.parametrize("value", [int | None, list | dict | str, abc.Sequence, numbers.Number])
def test_what_a_class_is_asked_by_is_a_word(value: Any) -> None:
    heard: list[int] = []
    assert decode(encode(value), heard=lambda: heard.append(1)) == value
    assert heard
    with pytest.raises(Unencodable):
        encode(value, plain=True)


def test_numbers_keep_every_bit() -> None:
    payload = struct.unpack("<d", bytes.fromhex("0100000000e0f87f"))[0]
    for value in (payload, -0.0, math.inf, 5e-324):
        assert struct.pack("<d", decode(encode(value))) == struct.pack("<d", value)
    for bits in (7, 8, 15, 16, 31, 32, 62, 63, 64, 65, 127, 128, 10_000):
        for value in (2**bits - 1, 2**bits, -(2**bits), -(2**bits) - 1):
            assert decode(encode(value)) == value
    for value in range(-300, 300):
        assert decode(encode(value)) == value


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
                    message[at : at + 1] = bytes([draw.choice(range(15, 25))])
        known: list[Any] = []
        try:
            decode(bytes(message), containers=known)
        except CodecError:
            assert not known
        else:
            decoded += 1
    assert 1000 < decoded < 99_000


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
