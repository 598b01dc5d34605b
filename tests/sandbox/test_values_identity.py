"""The codec keeps who is who, at both ends, and sees what was changed."""

from __future__ import annotations

import array
import random
import sys
import types
from collections import (
    Counter,
    OrderedDict,
    defaultdict,
    deque,
    namedtuple,
)
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy
import pytest

from sv_sandbox import _native
from sv_sandbox.jailed.values import REBUILT, CodecError, Unencodable, decode, encode


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
        *(list, dict, set, bytearray, deque, Counter, OrderedDict),
        *(lambda: defaultdict(int), lambda: array.array("i"), lambda: numpy.zeros(2)),
        *(types.SimpleNamespace, lambda: random.Random(1), lambda: types.MappingProxyType({})),
    ],
)
def test_mutable_objects_are_numbered_at_both_ends(make: Callable[[], Any]) -> None:
    shared = make()
    mine: list[object] = []
    theirs: list[object] = []
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
    cycles: tuple[tuple[Callable[[], Any], Callable[[Any], object]], ...] = (
        (deque, lambda d: d.append(d)),
        (OrderedDict, lambda d: d.update(me=[d])),
        (types.SimpleNamespace, lambda d: d.__dict__.update(me=(d,))),
    )
    for make, close in cycles:
        value = make()
        close(value)
        with pytest.raises(Unencodable):
            encode(value)
        with pytest.raises(Unencodable):
            encode([value])


def test_a_container_that_changes_while_it_is_encoded_is_written_as_it_was() -> None:
    value: list[Any] = [1, object(), 2]

    def refer(one: object) -> tuple[bool, tuple[object, ...]]:
        value.clear()
        return False, ("x",)

    assert decode(encode(value, refer), lambda name: name) == [1, "x", 2]


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


def test_the_core_takes_only_what_it_names() -> None:
    core: Any = _native
    calls: tuple[Callable[[], object], ...] = (
        lambda: core.encode(1, 2, 3),
        lambda: core.encode(1),
        lambda: core.decode("\0", 2, []),
        lambda: core.decode(b"\0", 2, ()),
        lambda: core.encode(object(), lambda one: 3, []),
        lambda: core.encode(object(), lambda one: (1, True), []),
        lambda: core.changed([], ()),
        lambda: core.snapshot(()),
    )
    for call in calls:
        with pytest.raises(TypeError):
            call()
    with pytest.raises(ValueError, match="tag"):
        _native.encode(object(), lambda one: (1 << 20, True, ()), [])
    with pytest.raises(ZeroDivisionError):  # what `refer` raises is the caller's
        encode(object(), lambda one: (bool(1 // 0), ()))


def test_large_values_are_written_and_read_without_a_copy() -> None:
    for value in ("ä" * 200_000, list(range(100_000)), [b"x" * 70_000] * 3, {"k": "v" * 10**6}):
        data = encode(value)
        assert type(data) is bytearray
        assert decode(data) == value
        assert decode(bytes(data)) == value
        with pytest.raises(Unencodable, match="too large"):
            encode(value, most=len(data) - 1)
        assert encode(value, most=len(data)) == data


NAN = float("nan")
P = namedtuple("P", "x")


@pytest.mark.parametrize(
    ("value", "kinds"),
    [
        ([1.5, "a", {"k": (None, 2j)}, b"x"], []),
        ([NAN, [NAN], (NAN, 1)], [_native.NAN]),
        (complex(0, NAN), [_native.NAN]),
        ([{1}, {2}], [_native.SET]),
        (({1}, frozenset({1}), NAN), [_native.SET, _native.FROZENSET, _native.NAN]),
        ([P(1)], [REBUILT]),
        (Fraction(1, 2), [REBUILT]),
    ],
)
def test_it_tells_of_what_each_process_has_in_its_own_way(value: Any, kinds: list[int]) -> None:
    told: list[int] = []
    encode(value, told=told.append)
    assert told == kinds
    with pytest.raises(ZeroDivisionError):  # what `told` raises is the caller's
        encode([value, NAN], told=lambda _: 1 // 0)


def test_names_are_the_objects_that_a_compiler_makes_of_them() -> None:
    made = ["".join(("some", "_", "name")), "".join(("no", " ", "name"))]
    back: Any = decode(encode(made), resolve=lambda: None)
    name, other = back
    assert name is sys.intern("some_name")
    assert other is not sys.intern("no name")
