"""The codec: plain data between a subject and a judge, and nothing else.

`_native` (native/codec.c) writes and reads exact built-in values; `table` has a row for each type
of the standard library whose values are plain data too; here are namedtuples,
NumPy's types, and what crosses by name. A type is looked up by itself: a subclass is not plain
data, whatever it says of itself.

Mutable objects are numbered in the order they are met. `containers` are those that both ends know
already; met again, an object is a reference to its number, so identity and cycles survive. (A cycle
through an object of the table raises Unencodable: its parts come before it is built.)

The reader's end is safe from any bytes: `decode` returns a value or raises CodecError. When
something arrives whose row is marked `word` (`bool`, a `float16`), `heard` is called.
"""

from __future__ import annotations

import contextlib
import importlib
import re
import sys
from collections import namedtuple
from collections.abc import Callable
from keyword import iskeyword
from typing import TYPE_CHECKING, Any, TypeGuard

from . import table
from .table import CodecError, Parts, Row, native

if TYPE_CHECKING:
    import numpy

    Dtype = numpy.dtype[numpy.generic]
    Array = numpy.ndarray[tuple[int, ...], Dtype]

__all__ = ["CodecError", "Unencodable", "decode", "encode", "mro", "native"]
Unencodable = native.Unencodable

MAX_FIELDS = 64
MAX_CLASSES = 1_000

mro: Callable[[type], tuple[type, ...]] = type.__dict__["__mro__"].__get__
"""The bases of a class, whatever its metaclass says."""

# ---- tuples with names -----------------------------------------------------------------------

_namedtuples: dict[tuple[str, ...], type[tuple[object, ...]]] = {}
"""Classes by their name and fields: those of values that were sent, and others, made here."""
_sample: object = namedtuple("_sample", "field")
_MADE = frozenset(
    (
        *("__annotations__", "__classcell__", "__doc__", "__firstlineno__", "__getnewargs__"),
        *("__match_args__", "__module__", "__new__", "__orig_bases__", "__replace__", "__repr__"),
        *("__slots__", "__static_attributes__", "__annotate__", "__annotate_func__"),
        *("__annotations_cache__", "_asdict", "_field_defaults", "_fields", "_make", "_replace"),
    )
)
"""What a class of namedtuples has besides its fields, unless somebody added methods."""


def _is_namedtuple(kind: type) -> bool:
    own = type.__dict__["__dict__"].__get__(kind)
    fields = own.get("_fields")
    return (
        type(kind) is type
        and kind.__bases__ == (tuple,)
        and type(fields) is tuple
        and all(type(field) is str for field in fields)
        and _MADE.issuperset(own.keys() - set(fields))
        and getattr(own.get("__repr__"), "__code__", None) is _sample.__repr__.__code__
    )


def _is_key(key: tuple[object, ...]) -> TypeGuard[tuple[str, ...]]:
    """Whether this is the name and the fields of a class of namedtuples."""
    words = [word for word in key if type(word) is str]
    name, *fields = words or [""]
    return (
        len(words) == len(key)
        and all(len(word) <= 100 and word.isidentifier() for word in words)
        and not any(map(iskeyword, words))
        and all(word[0] != "_" or word == f"_{index}" for index, word in enumerate(fields))
        and 0 < len(fields) == len(set(fields)) <= MAX_FIELDS
        and name != ""
    )


def _namedtuple(value: Any) -> Parts:
    kind = type(value)
    key = (kind.__name__, *kind._fields)
    if not _is_key(key):
        return ()
    _keep(key, kind)  # what comes back is of it again
    return (key, tuple(tuple.__iter__(value)))


def _keep(key: tuple[str, ...], kind: type) -> None:
    if len(_namedtuples) >= MAX_CLASSES:
        _namedtuples.clear()
    _namedtuples[key] = kind


def _build_namedtuple(key: tuple[object, ...], values: Parts) -> object:
    if not _is_key(key) or len(values) != len(key) - 1:
        raise CodecError("not a namedtuple")
    if key not in _namedtuples:
        _keep(key, namedtuple(key[0], key[1:], rename=True, module="solution"))
    return tuple.__new__(_namedtuples[key], values)


# ---- NumPy, where it is loaded ---------------------------------------------------------------

_DTYPE = re.compile(r"[<>|=][biufcSUmM][0-9]{1,9}(\[[0-9A-Za-z/]{1,12}\])?")
_EXACT = frozenset("?lqdD")
"""NumPy's numbers that compare as Python's do: bool, int64 (twice), float64, complex128."""


