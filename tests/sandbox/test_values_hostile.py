"""The codec against whoever writes the bytes: nothing comes out but a value or a CodecError."""

from __future__ import annotations

import array
import gc
import math
import pathlib
import random
import re
import subprocess
import sys
import threading
import types
import uuid
import zoneinfo
from collections import (
    OrderedDict,
    defaultdict,
    deque,
    namedtuple,
)
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sv_sandbox import _native
from sv_sandbox.jailed import table, values
from sv_sandbox.jailed.values import CodecError, Unencodable, decode, encode

Point = namedtuple("Point", "x y")


def forged(row: Any, *parts: object) -> bytes:
    """A message that has these parts under the tag of a row, whatever they are."""

    def other(value: object) -> tuple[int, bool, tuple[object, ...]]:
        if value is forged:
            return values._TAGS[id(row)], False, parts
        found = values._plain(value, False, False)
        assert found is not None
        return values._TAGS[id(found[0])], found[0].mutable, found[1]

    return bytes(_native.encode(forged, other, []))


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
        (types.SimpleNamespace, ({1: 2},)),
        (uuid.UUID, (-1,)),
        (types.UnionType, ((int,),)),
        (types.UnionType, ((3, 4),)),
        (types.UnionType, ((int, "str"),)),
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
    with pytest.raises((CodecError, RecursionError)):  # no stack left: it cannot cross
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
    known: list[Any] = [*value, *([n] for n in range(99))]
    seen = _native.snapshot(known)
    for one in known[-99:]:
        one.append(1)

    def build(tag: int, got: tuple[object, ...]) -> object:
        return got

    works: tuple[Callable[[list[object]], object], ...] = (
        lambda met: _native.encode(value, lambda one: (5, True, parts), met),
        lambda met: _native.decode(message, build, met),
        lambda _: _native.snapshot(known),
        lambda _: _native.changed(known, seen),
    )
    for work in works:
        failed = 0
        for allocation in range(700):
            met: list[object] = []
            gc.disable()  # what others hang on a collection does not expect this
            testcapi.set_nomemory(allocation, allocation + 1)
            try:
                work(met)
            except MemoryError:
                failed += 1
                assert not met
            finally:
                testcapi.remove_mem_hooks()
                gc.enable()
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
    *(lambda v: types.SimpleNamespace(a=v), lambda v: {1: v}.values()),
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
        back: Any = decode(twice)
        assert len(back) == 1  # compared, item by item

    in_small_stack(action)
