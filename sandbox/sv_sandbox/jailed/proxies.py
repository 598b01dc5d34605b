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

import dataclasses
import sys
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import shapes
from .provenance import ReferenceType
from .shapes import CONTENT, FUNCTIONS, MUTABLE, mro, names_in

if TYPE_CHECKING:
    from .link import Link

get_own: Callable[[Any, str], Any] = object.__getattribute__
set_own: Callable[[Any, str, Any], None] = object.__setattr__
FUNCTION_KINDS: dict[str, type] = {
    "function": types.FunctionType,
    "method": types.MethodType,
    "builtin_function_or_method": types.BuiltinFunctionType,
    "method-wrapper": types.BuiltinFunctionType,
}
_LOCAL = frozenset(("__traceback__", "__context__", "__cause__", "__suppress_context__"))
_NEVER_READ = frozenset(("__getstate__", "__setstate__", "__getnewargs__", "__getnewargs_ex__"))
"""What only pickling looks for; `__reduce_ex__` says why not."""


def link_of(proxy: Any) -> Link:
    """The link that a proxy asks over."""
    kind = proxy if isinstance(proxy, ReferenceType) else type(proxy)
    link: Link
    link = next(names_in(one)["_sv_link"] for one in mro(kind) if "_sv_link" in names_in(one))
    return link


def number_of(value: Any, link: Link) -> tuple[Any, ...] | None:
    """How the other end knows a proxy: its number, and the name of a method of it; None for others
    and for proxies of a cell that is over."""
    if type(value) is Bound:
        inner = number_of(value.__self__, link)
        return None if inner is None else (*inner, get_own(value, "_sv_name"))
    if type(value) is types.CoroutineType:
        value = link.makers.coroutines.get(value, value)
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
    except (AttributeError, KeyError, StopIteration):
        return None
    return (number,) if of is link else None


def is_library(module: str) -> bool:
    """Whether this is a module of the standard library's or NumPy's."""
    return shapes.is_library_module(module)


def is_function(value: Any) -> bool:
    """Whether this stands for a function, or is a class: a call of it asks no object."""
    if isinstance(type(value), ReferenceType) and issubclass(type(value), Function):
        return get_own(value, "_sv_kind") in ("function", "builtin_function_or_method")
    return isinstance(value, ReferenceType)


def origin_of(value: Any) -> tuple[str, str]:
    """Module and name of a function or class, as the other end tells of it; empty for others."""
    if isinstance(type(value), ReferenceType) and issubclass(type(value), Function):
        origin: tuple[str, str] = get_own(value, "_sv_origin")
        return origin
    if isinstance(value, type):
        return str(value.__module__), str(value.__name__)
    return "", ""


def is_told(error: BaseException) -> bool:
    """Whether an exception came from the other end."""
    try:
        return get_own(error, "_sv_link") is not None
    except AttributeError:
        return False


_STEPS = frozenset(
    "generator map filter zip enumerate reversed islice chain count cycle repeat accumulate product"
    " permutations combinations takewhile dropwhile starmap pairwise batched groupby coroutine"
    " async_generator list_iterator tuple_iterator range_iterator dict_keyiterator str_iterator"
    " set_iterator list_reverseiterator dict_itemiterator dict_valueiterator _grouper".split()
)


def steps(value: Any) -> bool:
    """Whether this stands for one of Python's own iterators, which give data and are asked with
    none, or for a coroutine."""
    kind = type(value)
    return kind is types.CoroutineType or (
        kind.__name__ in _STEPS and names_in(kind).get("_sv_module") in ("builtins", "itertools")
    )


def class_numbers(value: Any) -> set[int]:
    """The other end's numbers of the classes of an object of it."""
    kind = type(value)
    if not isinstance(kind, ReferenceClass):
        return set()
    return {names_in(one)["_sv_number"] for one in mro(kind) if "_sv_number" in names_in(one)}


def is_module(value: Any) -> bool:
    """Whether this stands for a module."""
    return issubclass(type(value), Module)


