"""What code says: its names and its steps, and those of the code in it. It is not run. Pure."""

from __future__ import annotations

import opcode
import re
import sys
from itertools import pairwise
from types import CodeType

_READS = re.compile(r"\{[^{}:]*[.\[]")
"""A template that reads an attribute or an item."""
TEMPLATE = "{.}"
"""Stands for one among the names."""
OF = opcode.opmap
SETTING = frozenset((OF["STORE_ATTR"], OF["DELETE_ATTR"]))
_STEPS = {number: name for name, number in OF.items()}
_BY_NAME = frozenset(
    "LOAD_GLOBAL LOAD_NAME LOAD_FAST LOAD_FAST_BORROW LOAD_ATTR LOAD_METHOD STORE_NAME"
    " STORE_FAST".split()
)


def names_of(code: CodeType) -> set[str]:
    """All names that a code object speaks of, and those in it."""
    found = set(code.co_names)
    for dotted in [name for name in found if "." in name]:  # a module's
        found.update(dotted.split("."))
    for const in code.co_consts:
        if isinstance(const, CodeType):
            found |= names_of(const)
        elif type(const) is tuple:  # of keywords, or of the attributes that a pattern looks at
            found.update(name for name in const if type(name) is str)
        elif type(const) is str:
            if const[:2] == "__":
                found.add(const)
            elif _READS.search(const):
                found.add(TEMPLATE)
    return found


def opcodes_of(code: CodeType) -> set[int]:
    """All that its steps are, and of those in it: most codes have few kinds of them."""
    found = {*code.co_code[::2]}
    for const in code.co_consts:
        if isinstance(const, CodeType):
            found |= opcodes_of(const)
    return found


def sets_attributes(code: CodeType) -> bool:
    """Of other things than `self`."""
    if not SETTING.isdisjoint(code.co_code[::2]):
        for (what, argument), (then, _) in pairwise(steps(code)):
            if then in ("STORE_ATTR", "DELETE_ATTR"):
                one = argument & 15 if what.count("_FAST") > 1 else argument  # the second of two
                if "LOAD_FAST" not in what or code.co_varnames[one : one + 1] != ("self",):
                    return True
    return any(sets_attributes(one) for one in code.co_consts if isinstance(one, CodeType))


def steps(code: CodeType) -> list[tuple[str, int]]:
    done = zip(code.co_code[::2], code.co_code[1::2], strict=True)
    return [(_STEPS[what], argument) for what, argument in done if what != OF["CACHE"]]


def name_at(code: CodeType, what: str, argument: int) -> str:
    """Which name a step is about, if it is; of some hundred names, perhaps another."""
    if what not in _BY_NAME:
        return ""
    names = code.co_varnames if "FAST" in what else code.co_names
    halved = what == "LOAD_GLOBAL" or (what == "LOAD_ATTR" and sys.version_info >= (3, 12))
    return names[argument >> halved]
