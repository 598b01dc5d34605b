"""What one end tells of a class, a function or an exception, once, as data.

In: an object of this end. Out: tuples of plain data and of objects that the link refers to. Nothing
of code, constants or values that a class holds is told; attributes are asked for when they are
read. Pure, but for `described`, which asks an exception for its text.
"""

from __future__ import annotations

import abc
import contextlib
import dataclasses
import datetime
import inspect
import sys
from collections.abc import Callable, Iterator
from types import (
    BuiltinFunctionType,
    ClassMethodDescriptorType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodDescriptorType,
    MethodType,
    MethodWrapperType,
    ModuleType,
    SimpleNamespace,
    TracebackType,
    WrapperDescriptorType,
)
from typing import Any

from . import table, values
from .provenance import is_reference
from .values import CodecError, Unencodable

EXTENDED = (datetime.tzinfo,)
"""Classes of C code that want objects of their own kind, and ask them by methods."""
CONTENT: tuple[type, ...] = (
    *(bool, int, float, complex, str, bytes, tuple, frozenset),
    *(list, dict, set, bytearray),
)
"""Plain data that a class can extend: an object of such a class brings it along."""
MUTABLE = (list, dict, set, bytearray)
BINARY = "add sub mul truediv floordiv mod pow matmul and or xor lshift rshift divmod".split()
SPECIALS = frozenset(
    (
        *BINARY,
        *(f"r{name}" for name in BINARY),
        *(f"i{name}" for name in BINARY if name != "divmod"),
        *"eq ne lt le gt ge bool contains len iter next call getitem setitem delitem".split(),
        *"neg pos abs invert int float complex index round trunc floor ceil bytes reversed".split(),
        *"length_hint fspath enter exit aenter aexit aiter anext await missing hash".split(),
        *"str repr format get set delete set_name".split(),
    )
)
"""Special methods that an object of the other end is asked by, without underscores."""
PLAIN_METHODS = frozenset(("__init__", "__post_init__"))
_CALLED = (
    *(FunctionType, BuiltinFunctionType, classmethod, staticmethod, MethodDescriptorType),
    *(WrapperDescriptorType, ClassMethodDescriptorType),
)
FUNCTIONS = (FunctionType, BuiltinFunctionType, MethodType, MethodWrapperType)
mro = values.mro
bases_of: Callable[[type], tuple[type, ...]] = type.__dict__["__bases__"].__get__
names_in: Callable[[type], Any] = type.__dict__["__dict__"].__get__
"""The names of a class, whatever its metaclass says."""


class Whole:
    """Says that a class is told of, although it could cross by its name."""

    __slots__ = ("kind",)

    def __init__(self, kind: type):
        self.kind = kind


_EXTENDED = {f"{kind.__module__}.{kind.__name__}": kind for kind in (object, *CONTENT, *EXTENDED)}


def builtin_name(kind: type) -> str:
    """The name of a class that both ends have and may extend; empty for others."""
    name = f"{kind.__module__}.{kind.__name__}"
    if _EXTENDED.get(name) is kind:
        return name
    return (issubclass(kind, BaseException) and table.exception_name(kind)) or ""


def builtin(name: str) -> type:
    """The class of that name. Raises CodecError."""
    found = _EXTENDED.get(name) or table.exception(name)
    if found is None:
        raise CodecError("no such class")
    return found


def content_of(kind: type) -> type | None:
    """The plain data that a class extends."""
    return next((base for base in mro(kind) if base in CONTENT), None)


def class_told(kind: type) -> tuple[object, ...]:
    """Name, qualified name, module, documentation, bases (names, or classes to refer to), methods,
    special methods that it has, those it refuses, what it counts as."""
    methods: list[str] = []
    specials: list[str] = []
    absent: list[str] = []
    for name, value in names_in(kind).items():
        special = name.startswith("__") and name.endswith("__")
        short = name.strip("_")
        if special and short in SPECIALS:
            (absent if value is None else specials).append(short)
        elif isinstance(value, _CALLED) and (not special or name in PLAIN_METHODS):
            methods.append(name)
    bases = tuple(builtin_name(base) or Whole(base) for base in bases_of(kind))
    doc = kind.__doc__ if type(kind.__doc__) is str else None
    return (
        *(str(kind.__name__), str(kind.__qualname__), str(kind.__module__), doc and doc[:2000]),
        *(bases, tuple(methods), tuple(specials), tuple(absent), _counts_as(kind)),
    )


