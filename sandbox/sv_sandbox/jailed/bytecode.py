"""What code may leave in its process: read in its names and its byte code.

In: the code of a solution or a test, which is not run. Out: whether what runs after it in the same
process may find something that `state` does not notice (`KEEPING`, `changes_imported`, `is_tidy`).
In doubt yes, which costs time and no verdict; what hides behind other names is not found. Pure.
"""

from __future__ import annotations

import opcode
import re
import sys
from collections.abc import Mapping, Set
from itertools import pairwise
from types import CodeType, MappingProxyType

_STATELESS = frozenset(
    "__future__ abc argparse array ast asyncio base64 binascii bisect bz2 calendar cmath cmd code"
    " collections colorsys configparser contextlib copy dataclasses datetime decimal"
    " difflib enum errno fnmatch fractions functools glob graphlib gzip hashlib heapq hmac html"
    " inspect io ipaddress itertools json keyword locale lzma marshal math numbers opcode operator"
    " optparse os pathlib pickle platform posixpath pprint profile queue random re reprlib sched"
    " secrets select shlex shutil stat statistics string stringprep struct symbol sys"
    " tarfile tempfile test textwrap this time timeit token tokenize traceback types typing"
    " unicodedata unittest urllib uuid warnings zipfile zlib zoneinfo".split()
)
"""Modules that keep nothing for all who use them, or only what `state.State` looks at."""
KEEPING = (sys.stdlib_module_names - _STATELESS) | frozenset(
    "set_printoptions set_string_function set_option set_default_dtype setfirstweekday capitals"
    " ContextVar __subclasses__ register modules setattr delattr vars"
    " overload clear_overloads final no_type_check dataclass_transform runtime_checkable Annotated"
    " EXCLUDED_ATTRIBUTES"
    " __dict__ __setattr__ __delattr__".split()
)
"""Names of what keeps things where `state.State` does not look: who speaks of them may have left
something."""
_READS = re.compile(r"\{[^{}:]*[.\[]")
"""A template that reads an attribute or an item."""
TEMPLATE = "{.}"
"""Stands for one among the names."""
OF = opcode.opmap
_STEPS = {number: name for name, number in OF.items()}
_BY_NAME = frozenset(
    "LOAD_GLOBAL LOAD_NAME LOAD_FAST LOAD_FAST_BORROW LOAD_ATTR LOAD_METHOD STORE_NAME"
    " STORE_FAST".split()
)
_IMPORTS = frozenset((OF["IMPORT_NAME"], OF["IMPORT_FROM"]))
SETTING = frozenset((OF["STORE_ATTR"], OF["DELETE_ATTR"]))
_CHANGED_AT = {
    **dict.fromkeys(("STORE_ATTR", "DELETE_ATTR"), 1),
    **dict.fromkeys(("STORE_SUBSCR", "DELETE_SUBSCR"), 2),
    "STORE_SLICE": 3,
}
"""Steps that change something, and where that stands among the last values."""
_BUILDING = frozenset("BUILD_TUPLE BUILD_LIST BUILD_SET BUILD_SLICE BUILD_STRING".split())
"""Steps that make one value of the last ones."""
_SEEN = frozenset(("sys", "os"))
"""Modules of which `state.State` sees what programs change: the path, the environment, ..."""
_FOREIGN = -1
_CHANGING = frozenset(
    "append update pop clear extend insert remove setdefault add sort reverse discard popitem"
    " appendleft extendleft __setitem__ __delitem__".split()
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


def may_keep(code: CodeType, used: Set[int]) -> bool:
    """Whether it may change what it imports, or sets attributes (`used`: its opcodes)."""
    return (not used.isdisjoint(_IMPORTS) and changes_imported(code)) or (
        not used.isdisjoint(SETTING) and sets_attributes(code)
    )


def is_tidy(code: CodeType, names: Set[str]) -> bool:
    """Whether a test's code can have changed nothing but what is its own and what `state.State`
    sees: the tests after it run in the same process."""
    names = names | names_of(code)
    known = names.isdisjoint(KEEPING) and names.isdisjoint(("exec", "eval", "globals"))
    return known and not may_keep(code, opcodes_of(code))


def sets_attributes(code: CodeType) -> bool:
    """Of other things than `self`."""
    if not SETTING.isdisjoint(code.co_code[::2]):
        for (what, argument), (then, _) in pairwise(steps(code)):
            if then in ("STORE_ATTR", "DELETE_ATTR"):
                one = argument & 15 if what.count("_FAST") > 1 else argument  # the second of two
                if "LOAD_FAST" not in what or code.co_varnames[one : one + 1] != ("self",):
                    return True
    return any(sets_attributes(one) for one in code.co_consts if isinstance(one, CodeType))


def changes_imported(code: CodeType, imported: Mapping[str, int] = MappingProxyType({})) -> bool:
    """Whether it sets or deletes an attribute or an item of something that lies in what it imports,
    or calls a method there that changes lists and the like. `imported`: names, 0 for a module's."""
    used = {*code.co_code[::2]}
    if not used.isdisjoint(_IMPORTS) or not imported.keys().isdisjoint(code.co_names):
        found = _Imported(code, dict(imported))
        if found.is_changed:
            return True
        imported = found.names
    inner = (one for one in code.co_consts if isinstance(one, CodeType))
    return any(changes_imported(one, imported) for one in inner)


class _Imported:
    """What the steps of a code do with what it imports, as far as one looks at them in order."""

    def __init__(self, code: CodeType, names: dict[str, int]):
        self.names, self.is_changed = names, False
        depths: list[int] = []  # how deep in something imported the last values lie
        for what, argument in steps(code):
            name = name_at(code, what, argument)
            top = depths[-1] if depths else _FOREIGN
            # COPY: `a.b += 1`, `a[0] += 1`
            at = argument if what == "COPY" else _CHANGED_AT.get(what, 0)
            if at:
                self.is_changed |= len(depths) >= at and depths[-at] != _FOREIGN
                depths.clear()
            elif what in ("LOAD_ATTR", "LOAD_METHOD"):
                self.is_changed |= top > 0 and name in _CHANGING
                depths[-1:] = [top + (top >= 0)]
            elif what == "BINARY_SUBSCR":
                del depths[-1:]
            elif what in _BUILDING:
                depths[len(depths) - argument :] = [_FOREIGN]
            elif what == "IMPORT_NAME":
                depths[-1:] = [_FOREIGN if code.co_names[argument] in _SEEN else 0]
            elif what == "IMPORT_FROM":
                depths.append(1)
            elif what[:5] == "LOAD_":
                depths.append(names.get(name, _FOREIGN) if name else _FOREIGN)
            else:
                if name and top >= 0:  # it is stored
                    names[name] = top
                depths.clear()


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