def is_fixed(value: Any) -> bool:
    """Whether this stands for a function or class, or is a module."""
    return is_function(value) or is_module(value) or type(value) is types.ModuleType


def key_of(value: Any) -> Any:
    """What tells an object from others: a bound method is another object at each look."""
    if isinstance(value, types.MethodType | types.BuiltinMethodType):
        return id(value.__self__), value.__name__, type(value)
    return id(value)


def plain_content(value: Any, base: type) -> Any:
    """The plain data in an object whose class extends `base`, whatever its methods say."""
    if base is dict:
        return tuple((key, dict.__getitem__(value, key)) for key in dict.__iter__(value))
    if base in (list, set, frozenset, tuple):
        return tuple(base.__iter__(value))
    if base is str:
        return str.__str__(value)
    return {int: int.__int__, float: float.__float__, complex: complex.__complex__}.get(base, base)(
        value
    )


def tell(value: Any, number: Callable[[object], int], silent: bool) -> tuple[bool, tuple[Any, ...]]:
    """What is told of an object the first time, and whether its content stays shared. `silent`
    tells nothing of what an AssertionError says."""
    kind = type(value)
    if isinstance(value, type):
        return False, ("class", number(value), *shapes.class_told(value))
    if isinstance(value, FUNCTIONS):
        where = (str(getattr(value, "__module__", "")), str(value.__name__))
        return False, ("function", number(value), kind.__name__, *where)
    if isinstance(value, BaseException):
        name = shapes.builtin_name(kind)
        told = shapes.described(value, silent and isinstance(value, AssertionError))
        return False, ("error", number(value), name or kind, *told)
    if kind is dataclasses.Field:
        return False, ("field", *shapes.field_told(value))
    if isinstance(value, types.ModuleType):
        return False, ("module", number(value), value.__name__)
    if isinstance(value, types.TracebackType):
        return False, ("none",)
    base = shapes.content_of(kind)
    content = () if base is None else (plain_content(value, base),)
    whole = shapes.Whole(kind)
    return base in MUTABLE, ("object", number(value), whole, _hash_told(value), content)


def _hash_told(value: Any) -> int | None:
    """The hash of an object whose class defines one."""
    own = next(one for one in mro(type(value)) if "__hash__" in names_in(one))
    if own is object or own in CONTENT or names_in(own)["__hash__"] is None:
        return None
    try:
        return hash(value)
    except Exception:
        return None


# ---- what all proxies have in common -------------------------------------------------------------


def _read(proxy: Any, name: str) -> Any:
    """An attribute that Python does not find here."""
    if name.startswith("_sv_") or name in _NEVER_READ:
        raise AttributeError(name)
    link = link_of(proxy)
    if name == "__signature__":
        return shapes.signature_of(link.ask("signature", proxy))
    if name == "__code__":
        return shapes.code_of(link.ask("code", proxy))
    return link.ask("get", proxy, name)


def _write(proxy: Any, name: str, value: Any) -> None:
    link_of(proxy).ask("set", proxy, name, value)


def _delete(proxy: Any, name: str) -> None:
    link_of(proxy).ask("del", proxy, name)


def asked(name: str) -> Any:
    return property(lambda proxy: _read(proxy, name))


def _special(name: str) -> Callable[..., Any]:
    def asking(self: Any, *operands: Any) -> Any:
        return link_of(self).ask("special", self, name, operands)

    asking.__name__ = asking.__qualname__ = f"__{name}__"
    return asking


def _leaving(name: str) -> Callable[..., Any]:
    def leaving(self: Any, kind: Any, error: Any, trace: Any) -> Any:
        link = link_of(self)
        swallows = link.ask("special", self, name, (kind, error, None))
        if error is not None and swallows:  # a coroutine will say
            link.policy.mark("a context manager that swallows")
        return swallows

    return leaving


def _hash(self: Any) -> int:
    told = get_own(self, "_sv_hash")
    link_of(self).policy.mark("hash")
    return int(link_of(self).ask("hash", self) if told is None else told)


