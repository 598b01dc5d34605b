"""Which solutions are plain: they answer a planned test alone as they do beside the test's code.

A plain solution speaks of nothing but built-in names, modules and special methods that tell nothing
of the process. It cannot see who calls it, which objects it has, or its namespace, reads no names
out of texts, binds no global name as it runs, and sets nothing that it does not name. In: its code,
which is not run. Out: `is_plain`. In doubt no: then its tests' code runs. Pure.
"""

from __future__ import annotations

import builtins
import sys
from types import CodeType

from .bytecode import OF, TEMPLATE, name_at, sets_attributes, steps

_PLAIN_MODULES = frozenset(
    "__future__ abc array base64 binascii bisect calendar cmath collections copy dataclasses"
    " datetime decimal enum fractions functools hashlib hmac heapq itertools json math numbers"
    " operator pprint queue random re statistics string struct textwrap typing unicodedata zlib"
    " numpy scipy".split()
)
_OTHER_MODULES = sys.stdlib_module_names - _PLAIN_MODULES
"""Whoever imports one, or reads it off another (`enum.sys`), is not plain."""
_PLAIN_NAMES = frozenset(
    "abs all any ascii bin bool bytearray bytes callable chr classmethod complex dict divmod"
    " enumerate filter float format frozenset hasattr hex int isinstance issubclass iter len list"
    " map max min next object oct ord pow print property range repr reversed round set slice sorted"
    " staticmethod str sum super tuple type zip compile NotImplemented Ellipsis __build_class__"
    " __name__".split()
)
_EXCEPTIONS = frozenset(
    name
    for name, value in vars(builtins).items()
    if isinstance(value, type) and issubclass(value, BaseException)
)
_SPECIAL = frozenset(
    f"__{name}__"
    for name in (
        "module qualname name main init new post_init slots len eq ne lt le gt ge hash repr str"
        " iter next getitem setitem delitem contains add radd sub rsub mul rmul truediv floordiv"
        " mod pow neg abs call bool enter exit iadd copy deepcopy missing index int float reversed"
    ).split()
)
_STRANGE = (frozenset(vars(builtins)) - _PLAIN_NAMES - _EXCEPTIONS) | frozenset(
    "format_map Formatter get_type_hints attrgetter methodcaller is_ is_not shares_memory"
    " may_share_memory seterr errstate seterrcall set_printoptions printoptions ForwardRef"
    " singledispatch singledispatchmethod update_wrapper bltns _create_fn tobytes".split()
)
"""Names by which a solution would do, or see, one of the things above."""
_METHODS = frozenset(
    name
    for kind in (str, list, dict, set, frozenset, tuple, int, float, complex, bytes, range)
    for name in dir(kind)
    if callable(getattr(kind, name)) and name != "format"  # whose call may look like a value
)
_GLOBAL = ("LOAD_GLOBAL", "LOAD_NAME")
_NAMED = tuple(map(OF.__getitem__, _GLOBAL))
_OF_FRAMES = ("gi_", "cr_", "ag_", "tb_")
"""How the attributes begin that lead to a frame."""
_BINDING = frozenset((OF["STORE_GLOBAL"], OF["DELETE_GLOBAL"]))
_MOST_NAMES = 127
"""So many one step can tell apart."""
_KNOWN: tuple[object, ...] = (None, True, False, ...)


def is_plain(code: CodeType, names: set[str]) -> bool:
    """Whether this holds of a solution's code (`names`: all that it speaks of). One that sets an
    attribute of anything but `self` (a module's, perhaps) is not plain."""
    strange = not names.isdisjoint(_STRANGE) or any(map(_is_strange, names))
    strange |= {TEMPLATE, "format"} <= names
    return not (strange or sets_attributes(code) or _does_more(code) or tells_identity(code))


def _is_strange(name: str) -> bool:
    if name[:2] == "__":
        return name not in _SPECIAL
    return name.startswith(_OF_FRAMES) or name.lstrip("_") in _OTHER_MODULES


def _does_more(code: CodeType, in_function: bool = False) -> bool:
    """Whether it binds a name for all of it as it runs, imports a module that is not plain,
    compiles a text, fills a template that it does not write out, or uses a value's method as a
    value (which tells two equal ones apart)."""
    used, names = {*code.co_code[::2]}, code.co_names
    if not used.isdisjoint(_BINDING):
        return True
    looks = OF["IMPORT_NAME"] in used or not {"compile", "format"}.isdisjoint(names)
    if looks or (in_function and OF["LOAD_ATTR"] in used and not _METHODS.isdisjoint(names)):
        before = ""
        for what, argument in steps(code):
            name = name_at(code, what, argument)
            if what == "IMPORT_NAME":
                if names[argument].partition(".")[0] not in _PLAIN_MODULES:
                    return True
            elif in_function and what == "LOAD_ATTR" and name in _METHODS:
                called = sys.version_info >= (3, 12) and argument & 1
                if not called and before not in _GLOBAL:
                    return True
            elif what in _GLOBAL and name == "compile":
                return True
            elif name == "format" and what not in _GLOBAL and before != "LOAD_CONST":
                return True  # of a template that no one has read
            before = what
        if len(names) > _MOST_NAMES:
            return True
    return any(_does_more(one, True) for one in code.co_consts if isinstance(one, CodeType))


def tells_identity(code: CodeType) -> bool:
    """Whether there is an `is` in it, but with None, a yes or no, or a class of Python's."""
    done = code.co_code
    if OF["IS_OP"] in done[::2]:
        before, argument = OF["CACHE"], 0
        for what, with_what in zip(done[::2], done[1::2], strict=True):
            if what == OF["IS_OP"] and not _is_known(code, before, argument):
                return True
            if what != OF["CACHE"]:
                before, argument = what, with_what
    return any(tells_identity(one) for one in code.co_consts if isinstance(one, CodeType))


def _is_known(code: CodeType, what: int, argument: int) -> bool:
    """Whether this loads something that is one object in each process."""
    if what == OF["LOAD_CONST"]:
        return code.co_consts[argument] in _KNOWN
    if what in _NAMED:
        names = code.co_names
        at = argument >> (what == OF["LOAD_GLOBAL"])
        return at < len(names) and isinstance(getattr(builtins, names[at], None), type)
    return False
