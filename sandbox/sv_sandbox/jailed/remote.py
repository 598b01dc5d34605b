"""The judge's stubs: objects, classes and functions of the subject, as test code sees them.

Each class of the subject that the judge hears of gets a class here, which has exactly the
protocols (`PROTOCOLS`) that the subject says the original has; every method asks the subject.

An *answer* (what any call returned) is shown no data of the test's: no operator with data on the
other side reaches it, and what it says of its length must agree with its items. An object *under
test*, which the test made by calling a class by its name, is taken at its word in all but
comparisons with data, which it never wins: where its class extends plain data, the plain data that
it holds are compared, here.
"""

from __future__ import annotations

import operator
import types
from collections.abc import Callable
from typing import Any, Protocol

from . import about, codec
from .codec import FIXED, CodecError, Handle
from .protocols import BINARY, INPLACE, LOOKS, ORDER

_KINDS: dict[str, type] = {
    "function": types.FunctionType,
    "method": types.MethodType,
    "builtin": types.BuiltinFunctionType,
    "generator": types.GeneratorType,
    "asyncgen": types.AsyncGeneratorType,
    "coroutine": types.CoroutineType,
}
"""Kinds of objects that say `isinstance` of a type of Python's own."""
_READABLE = frozenset(
    (
        *about.NAMES,
        *("__dict__", "__annotations__", "__defaults__", "__kwdefaults__", "__wrapped__"),
        *("__slots__", "__match_args__", "__members__", "__self__", "__func__", "__bases__"),
        *("__mro__", "__abstractmethods__", "__type_params__", "__dataclass_params__", "__all__"),
        *("__cause__", "__context__", "__notes__", "__post_init__", "__version__", "__author__"),
    )
)
"""Special attributes that are read from the subject as they are."""
_VERDICTS = frozenset(("startswith", "endswith", "issubset", "issuperset", "isdisjoint"))
"""Methods of plain data that say yes or no of a test's data: an answer has them of data only."""


class Asks(Protocol):
    """The judge's end of the channel."""

    def ask(self, operation: str, *operands: Any) -> Any: ...
    def may_end(self, error: BaseException | None, trace: Any) -> bool: ...
    def harmless(self, name: str, value: Any) -> Any: ...
    def unsplittable(self, reason: str) -> Any: ...

    trouble: BaseException | None
    """What ends the cell."""
    count: int
    """How many requests there were."""


def _read(remote: Any, name: str) -> Any:
    """An attribute that Python does not find here."""
    if name.startswith("__") and name.endswith("__") and name not in _READABLE:
        special = _SPECIAL.get(name)
        if special is None:
            raise AttributeError(name)
        return special(remote)
    if name in _VERDICTS and not under_test(remote):
        raise AttributeError(name)
    return peer_of(remote).harmless(name, peer_of(remote).ask("getattr", remote, name))


def _write(remote: Any, name: str, value: Any) -> None:
    peer_of(remote).ask("setattr", remote, name, value)


def _delete(remote: Any, name: str) -> None:
    peer_of(remote).ask("delattr", remote, name)


def _signature(remote: Any) -> Any:
    return about.signature_of(peer_of(remote).ask("op", "signature", (remote,)))


def _code(remote: Any) -> Any:
    return about.code_of(peer_of(remote).ask("op", "code", (remote,)))


def _fields(remote: Any) -> dict[str, Any]:
    try:
        told = peer_of(remote).ask("op", "fields", (remote,))
    except TypeError:
        raise AttributeError("__dataclass_fields__") from None
    return about.fields_from(told)


_SPECIAL: dict[str, Callable[[Any], Any]] = {
    "__signature__": _signature,
    "__code__": _code,
    "__dataclass_fields__": _fields,
}


def _asked(name: str) -> Any:
    return property(lambda remote: peer_of(remote).ask("getattr", remote, name))