def _call(self: Any, *args: Any, **kwargs: Any) -> Any:
    return link_of(self).ask("call", self, args, tuple(kwargs.items()))


def _len(self: Any) -> Any:
    """A length; counted against what iteration gives."""
    link = link_of(self)
    told = link.ask("special", self, "len", ())
    link.makers.count(get_own(self, "_sv_number"), told)
    return told


def _iter(self: Any) -> Any:
    link = link_of(self)
    return _counted(self, link, link.ask("special", self, "iter", ()))


def _counted(self: Any, link: Link, items: Any) -> Any:
    if items is self or "__len__" not in dir_of(type(self)):
        return items
    return _counting(link, get_own(self, "_sv_number"), items)


def _counting(link: Link, number: int, items: Any) -> Any:
    count = 0
    for item in items:
        count += 1
        yield item
    link.makers.count(number, count)


def dir_of(kind: type) -> set[str]:
    """The names of a class and its bases."""
    return {name for one in mro(kind) for name in names_in(one)}


STUBS: dict[str, Callable[..., Any]] = {
    **{f"__{name}__": _special(name) for name in shapes.SPECIALS},
    "__hash__": _hash,
    "__call__": _call,
    "__exit__": _leaving("exit"),
    "__len__": _len,
    "__iter__": _iter,
    "__aexit__": _leaving("aexit"),
    "__await__": lambda self: link_of(self).policy.awaited(self).__await__(),
}


class Method:
    """A method of a class of the other end, in a local class: reading it from an object asks
    nothing, calling it is one question."""

    __slots__ = ("_name", "_owner")

    def __init__(self, name: str):
        self._name = name
        self._owner: Any = None

    def __set_name__(self, owner: type, name: str) -> None:
        self._owner = owner

    def __get__(self, instance: Any, owner: Any) -> Any:
        if instance is None:
            return link_of(owner).ask("get", owner, self._name)
        first = next(one for one in mro(type(instance)) if self._name in names_in(one))
        above = self._owner if names_in(first)[self._name] is not self else None  # super()
        return Bound(instance, self._name, above)


class Bound(metaclass=ReferenceType):
    """A method of a proxy, not yet asked for."""

    __slots__ = ("__self__", "_sv_above", "_sv_name")

    def __init__(self, instance: Any, name: str, above: Any):
        set_own(self, "__self__", instance)
        set_own(self, "_sv_name", name)
        set_own(self, "_sv_above", above)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        link = link_of(self.__self__)
        above, name = get_own(self, "_sv_above"), get_own(self, "_sv_name")
        words = tuple(kwargs.items())
        if above is not None:
            return link.ask("call", link.ask("get", above, name), (self.__self__, *args), words)
        return link.ask("method", self.__self__, name, args, words)

    def __getattr__(self, name: str) -> Any:
        return getattr(link_of(self.__self__).ask("get", self.__self__, self._sv_name), name)

    __doc__ = property(lambda self: self.__getattr__("__doc__"))
    __module__ = property(lambda self: self.__getattr__("__module__"))

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return types.MethodType

    def __eq__(self, other: object) -> bool:
        return type(other) is Bound and (other.__self__ is self.__self__) and _same(self, other)

    def __hash__(self) -> int:
        return hash((id(self.__self__), self._sv_name))


def _same(one: Any, other: Any) -> bool:
    return bool(get_own(one, "_sv_name") == get_own(other, "_sv_name"))


# ---- objects and classes -------------------------------------------------------------------------


def _class_dict(cls: Any) -> Any:
    """The names of a class: of the original, but for the library while it registers this one."""
    return names_in(cls) if link_of(cls).coding else _read(cls, "__dict__")


def _told(name: str) -> property:
    return property(lambda cls: names_in(cls).get(name))


def _without_roots(classes: tuple[type, ...]) -> tuple[type, ...]:
    return tuple(one for one in classes if one is not Reference) or (object,)


