"""Classes of the library among those of the other end: `isinstance` and `issubclass` of them.

The class of a proxy has no base of the library's: C code would take its objects for some of its
own. So in a judge, and where such a class was told of, `isinstance` and `issubclass` go by what was
told of its bases, too: their modules and names. That is the other end's word, and marked; so is
what a function, a module or a coroutine of it counts as.
"""

from __future__ import annotations

import builtins
import sys
import types
from typing import Any

from . import shapes, table
from .methods import link_of
from .provenance import COROUTINES, ReferenceType, is_reference
from .proxies import ReferenceClass
from .shapes import mro, names_in

_PLAIN_ISINSTANCE, _PLAIN_ISSUBCLASS = isinstance, issubclass
_UNNAMED = {kind.__name__: kind for kind in vars(types).values() if type(kind) is type}
"""Types of Python's own that no module has by their name."""


def library_class(module: str, qualname: str) -> type | None:
    """The class of the standard library's that goes by this name here, if it is loaded."""
    if module == "builtins" and qualname in _UNNAMED:
        return _UNNAMED[qualname]
    found: Any = sys.modules.get(module) if shapes.is_library_module(module) else None
    for name in qualname.split("."):
        found = getattr(found, name, None)
    return found if _PLAIN_ISINSTANCE(found, type) else None


def _of_library(kind: type) -> list[type]:
    """The library's classes that a class of the other end extends, or is."""
    told = [(names_in(one).get("_sv_module"), one.__qualname__) for one in mro(kind)]
    found = (library_class(module, name) for module, name in told if module)
    return [one for one in found if one is not None]


def install() -> None:
    """From now on this process goes by it."""
    if builtins.isinstance is _PLAIN_ISINSTANCE:
        for answer, name in ((_isinstance, "isinstance"), (_issubclass, "issubclass")):
            answer.__name__ = answer.__qualname__ = name
            setattr(builtins, name, answer)
            table.call(answer, name)


def told_of(bases: list[Any]) -> None:
    """A class with these bases was told of."""
    if any(type(one) is ReferenceClass and _is_library(one) for one in bases):
        install()


def _is_library(kind: type) -> bool:
    return shapes.is_library_module(names_in(kind)["_sv_module"])


def _isinstance(value: object, kinds: Any, /) -> bool:
    kind = type(value)
    if not _PLAIN_ISINSTANCE(value, kinds):
        if is_reference(value) and sys._getframe(1).f_globals.get("__name__") == "test":
            link_of(value).policy.mark("isinstance")
        return _extends(kind, kinds)
    is_said = "_sv_local" in names_in(kind) or type(kind) is ReferenceType
    if is_said or (kind is types.CoroutineType and value in COROUTINES):
        asks = sys._getframe(1).f_globals.get("__name__", "").partition(".")[0]
        if asks not in ("asyncio", __name__.partition(".")[0]):  # which only handle it
            link_of(value).policy.mark("isinstance")
    return True


def _issubclass(kind: Any, kinds: Any, /) -> bool:
    return _PLAIN_ISSUBCLASS(kind, kinds) or _extends(kind, kinds)


def _extends(kind: Any, kinds: Any) -> bool:
    if not _PLAIN_ISINSTANCE(kind, ReferenceClass):
        return False
    if not any(_PLAIN_ISSUBCLASS(one, kinds) for one in _of_library(kind)):
        return False
    link_of(kind).policy.mark("isinstance")
    return True
