"""Proxies: objects, classes, functions and exceptions of the other end, generated from shapes.

In: what the other end told of an object (`shapes`), once per number. Out: one local object per
number, with natural Python semantics: every use that Python looks up on the class, and every
attribute, is a question to the other end. Both ends use the same code, so test and solution may
each subclass, call, iterate, raise and catch what the other one defined.

A class of the other end becomes a local class with the same name and bases; where it extends plain
data or an exception, so does the local one, and an object brings its content along. Invariant: a
proxy holds nothing but its number, its content and its hash.
"""

from __future__ import annotations

import abc
import sys
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import operations, shapes
from .methods import Bound, get_own, link_of, says, set_own
from .provenance import COROUTINES, ReferenceType
from .shapes import mro, names_in

if TYPE_CHECKING:
    from .link import Link

FUNCTION_KINDS: dict[str, type] = {
    "function": types.FunctionType,
    "method": types.MethodType,
    **dict.fromkeys(("builtin_function_or_method", "method-wrapper"), types.BuiltinFunctionType),
}
_LOCAL = frozenset(("__traceback__", "__context__", "__cause__", "__suppress_context__"))
_NEVER_READ = frozenset(("__getstate__", "__setstate__", "__getnewargs__", "__getnewargs_ex__"))
"""What only pickling looks for; `__reduce_ex__` says why not."""


def number_of(value: Any, link: Link) -> tuple[Any, ...] | None:
    """How the other end knows a proxy: its number, and the name of a method of it; None for others
    and for proxies of a cell that is over."""
    if type(value) is Bound:
        inner = number_of(value.__self__, link)
        return None if inner is None else (*inner, get_own(value, "_sv_name"))
    if type(value) is types.CoroutineType:
        value = COROUTINES.get(value, value)
    kind = type(value)
    try:
        if issubclass(kind, ReferenceClass):
            number, of = names_in(value)["_sv_number"], link_of(value)
        elif issubclass(type(kind), ReferenceType):
            number, of = get_own(value, "_sv_number"), link_of(value)
        elif issubclass(kind, BaseException):
            number, of = get_own(value, "_sv_number"), get_own(value, "_sv_link")
        else:
            return None
    except (AttributeError, KeyError):
        return None
    return (number,) if of is link else None


def is_function(value: object) -> bool:
    """Whether this stands for a function, or is a class: a call of it asks no object."""
    if isinstance(type(value), ReferenceType) and issubclass(type(value), Function):
        return get_own(value, "_sv_kind") in ("function", "builtin_function_or_method")
    return isinstance(value, ReferenceType)


def origin_of(value: object) -> tuple[str, str]:
    """Module and name of a function or class, as the other end tells of it; empty for others."""
    if isinstance(type(value), ReferenceType) and issubclass(type(value), Function):
        return get_own(value, "_sv_origin")  # type: ignore[no-any-return]
    if isinstance(value, type):
        return str(value.__module__), str(value.__name__)
    return "", ""


def is_told(error: BaseException) -> bool:
    """Whether an exception came from the other end."""
    try:
        return get_own(error, "_sv_link") is not None
    except AttributeError:
        return False


def is_plain_function(value: object) -> bool:
    """Whether this stands for a function."""
    return is_function(value) and not isinstance(value, type)


def is_module(value: object) -> bool:
    """Whether this stands for a module."""
    return issubclass(type(value), Module)


def is_fixed(value: object) -> bool:
    """Whether this stands for a function or class, or is a module."""
    return is_function(value) or is_module(value) or type(value) is types.ModuleType


# ---- what all proxies have in common -------------------------------------------------------------


def _read(proxy: object, name: str) -> object:
    """An attribute that Python does not find here."""
    if name.startswith(("_sv_", "__array")) or name in _NEVER_READ:
        if name == "__array_interface__":  # which nobody else asks for
            link_of(proxy).policy.mark("an object that NumPy reads")
        raise AttributeError(name)
    link = link_of(proxy)
    if name == "__signature__":
        return shapes.signature_of(link.ask("signature", proxy))
    if name == "__code__":
        return shapes.code_of(link.ask("code", proxy))
    return link.ask("get", proxy, name)


def _write(proxy: object, name: str, value: object) -> None:
    link_of(proxy).ask("set", proxy, name, value)


def _delete(proxy: object, name: str) -> None:
    link_of(proxy).ask("del", proxy, name)


def asked(name: str) -> Any:
    return property(lambda proxy: _read(proxy, name))


def _special(name: str) -> Callable[..., Any]:
    def asking(self: object, *operands: object) -> object:
        return _ask(self, name, asking, operands)

    asking.__name__ = asking.__qualname__ = f"__{name}__"
    return asking


def _ask(self: object, name: str, stub: object, operands: tuple[object, ...]) -> Any:
    """A special method: that of the object's class, or through `super()` in a class of this end."""
    kinds = mro(type(self))
    if "_sv_body" not in names_in(kinds[0]):
        full = f"__{name}__"
        own = next(names_in(one)[full] for one in kinds if full in names_in(one))
        if own is not stub:
            above = next(one for one in kinds if names_in(one).get(full) is stub)
            return link_of(self).ask("above", above, self, full, operands, ())
    return link_of(self).ask("special", self, name, operands)


