"""`pytest.approx`: what equals numbers near its own, in the semantics of pytest 9.

`approx(expected, rel, abs, nan_ok) == actual`, both ways round, for a number, and for a sequence,
mapping or array of numbers. What is no number is compared exactly. Formula, as in pytest's manual:
|expected - actual| <= max(rel * |expected|, abs), where rel is 1e-6 and abs 1e-12; `abs` alone
switches `rel` off.
"""

from __future__ import annotations

import datetime
import math
import sys
from collections.abc import Collection, Mapping, Sized
from decimal import Decimal
from numbers import Complex
from typing import Any


def _array(value: object) -> Any:
    """`value` as an array, where it is one of NumPy's."""
    numpy = sys.modules.get("numpy")
    if numpy is None or numpy.isscalar(value):
        return None
    return numpy.asarray(value) if hasattr(value, "__array__") else None


def _is_bool(value: object) -> bool:
    return type(value).__name__ in ("bool", "bool_")


class Approx:
    """Equal to what is near `expected`: a number, or numbers in a sequence, mapping or array."""

    __array_ufunc__ = None
    __array_priority__ = 100
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, expected: Any, rel: object = None, abs: Any = None, nan_ok: bool = False):  # noqa: A002
        self.expected, self.options = expected, (rel, abs, nan_ok)
        self.array = _array(expected)
        self.items: Any = None
        if isinstance(expected, Mapping):
            self.items = expected.values()
        elif self.array is None and not isinstance(expected, str | bytes):
            if hasattr(expected, "__getitem__") and isinstance(expected, Sized):
                self.items = expected
            elif isinstance(expected, Collection):
                raise TypeError(f"pytest.approx() only supports ordered sequences, got {expected}")
        nested = (
            isinstance(x, Collection) and not isinstance(x, str | bytes) for x in self.items or ()
        )
        if any(nested):
            raise TypeError(f"pytest.approx() does not support nested data structures: {expected}")

    def near(self, expected: object) -> Approx:
        return Approx(expected, *self.options)

    def tolerance(self) -> Any:
        rel, absolute, _ = self.options
        one: Any = Decimal if isinstance(self.expected, Decimal) else float
        if one is Decimal:
            rel, absolute = (None if x is None else Decimal(str(x)) for x in (rel, absolute))
        least = one("1e-12") if absolute is None else absolute
        wide = (one("1e-6") if rel is None else rel) * abs(self.expected)
        if least < 0 or wide < 0 or math.isnan(least) or math.isnan(wide):
            raise ValueError(f"tolerances can't be negative or NaN: rel={rel}, abs={absolute}")
        return least if rel is None and absolute is not None else max(least, wide)

    def __eq__(self, actual: Any) -> bool:
        if self.array is not None:
            other = _array(actual)
            if other is None and hasattr(actual, "__len__"):
                other = sys.modules["numpy"].asarray(actual)
            if other is None:
                is_one = isinstance(actual, Complex | Decimal | str | bytes)
                return is_one and all(actual == self.near(x) for x in self.array.flat)
            same = other.shape == self.array.shape
            pairs = zip(other.flat, self.array.flat, strict=True) if same else ()
            return same and all(a.item() == self.near(x.item()) for a, x in pairs)
        if self.items is None:
            array = _array(actual)
            return self._near(actual) if array is None else all(self._near(a) for a in array.flat)
        if isinstance(self.expected, Mapping):
            if not hasattr(actual, "keys") or set(actual.keys()) != set(self.expected.keys()):
                return False
            return all(actual[key] == self.near(x) for key, x in self.expected.items())
        if not hasattr(actual, "__len__") or len(actual) != len(self.expected):
            return False
        # strict: an object that says a length and then yields nothing has not been compared
        return all(a == self.near(x) for a, x in zip(actual, self.expected, strict=True))

    def _near(self, actual: Any) -> bool:
        expected = self.expected
        if _is_bool(expected) and not _is_bool(actual):
            return False
        if actual == expected:
            return True
        if isinstance(expected, datetime.datetime | datetime.timedelta):
            return bool(abs(expected - actual) <= self.options[1])
        numbers = isinstance(expected, Complex | Decimal) and isinstance(actual, Complex | Decimal)
        if _is_bool(expected) or not numbers:
            return False
        if math.isnan(abs(expected)):
            return bool(self.options[2] and math.isnan(abs(actual)))
        if math.isinf(abs(expected)):
            return False
        return bool(abs(expected - actual) <= self.tolerance())

    def __ne__(self, actual: object) -> bool:
        return not self == actual

    def __bool__(self) -> bool:
        raise AssertionError("approx() is not supported in a boolean context")

    def __repr__(self) -> str:
        if isinstance(self.expected, Mapping):
            return f"approx({ {key: self.near(x) for key, x in self.expected.items()} })"
        if self.array is not None:
            return f"approx({[self.near(x.item()) for x in self.array.flat]})"
        if self.items is not None:
            inside = type(self.expected)
            kind = inside if inside in (list, tuple) else list
            return f"approx({kind(self.near(x) for x in self.items)})"
        number = isinstance(self.expected, Complex | Decimal) and not _is_bool(self.expected)
        if not number or math.isinf(abs(self.expected)):
            return str(self.expected)
        try:
            wide = self.tolerance()
            said = f"{wide:.1e}" if wide < 1e-3 or wide >= 1e3 else f"{wide:.2g}"
        except ValueError:
            said = "???"
        turn = " ∠ ±180°" if isinstance(self.expected, complex) else ""
        return f"{self.expected} ± {said}{turn}"


def approx(
    expected: object,
    rel: object = None,
    abs: object = None,  # noqa: A002
    nan_ok: bool = False,
) -> Approx:
    return Approx(expected, rel, abs, nan_ok)
