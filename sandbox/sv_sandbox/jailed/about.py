"""What one end tells the other of a function (names and parameters, never code or constants), of a
dataclass and of an exception."""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
from types import SimpleNamespace
from typing import Any

from . import codec
from .codec import CodecError, Unencodable

NAMES = ("__name__", "__qualname__", "__doc__", "__module__")
"""Attributes of a function that anybody may read."""
_KINDS = tuple(inspect._ParameterKind)


def parameters_of(function: Any, shown: bool) -> list[tuple[Any, ...]]:
    """Each parameter: name, kind, whether it has a default, the default, the annotation. The last
    two, which may hold anything, only if they are `shown`. Raises ValueError, TypeError."""
    signature = inspect.signature(function)
    found: list[tuple[Any, ...]] = []
    for parameter in signature.parameters.values():
        has = parameter.default is not parameter.empty
        default = parameter.default if has and shown else None
        found.append((parameter.name, int(parameter.kind), has, default, _noted(parameter, shown)))
    result = signature.return_annotation
    has = shown and result is not signature.empty
    found.append(("", 0, has, None, (result,) if has else ()))
    return found


def _noted(parameter: inspect.Parameter, shown: bool) -> tuple[Any, ...]:
    return (parameter.annotation,) if shown and parameter.annotation is not parameter.empty else ()


def signature_of(parameters: Any) -> inspect.Signature:
    """The signature that `parameters_of` told. Raises CodecError."""
    try:
        *told, (_, _, _, _, result) = parameters
        return inspect.Signature(
            [
                inspect.Parameter(
                    name,
                    _KINDS[kind],
                    default=default if has is True else inspect.Parameter.empty,
                    annotation=note[0] if note else inspect.Parameter.empty,
                )
                for name, kind, has, default, note in told
            ],
            return_annotation=result[0] if result else inspect.Signature.empty,
        )
    except (TypeError, ValueError, IndexError, AttributeError, KeyError):
        raise CodecError("not a signature") from None


_FACTS = ("co_name", "co_argcount", "co_posonlyargcount", "co_kwonlyargcount", "co_flags")


def code_facts(function: Any) -> tuple[Any, ...]:
    """Of a function's code: its name, the numbers of its arguments, its flags, their names."""
    code = function.__code__
    count = code.co_argcount + code.co_kwonlyargcount
    count += bool(code.co_flags & inspect.CO_VARARGS) + bool(code.co_flags & inspect.CO_VARKEYWORDS)
    return (*(getattr(code, fact) for fact in _FACTS), code.co_varnames[:count])


def code_of(facts: Any) -> SimpleNamespace:
    """Something with the facts of a code object. Raises CodecError."""
    if type(facts) is not tuple or len(facts) != len(_FACTS) + 1:
        raise CodecError("not a function's code")
    return SimpleNamespace(**dict(zip((*_FACTS, "co_varnames"), facts, strict=True)))


# ---- dataclasses -----------------------------------------------------------------------------


def fields_of(of: Any, shown: bool) -> list[tuple[Any, ...]]:
    """The fields of a dataclass; defaults and types, which may hold anything, only if they are
    `shown`. Raises TypeError."""
    return [
        (
            *(f.name, (f.default,) if shown and f.default is not dataclasses.MISSING else ()),
            *(f.init, f.repr, f.compare, f.kw_only is True, f.type if shown else None),
        )
        for f in dataclasses.fields(of)
    ]


def fields_from(told: Any) -> dict[str, Any]:
    """`__dataclass_fields__`: Python's own field objects with what `fields_of` told. Raises
    CodecError."""
    made: dict[str, Any] = {}
    try:
        for name, default, init, shown, compare, kw_only, kind in told:
            field: Any = dataclasses.field(init=init is True, repr=shown is True)
            field.name, field.type, field.compare, field.kw_only = name, kind, compare, kw_only
            field.default = default[0] if default else dataclasses.MISSING
            field._field_type = dataclasses._FIELD  # type: ignore[attr-defined]
            made[name] = field
    except (TypeError, ValueError):
        raise CodecError("not the fields of a dataclass") from None
    return made


# ---- exceptions ------------------------------------------------------------------------------


def described(error: BaseException, room: int = 20) -> tuple[Any, ...]:
    """An exception as it crosses: names from its class to the first that both ends have, arguments,
    text, those attributes that can cross as data, the exception itself, and the exceptions that
    belong to it."""
    try:
        text = str(error)[:2000]
    except BaseException:
        text = ""
    args: tuple[Any, ...] = (text,)
    attributes: dict[str, Any] = {}
    others: dict[str, Any] = {}
    try:
        args = tuple(error.args)
        if isinstance(error, OSError) and error.filename is not None:
            args = (error.errno, error.strerror, error.filename)
        if isinstance(error, BaseExceptionGroup):
            args = (str(error.message),)
            others["group"] = [
                described(part, room - 1) for part in error.exceptions[: max(room, 0)]
            ]
        try:
            codec.encode(args, strict=False)
        except Unencodable:
            args = (text,)
        for name, value in vars(error).items():
            if name.startswith("_sv_"):
                continue
            with contextlib.suppress(Unencodable):
                codec.encode(value, strict=False)
                attributes[name] = value
        if room > 0:
            for name in ("cause", "context"):
                other = getattr(error, f"__{name}__")
                if isinstance(other, BaseException):
                    others[name] = described(other, room - 1 if name == "cause" else 0)
    except BaseException:
        args = (text,)
    return lineage(type(error)), args, text, attributes, error, others


def made(kind: Any, args: tuple[Any, ...]) -> Any:
    """An exception, made by that class of Python's which lays out its memory, and no other code: C
    code reads fields that no `__init__` has filled. Raises what that class does."""
    error = kind.__new__(kind, *args)
    while codec.EXCEPTIONS.get(kind.__name__) is not kind:
        kind = kind.__base__
    kind.__init__(error, *args)  # type: ignore[misc]
    return error


def lineage(kind: type[BaseException]) -> Any:
    """The name of an exception class that both ends have; of another, its name and the lineages of
    its bases."""
    known = codec.exception_name(kind)
    if known is not None:
        return known
    bases = [base for base in kind.__bases__ if issubclass(base, BaseException)]
    return (kind.__name__, *map(lineage, bases))


def nearest(kind: type[BaseException]) -> str:
    """The name of the first base of an exception class that both ends have."""
    return next(filter(None, map(codec.exception_name, codec.mro(kind)[:-1])), "Exception")