def _leaving(name: str) -> Callable[..., object]:
    def leaving(self: object, kind: object, error: object, trace: object) -> object:
        link = link_of(self)
        swallows = link.ask("special", self, name, (kind, error, None))
        if error is not None and swallows:  # a coroutine will say
            link.policy.mark("a context manager that swallows")
        return swallows

    return leaving


def _hash(self: object) -> int:
    told = get_own(self, "_sv_hash")
    link_of(self).policy.mark("hash")
    return int(link_of(self).ask("hash", self) if told is None else told)


def _call(self: object, /, *args: object, **kwargs: object) -> object:
    return link_of(self).ask("call", self, args, tuple(kwargs.items()))


def _truth(self: Any) -> bool:
    if "__len__" in shapes.dir_of(type(self)):
        return len(self) != 0
    link_of(self).policy.mark("the truth of an object")
    number = next((kind for kind in (int, float, complex) if kind in mro(type(self))), None)
    return number is None or number.__bool__(self)


def _len(self: object) -> object:
    """A length; counted against what iteration gives."""
    link = link_of(self)
    told = _ask(self, "len", _len, ())
    link.makers.count(get_own(self, "_sv_number"), told)
    return told


def _iter(self: object) -> object:
    link = link_of(self)
    return _counted(self, link, _ask(self, "iter", _iter, ()))


def _counted(self: object, link: Link, items: object) -> object:
    if items is self or "__len__" not in shapes.dir_of(type(self)):
        return items
    return _counting(link, get_own(self, "_sv_number"), items)


def _counting(link: Link, number: int, items: Any) -> object:
    count = 0
    for item in items:
        count += 1
        yield item
    link.makers.count(number, count)


STUBS: dict[str, Callable[..., object]] = {
    **{f"__{name}__": _special(name) for name in shapes.SPECIALS},
    "__hash__": _hash,
    "__call__": _call,
    "__exit__": _leaving("exit"),
    "__len__": _len,
    "__iter__": _iter,
    "__aexit__": _leaving("aexit"),
    "__await__": lambda self: link_of(self).policy.awaited(self).__await__(),
}


# ---- objects and classes -------------------------------------------------------------------------


def _class_dict(cls: Any) -> object:
    """The names of a class: of the original, but for the library while it registers this one, or
    looks whether an abstract class counts it in."""
    looked_at = sys._getframe(1).f_code.co_name in ("_check_methods", "_proto_hook")
    return names_in(cls) if looked_at or link_of(cls).coding else _read(cls, "__dict__")


def _told(name: str) -> property:
    return property(lambda cls: names_in(cls).get(name))


def _without_roots(classes: tuple[type, ...]) -> tuple[type, ...]:
    return tuple(one for one in classes if one is not Reference) or (object,)


class ReferenceClass(ReferenceType, abc.ABCMeta):
    """The metaclass of classes of the other end; a local class that extends one is made there."""

    _sv_link: Link
    _sv_number: int
    __annotations__ = asked("__annotations__")
    __signature__ = asked("__signature__")
    __dict__ = property(_class_dict)  # type: ignore[misc]
    __bases__ = property(lambda cls: _without_roots(shapes.bases_of(cls)))
    __mro__ = property(lambda cls: _without_roots(mro(cls)))
    __flags__ = asked("__flags__")

    def __new__(
        mcs, name: str, bases: tuple[type, ...], body: dict[str, object], **words: object
    ) -> ReferenceClass:
        """Made by `Makers` with `_sv_link` in the body; by a class statement without."""
        if "_sv_link" in body:
            return type.__new__(mcs, name, bases, body)
        link = next(link_of(base) for base in bases if isinstance(base, ReferenceType))
        ours = [one.__module__ for one in bases if not isinstance(one, ReferenceType)]
        if "__orig_bases__" in body or not all(map(shapes.is_library_module, ours)):
            link.policy.cannot("a class that extends classes of both processes", ours=True)
        number = link.ask("make", name, bases, operations.inside(body), tuple(words.items()))
        own = {key: value for key, value in body.items() if shapes.is_method(key, value)}
        made = type.__new__(mcs, name, bases, {**own, "_sv_link": link, "_sv_number": number})
        link.makers.replace(number, made)
        return made

    def __init__(
        cls, name: str, bases: tuple[type, ...], body: dict[str, object], **words: object
    ) -> None:
        type.__init__(cls, name, bases, body)

    def __call__(cls, /, *args: object, **kwargs: object) -> object:
        return link_of(cls).ask("call", cls, args, tuple(kwargs.items()))

    def __getattr__(cls, name: str) -> object:
        return _read(cls, name)

    def __setattr__(cls, name: str, value: object) -> None:
        if name == "__abstractmethods__":
            return
        _write(cls, name, value)
        is_local = "_sv_body" not in names_in(cls) and name[:2] != "__"
        if (is_local and shapes.is_method(name, value)) or name in STUBS:
            type.__setattr__(cls, name, STUBS.get(name, value))

    __delattr__ = _delete

    def __instancecheck__(cls, instance: object) -> bool:
        link_of(cls).policy.mark("isinstance")
        if type.__instancecheck__(cls, instance):
            return True
        kind = type(instance)
        theirs = isinstance(kind, ReferenceType) or (tuple in mro(kind) and kind is not tuple)
        return theirs and link_of(cls).ask("isinstance", instance, cls) is True

    def __subclasscheck__(cls, subclass: Any) -> bool:
        if subclass is cls:
            return True  # Python asks this whenever it raises one
        if link_of(cls).coding:
            return type.__subclasscheck__(cls, subclass)  # an abstract class is told of a new one
        link_of(cls).policy.mark("issubclass")
        if type.__subclasscheck__(cls, subclass):
            return True
        return isinstance(subclass, ReferenceType) and (
            link_of(cls).ask("issubclass", subclass, cls) is True
        )

    def __eq__(cls, other: object) -> bool:
        if isinstance(other, ReferenceType):
            link_of(cls).policy.mark("a class compared")
        return cls is other

    def __hash__(cls) -> int:
        return type.__hash__(cls)

    def __iter__(cls) -> object:
        return iter(link_of(cls).ask("iter", cls))

    def __len__(cls) -> int:
        return int(link_of(cls).ask("len", cls))

    def __bool__(cls) -> bool:
        says(cls)
        return True

    def __contains__(cls, item: object) -> bool:
        return link_of(cls).ask("contains", cls, item) is True

    def __getitem__(cls, key: object) -> object:
        return link_of(cls).ask("getitem", cls, key)

    def __dir__(cls) -> Any:
        return link_of(cls).ask("dir", cls)

    def __subclasses__(cls) -> Any:
        return link_of(cls).ask("method", cls, "__subclasses__", (), ())

    def __repr__(cls) -> str:
        return f"<class '{cls.__module__}.{cls.__qualname__}'>"