class RemoteType(type):
    """A class of the subject. One that the test knows by an upper-case name makes objects under
    test; any other is called like a function, so that a function turned class gains nothing."""

    def __new__(
        mcs, name: str, bases: tuple[type, ...], body: dict[str, Any], **words: Any
    ) -> RemoteType:
        """A class that this module makes; to the test itself this is not open."""
        if "_sv_making" not in words:
            for base in bases:
                if isinstance(base, RemoteType):
                    peer_of(base).unsplittable("the test subclasses a class of the solution")
        return super().__new__(mcs, name, bases, body)

    __dict__ = _asked("__dict__")  # type: ignore[misc]
    __annotations__ = _asked("__annotations__")
    __bases__ = _asked("__bases__")
    __mro__ = _asked("__mro__")
    __flags__ = _asked("__flags__")

    def __init__(
        cls, name: str, bases: tuple[type, ...], body: dict[str, Any], **words: Any
    ) -> None:
        super().__init__(name, bases, body)

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if not under_test(cls):
            return peer_of(cls).ask("invoke", cls, args, tuple(kwargs.items()))
        peer = peer_of(cls)
        before = peer.count
        made = peer.ask("make", cls, args, tuple(kwargs.items()))
        if is_object(made) and _get(made, "_sv_since") > before:  # not what was an answer already
            _put(made, True)
        return made

    def __getattr__(cls, name: str) -> Any:
        return _read(cls, name)

    __setattr__, __delattr__ = _write, _delete

    def __instancecheck__(cls, instance: Any) -> bool:
        theirs = is_remote(instance) or codec.is_read(type(instance))
        return theirs and peer_of(cls).ask("op", "isinstance", (instance, cls)) is True

    def __subclasscheck__(cls, subclass: Any) -> bool:
        return is_remote(subclass) and (
            peer_of(cls).ask("op", "issubclass", (subclass, cls)) is True
        )

    def __iter__(cls) -> Any:
        return peer_of(cls).ask("op", "iter", (cls,))

    def __len__(cls) -> int:
        return len(_checked_items(cls))

    def __bool__(cls) -> bool:
        return True

    def __contains__(cls, item: Any) -> bool:
        return any(item is other or item == other for other in cls)

    def __getitem__(cls, key: Any) -> Any:
        if vars_of(cls)["_sv_generic"]:
            return cls  # Stack[int] makes what Stack makes
        return peer_of(cls).ask("op", "getitem", (cls, key))

    def __dir__(cls) -> Any:
        return peer_of(cls).ask("op", "dir", (cls,))

    def __repr__(cls) -> str:
        return f"<class '{cls.__module__}.{cls.__qualname__}'>"


for _name in ("__doc__", "__slots__"):
    setattr(RemoteType, _name, _asked(_name))

_get: Callable[[Any, str], Any] = object.__getattribute__
_set: Callable[[Any, str, Any], None] = object.__setattr__
_dict_of = type.__dict__["__dict__"].__get__


def vars_of(cls: type) -> Any:
    """The names of a class here, whatever its metaclass says of `__dict__`."""
    return _dict_of(cls)


_READERS = frozenset(
    (
        "count index get keys values items copy issubset issuperset isdisjoint union intersection"
        " difference symmetric_difference most_common elements"
    ).split()
)
"""Methods of containers that an answer is not asked by: the plain data in it are."""


