"""What a test has lent, in the subject: stubs of its functions, classes, objects and exceptions.

Every use of a stub is a question to the judge, which says what is allowed (`lend`). A function's
name, documentation and parameters can be read; attributes set on it stay here. Exceptions are
stand-ins with the name and the bases of the original's class, so that `raise` and `except` work.
"""

from __future__ import annotations

import operator
import weakref
from types import AsyncGeneratorType, CoroutineType, FunctionType, GeneratorType
from typing import Any, Protocol

from . import about, codec
from .codec import Handle
from .protocols import PROTOCOLS


class Asks(Protocol):
    """The subject's end of the channel."""

    def call_back(self, operation: str, lent: Any, *operands: Any) -> Any: ...


class LentFunction:
    """A function or method of the test's."""

    __slots__ = ("__dict__", "__weakref__", "_about", "_peer", "_sv_index")

    def __init__(self, peer: Asks, index: int):
        self._peer, self._sv_index = peer, index
        self._about: Any = ()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._peer.call_back("invoke", self, args, tuple(kwargs.items()))

    def __getattr__(self, name: str) -> Any:
        if name not in (*about.NAMES, "__signature__", "__code__") or self._told() is None:
            raise AttributeError(name)
        names, facts, parameters = self._told()
        if name == "__signature__":
            return about.signature_of(parameters)
        return about.code_of(facts) if name == "__code__" else names[about.NAMES.index(name)]

    def _told(self) -> Any:
        if self._about == ():
            self._about = self._peer.call_back("about", self)
        return self._about

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return type(self) if self._told() is None else FunctionType


for _name in ("__doc__", "__module__"):  # not those of the stub
    setattr(LentFunction, _name, property(operator.methodcaller("__getattr__", _name)))


def _peer_of(lent: Any) -> Asks:
    kind = lent if isinstance(lent, LentType) else type(lent)
    peer: Asks = type.__getattribute__(kind, "_sv_peer")
    return peer


def _op(name: str) -> Any:
    return lambda self, *args: _peer_of(self).call_back("op", self, name, (self, *args))


def _reflected(name: str) -> Any:
    return lambda self, other: _peer_of(self).call_back("op", self, name, (other, self))


def _true(name: str) -> Any:
    return lambda self, *args: _peer_of(self).call_back("op", self, name, (self, *args)) is True


def _read(lent: Any, name: str) -> Any:
    if name == "__dict__":
        return _peer_of(lent).call_back("dict", lent)
    if name == "__dataclass_fields__":
        return about.fields_from(_peer_of(lent).call_back("fields", lent))
    if name.startswith("_"):
        raise AttributeError(name)
    return _peer_of(lent).call_back("getattr", lent, name)


def _write(lent: Any, name: str, value: Any) -> None:
    _peer_of(lent).call_back("setattr", lent, name, value)


def _delete(lent: Any, name: str) -> None:
    _peer_of(lent).call_back("delattr", lent, name)


class LentType(type):
    """A class of the test's: called, it makes an object there."""

    _sv_class: int | None

    def __new__(
        mcs, name: str, bases: tuple[type, ...], body: dict[str, Any], **words: Any
    ) -> LentType:
        """A class that this module makes; to a solution this is not open."""
        if "_sv_making" not in words:
            raise TypeError("a class that a test passes cannot be extended by the solution")
        return super().__new__(mcs, name, bases, body)

    def __init__(
        cls, name: str, bases: tuple[type, ...], body: dict[str, Any], **words: Any
    ) -> None:
        super().__init__(name, bases, body)

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        return _peer_of(cls).call_back("invoke", cls, args, tuple(kwargs.items()))

    __getattr__, __setattr__, __delattr__ = _read, _write, _delete
    __iter__, __len__, __getitem__ = _op("iter"), _op("len"), _op("getitem")  # as an Enum has
    __contains__ = _true("contains")

    def __bool__(cls) -> bool:
        return True

    def __instancecheck__(cls, instance: Any) -> bool:
        kind = type(instance)
        if kind is cls or not isinstance(kind, LentType):
            return kind is cls
        return _peer_of(cls).call_back("op", cls, "isinstance", (instance, cls)) is True

    def __subclasscheck__(cls, subclass: Any) -> bool:
        if subclass is cls or not isinstance(subclass, LentType):
            return subclass is cls
        return _peer_of(cls).call_back("op", cls, "issubclass", (subclass, cls)) is True


class LentObject:
    """An object of the test's."""

    __slots__ = ("__weakref__", "_sv_index")
    __dict__ = property(lambda self: _read(self, "__dict__"))

    __getattr__, __setattr__, __delattr__ = _read, _write, _delete
    __str__, __repr__, __format__ = _op("str"), _op("repr"), _op("format")
    __hash__, __copy__, __dir__ = _op("hash"), _op("copy"), _op("dir")
    __ne__ = _true("ne")

    def __eq__(self, other: object) -> bool:
        return self is other or _peer_of(self).call_back("op", self, "eq", (self, other)) is True

    def __deepcopy__(self, memo: Any) -> Any:
        return _peer_of(self).call_back("op", self, "deepcopy", (self,))

    def __reduce_ex__(self, version: Any) -> Any:
        raise TypeError("an object that a test passes cannot be pickled by the solution")