_ABSTRACT_FROM = ("collections.abc", "numbers", "io", "contextlib", "os")


def _counts_as(kind: type) -> tuple[tuple[str, str], ...]:
    """The abstract classes of the library that it was made for, by module and name."""
    return tuple(
        (one.__module__, one.__qualname__)
        for one in mro(kind)
        if isinstance(one, abc.ABCMeta) and one is not kind and one.__module__ in _ABSTRACT_FROM
    )


def is_library_module(name: str) -> bool:
    """Whether this is a module of the standard library's or NumPy's."""
    top = name.partition(".")[0]
    return top in sys.stdlib_module_names or top == "numpy"


def is_method(name: str, value: object) -> bool:
    """Whether what stands in a class's body is for this end as well: what an object holds may take
    the place of other values, and is asked for."""
    return name[:2] == "__" or hasattr(type(value), "__get__")


# ---- functions -----------------------------------------------------------------------------------

_KINDS = tuple(inspect._ParameterKind)
_FACTS = ("co_name", "co_argcount", "co_posonlyargcount", "co_kwonlyargcount", "co_flags")


def parameters_of(function: Any) -> tuple[object, ...]:
    """Each parameter: name, kind, default and annotation (each in a tuple, empty for none); at last
    the annotation of the result. Raises ValueError, TypeError."""
    signature = inspect.signature(function)
    found = [
        (one.name, int(one.kind), _given(one.default), _given(one.annotation))
        for one in signature.parameters.values()
    ]
    return (*found, _given(signature.return_annotation))


def _given(value: object) -> tuple[object, ...]:
    return () if value is inspect.Parameter.empty or value is inspect.Signature.empty else (value,)


def signature_of(told: Any) -> inspect.Signature:
    """The signature that `parameters_of` told. Raises CodecError."""
    empty: object = inspect.Parameter.empty
    try:
        *parameters, result = told
        return inspect.Signature(
            [
                inspect.Parameter(
                    name,
                    _KINDS[kind],
                    default=default[0] if default else empty,
                    annotation=note[0] if note else empty,
                )
                for name, kind, default, note in parameters
            ],
            return_annotation=result[0] if result else empty,
        )
    except (TypeError, ValueError, IndexError, AttributeError, KeyError):
        raise CodecError("not a signature") from None


def code_facts(function: Any) -> tuple[object, ...]:
    """Of a function's code: its name, the numbers of its arguments, its flags, their names."""
    code = function.__code__
    count = code.co_argcount + code.co_kwonlyargcount
    count += bool(code.co_flags & inspect.CO_VARARGS) + bool(code.co_flags & inspect.CO_VARKEYWORDS)
    return (*(getattr(code, fact) for fact in _FACTS), code.co_varnames[:count])


def code_of(facts: object) -> SimpleNamespace:
    """Something with the facts of a code object. Raises CodecError."""
    if type(facts) is not tuple or len(facts) != len(_FACTS) + 1:
        raise CodecError("not a function's code")
    return SimpleNamespace(**dict(zip((*_FACTS, "co_varnames"), facts, strict=True)))


def field_told(field: Any) -> tuple[object, ...]:
    """One field of a dataclass: name, default (in a tuple), what takes part, type."""
    default = () if field.default is dataclasses.MISSING else (field.default,)
    has_factory = field.default_factory is not dataclasses.MISSING
    return (
        *(field.name, default, has_factory, field.init is True, field.repr is True),
        *(field.compare is True, field.kw_only is True, field.type),
    )


def field_from(told: Any) -> object:
    """Python's own field object with what `field_told` told. Raises CodecError."""
    try:
        name, default, has_factory, init, shown, compare, kw_only, kind = told
        field: Any = dataclasses.field(init=init is True, repr=shown is True)
        field.name, field.type, field.compare, field.kw_only = name, kind, compare, kw_only
        if default:
            (field.default,) = default
        elif has_factory is True:
            field.default_factory = lambda: None
        field._field_type = dataclasses._FIELD  # type: ignore[attr-defined]
        return field
    except (TypeError, ValueError):
        raise CodecError("not the field of a dataclass") from None


# ---- exceptions ----------------------------------------------------------------------------------