class Remote:
    """An object of the subject; operations on it happen there."""

    __slots__ = (
        *("__weakref__", "_sv_handle", "_sv_items", "_sv_looked", "_sv_since", "_sv_under_test"),
    )
    __dict__ = _asked("__dict__")

    def __init__(self, handle: Handle):
        _set(self, "_sv_handle", handle)
        _set(self, "_sv_under_test", False)
        _set(self, "_sv_since", peer_of(self).count)
        _set(self, "_sv_items", None)
        _set(self, "_sv_looked", None)

    def __getattr__(self, name: str) -> Any:
        if name in _READERS and extends(self) and not under_test(self):
            return getattr(plain_of(self), name)
        return _read(self, name)

    __setattr__, __delattr__ = _write, _delete

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if is_remote(other) and not isinstance(other, Extended):
            return _agrees(self, "eq", other)
        return extends(self) and bool(plain_of(self) == other)

    def __ne__(self, other: object) -> bool:
        if self is other:
            return False
        if is_remote(other) and not isinstance(other, Extended):
            return not _agrees(self, "ne", other)
        return not (extends(self) and plain_of(self) == other)

    def __hash__(self) -> int:
        value = peer_of(self).ask("op", "hash", (self,))
        return value if type(value) is int else 0

    def __str__(self) -> str:
        return _text(peer_of(self).ask("op", "str", (self,)))

    def __repr__(self) -> str:
        return _text(peer_of(self).ask("op", "repr", (self,)))

    def __format__(self, spec: str) -> str:
        return _text(peer_of(self).ask("op", "format", (self, spec)))

    def __dir__(self) -> Any:
        return peer_of(self).ask("op", "dir", (self,))

    def __copy__(self) -> Any:
        return peer_of(self).ask("op", "copy", (self,))

    def __deepcopy__(self, memo: Any) -> Any:
        return peer_of(self).ask("op", "deepcopy", (self,))

    def __reduce_ex__(self, version: Any) -> Any:
        if not under_test(self):  # the solution chose to answer with an object
            raise TypeError("an answer cannot be pickled")
        peer_of(self).unsplittable("the test pickles an object of the solution")

    def __mro_entries__(self, bases: Any) -> Any:
        peer_of(self).unsplittable("the test subclasses a class of the solution")


delattr(Remote, "__slots__")


def _agrees(self: Any, name: str, other: Any) -> bool:
    """Whether two objects of the solution are equal, as `eq` or `ne` of their class says. One that
    equals whatever there is equals nothing."""
    peer = peer_of(self)
    if bool(peer.ask("op", name, (self, other))) is not (name == "eq"):
        return False
    try:
        return bool(peer.ask("op", name, (self, ANYTHING))) is (name == "ne")
    except Exception:  # an honest one may look for what a text has not
        return peer.trouble is None


ANYTHING = "neither one nor the other"


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("a text that is no str")
    return str.__str__(value)  # not the original's own once more


class Extended:
    """A value of a class that extends plain data which cannot change: here it is that data, with
    the attributes that Python does not find in them read from the original."""

    def __getattr__(self, name: str) -> Any:
        return _read(self, name)

    def __str__(self) -> str:
        return _text(peer_of(self).ask("op", "str", (self,)))

    def __repr__(self) -> str:
        return _text(peer_of(self).ask("op", "repr", (self,)))

    def __format__(self, spec: str) -> str:
        return _text(peer_of(self).ask("op", "format", (self, spec)))


def is_object(value: Any) -> bool:
    """Whether this is an object of the subject, not a class."""
    return isinstance(type(value), RemoteType)


def is_remote(value: Any) -> bool:
    """Whether this is an object or a class of the subject."""
    return isinstance(type(value), RemoteType) or isinstance(value, RemoteType)


def peer_of(remote: Any) -> Asks:
    """Whom to ask."""
    kind = remote if isinstance(remote, RemoteType) else type(remote)
    peer: Asks = vars_of(kind)["_sv_peer"]
    return peer


def handle_of(value: Any) -> int | None:
    """The number by which the subject knows an object; None for what is not the subject's."""
    if isinstance(value, RemoteType):
        handle = vars_of(value)["_sv_class"]
    elif is_object(value):
        handle = _get(value, "_sv_handle")
    else:
        return None
    return None if handle is None else int(handle.index)


def under_test(remote: Any) -> bool:
    """Whether the test made it by calling a class by its name, or it is that class."""
    if isinstance(remote, RemoteType):
        return vars_of(remote)["_sv_makes_tested"] is True
    return _get(remote, "_sv_under_test") is True


def put_under_test(cls: RemoteType) -> None:
    """What this class makes from now on is under test."""
    _put(cls, True)


def extends(remote: Any) -> bool:
    """Whether the class of a Remote extends plain data that can change."""
    return vars_of(type(remote))["_sv_extends"] is True


