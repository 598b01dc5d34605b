"""What objects may support, by the names of the methods without underscores, and how each is asked.

Both ends use it: the subject answers for the solution's objects, the judge for what a test lends.
"""

from __future__ import annotations

import builtins
import copy
import math
import operator
import os
from collections.abc import Callable, Sequence
from typing import Any

BINARY = "add sub mul truediv floordiv mod pow matmul and or xor lshift rshift divmod".split()
INPLACE = [f"i{name}" for name in BINARY if name != "divmod"]
ORDER = ["lt", "le", "gt", "ge"]
LOOKS = (
    "neg pos abs invert getitem setitem delitem int float complex index round trunc floor ceil"
    " bytes reversed length_hint fspath"
).split()
OTHERS = "call len contains iter next bool enter exit aenter aexit aiter anext await".split()
PROTOCOLS = (*BINARY, *(f"r{name}" for name in BINARY), *INPLACE, *ORDER, *LOOKS, *OTHERS)


def supported(classes: Sequence[type]) -> list[str]:
    """The protocols that one of these classes, in the order of a look-up, has a method for."""
    return [name for name in PROTOCOLS if _has(classes, f"__{name}__")]


def _has(classes: Sequence[type], name: str) -> bool:
    for one in classes:
        if name in one.__dict__:
            return one.__dict__[name] is not None
    return False


async def awaited(awaitable: Any) -> Any:
    """Anything that can be awaited, as a coroutine."""
    return await awaitable


OPERATIONS: dict[str, Callable[..., Any]] = {
    **{
        name: getattr(operator, f"__{name}__")
        for name in (*BINARY, *INPLACE, *ORDER, *"eq ne neg pos abs invert index".split())
        if name != "divmod"
    },
    **{
        name: getattr(builtins, name)
        for name in (
            "divmod len str repr format int float complex bytes round hash iter next reversed dir"
            " isinstance issubclass aiter anext"
        ).split()
    },
    **{name: getattr(operator, name) for name in ("getitem", "setitem", "delitem")},
    **{name: getattr(math, name) for name in ("trunc", "floor", "ceil")},
    "contains": operator.contains,
    "truth": operator.truth,
    "length_hint": operator.length_hint,
    "fspath": os.fspath,
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "enter": lambda manager: manager.__enter__(),
    "aenter": lambda manager: manager.__aenter__(),
}
"""What either end may ask of an object, by name."""
