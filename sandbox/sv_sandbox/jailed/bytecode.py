"""What code says it may do to its process, or see of it: read in its names and its byte code.

In: the code of a solution or a test, which is not run. Out: whether a solution may behave otherwise
where no test's code runs (`needs_its_test`), and whether what runs after it in the same process may
find something that `state` does not notice (`KEEPING`, `changes_imported`, `is_tidy`). In doubt
yes, which costs time and no verdict; what hides behind other names is not found. Pure.
"""

from __future__ import annotations

import builtins
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
    " __dict__ __setattr__ __delattr__".split()
)
"""Names of what keeps things where `state.State` does not look: who speaks of them may have left
something."""
_PLAIN_MODULES = frozenset(
    "__future__ abc array base64 binascii bisect calendar cmath collections copy dataclasses"
    " datetime decimal enum fractions functools hashlib hmac heapq itertools json math numbers"
    " operator pprint queue random re statistics string struct textwrap typing unicodedata zlib"
    " numpy pandas scipy sympy".split()
)
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
    " may_share_memory seterr errstate seterrcall set_printoptions".split()
)
"""A solution that speaks of nothing but plain names and modules answers a planned test alone as it
does beside the test's code. Strange are names by which it could see who calls it, which objects it
has, or its namespace; would read names out of texts; or sets what it does not name."""
_METHODS = frozenset(
    name
    for kind in (str, list, dict, set, frozenset, tuple, int, float, complex, bytes, range)
    for name in dir(kind)
    if callable(getattr(kind, name)) and name != "format"  # whose call may look like a value
)
_GLOBAL = ("LOAD_GLOBAL", "LOAD_NAME")
_OF_FRAMES = ("gi_", "cr_", "ag_", "tb_")
"""How the attributes begin that lead to a frame."""
_READS = re.compile(r"\{[^{}:]*[.\[]")
"""A template that reads an attribute or an item."""
_OF = opcode.opmap
_NAMED = (_OF["LOAD_GLOBAL"], _OF["LOAD_NAME"])
_STEPS = {number: name for name, number in _OF.items()}
_BY_NAME = frozenset(
    "LOAD_GLOBAL LOAD_NAME LOAD_FAST LOAD_FAST_BORROW LOAD_ATTR LOAD_METHOD STORE_NAME"
    " STORE_FAST".split()
)
_BINDING = frozenset((_OF["STORE_GLOBAL"], _OF["DELETE_GLOBAL"]))
_MOST_NAMES = 127
"""So many one step can tell apart."""
_IMPORTS = frozenset((_OF["IMPORT_NAME"], _OF["IMPORT_FROM"]))
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
_KNOWN: tuple[object, ...] = (None, True, False, ...)


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
        elif type(const) is str and _READS.search(const):
            found.add("format_map")
    return found


def needs_its_test(code: CodeType, names: set[str]) -> bool:
    """Whether a solution's code (`names`: all that it speaks of) may behave otherwise where no
    test's code runs: it is not plain, sets an attribute as it is loaded (a module's, perhaps), or
    asks whether two things are one object."""
    stores = _OF["STORE_ATTR"] in code.co_code[::2]
    strange = not names.isdisjoint(_STRANGE) or any(map(_is_strange, names))
    return stores or strange or _is_not_plain(code) or _tells_identity(code)


def _is_strange(name: str) -> bool:
    return (name[:2] == "__" and name not in _SPECIAL) or name.startswith(_OF_FRAMES)


def _is_not_plain(code: CodeType) -> bool:
    """Whether it binds a name for all of it as it runs, imports a module that is not plain,
    compiles a text, or uses a value's method as a value (which tells two equal ones apart)."""
    used, names = {*code.co_code[::2]}, code.co_names
    if not used.isdisjoint(_BINDING):
        return True
    imports = _OF["IMPORT_NAME"] in used or "compile" in names
    if imports or (_OF["LOAD_ATTR"] in used and not _METHODS.isdisjoint(names)):
        before = ""
        for what, argument in _steps(code):
            name = _name(code, what, argument)
            if what == "IMPORT_NAME":
                if names[argument].partition(".")[0] not in _PLAIN_MODULES:
                    return True
            elif what == "LOAD_ATTR" and name in _METHODS:
                called = sys.version_info >= (3, 12) and argument & 1
                if not called and before not in _GLOBAL:
                    return True
            elif what in _GLOBAL and name == "compile":
                return True
            before = what
        if len(names) > _MOST_NAMES:
            return True
    return any(_is_not_plain(one) for one in code.co_consts if isinstance(one, CodeType))


def is_tidy(code: CodeType, names: Set[str]) -> bool:
    """Whether a test's code can have changed nothing but what is its own and what `state.State`
    sees: the tests after it run in the same process."""
    names = names | names_of(code)
    known = names.isdisjoint(KEEPING) and names.isdisjoint(("exec", "eval", "globals"))
    return known and not (changes_imported(code) or _sets_attributes(code))


def _sets_attributes(code: CodeType) -> bool:
    """Of other things than `self`."""
    used = {*code.co_code[::2]}
    if not used.isdisjoint((_OF["STORE_ATTR"], _OF["DELETE_ATTR"])):
        for (what, argument), (then, _) in pairwise(_steps(code)):
            if then in ("STORE_ATTR", "DELETE_ATTR"):
                one = argument & 15 if what.count("_FAST") > 1 else argument  # the second of two
                if "LOAD_FAST" not in what or code.co_varnames[one : one + 1] != ("self",):
                    return True
    return any(_sets_attributes(one) for one in code.co_consts if isinstance(one, CodeType))


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
        for what, argument in _steps(code):
            name = _name(code, what, argument)
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


def _steps(code: CodeType) -> list[tuple[str, int]]:
    done = zip(code.co_code[::2], code.co_code[1::2], strict=True)
    return [(_STEPS[what], argument) for what, argument in done if what != _OF["CACHE"]]


def _name(code: CodeType, what: str, argument: int) -> str:
    """Which name a step is about, if it is; of some hundred names, perhaps another."""
    if what not in _BY_NAME:
        return ""
    names = code.co_varnames if "FAST" in what else code.co_names
    halved = what == "LOAD_GLOBAL" or (what == "LOAD_ATTR" and sys.version_info >= (3, 12))
    return names[argument >> halved]


def _tells_identity(code: CodeType) -> bool:
    """Whether there is an `is` in it, but with None, a yes or no, or a class of Python's."""
    done = code.co_code
    if _OF["IS_OP"] in done[::2]:
        before, argument = _OF["CACHE"], 0
        for what, with_what in zip(done[::2], done[1::2], strict=True):
            if what == _OF["IS_OP"] and not _is_known(code, before, argument):
                return True
            if what != _OF["CACHE"]:
                before, argument = what, with_what
    return any(_tells_identity(one) for one in code.co_consts if isinstance(one, CodeType))


def _is_known(code: CodeType, what: int, argument: int) -> bool:
    """Whether this loads something that is one object in each process."""
    if what == _OF["LOAD_CONST"]:
        return code.co_consts[argument] in _KNOWN
    if what in _NAMED:
        names = code.co_names
        at = argument >> (what == _OF["LOAD_GLOBAL"])
        return at < len(names) and isinstance(getattr(builtins, names[at], None), type)
    return False