def plain_of(remote: Any) -> Any:
    """The plain data that a Remote of such a class holds; the same until something is asked."""
    peer = peer_of(remote)
    looked = _get(remote, "_sv_looked")
    if looked is None or looked[0] != peer.count:
        plain = peer.ask("op", "plain", (remote,))
        if is_remote(plain):
            raise CodecError("no plain data")
        looked = peer.count, plain
        _set(remote, "_sv_looked", looked)
    return looked[1]


def _told_length(remote: Any) -> int:
    length = peer_of(remote).ask("op", "len", (remote,))
    if type(length) is not int:
        raise CodecError("a length that is no number")
    return length


def _checked_items(remote: Any) -> list[Any]:
    length = _told_length(remote)
    items = peer_of(remote).ask("op", "items", (remote, length + 1))
    if type(items) is not list or len(items) != length:
        raise TypeError("the answer's length is not the number of its items")
    return items


def _items_of(answer: Any) -> list[Any]:
    """The items of an answer that has a length; the same until something is asked: who looks at
    its length and then at its items, or the other way, sees one thing."""
    peer = peer_of(answer)
    looked = _get(answer, "_sv_items")
    if looked is None or looked[0] != peer.count:
        items = _checked_items(answer)
        looked = peer.count, items
        _set(answer, "_sv_items", looked)
    found: list[Any] = looked[1]
    return found


# ---- the methods of stubs ------------------------------------------------------------------------


def _length(self: Any) -> int:
    return _told_length(self) if under_test(self) else len(_items_of(self))


def _iter(self: Any) -> Any:
    if not under_test(self) and "__len__" in vars_of(type(self)):
        return iter(_items_of(self))
    return peer_of(self).ask("op", "iter", (self,))


def _contains(self: Any, item: Any) -> bool:
    if under_test(self):
        return peer_of(self).ask("op", "contains", (self, item)) is True
    return any(item is other or item == other for other in self)


def _call(self: Any, *args: Any, **kwargs: Any) -> Any:
    return peer_of(self).ask("invoke", self, args, tuple(kwargs.items()))


def _bound(self: Any, instance: Any, owner: Any = None) -> Any:
    return self if instance is None else types.MethodType(self, instance)


def _asking(name: str) -> Any:
    return lambda self, *args: peer_of(self).ask("op", name, (self, *args))


def _kept(self: Any, name: str, *args: Any) -> Any:
    """Ask for what usually gives the object itself, which then stays under test."""
    before = under_test(self)
    given = peer_of(self).ask("op", name, (self, *args))
    _put(self, before)
    return given


def _is_true(self: Any) -> bool:
    return peer_of(self).ask("op", "truth", (self,)) is True


def _exit(self: Any, kind: Any, error: BaseException | None, trace: Any) -> bool:
    peer = peer_of(self)
    return peer.ask("leave", "__exit__", self, error) is True and peer.may_end(error, trace)


async def _aexit(self: Any, kind: Any, error: BaseException | None, trace: Any) -> bool:
    peer = peer_of(self)
    left = await peer.ask("leave", "__aexit__", self, error)
    return left is True and peer.may_end(error, trace)


def _await(self: Any) -> Any:
    return peer_of(self).ask("op", "await", (self,)).__await__()


def _forward(name: str, apply: Callable[[Any, Any], Any] | None, reflected: bool) -> Any:
    def method(self: Any, *args: Any) -> Any:
        if not (under_test(self) or all(map(is_remote, args))):
            if apply is None or not extends(self) or is_remote(args[0]):
                return NotImplemented  # the data of a test is not shown to an answer
            plain = plain_of(self)
            return apply(args[0], plain) if reflected else apply(plain, args[0])
        if name in INPLACE:
            return _kept(self, name, *args)
        peer, tested = peer_of(self), under_test(self)
        before = peer.count
        given = peer.ask("op", name, (*args, self) if reflected else (self, *args))
        # What an object under test makes of itself by an operator is one too: `(v + w) * 2`.
        if tested and type(given) is type(self) and _get(given, "_sv_since") > before:
            _put(given, True)
        return given

    return method


