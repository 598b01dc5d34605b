"""The codec: what goes in comes out, subclasses arrive as plain values, and no bytes can hurt."""

from __future__ import annotations

import enum
import math
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sv_sandbox.jailed.codec import CodecError, Decoder, Encoder, Unencodable, decode, encode

from sv_sandbox.jailed import codec

hashables = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.complex_numbers()
    | st.text()
    | st.binary()
    | st.decimals(allow_nan=False)
    | st.fractions()
    | st.dates()
    | st.timedeltas()
    | st.datetimes(timezones=st.none() | st.just(UTC))
    | st.times()
    | st.just(...),
    lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3),
    max_leaves=8,
)
values = st.recursive(
    hashables | st.binary().map(bytearray),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(hashables, inner, max_size=3)
        | st.sets(hashables, max_size=3)
        | st.lists(inner, max_size=3).map(deque)
        | st.tuples(inner, inner)
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
    return repr(a) == repr(b)


@given(values)
def test_round_trip(value: Any) -> None:
    assert same(decode(encode(value)), value)


def test_special_values() -> None:
    for value in (
        range(1, 10, 3),
        slice(None, 2, 3),
        Counter("abca"),
        OrderedDict([("b", 1), ("a", 2)]),
        defaultdict(list, {1: [2]}),
        deque([1, 2], maxlen=5),
        10**1000,
        -(10**1000),
        "lone \ud800 surrogate",
        timezone(timedelta(hours=2)),
        Decimal("NaN"),
        Fraction(1, 3),
        date(1, 1, 1),
        datetime(9999, 12, 31, fold=1),
        time(23, 59, 59, 999999),
        int,
        len,
        ValueError,
    ):
        back = decode(encode(value))
        assert type(back) is type(value)
        assert repr(back) == repr(value)
    assert math.isnan(decode(encode(math.nan)))
    assert decode(encode(defaultdict(list)))["new"] == []


def test_shared_references_and_cycles() -> None:
    inner = [1]
    outer = [inner, inner, {"again": inner}]
    outer.append(outer)
    back = decode(encode(outer))
    assert back[0] is back[1] is back[2]["again"]
    assert back[3] is back


class Evil(int):
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = int.__hash__


class EvilText(str):
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = str.__hash__

    def encode(self, *args: Any) -> bytes:
        return b"something else"


class EvilList(list[Any]):
    def __iter__(self) -> Any:
        return iter([42])

    def __eq__(self, other: object) -> bool:
        return True


class Colour(enum.IntEnum):
    RED = 3


def test_subclasses_arrive_as_plain_values() -> None:
    for value, plain in (
        (Evil(4), 4),
        (EvilText("a"), "a"),
        (EvilList([1, 2]), [1, 2]),
        (Colour.RED, 3),
    ):
        back = decode(encode(value, strict=False))
        assert type(back) is type(plain)
        assert back == plain
        assert back != "anything else"


def test_namedtuple_keeps_its_fields() -> None:
    back = decode(encode(namedtuple("Point", "x y")(1, [2])))
    assert back == (1, [2])
    assert back.y == [2]
    assert type(back).__name__ == "Point"


def test_what_cannot_cross() -> None:
    for value in (object(), lambda: 0, open, type("X", (), {})()):
        if value is not open:
            with pytest.raises(Unencodable):
                encode(value)
    deep: list[Any] = []
    for _ in range(200):
        deep = [deep]
    with pytest.raises(Unencodable):
        encode(deep)


def test_numpy() -> None:
    numpy = pytest.importorskip("numpy")
    array = numpy.arange(6, dtype="float32").reshape(2, 3)
    back = decode(encode(array))
    assert back.dtype == array.dtype
    assert (back == array).all()
    assert decode(encode(numpy.int64(3))) == 3
    assert type(decode(encode(numpy.float64(1.5)))) is numpy.float64
    with pytest.raises(Unencodable):
        encode(numpy.array([object()]))


@settings(max_examples=500)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_value_or_a_codec_error(data: bytes) -> None:
    try:
        decode(data)
    except CodecError:
        pass


@settings(max_examples=500)
@given(values, st.data())
def test_damaged_messages(value: Any, data: st.DataObject) -> None:
    message = bytearray(encode(value))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(message) - 1))
        message[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(message)))
    for damaged in (bytes(message), bytes(message[:cut])):
        try:
            decode(damaged)
        except CodecError:
            pass


def encode_range(stop: int) -> bytes:
    """A range as an encoder without bounds writes it."""
    encoder = Encoder()
    encoder.put(range(stop))
    return bytes(encoder.out)


def test_ranges_and_decimals_are_bounded_only_without_handles() -> None:
    assert Decoder(encode_range(10**18)).get() == range(10**18)
    for value in (range(10**18), Decimal("1E9999999")):
        with pytest.raises(Unencodable):
            encode(value)
    assert decode(encode(range(1000))) == range(1000)


def test_shared_references_do_not_multiply_without_end() -> None:
    laughs: list[Any] = ["ha"]
    for _ in range(20):
        laughs = [laughs] * 10
    with pytest.raises(Unencodable):
        encode(laughs)
    message = Encoder().message(laughs)
    with pytest.raises(CodecError):
        decode(message)
    grid = [[0] * 30] * 30
    assert decode(encode(grid)) == grid


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"l\xff\xff\xff\xff\x0f",  # a list of more items than bytes
        b"s\x05ab",
        b"R\x00",  # a reference to nothing
        b"H\x00\x00\x00",  # a handle where none can be
        b"l\x01" * 5000 + b"N",  # nested beyond every limit
        b"d\x01l\x00N",  # an unhashable key
        b"n\x01a\x01\x08__import_t\x01N",
        b"A\x02|O\x01\x01\x00",  # an array of objects
        b"A\x03<f8\x01\x05\x02ab",
        b"D\x01s\x03abc",
        b"Q\x02i\x01\x01i\x01\x00",  # a fraction over zero
        b"q" * 2000 + b"N",  # nested where no container says so
        b"n\x01a\x01\x01a" * 500 + b"N",
        encode_range(10**18),
        b"D\x01s\x0a1E99999999",
        b"NN",  # one value too many
        b"X\x04eval",
        b"X\x0a__import__",
        b"y\x04eval" + b"d\x00",
        b"r\x03i\x01\x00i\x01\x01i\x01\x00",  # a range of step 0
    ],
)
def test_malformed(data: bytes) -> None:
    with pytest.raises(CodecError):
        decode(data)


def test_known_containers_keep_their_identity() -> None:
    mine = [1, 2]
    encoder = Encoder(known=[mine])
    encoder.put(mine)
    assert Decoder(bytes(encoder.out), known=[mine]).get() is mine


def test_names_are_harmless() -> None:
    dangerous = {"eval", "exec", "compile", "open", "__import__", "input", "globals", "getattr"}
    assert dangerous.isdisjoint(codec.BUILTINS)
    assert dangerous.isdisjoint(codec.EXCEPTIONS)
