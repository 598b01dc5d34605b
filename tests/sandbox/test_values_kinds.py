"""Only exact types are plain data; the rest is referred to, or marked as the solution's word."""

from __future__ import annotations

import enum
import struct
import sys
import zoneinfo
from collections import (
    defaultdict,
    namedtuple,
)
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple

import numpy
import pytest

from sv_sandbox.jailed import table, values
from sv_sandbox.jailed.values import CodecError, Unencodable, decode, encode

Point = namedtuple("Point", "x y")


class Typed(NamedTuple):
    left: int
    right: list[int]


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

    def __hash__(self) -> int:
        return tuple.__hash__(self)


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


MASKED: Any = numpy.ma  # its functions have no types
OTHER: tuple[Any, ...] = (
    *(Evil(4), Text("a"), Sequence([1]), Colour.RED, Said(1), Shown(1), More(1, 2), Posing()),
    *(object(), lambda: 0, type("X", (), {}), open, eval, exec, compile, __import__, input),
    *(getattr, setattr, globals, vars, breakpoint, type("D", (Decimal,), {})("1"), iter([])),
    *(Decimal("1E99999"), sys, ValueError("x"), zoneinfo),
    *(datetime(2024, 1, 1, tzinfo=Zone.no_cache("UTC")), numpy.array([object()]), (x for x in "")),
    *(
        numpy.zeros(2, "i4,i4"),
        MASKED.array([1]),
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

    def refer(one: object) -> tuple[bool, tuple[object, ...]]:
        met.append(one)
        return False, (len(met) - 1, "about")

    message = encode([value, (value,)], refer)
    back: Any = decode(message, lambda number, about: met[number])
    if met[0] is value:
        assert back[0] is back[1][0] is value
    with pytest.raises(CodecError):
        decode(message)


def test_shared_tuples_do_not_fill_the_memory() -> None:
    value: tuple[Any, ...] = ()
    for _ in range(60):
        value = (value, value)
    with pytest.raises(Unencodable, match="too large"):
        encode(value)


def test_a_factory_of_the_solution_is_referred_to() -> None:
    value = defaultdict[str, object](lambda: 7, a=[1])
    with pytest.raises(Unencodable):
        encode(value)
    back: Any = decode(encode(value, lambda one: (False, (3,))), lambda number: lambda: number)
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
        back: Any = decode(encode([value]), heard=partial(heard.append, 1))
        assert heard == [1], value
        assert type(back[0]) is type(value)
        assert repr(back[0]) == repr(value)


def test_plain_has_no_words() -> None:
    for value in (bool, ValueError, numpy.zeros(2, "f4"), numpy.int8, numpy.dtype("f8")):
        with pytest.raises(Unencodable):
            encode([value], plain=True)
    for scalar, bare in (
        *((numpy.int8(3), 3), (numpy.bool_(True), True), (numpy.complex128(1), 1 + 0j)),
        *((numpy.float64(1.5), 1.5), (numpy.str_("a"), "a")),
    ):
        back = decode(encode(scalar, plain=True, bare=True))
        assert type(back) is type(bare)
        assert back == bare
        with pytest.raises(Unencodable):
            encode(scalar, plain=True)
    for other in (
        *(numpy.float16("inf"), numpy.complex64(1), numpy.longdouble(1)),
        numpy.datetime64("2024-01-01", "ns"),
    ):
        with pytest.raises(Unencodable):
            encode(other, plain=True, bare=True)


def test_numpy() -> None:
    heard: list[int] = []
    for value in (
        *(
            numpy.arange(6).reshape(2, 3),
            numpy.array(3.5),
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
    # `(empty == anything).all()` holds.
    none: Any = decode(encode(numpy.zeros((0, 4))), heard=lambda: heard.append(1))
    assert none.shape == (0, 4)
    assert heard


def test_numpy_only_where_it_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    message = encode(numpy.float64(1.5))
    monkeypatch.delitem(sys.modules, "numpy")
    with pytest.raises(CodecError):
        decode(message)


def test_a_namedtuple_that_comes_back_is_of_its_own_class() -> None:
    values._namedtuples.clear()
    message = encode(Typed(1, [2]))
    assert type(decode(message)) is Typed
    values._namedtuples.clear()
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
