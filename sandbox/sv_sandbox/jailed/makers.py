"""Makes the proxies of one cell from what the other end tells of an object, one per number.

In: the parts of a reference (`shapes.tell`). Out: the object that they stand for: one of ours, or
a proxy. Raises CodecError for parts that no other end could have told. Nothing is asked here.
"""

from __future__ import annotations

import abc
import contextlib
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import containers, kinds, shapes
from .kinds import library_class
from .methods import Method, get_own, set_own
from .provenance import COROUTINES, ReferenceType
from .proxies import (
    FUNCTION_KINDS,
    STUBS,
    Function,
    Module,
    Reference,
    ReferenceClass,
    asked,
)
from .shapes import MUTABLE, mro, names_in
from .values import CodecError

if TYPE_CHECKING:
    from .link import Link


_STEPS = frozenset(
    "generator map filter zip enumerate reversed islice chain count cycle repeat accumulate product"
    " permutations combinations takewhile dropwhile starmap pairwise batched groupby coroutine"
    " async_generator list_iterator tuple_iterator range_iterator dict_keyiterator str_iterator"
    " set_iterator list_reverseiterator dict_itemiterator dict_valueiterator _grouper"
    " async_generator_asend".split()
)


_STEP_BY = frozenset("iter next aiter anext await length_hint repr str hash".split())
"""Special methods that these have; whoever goes by their name and has another is none of them."""


_STEP_METHODS = frozenset("send throw close asend athrow aclose".split())
_CALL_BY = frozenset("call get set_name repr str hash".split())


def steps(value: object) -> bool:
    """Whether this stands for one of Python's own iterators, which give data and are asked with
    none, or for a coroutine."""
    kind = type(value)
    if kind is types.CoroutineType:
        return True
    is_theirs = names_in(kind).get("_sv_module") in ("builtins", "itertools")
    if not is_theirs or kind.__name__ not in _STEPS or not _is_asked_only(kind, _STEP_BY):
        return False
    told = (names_in(above).items() for above in mro(kind) if above is not Reference)
    return {name for each in told for name, one in each if type(one) is Method} <= _STEP_METHODS


def is_called_only(value: object) -> bool:
    """Whether an object can be called, and asked nothing else, as what `lru_cache` makes."""
    kind = type(value)
    return type(kind) is ReferenceClass and _is_asked_only(kind, _CALL_BY)


def _is_asked_only(kind: type, known: frozenset[str]) -> bool:
    others = [f"__{one}__" for one in shapes.SPECIALS - known]
    ours = {id(Reference), id(object)}  # to compare a class of theirs would ask them
    told = [names_in(above) for above in mro(kind) if id(above) not in ours]
    return not any(one in names for names in told for one in others)