# In the body of a class these have a meaning.
setattr(ReferenceClass, "__slots__", asked("__slots__"))  # noqa: B010
setattr(ReferenceClass, "__doc__", _told("_sv_doc"))  # noqa: B010
setattr(ReferenceClass, "__module__", _told("_sv_module"))  # noqa: B010


class Reference(metaclass=ReferenceType):
    """An object of the other end: the root of every generated class."""

    __slots__ = ()

    __getattr__ = _read
    __delattr__ = _delete
    __repr__ = _special("repr")
    __str__ = _special("str")
    __format__ = _special("format")

    def __setattr__(self, name: str, value: object) -> None:
        if name in _LOCAL:
            set_own(self, name, value)
        else:
            _write(self, name, value)

    __bool__ = _truth

    def __eq__(self, other: object) -> bool:
        if self is other:  # as a member of an enumeration is itself
            return True
        says(self, "a comparison of objects")
        return object.__eq__(self, other)

    def __hash__(self) -> int:
        says(self, "hash")
        return object.__hash__(self)

    def __dir__(self) -> Any:
        return link_of(self).ask("dir", self)

    def __reduce_ex__(self, version: object) -> Any:
        caller = sys._getframe(1)  # `copy`, not by `__copy__`: itertools.tee would use that
        link, how = link_of(self), caller.f_code.co_name
        if caller.f_globals.get("__name__") == "copy" and how in ("copy", "deepcopy"):
            return (lambda: link.ask(how, self)), ()
        if not link.policy.is_known(self):  # the solution chose to answer with an object
            link.policy.cannot("an answer that the test pickles", ours=False)
        return link.policy.one_process("an object of the other process is pickled")

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        says(self)
        return names_in(type(self)).get("_sv_local") or type(self)


class Function(metaclass=ReferenceType):
    """A function or method of the other end."""

    __annotations__ = asked("__annotations__")
    __doc__ = asked("__doc__")
    __module__ = asked("__module__")
    __dict__ = asked("__dict__")

    def __init__(self, number: int, kind: str, origin: tuple[str, str]):
        set_own(self, "_sv_number", number)
        set_own(self, "_sv_kind", kind)
        set_own(self, "_sv_origin", origin)

    __call__, __bool__ = _call, _truth
    __getattr__, __setattr__, __delattr__ = _read, _write, _delete

    def __get__(self, instance: object, owner: object = None) -> object:
        return self if instance is None else types.MethodType(self, instance)

    def __deepcopy__(self, *memo: object) -> object:
        return self

    __copy__ = __deepcopy__

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        says(self)
        return FUNCTION_KINDS[get_own(self, "_sv_kind")]

    def __eq__(self, other: object) -> Any:
        if self is other:
            return True
        if type(other) is type(self):
            return link_of(self).ask("special", self, "eq", (other,))
        return NotImplemented

    __hash__ = object.__hash__
    __repr__ = _special("repr")


class Module(metaclass=ReferenceType):
    """A module of the other end."""

    def __init__(self, number: int, name: str):
        set_own(self, "_sv_number", number)
        set_own(self, "__name__", name)

    __getattr__, __setattr__, __delattr__, __bool__ = _read, _write, _delete, _truth

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        says(self)
        return types.ModuleType

    __dir__ = Reference.__dir__