class ReferenceClass(ReferenceType):
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
        mcs, name: str, bases: tuple[type, ...], body: dict[str, Any], **words: Any
    ) -> ReferenceClass:
        """Made by `Makers` with `_sv_link` in the body; by a class statement without."""
        if "_sv_link" in body:
            return super().__new__(mcs, name, bases, body)
        link = next(link_of(base) for base in bases if isinstance(base, ReferenceType))
        names = {key: value for key, value in body.items() if key != "__classcell__"}
        number = link.ask("make", name, bases, tuple(names.items()), tuple(words.items()))
        body = {**body, "_sv_link": link, "_sv_number": number}
        made = super().__new__(mcs, name, bases, body)
        link.makers.replace(number, made)
        return made

    def __init__(
        cls, name: str, bases: tuple[type, ...], body: dict[str, Any], **words: Any
    ) -> None:
        super().__init__(name, bases, body)

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        return link_of(cls).ask("call", cls, args, tuple(kwargs.items()))

    def __getattr__(cls, name: str) -> Any:
        return _read(cls, name)

    def __setattr__(cls, name: str, value: Any) -> None:
        if name == "__abstractmethods__":
            return
        _write(cls, name, value)
        if "_sv_body" not in names_in(cls) and name[:2] != "__":
            type.__setattr__(cls, name, value)

    __delattr__ = _delete

    def __instancecheck__(cls, instance: Any) -> bool:
        link_of(cls).policy.mark("isinstance")
        if type.__instancecheck__(cls, instance):
            return True
        kind = type(instance)
        theirs = isinstance(kind, ReferenceType) or (tuple in mro(kind) and kind is not tuple)
        return theirs and link_of(cls).ask("isinstance", instance, cls) is True

    def __subclasscheck__(cls, subclass: Any) -> bool:
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

    def __iter__(cls) -> Any:
        return iter(link_of(cls).ask("iter", cls))

    def __len__(cls) -> int:
        return int(link_of(cls).ask("len", cls))

    def __bool__(cls) -> bool:
        return True

    def __contains__(cls, item: Any) -> bool:
        return link_of(cls).ask("contains", cls, item) is True

    def __getitem__(cls, key: Any) -> Any:
        return link_of(cls).ask("getitem", cls, key)

    def __dir__(cls) -> Any:
        return link_of(cls).ask("dir", cls)

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

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _LOCAL:
            set_own(self, name, value)
        else:
            _write(self, name, value)

    def __dir__(self) -> Any:
        return link_of(self).ask("dir", self)

    def __reduce_ex__(self, version: Any) -> Any:
        caller = sys._getframe(1)  # `copy`, not by `__copy__`: itertools.tee would use that
        link, how = link_of(self), caller.f_code.co_name
        if caller.f_globals.get("__name__") == "copy" and how in ("copy", "deepcopy"):
            return (lambda: link.ask(how, self)), ()
        return link.policy.one_process("the test pickles an object of the solution")

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return names_in(type(self)).get("_sv_local", type(self))


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

    __call__ = _call
    __setattr__, __delattr__ = _write, _delete

    def __getattr__(self, name: str) -> Any:
        return _read(self, name)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else types.MethodType(self, instance)

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return FUNCTION_KINDS[get_own(self, "_sv_kind")]

    def __eq__(self, other: object) -> Any:
        if self is other:
            return True
        if type(other) is type(self):
            return link_of(self).ask("special", self, "eq", (other,))
        return NotImplemented

    def __hash__(self) -> int:
        return object.__hash__(self)

    __repr__ = _special("repr")


class Module(metaclass=ReferenceType):
    """A module of the other end."""

    def __init__(self, number: int, name: str):
        set_own(self, "_sv_number", number)
        set_own(self, "__name__", name)

    __getattr__, __setattr__, __delattr__ = _read, _write, _delete

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return types.ModuleType

    def __dir__(self) -> Any:
        return link_of(self).ask("dir", self)
