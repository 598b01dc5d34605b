"""What one end may ask of an object of the other: one table, the same at both ends.

In: an operation's name and its operands, the object first. Out: what Python gives for it; raises
what the object raises, and CodecError for what no proxy asks. The judge looks into `lending` before
it performs anything; the subject answers for the solution, which may do with itself what it likes.
"""

from __future__ import annotations

import copy
import types
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from . import shapes
from .provenance import is_reference
from .values import CodecError

if TYPE_CHECKING:
    from .link import Link

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


def _above(above: Any, target: object, name: str, args: tuple[object, ...], words: Pairs) -> object:
    """A method as a class has it, whatever the object's own class has in its place: `super()`."""
    found = next(one.__dict__ for one in above.__mro__ if name in one.__dict__)
    one, kind = (None, target) if isinstance(target, type) else (target, type(target))
    return _call(found[name].__get__(one, kind), args, words)


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


_WRAPPERS: dict[str, Callable[..., object]] = {
    kind.__name__: kind for kind in (staticmethod, classmethod, property, cached_property)
}


def inside(body: dict[str, object]) -> tuple[tuple[str, object], ...]:
    """What stands in the body of a class, as `_make` takes it: a function in a wrapper of Python's
    by that one's name, all else as it is."""
    items = [item for item in body.items() if item[0] != "__classcell__"]
    return tuple((name, _unwrapped(value)) for name, value in items)


def _unwrapped(value: Any) -> tuple[object, ...]:
    kind = type(value)
    if kind is property:
        return "property", value.fget, value.fset, value.fdel
    if kind is cached_property:
        return "cached_property", value.func
    if kind in (staticmethod, classmethod):
        return kind.__name__, value.__func__
    return "", value


def _wrapped(parts: Any) -> object:
    if type(parts) is tuple and len(parts) == 2 and not parts[0]:
        return parts[1]
    if type(parts) is not tuple or not parts or parts[0] not in _WRAPPERS:
        raise CodecError("not what stands in a class")
    if not all(one is None or is_reference(one) for one in parts[1:]):
        raise CodecError("not a function of the other end's")
    return _WRAPPERS[parts[0]](*parts[1:])


def _make(name: str, bases: tuple[object, ...], body: Pairs, words: Pairs) -> object:
    """A class that extends some of ours; its functions stay at the other end."""
    made = {key: _wrapped(value) for key, value in _words(body).items()}
    return types.new_class(name, bases, _words(words), lambda scope: scope.update(made))


OPERATIONS: dict[str, tuple[Callable[..., object], tuple[type, ...]]] = {
    "call": (_call, (object, tuple, tuple)),
    "method": (_method, (object, str, tuple, tuple)),
    "above": (_above, (object, object, str, tuple, tuple)),
    "special": (_special, (object, str, tuple)),
    "get": (getattr, (object, str)),
    "set": (setattr, (object, str, object)),
    "del": (delattr, (object, str)),
    "make": (_make, (str, tuple, tuple, tuple)),
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


def perform(operation: str, operands: tuple[object, ...], link: Link) -> object:
    """Do what was asked over this link. Raises CodecError for what no proxy asks."""
    do, kinds = OPERATIONS.get(operation, (hash, ()))
    is_fit = len(operands) == len(kinds) and all(
        kind is object or type(one) is kind for one, kind in zip(operands, kinds, strict=True)
    )
    if not is_fit or not kinds:
        raise CodecError("no such operation")
    made = do(*operands)
    return link.number(made) if operation == "make" else made  # the other end has a class for it