def _call(self: Any, *args: Any, **kwargs: Any) -> Any:
    return _peer_of(self).call_back("invoke", self, args, tuple(kwargs.items()))


def _leave(name: str) -> Any:
    def method(self: Any, kind: Any, error: BaseException | None, trace: Any) -> Any:
        told = None if error is None else about.described(error)
        return _peer_of(self).call_back("leave", self, name, told)

    return method


def _await(self: Any) -> Any:
    return awaited(_peer_of(self), self).__await__()


_METHODS: dict[str, Any] = {
    **{name: _op(name) for name in PROTOCOLS},
    **{f"r{name}": _reflected(name) for name in PROTOCOLS if f"r{name}" in PROTOCOLS},
    "bool": _true("truth"),
    "contains": _true("contains"),
    "call": _call,
    "exit": _leave("__exit__"),
    "aexit": _leave("__aexit__"),
    "await": _await,
}


async def awaited(peer: Asks, lent: Any) -> Any:
    """Something of the test's that can be awaited, as a coroutine of ours: it runs in the judge."""
    import asyncio

    finished, value = peer.call_back("start", lent)
    while not finished:
        await asyncio.sleep(0.001)  # the judge's loop goes on when ours has nothing to do
        finished, value = peer.call_back("done", value)
    return value


class Maker:
    """Makes the stubs of one cell, always the same for one handle."""

    def __init__(self, peer: Asks):
        self._peer = peer
        self.forget()

    def forget(self) -> None:
        """A new cell begins."""
        self._known: dict[int, Any] = {}
        self._types: dict[str, LentType] = {}
        self._errors: dict[Any, Any] = {}
        self._error_index: dict[int, int] = {}
        self._coroutines: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()

    def __call__(self, handle: Handle, *value: Any) -> Any:
        """The stub for a handle; for exceptions and their classes with what was told of them."""
        known = self._known.get(handle.index)
        if known is None:
            known = self._known[handle.index] = self._made(handle, *value)
        return known

    def _made(self, handle: Handle, *value: Any) -> Any:
        kind, _, about_class = handle.kind.partition(" ")
        if kind == "function":
            return LentFunction(self._peer, handle.index)
        if kind == "error":
            made = self._error(*value[0])
            self._error_index[id(made)] = handle.index
            return made
        if kind == "errors":
            made = self._kind_of_error(value[0])
            self._error_index[id(made)] = handle.index
            return made
        if kind == "class":
            made = self._type(about_class)
            type.__setattr__(made, "_sv_class", handle.index)
            return made
        stub: Any = self._type(about_class or kind)
        made = object.__new__(stub)
        object.__setattr__(made, "_sv_index", handle.index)
        if kind == "coroutine":
            coroutine = awaited(self._peer, made)
            self._coroutines[coroutine] = handle.index
            return coroutine
        return made

    def index_of(self, value: Any) -> int | None:
        """The handle's number of something lent; None for what is not."""
        kind = type(value)
        index: int | None = None
        if isinstance(kind, LentType) or kind is LentFunction:
            index = value._sv_index
            return index
        if kind is LentType:
            index = type.__getattribute__(value, "_sv_class")
            return index
        index = self._error_index.get(id(value))
        if index is not None:
            return index if self._known.get(index) is value else None
        return self._coroutines.get(value) if kind is CoroutineType else None

    def _type(self, about_class: str) -> LentType:
        made = self._types.get(about_class)
        if made is None:
            made = self._types[about_class] = self._new(about_class)
        return made

    def _new(self, about_class: str) -> LentType:
        body: dict[str, Any] = {
            "__slots__": (),
            "__module__": "test",
            "_sv_peer": self._peer,
            "_sv_class": None,
        }
        if about_class in _OF_PYTHON:
            words, known = _OF_PYTHON[about_class]
            body["__class__"] = property(lambda self: known)
            return self._finished(about_class, words, body)
        number, names, name = about_class.split(" ", 2)
        made = self._finished(name, names.split(","), body)
        type.__setattr__(made, "_sv_class", int(number) if number != "-1" else None)
        return made

    @staticmethod
    def _finished(name: str, words: Any, body: dict[str, Any]) -> LentType:
        body |= {f"__{word}__": _METHODS[word] for word in words if word}
        return LentType(name, (LentObject,), body, _sv_making=True)

    # -- exceptions

    def _kind_of_error(self, lineage: Any) -> Any:
        if type(lineage) is str:
            return codec.exception(lineage) or Exception
        if lineage not in self._errors:
            bases = tuple(dict.fromkeys(map(self._kind_of_error, lineage[1:])))
            text = {"__str__": lambda error: vars(error).get("_sv_text", ""), "__module__": "test"}
            self._errors[lineage] = type(lineage[0], bases, text)
        return self._errors[lineage]

    def _error(self, lineage: Any, args: Any, text: str, attributes: dict[str, Any]) -> Any:
        try:
            error = about.made(self._kind_of_error(lineage), args)
            vars(error).update(attributes, _sv_text=text)
        except Exception:
            error = Exception(text)
        return error


_OF_PYTHON: dict[str, tuple[tuple[str, ...], Any]] = {
    "generator": (("iter", "next"), GeneratorType),
    "async_generator": (("aiter", "anext"), AsyncGeneratorType),
    "coroutine": (("await",), LentObject),
}
