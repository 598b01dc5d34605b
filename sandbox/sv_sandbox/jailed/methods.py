"""Methods of objects of the other end: read without a question, and asked when they are called.

In: a proxy and the name of a method that its class was told to have. Out: `Bound`, which counts as
open until it is called or handed over, as the object may have something else by that name.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from .provenance import COROUTINES, ReferenceType
from .shapes import mro, names_in

if TYPE_CHECKING:
    from .link import Link

get_own: Callable[[object, str], Any] = object.__getattribute__
set_own: Callable[[object, str, object], None] = object.__setattr__


def link_of(proxy: object) -> Link:
    """The link that a proxy asks over."""
    if type(proxy) is Bound:
        proxy = proxy.__self__
    elif type(proxy) is types.CoroutineType:
        proxy = COROUTINES[proxy]
    for one in mro(cast("type", proxy) if ReferenceType in mro(type(proxy)) else type(proxy)):
        link: Link | None = names_in(one).get("_sv_link")
        if link is not None:
            return link
    raise AttributeError("a proxy without a link")


class Method:
    """A method of a class of the other end, in a local class: reading it from an object asks
    nothing, calling it is one question."""

    __slots__ = ("_name", "_owner")

    def __init__(self, name: str):
        self._name = name
        self._owner: object = None

    def __set_name__(self, owner: type, name: str) -> None:
        self._owner = owner

    def __get__(self, instance: object, owner: object) -> object:
        kind: Any = owner if instance is None else type(instance)
        first = next(one for one in mro(kind) if self._name in names_in(one))
        above = self._owner if names_in(first)[self._name] is not self else None  # super()
        if instance is None and above is None:
            return link_of(kind).ask("get", kind, self._name)
        return Bound(kind if instance is None else instance, self._name, above)


def says(proxy: object, what: str = "what an object says that it is") -> None:
    """Somebody goes by what a proxy was told to be; we do so as well, and believe nothing."""
    if sys._getframe(2).f_globals.get("__package__") != __package__:
        link_of(proxy).policy.mark(what)


class Bound(metaclass=ReferenceType):
    """A method of a proxy, not yet asked for. `_sv_is_open`: nobody has called it, so that the
    object may have something else by this name."""

    __slots__ = ("__self__", "_sv_above", "_sv_is_open", "_sv_name")

    def __init__(self, instance: object, name: str, above: object):
        set_own(self, "__self__", instance)
        set_own(self, "_sv_name", name)
        set_own(self, "_sv_above", above)
        set_own(self, "_sv_is_open", True)
        link_of(instance).policy.uncalled(1)

    def __call__(self, /, *args: object, **kwargs: object) -> object:
        settle(self)
        link = link_of(self.__self__)
        above, name = get_own(self, "_sv_above"), get_own(self, "_sv_name")
        words = tuple(kwargs.items())
        if above is not None:
            return link.ask("above", above, self.__self__, name, args, words)
        return link.ask("method", self.__self__, name, args, words)

    def __getattr__(self, name: str) -> object:
        return getattr(link_of(self.__self__).ask("get", self.__self__, self._sv_name), name)

    __doc__ = property(lambda self: self.__getattr__("__doc__"))
    __module__ = property(lambda self: self.__getattr__("__module__"))

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        says(self)
        return types.MethodType

    def __eq__(self, other: object) -> bool:
        is_same = type(other) is Bound and other.__self__ is self.__self__
        return is_same and bool(get_own(self, "_sv_name") == get_own(other, "_sv_name"))

    def __hash__(self) -> int:
        return hash((id(self.__self__), self._sv_name))


def settle(value: object) -> None:
    """This is called, or handed over: were it no method, that would show."""
    if type(value) is Bound and get_own(value, "_sv_is_open"):
        set_own(value, "_sv_is_open", False)
        link_of(value).policy.uncalled(-1)
