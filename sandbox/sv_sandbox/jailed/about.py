"""What one end tells the other of a function: names and parameters, never code or constants."""

from __future__ import annotations

import inspect
from types import SimpleNamespace
from typing import Any

from .codec import CodecError

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
