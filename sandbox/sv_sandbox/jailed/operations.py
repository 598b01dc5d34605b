"""What one end may ask of an object of the other: one table, the same at both ends.

In: an operation's name and its operands, the object first. Out: what Python gives for it; raises
what the object raises, and CodecError for what no proxy asks. The judge looks into `lending` before
it performs anything; the subject answers for the solution, which may do with itself what it likes.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from . import shapes
from .values import CodecError

Pairs = tuple[tuple[str, object], ...]


def _words(pairs: Pairs) -> dict[str, object]:
    try:
        words = dict(pairs)
    except (TypeError, ValueError):
        raise CodecError("not arguments") from None
    if not all(type(name) is str for name in words):
        raise CodecError("not arguments")
    return words


def _call(target: Any, args: tuple[object, ...], words: Pairs) -> object:
    return target(*args, **_words(words))


def _method(target: object, name: str, args: tuple[object, ...], words: Pairs) -> object:
    return _call(getattr(target, name), args, words)


def _special(target: object, name: str, operands: tuple[object, ...]) -> object:
    if name not in shapes.SPECIALS:
        raise CodecError("no such operation")
    do = getattr(type(target), f"__{name}__")
    if name in ("exit", "aexit") and len(operands) == 3 and isinstance(operands[1], BaseException):
        return _leave(do, target, operands[1])
    return do(target, *operands)


def _leave(leave: Callable[..., object], target: object, error: BaseException) -> object:
    """The end of a `with`, as Python calls it: while the exception is handled."""
    context = error.__context__
    try:
        raise error
    except BaseException:
        error.__context__ = context
        return leave(target, type(error), error, error.__traceback__)


OPERATIONS: dict[str, tuple[Callable[..., object], tuple[type, ...]]] = {
    "call": (_call, (object, tuple, tuple)),
    "method": (_method, (object, str, tuple, tuple)),
    "special": (_special, (object, str, tuple)),
    "get": (getattr, (object, str)),
    "set": (setattr, (object, str, object)),
    "del": (delattr, (object, str)),
    "signature": (shapes.parameters_of, (object,)),
    "code": (shapes.code_facts, (object,)),
    "dir": (dir, (object,)),
    "hash": (hash, (object,)),
    "copy": (copy.copy, (object,)),
    "deepcopy": (copy.deepcopy, (object,)),
    "isinstance": (isinstance, (object, object)),
    "issubclass": (issubclass, (object, object)),
    "iter": (list, (object,)),
    "len": (len, (object,)),
    "contains": (lambda kind, item: item in kind, (object, object)),
    "getitem": (lambda kind, key: kind[key], (object, object)),
}
"""What is done, and the types of its operands (exactly; `object`: any)."""


def perform(operation: str, operands: tuple[object, ...]) -> object:
    """Do what was asked. Raises CodecError for what no proxy asks."""
    do, kinds = OPERATIONS.get(operation, (hash, ()))
    is_fit = len(operands) == len(kinds) > 0 and all(
        kind is object or type(one) is kind for one, kind in zip(operands, kinds, strict=True)
    )
    if not is_fit:
        raise CodecError("no such operation")
    return do(*operands)