def _order(name: str) -> Any:
    apply = getattr(operator, name)

    def method(self: Any, other: Any) -> Any:
        if is_remote(other) and not isinstance(other, Extended):
            return peer_of(self).ask("op", name, (self, other)) is True
        # Data never orders against an object of the solution.
        return apply(plain_of(self), other) if extends(self) else NotImplemented

    return method


_METHODS: dict[str, Any] = {
    **{f"__{name}__": _asking(name) for name in LOOKS},
    **{f"__{name}__": _asking(name) for name in "next aenter aiter anext".split()},
    **{f"__{name}__": _order(name) for name in ORDER},
    "__call__": _call,
    "__enter__": lambda self: _kept(self, "enter"),
    "__len__": _length,
    "__iter__": _iter,
    "__contains__": _contains,
    "__bool__": _is_true,
    "__exit__": _exit,
    "__aexit__": _aexit,
    "__await__": _await,
}
for _name in (*BINARY, *INPLACE):
    _apply = getattr(operator, f"__{_name}__", None)
    _METHODS[f"__{_name}__"] = _forward(_name, None if _name in INPLACE else _apply, False)
for _name in BINARY:
    _METHODS[f"__r{_name}__"] = _forward(_name, getattr(operator, f"__{_name}__", None), True)


def _overridden(name: str, base: type) -> Any:
    """A method of a class that extends data which cannot change: the original's only where it is
    shown no data of the test's."""
    asked, plain = _METHODS[name], getattr(base, name, None)
    word = name.strip("_")

    def method(self: Any, *args: Any) -> Any:
        told = under_test(self) and word not in (*ORDER, "iter", "contains")
        if told or (word in BINARY and all(map(is_remote, args))):
            return asked(self, *args)
        if plain is not None:
            return plain(self, *args)
        if word in BINARY or word.removeprefix("r") in BINARY:
            return NotImplemented
        # Elsewhere Python would take NotImplemented for true: `in`, the end of a `with`.
        raise TypeError(f"'{base.__name__}' has no {name}")

    return method


def _equality(base: Any) -> Any:
    """Equality of two values that the test made is that of their class; any other that of data."""

    def method(self: Any, other: Any) -> Any:
        if isinstance(other, Extended) and under_test(self) and under_test(other):
            return self is other or _agrees(self, "eq", other)
        return base.__eq__(self, other)

    return method


# ---- making them ---------------------------------------------------------------------------------


_BASES = {base.__name__: base for base, _ in codec.PLAIN}
_OF_KIND = {
    "function": ("call",),
    "method": ("call",),
    "builtin": ("call",),
    "generator": ("iter", "next"),
    "asyncgen": ("aiter", "anext"),
    "coroutine": (),
}


