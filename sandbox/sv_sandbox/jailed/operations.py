"""What one end may ask of an object of the other: one table, the same at both ends.

In: an operation's name and its operands, the object first. Out: what Python gives for it; raises
what the object raises, and CodecError for what no proxy asks. The judge looks into `lending` before
it performs anything; the subject answers for the solution, which may do with itself what it likes.
"""

from __future__ import annotations

import copy
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import shapes
from .values import CodecError

if TYPE_CHECKING:
    from .link import Link


def _call(target: Any, args: object, kwargs: object) -> object:
    if type(args) is not tuple or type(kwargs) is not tuple:
        raise CodecError("not a call")
    try:
        words = dict(kwargs)
    except (TypeError, ValueError):
        raise CodecError("not a call") from None
    if not all(type(name) is str for name in words):
        raise CodecError("not a call")
    return target(*args, **words)


def _named(name: object) -> str:
    if type(name) is not str:
        raise CodecError("not a name")
    return name


def _get(target: object, name: object) -> object:
    return getattr(target, _named(name))


def _set(target: object, name: object, value: object) -> None:
    setattr(target, _named(name), value)


def _del(target: object, name: object) -> None:
    delattr(target, _named(name))


def _method(target: object, name: object, args: object, kwargs: object) -> object:
    return _call(_get(target, name), args, kwargs)


def _above(above: Any, target: object, name: object, args: object, kwargs: object) -> object:
    """A method as a class has it, whatever the object's own class has in its place: `super()`."""
    found = next(one.__dict__ for one in above.__mro__ if _named(name) in one.__dict__)
    one, kind = (None, target) if isinstance(target, type) else (target, type(target))
    return _call(found[name].__get__(one, kind), args, kwargs)


def _special(target: object, name: object, operands: object) -> object:
    if type(name) is not str or name not in shapes.SPECIALS or type(operands) is not tuple:
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


def _make(name: object, bases: object, body: object, words: Any) -> object:
    """A class that extends some of ours; its functions stay at the other end."""
    if type(name) is not str or type(bases) is not tuple or type(body) is not tuple:
        raise CodecError("not a class")
    inside = dict(body)
    return types.new_class(name, bases, dict(words), lambda scope: scope.update(inside))


OPERATIONS: dict[str, Callable[..., object]] = {
    "call": _call,
    "method": _method,
    "above": _above,
    "special": _special,
    "get": _get,
    "set": _set,
    "del": _del,
    "make": _make,
    "signature": shapes.parameters_of,
    "code": shapes.code_facts,
    "dir": dir,
    "hash": hash,
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "isinstance": isinstance,
    "issubclass": issubclass,
    "iter": lambda kind: list(kind),
    "len": len,
    "contains": lambda kind, item: item in kind,
    "getitem": lambda kind, key: kind[key],
}


def perform(operation: str, operands: tuple[object, ...], link: Link) -> object:
    """Do what was asked over this link. Raises CodecError for what no proxy asks."""
    do = OPERATIONS.get(operation)
    if do is None:
        raise CodecError("no such operation")
    made = do(*operands)
    return link.number(made) if operation == "make" else made  # the other end has a class for it
