"""Which solutions are plain: they answer a planned test alone as they do beside the test's code.

A plain solution speaks of nothing but built-in names, modules and special methods that tell nothing
of the process. It cannot see who calls it, which objects it has, or its namespace, reads no names
out of texts, binds no global name as it runs, and sets nothing that it does not name. In: its code,
which is not run. Out: `is_plain`, and for most already `is_plain_at_sight`, which says as well that
the solution is tidy. In doubt no: then its tests' code runs. Pure.
"""

from __future__ import annotations

import builtins
import opcode
import sys
from collections.abc import Iterator, Set
from types import CodeType

from .bytecode import OF, SETTING, TEMPLATE, name_at, sets_attributes, steps
from .tidy import GROUPS, KEEPING, at_sight, kinds_of

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
    " singledispatch singledispatchmethod update_wrapper wraps make_dataclass deepcopy global_enum"
    " testing ctypeslib lib bltns tobytes NewType".split()
)
"""Names by which a solution would do, or see, one of the things above."""
_OF_SELF = frozenset(
    "__init__ __post_init__ __name__ __len__ __getitem__ __setitem__ __iter__ __next__"
    " __contains__ __call__".split()
)
"""Special names that may be read off a value: the others tell two equal ones apart."""
_METHODS = frozenset(
    name
    for kind in (str, list, dict, set, frozenset, tuple, int, float, complex, bytes, range)
    for name in dir(kind)
    if callable(getattr(kind, name)) and name != "format"  # whose call may look like a value
)
IS_OP = OF["IS_OP"]
_LOOKED_AT = frozenset(("compile", "format", "type"))
_GLOBAL = ("LOAD_GLOBAL", "LOAD_NAME")
_ATTRIBUTE = ("LOAD_ATTR", "LOAD_METHOD")
_NAMED = tuple(map(OF.__getitem__, _GLOBAL))
_OF_FRAMES = ("gi_", "cr_", "ag_", "tb_")
"""How the attributes begin that lead to a frame."""
_BINDING = frozenset((OF["STORE_GLOBAL"], OF["DELETE_GLOBAL"], OF["MATCH_CLASS"]))
"""Steps that bind a name for all of it, and one that reads attributes by a list of names."""
_PASSED = {*OF.values()} - _BINDING - {OF["IMPORT_NAME"]}
_NOT_ON = frozenset(OF[name] for name in ("POP_TOP", "EXTENDED_ARG", "NOT_TAKEN") if name in OF)
_MOST_NAMES = 127
"""So many one step can tell apart."""
_KNOWN: tuple[object, ...] = (None, True, False, ...)


_AT_SIGHT = _STRANGE | _OTHER_MODULES | _LOOKED_AT | KEEPING
_STEPS_AT_SIGHT = kinds_of(frozenset(_PASSED) - SETTING - GROUPS - {IS_OP})


def is_plain_at_sight(code: CodeType) -> bool:
    """Whether steps and names alone say that a solution is plain, that it `tells_identity` of
    nothing, and that it is tidy: so with most."""
    return at_sight(code, _STEPS_AT_SIGHT, _AT_SIGHT, methods=_METHODS)


def is_plain(code: CodeType, names: Set[str], used: Set[int]) -> bool:
    """Whether this holds of a solution's code that `tells_identity` lets pass (`names`: all that it
    speaks of; `used`: its opcodes). One that sets an attribute of anything but `self` (a module's,
    perhaps) is not plain."""
    strange = not names.isdisjoint(_STRANGE) or any(map(_is_strange, names))
    strange |= {TEMPLATE, "format"} <= names
    if strange or (not SETTING.isdisjoint(used) and sets_attributes(code)):
        return False
    looks = not _LOOKED_AT.isdisjoint(names) or "_" in {name[:1] for name in names}
    as_value = OF["LOAD_ATTR"] in used and not _METHODS.isdisjoint(names)
    if not (looks or as_value) and _PASSED.issuperset(used):
        return True
    return not _does_more(code, looks)


def _is_strange(name: str) -> bool:
    if name[:2] == "__":
        return name not in _SPECIAL
    return name.startswith(_OF_FRAMES) or name.lstrip("_") in _OTHER_MODULES


def _does_more(code: CodeType, looks: bool, in_function: bool = False) -> bool:
    """Whether it binds a name for all of it as it runs, imports a module that is not plain,
    compiles a text, fills a template that it does not write out, makes classes by calls, or reads
    off a value what is private or tells two equal ones apart. (`looks`: it speaks of something by
    which that might be.)"""
    used, names = {*code.co_code[::2]}, code.co_names
    if not used.isdisjoint(_BINDING):
        return True
    as_value = in_function and OF["LOAD_ATTR"] in used and not _METHODS.isdisjoint(names)
    if looks or as_value or OF["IMPORT_NAME"] in used:
        if len(names) > _MOST_NAMES or any(_is_more(*step, in_function) for step in _named(code)):
            return True
        if "type" in names and any(n > 2 for what, n in steps(code) if what[:4] == "CALL"):
            return True
    inner = (one for one in code.co_consts if isinstance(one, CodeType))
    return any(_does_more(one, looks, True) for one in inner)


def _named(code: CodeType) -> Iterator[tuple[str, int, str, str, str]]:
    """Each step with its argument and name, and the one before with its name."""
    before = known = ""
    for what, argument in steps(code):
        name = code.co_names[argument] if what == "IMPORT_NAME" else name_at(code, what, argument)
        yield what, argument, name, before, known
        before, known = what, name


def _is_more(
    what: str, argument: int, name: str, before: str, known: str, in_function: bool
) -> bool:
    if what == "IMPORT_NAME":
        return name.partition(".")[0] not in _PLAIN_MODULES
    if what in _GLOBAL:
        return name == "compile"
    if what not in _ATTRIBUTE:
        return False
    if name == "format" and before != "LOAD_CONST":  # of a template that no one has read
        return True
    if name[:1] == "_" and name not in _OF_SELF and known != "self":
        return True
    called = what != "LOAD_ATTR" or (sys.version_info >= (3, 12) and argument & 1)
    return in_function and name in _METHODS and not called and before not in _GLOBAL


def tells_identity(code: CodeType) -> bool:
    """Whether there is an `is` in it, but with None, a yes or no, or a class of Python's, which is
    put on its right side in every case."""
    if IS_OP in code.co_code[::2]:
        done = zip(code.co_code[::2], code.co_code[1::2], strict=True)
        real = [(what, argument) for what, argument in done if what != OF["CACHE"]]
        for at, (what, _) in enumerate(real):
            if what == IS_OP and not (
                _leads_on(real[at - 2][0]) and _is_known(code, *real[at - 1])
            ):
                return True
    return any(tells_identity(one) for one in code.co_consts if isinstance(one, CodeType))


def _leads_on(what: int) -> bool:
    """Whether the step after this one comes after no other, and has a small argument."""
    return what not in _NOT_ON and "JUMP" not in opcode.opname[what]


def _is_known(code: CodeType, what: int, argument: int) -> bool:
    """Whether this loads something that is one object in each process."""
    if what == OF["LOAD_CONST"]:
        return code.co_consts[argument] in _KNOWN
    if what in _NAMED:
        names = code.co_names
        at = argument >> (what == OF["LOAD_GLOBAL"])
        return at < len(names) and isinstance(getattr(builtins, names[at], None), type)
    return False