class Makers:
    """The proxies of one cell, by number."""

    def __init__(self, link: Link):
        self._link = link
        self._made: dict[int, object] = {}
        self.newest = -1
        """The number that was told of last."""
        self._counts: dict[int, object] = {}
        self._functions = self._local(Function)
        self._modules = self._local(Module)

    def _local(self, kind: type) -> Any:
        """A class of this cell: its link is found by it."""
        body = {"_sv_link": self._link, "__doc__": kind.__dict__["__doc__"]}
        body |= {name: kind.__dict__[name] for name in _OVERRIDDEN if name in names_in(kind)}
        return type(kind)(kind.__name__, (kind,), body)

    def count(self, number: int, items: object) -> None:
        """An object told of so many items, or gave them: it says the same each time, or a verdict
        may rest on what it says."""
        if self._counts.setdefault(number, items) != items:
            self._link.policy.mark("`len` and iteration that disagree")
            self._counts[number] = items

    def ends_at(self, number: int, operands: tuple[object, ...]) -> None:
        """An object raised IndexError for this index: it has told of no more items than that."""
        index, count = operands[0] if operands else None, self._counts.get(number)
        if type(index) is int and type(count) is int and 0 <= index < count:
            self._link.policy.mark("`len` and items that disagree")

    def keep(self, number: object, proxy: object) -> object:
        """From now on this number is this proxy. Raises CodecError for one that is taken."""
        if type(number) is not int or number < 0 or number in self._made:
            raise CodecError("no new number")
        self._made[number], self.newest = proxy, number
        return proxy

    def replace(self, number: object, proxy: object) -> None:
        """This number is this proxy, whatever was told of it while it was made."""
        if type(number) is not int:
            raise CodecError("no number")
        self._made[number] = proxy

    def resolve(self, parts: tuple[Any, ...]) -> object:
        """The object that the other end refers to. Raises CodecError."""
        try:
            make = _MAKE[parts[0]]
            return make(self, *parts[1:])
        except (TypeError, ValueError, KeyError, IndexError) as error:
            raise CodecError(f"not a reference: {error}") from None

    def _mine(self, number: Any) -> object:
        made = self._made[number]
        if issubclass(type(made), Function) or is_called_only(made):
            self._link.policy.arrived(made)
        return made

    def _yours(self, number: object, name: object = None) -> object:
        known = self._link.known(number)
        if name is None:
            return known
        if type(name) is not str:
            raise CodecError("not a name")
        return self._link.policy.read(known, name)

    def _function(self, number: object, kind: object, module: object, name: object) -> object:
        if kind not in FUNCTION_KINDS or type(module) is not str or type(name) is not str:
            raise CodecError("not a function")
        return self.keep(number, self._functions(number, kind, (module, name)))

    def _module(self, number: object, name: object) -> object:
        if type(name) is not str:
            raise CodecError("not a module")
        return self.keep(number, self._link.policy.module(name) or self._modules(number, name))

    def _class(self, number: object, *told: Any) -> object:
        name, qualname, module, doc, bases, methods, specials, absent, counts_as = told
        if not all(type(one) is str for one in (name, qualname, module, *methods)):
            raise CodecError("not a class")
        real = [shapes.builtin(one) if type(one) is str else one for one in bases]
        if not all(isinstance(one, type) for one in real):
            raise CodecError("not a class")
        if any(one[:2] == "__" and one not in shapes.PLAIN_METHODS for one in methods):
            raise CodecError("not a plain method")
        is_root = not any(isinstance(one, ReferenceType) for one in real)
        body: dict[str, object] = {
            **{method: Method(method) for method in methods if method[:4] != "_sv_"},
            **{f"__{one}__": STUBS[f"__{one}__"] for one in specials},
            **{f"__{one}__": None for one in absent if one in shapes.SPECIALS},
            **{"_sv_link": self._link, "_sv_number": number, "_sv_body": None},
            **{"_sv_module": module, "__qualname__": qualname, "_sv_doc": doc},
            **{name: asked(name) for name in ("__dict__", "__doc__", "__module__")},
        }
        local = library_class(module, qualname)
        if local is not None:
            body["_sv_local"] = local
        if any(issubclass(one, BaseException) for one in real if isinstance(one, type)):
            body.setdefault("__str__", _error_text)
        body.pop("__new__", None)
        content = next((one for one in real if one in shapes.CONTENT), None)
        if content is not None:  # which compares, not `Reference`
            body.setdefault("__eq__", content.__eq__)
            body.setdefault("__hash__", content.__hash__)
        real = [one for one in real if one is not object] if len(real) > 1 or is_root else real
        kinds.told_of(real)
        made: type = ReferenceClass(name[:200], (*([Reference] if is_root else []), *real), body)
        for one in counts_as:
            abstract = library_class(*one) if type(one) is tuple and len(one) == 2 else None
            if isinstance(abstract, abc.ABCMeta) and not issubclass_of(made, abstract):
                abstract.register(made)
        return self.keep(number, made)

    def _object(self, number: Any, kind: object, hashed: object, content: Any) -> object:
        if type(kind) is not ReferenceClass or (hashed is not None and type(hashed) is not int):
            raise CodecError("not an object")
        base = shapes.content_of(kind)
        new: Callable[..., object] = _new if base is None else base.__new__
        if base is None or base in MUTABLE:
            made = new(kind)
        if base in MUTABLE:
            containers.refill(made, content[0])
        elif base is not None:
            plain = base(content[0]) if base in (tuple, frozenset) else content[0]
            if type(plain) is not base:
                raise CodecError("not the content of an object")
            made = new(kind, plain)
        set_own(made, "_sv_number", number)
        set_own(made, "_sv_hash", hashed)
        self.keep(number, made)
        self._link.policy.arrived(made)
        if kind.__name__ == "coroutine" and kind.__module__ == "builtins":
            coroutine = self._link.policy.awaited(made)
            COROUTINES[coroutine] = made
            self._made[number] = coroutine
            return coroutine
        return made

    def _error(self, number: object, kind: object, *told: Any) -> object:
        args, text, attributes, cause, context, parts = told
        if type(kind) is str:
            kind = shapes.builtin(kind)
        is_error = issubclass_of(kind, BaseException) and type(attributes) is dict
        if not is_error or not all(type(name) is str for name in attributes):
            raise CodecError("not an exception")
        try:
            error = shapes.new_error(kind, (*args, list(parts)) if parts else args)
        except Exception:
            error = shapes.new_error(Exception, (text,))
        set_own(error, "_sv_text", text)
        set_own(error, "_sv_link", self._link)
        set_own(error, "_sv_number", number)
        set_own(error, "__cause__", cause)
        set_own(error, "__context__", context)
        for name, value in attributes.items():
            if name in shapes.TOLD_OF_ERRORS or not name.startswith(("__", "_sv_")):
                with contextlib.suppress(AttributeError):  # a field that nobody sets
                    set_own(error, name, value)
        if type(kind) is ReferenceClass:
            self._link.policy.arrived(error)
        return self.keep(number, error)


def _new(kind: Any) -> object:
    """An object without content: made by the one class of Python's own that lays it out."""
    for root in (object, *shapes.EXTENDED):
        try:
            return root.__new__(kind)
        except TypeError:
            continue
    raise CodecError("no object can be like this")


def issubclass_of(kind: object, base: type) -> bool:
    """`issubclass`, asking nobody."""
    return isinstance(kind, type) and base in mro(kind)


def _error_text(self: Any) -> str:
    try:
        return str(get_own(self, "_sv_text"))
    except AttributeError:
        return BaseException.__str__(self)


_OVERRIDDEN = ("__module__", "__dict__", "__annotations__")
_MAKE: dict[str, Callable[..., object]] = {
    "mine": Makers._mine,
    "yours": Makers._yours,
    "none": lambda makers: None,
    "function": Makers._function,
    "module": Makers._module,
    "class": Makers._class,
    "object": Makers._object,
    "error": Makers._error,
    "field": lambda makers, *told: shapes.field_from(told),
}