def _numpy() -> Any:
    with contextlib.suppress(ImportError):  # perhaps only the other end has loaded it
        importlib.import_module("numpy")
    numpy = sys.modules.get("numpy")
    if type(getattr(numpy, "ndarray", None)) is not type:
        raise CodecError("there is no NumPy here")
    return numpy


def _dtype(text: str) -> Dtype:
    if not _DTYPE.fullmatch(text):
        raise CodecError("no such dtype")
    dtype: Dtype = _numpy().dtype(text)
    if not _is_simple(dtype):
        raise CodecError("no such dtype")
    return dtype


def _is_simple(dtype: Dtype) -> bool:
    return dtype.kind in "biufcSUmM" and dtype.fields is None and dtype.subdtype is None


def _is_loose(dtype: Dtype) -> bool:
    """Whether elements of this dtype equal what they are not: they, or others, are rounded."""
    return dtype.kind in "fcmM" and dtype.char not in _EXACT


def _elements(dtype: Dtype, data: bytes) -> Array:
    """A flat array, of what NumPy could have made itself."""
    if dtype.kind == "b" and data.strip(b"\0\1"):
        raise CodecError("a truth that is neither")
    flat: Array = _numpy().frombuffer(bytearray(data), dtype)
    if dtype.kind == "U" and flat.size:
        if (flat.view(dtype.byteorder.replace("|", "=") + "u4") > sys.maxunicode).any():
            raise CodecError("no such character")
    return flat


def _array(value: Array) -> Parts:
    return (value.dtype.str, value.shape, value.tobytes())


def _build_array(loose: bool) -> Callable[[str, tuple[int, ...], bytes], object]:
    def build(text: str, shape: tuple[int, ...], data: bytes) -> object:
        dtype = _dtype(text)
        if (_is_loose(dtype) or not data) is not loose or any(
            type(n) is not int or n < 0 for n in shape
        ):
            raise CodecError("no such array")
        return _elements(dtype, data).reshape(shape)

    return build


def _scalar(value: numpy.generic) -> Parts:
    return (value.dtype.str, value.tobytes()[: value.dtype.itemsize])  # '' has a byte too many


def _build_scalar(exact: bool) -> Callable[[str, bytes], object]:
    def build(text: str, data: bytes) -> object:
        dtype = _dtype(text)
        if (dtype.char in _EXACT) is not exact or len(data) != dtype.itemsize:
            raise CodecError("no such number")
        return _elements(dtype, data)[0] if data else dtype.type()

    return build


def _build_scalar_type(name: str) -> object:
    kind = vars(_numpy()).get(name)
    if type(kind) is not type or _numpy().generic not in mro(kind):
        raise CodecError("no type of scalars")
    return kind


# ---- the whole table -------------------------------------------------------------------------


def _bare(value: Any) -> Parts:
    if isinstance(value, str):  # `item` drops zeros at the end
        return (str.__str__(value),)
    return (bytes(value) if isinstance(value, bytes) else value.item(),)


BARE = Row(object, ((int, float, complex, bool, str, bytes),), _bare, lambda v: v)
"""A NumPy scalar that arrives as Python's own value."""
NAME = Row(object, (str,), lambda v: (table.name_of(v),), table.named, word=True)
NAMEDTUPLE = Row(object, (tuple, tuple), _namedtuple, _build_namedtuple)
ARRAY = Row(object, (str, tuple, bytes), _array, _build_array(False), mutable=True)
LOOSE_ARRAY = ARRAY._replace(build=_build_array(True), word=True)
SCALAR = Row(object, (str, bytes), _scalar, _build_scalar(True))
LOOSE_SCALAR = SCALAR._replace(build=_build_scalar(False), word=True)
DTYPE = Row(object, (str,), lambda v: (v.str,), _dtype, word=True)
SCALAR_TYPE = Row(object, (str,), lambda v: (v.__name__,), _build_scalar_type, word=True)

_BY_TAG = (
    *(BARE, NAME, NAMEDTUPLE, ARRAY, LOOSE_ARRAY, SCALAR, LOOSE_SCALAR, DTYPE),
    *(SCALAR_TYPE, *table.ROWS),
)
_TAGS = {id(row): tag for tag, row in enumerate(_BY_TAG, 1)}  # 0: what only the caller knows
_BY_TYPE = {id(row.kind): row for row in table.ROWS}  # by id: a metaclass may claim to be equal