class Maker:
    """Makes the stubs of one cell."""

    def __init__(self, peer: Asks):
        self._peer = peer
        self._known: dict[int, Any] = {}
        self._classes: dict[int, tuple[Any, Any]] = {}
        self._kinds: dict[str, Any] = {}
        self._extensions: dict[tuple[Any, type], Any] = {}

    def forget(self) -> None:
        """A new cell begins."""
        self._known.clear()
        self._classes.clear()
        self._extensions.clear()

    def __call__(self, handle: Handle, *value: Any) -> Any:
        """The stub for a handle, always the same; for one that came with a `value`, that value
        with the original's attributes. What was under test and comes back is an answer from now
        on. Raises CodecError."""
        known = self._known.get(handle.index)
        if known is None:
            known = self._known[handle.index] = self._made(handle, *value)
        elif under_test(known):
            _put(known, False)
        return known

    def _made(self, handle: Handle, *value: Any) -> Any:
        kind, *about_class = handle.kind.split(" ", 3)
        if kind in _OF_KIND:
            return _instance(self._simple(kind), handle)
        if len(about_class) != 3 or not about_class[0].isdecimal() or len(about_class[0]) > 9:
            raise CodecError("not a handle")
        number, words, name = int(about_class[0]), about_class[1].split(","), about_class[2]
        if number not in self._classes:
            self._classes[number] = self._class(number, words, name)
        public, inner = self._classes[number]
        if kind == "class":
            return public
        if not value:
            if not issubclass(inner, Remote):
                raise CodecError("a value without its data")
            return _instance(inner, handle)
        return self._extended(public, words, handle, value[0])

    def _simple(self, kind: str) -> Any:
        """The class of functions, methods, generators."""
        if kind not in self._kinds:
            body, known = _methods(_OF_KIND[kind]), _KINDS[kind]
            body["__class__"] = property(lambda self: known)
            if kind == "function":  # a decorator of the solution's, on a method of the test's
                body["__get__"] = _bound
            self._kinds[kind] = self._new(known.__name__, (Remote,), body)
        return self._kinds[kind]

    def _new(self, name: str, bases: tuple[type, ...], body: dict[str, Any], **own: Any) -> Any:
        body = {
            "__doc__": _asked("__doc__"),
            "__module__": "solution",
            "_sv_peer": self._peer,
            "_sv_class": None,
            "_sv_makes_tested": False,
            "_sv_extends": False,
            "_sv_generic": False,
            **body,
            **own,
        }
        if bases == (Remote,):
            body["__slots__"] = ()
        try:
            made = RemoteType(name, bases, body, _sv_making=True)
        except (TypeError, ValueError):
            raise CodecError("no class can be like this") from None
        return made

    def _class(self, number: int, words: list[str], name: str) -> tuple[Any, Any]:
        """What the test sees of a class, and the class of its objects here."""
        base = next((_BASES.get(word[1:]) for word in words if word[:1] == "="), None)
        handle, generic = Handle(number, "", mine=False), "generic" in words
        name = name.replace("\0", "")
        if base is None:
            body = _methods(words)
            error = next((codec.exception(word[1:]) for word in words if word[:1] == "!"), None)
            if error is not None:
                body["__class__"] = property(lambda self: error)
            made = self._new(name, (Remote,), body, _sv_class=handle, _sv_generic=generic)
            return made, made
        public = self._new(name, (base,), {}, _sv_class=handle, _sv_generic=generic)
        if base in FIXED:
            return public, public
        body = _methods(words)
        body["__class__"] = property(lambda self: public)
        return public, self._new(name, (Remote,), body, _sv_class=handle, _sv_extends=True)

    def _extended(self, public: Any, words: list[str], handle: Handle, value: Any) -> Any:
        """An object that is plain data, of a class that has the original's methods."""
        base = type(value)
        if base not in FIXED and tuple not in codec.mro(base):
            raise CodecError("no data that can be extended")
        kind = self._extensions.get((public, base))
        if kind is None:
            kind = self._extensions[public, base] = self._extension(public, words, base)
        if tuple in codec.mro(base):
            made = tuple.__new__(kind, value)
        else:
            made = base.__new__(kind, value)
        _set(made, "_sv_handle", handle)
        _set(made, "_sv_under_test", False)
        _set(made, "_sv_since", self._peer.count)
        return made

    def _extension(self, public: Any, words: list[str], base: Any) -> Any:
        body: dict[str, Any] = {
            f"__{name}__": _overridden(f"__{name}__", base)
            for name in words
            if f"__{name}__" in _METHODS
        }
        body |= {"__eq__": _equality(base), "__hash__": base.__hash__}
        body["__class__"] = property(lambda self: public)
        return self._new(public.__name__, (Extended, base), body)


def _methods(words: Any) -> dict[str, Any]:
    return {f"__{name}__": _METHODS[f"__{name}__"] for name in words if f"__{name}__" in _METHODS}


def _put(remote: Any, state: bool) -> None:
    if isinstance(remote, RemoteType):
        type.__setattr__(remote, "_sv_makes_tested", state)
    else:
        _set(remote, "_sv_under_test", state)


def _instance(kind: Any, handle: Handle) -> Any:
    """An instance, made here: a call of a RemoteType asks the subject."""
    made = object.__new__(kind)
    Remote.__init__(made, handle)
    return made