def described(error: BaseException, silent: bool = False) -> tuple[object, ...]:
    """Of an exception: arguments, text, plain attributes, cause, context, parts of a group.
    `silent` keeps arguments and text back (a failed assertion's may say what was expected)."""
    if silent:
        return (), "", {}, None, None, ()
    try:
        text = str(error)[:2000]
    except BaseException:
        text = ""
    args: tuple[object, ...] = tuple(error.args)
    if isinstance(error, OSError) and error.filename is not None:
        args = (error.errno, error.strerror, error.filename)
    parts: tuple[BaseException, ...] = ()
    if isinstance(error, BaseExceptionGroup):
        args, parts = (str(error.message),), tuple(error.exceptions)
    attributes = {}
    for name, value in (*vars(error).items(), *_set_by_python(error)):
        if not name.startswith("_sv_"):
            with contextlib.suppress(Unencodable):
                values.encode(value)
                attributes[name] = value
    cause, context = error.__cause__, error.__context__
    return args, text, attributes, cause, None if context is cause else context, parts


_FIELDS = (GetSetDescriptorType, MemberDescriptorType)
TOLD_OF_ERRORS = frozenset(("__notes__", "__suppress_context__"))


def _set_by_python(error: BaseException) -> Iterator[tuple[str, object]]:
    """What Python's own class keeps beside the arguments: a name that was not found, a code."""
    yield "__suppress_context__", error.__suppress_context__
    for kind in mro(type(error)):
        if kind.__module__ == "builtins" and kind is not BaseException:
            for name, field in names_in(kind).items():
                if type(field) in _FIELDS and name[:2] != "__":
                    with contextlib.suppress(AttributeError):  # not set
                        yield name, field.__get__(error)


def new_error(kind: Any, args: tuple[object, ...]) -> object:
    """An exception, made by that class of Python's which lays out its memory, and no other code: C
    code reads fields that no `__init__` has filled. Raises what that class does."""
    base: Any = next(base for base in mro(kind) if table.EXCEPTIONS.get(base.__name__) is base)
    error = base.__new__(kind, *args)
    if type(error) is not kind:  # OSError chooses by the number, where it is given at once
        error = base.__new__(kind)
        for name, value in zip(("errno", "strerror", "filename"), args, strict=False):
            setattr(error, name, value)
        error.args = args[:2]
    base.__init__(error, *args)
    return error


# ---- all of it -----------------------------------------------------------------------------------


def key_of(value: object) -> object:
    """What tells an object from others: a bound method is another object at each look."""
    if type(value) is MethodType:
        return id(value.__self__), id(value.__func__)
    if type(value) is BuiltinFunctionType:
        return id(value.__self__), value.__name__
    return id(value)


def plain_content(value: Any, base: type) -> object:
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


def tell(
    value: Any, number: Callable[[object], int], silent: bool
) -> tuple[bool, tuple[object, ...]]:
    """What is told of an object the first time, and whether its content stays shared. `silent`
    tells nothing of what an AssertionError says."""
    kind = type(value)
    if issubclass(kind, type):
        return False, ("class", number(value), *class_told(value))
    if issubclass(kind, FUNCTIONS):
        where = (str(getattr(value, "__module__", "")), str(getattr(value, "__name__", "")))
        return False, ("function", number(value), kind.__name__, *where)
    if issubclass(kind, BaseException):
        name = builtin_name(kind)
        told = described(value, silent and issubclass(kind, AssertionError))
        return False, ("error", number(value), name or kind, *told)
    if kind is dataclasses.Field:
        return False, ("field", *field_told(value))
    if issubclass(kind, ModuleType):
        return False, ("module", number(value), value.__name__)
    if issubclass(kind, TracebackType):
        return False, ("none",)
    base = content_of(kind)
    content = () if base is None else (plain_content(value, base),)
    whole = Whole(kind)
    return base in MUTABLE, ("object", number(value), whole, _hash_told(value), content)


def dir_of(kind: type) -> set[str]:
    """The names of a class and its bases."""
    return {name for one in mro(kind) for name in names_in(one)}


def _hash_told(value: object) -> int | None:
    """The hash of an object whose class defines one; None: it is asked for when it is needed, as
    where the other end has made it and would have to be asked now."""
    own = next(one for one in mro(type(value)) if "__hash__" in names_in(one))
    made = names_in(own)["__hash__"]
    if own is object or own in CONTENT or made is None or is_reference(made):
        return None
    try:
        return hash(value)
    except Exception:
        return None