def row_of(value: object) -> Row | None:
    """The row of a value that no built-in type has, or None if it is not plain data."""
    kind = type(value)
    row = _BY_TYPE.get(id(kind))
    if row is not None:
        return row
    if table.name_of(value) is not None:
        return NAME
    bases = mro(kind)
    if tuple in bases:
        return NAMEDTUPLE if _is_namedtuple(kind) else None
    numpy = sys.modules.get("numpy")
    if numpy is None or type(getattr(numpy, "ndarray", None)) is not type:
        return None
    return _numpy_row(numpy, value, bases)


def _numpy_row(numpy: Any, value: Any, bases: tuple[type, ...]) -> Row | None:
    kind = type(value)
    if kind is numpy.ndarray and _is_simple(value.dtype) and value.dtype.itemsize:
        return LOOSE_ARRAY if _is_loose(value.dtype) or not value.size else ARRAY
    if numpy.generic in bases and numpy.dtype(kind).type is kind and _is_simple(value.dtype):
        return SCALAR if value.dtype.char in _EXACT else LOOSE_SCALAR
    if numpy.dtype in bases and _is_simple(value):
        return DTYPE
    if kind is type and numpy.generic in mro(value) and vars(numpy).get(value.__name__) is value:
        return SCALAR_TYPE
    return None


REBUILT = -1
"""A value of a library's type: the copy may be more right than what was made of the original."""
_REBUILT = frozenset(map(id, (*table.ROWS, NAMEDTUPLE, ARRAY, LOOSE_ARRAY)))


def _plain(
    value: object, refers: bool, plain: bool, bare: bool = False
) -> tuple[Row, Parts] | None:
    """The row of plain data and its parts; None for what is to be referred to."""
    try:
        row = row_of(value)
        if bare and (row is SCALAR or row is LOOSE_SCALAR):
            row = None if _is_loose(value.dtype) else BARE  # type: ignore[attr-defined]
        if row is None or (plain and (row.word or row is SCALAR)):
            return None
        parts = row.parts(value)
    except Exception as error:  # a value may hold anything, and raise it
        if refers:
            return None
        raise Unencodable(f"{type(error).__name__} while a value was encoded") from None
    return (row, parts) if row.fits(parts) else None


def encode(
    value: object,
    refer: Callable[[object], tuple[bool, Parts]] | None = None,
    containers: list[object] | None = None,
    plain: bool = False,
    bare: bool = False,
    most: int = native.MAX_VALUE_BYTES,
    told: Callable[[int], object] | None = None,
) -> bytes | bytearray:
    """One value. What is not plain data is what `refer` says of it: whether its identity and
    content are shared as a container's, and its parts. With `plain` nothing crosses
    that a verdict must not rest on, and no number of NumPy's; with `bare` these are Python's.
    `told` hears of what two processes have each in their own way: NAN, SET, FROZENSET, REBUILT.
    Raises Unencodable, also for what takes more than `most` bytes."""

    def other(one: object) -> tuple[int, bool, Parts]:
        found = _plain(one, refer is not None, plain, bare)
        if found is not None:
            if told is not None and id(found[0]) in _REBUILT:
                told(REBUILT)
            return _TAGS[id(found[0])], found[0].mutable, found[1]
        if refer is None:
            raise Unencodable(f"a {type(one).__name__} cannot cross")
        return 0, *refer(one)

    return native.encode(value, other, [] if containers is None else containers, most, told)


def decode(
    data: bytes | bytearray,
    resolve: Callable[..., object] | None = None,
    containers: list[object] | None = None,
    heard: Callable[[], object] | None = None,
) -> object:
    """One value. `resolve` has the object for what `refer` said; with it, texts that are names are
    the objects that a compiler makes of them. Raises CodecError."""

    def build(tag: int, parts: Parts) -> object:
        if tag == 0:
            if resolve is None:
                raise CodecError("a reference where none can be")
            return resolve(*parts)
        if tag > len(_BY_TAG):
            raise CodecError("no such type")
        row = _BY_TAG[tag - 1]
        if not row.fits(parts):
            raise CodecError("parts of the wrong types")
        if row.word and heard is not None:
            heard()
        return row.build(*parts)

    met = [] if containers is None else containers
    return native.decode(data, build, met, resolve is not None)
