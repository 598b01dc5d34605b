"""What the tests of a row could leave to the next one in the interpreter: noticed, or put back.

In: the names that the row's code speaks of; a module that it never names is not looked into.
`begin` puts back random numbers as they were before the solution was loaded; `changed` tells
whether the rest is as it was after that (`loaded`). A process where it is not ends, and the next
cell begins in a fresh one.
"""

from __future__ import annotations

import _locale
import _signal  # type: ignore[import-not-found]  # answers without enumeration
import builtins
import contextlib
import decimal
import gc
import opcode
import os
import random
import signal
import sys
import threading
import time
import warnings
from collections.abc import Mapping, Set
from itertools import pairwise
from types import CodeType, MappingProxyType, ModuleType
from typing import Any

from .shared import levels
from .values import native

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
"""Modules that keep nothing for all who use them, or what `State` looks at."""
_KEEPING = (sys.stdlib_module_names - _STATELESS) | frozenset(
    "set_printoptions set_string_function set_option set_default_dtype setfirstweekday capitals"
    " ContextVar __subclasses__ register modules setattr delattr vars"
    " __dict__ __setattr__ __delattr__".split()
)
"""Names of what keeps things where nobody looks: who speaks of them may have left something."""
TELLING = frozenset(
    "_getframe inspect currentframe f_back tb_frame walk_stack walk_tb _current_frames stacklevel"
    " findCaller extract_stack print_stack format_stack modules set_int_max_str_digits"
    " setattr delattr vars __dict__ __setattr__ __delattr__ id is_ is_not intern getrefcount"
    " getsizeof pickle marshal".split()
)
"""And by which a solution sees who calls it, or with which objects, or how numbers are shown."""
PROCESS = (_KEEPING | TELLING) | frozenset(
    "get_running_loop get_event_loop current_task all_tasks globals locals eval exec"
    " getallocatedblocks process_time thread_time getpid getcontext setcontext localcontext"
    " setrecursionlimit setlocale chdir seterr errstate tzset settrace setprofile".split()
)
"""And by which it measures its process, or sees and changes what a test's code sees of its own."""
_OF = opcode.opmap
_NAMED = (_OF["LOAD_GLOBAL"], _OF["LOAD_NAME"])
_STEPS = {number: name for name, number in _OF.items()}
_BY_NAME = frozenset(
    "LOAD_GLOBAL LOAD_NAME LOAD_FAST LOAD_FAST_BORROW LOAD_ATTR LOAD_METHOD STORE_GLOBAL STORE_NAME"
    " STORE_FAST".split()
)
_IMPORTS = frozenset((_OF["IMPORT_NAME"], _OF["IMPORT_FROM"]))
_CHANGED_AT = {
    **dict.fromkeys(("STORE_ATTR", "DELETE_ATTR"), 1),
    **dict.fromkeys(("STORE_SUBSCR", "DELETE_SUBSCR"), 2),
    "STORE_SLICE": 3,
}
"""Steps that change something, and where that stands among the last values."""
_SEEN = frozenset(("sys", "os"))
"""Modules of which `State` sees what programs change: the path, the environment, ..."""
_FOREIGN = -1
_CHANGING = frozenset(
    "append update pop clear extend insert remove setdefault add sort reverse discard popitem"
    " appendleft extendleft __setitem__ __delitem__".split()
)
_MOST_FILES = 1_000
_KNOWN: tuple[object, ...] = (None, True, False, ...)


def names_of(code: CodeType) -> set[str]:
    """All names that a code object speaks of, and those in it."""
    found = set(code.co_names)
    for dotted in [name for name in found if "." in name]:  # a module's
        found.update(dotted.split("."))
    for const in code.co_consts:
        if isinstance(const, CodeType):
            found |= names_of(const)
        elif const == "_getframe" or (type(const) is tuple and "stacklevel" in const):
            found.add("_getframe")
    return found


def needs_its_test(code: CodeType, names: set[str], telling: frozenset[str]) -> bool:
    """Whether a solution's code (`names`: all that it speaks of) may behave otherwise where its
    test is in another process: it uses what is `telling`, sets an attribute as it is loaded (a
    module's, perhaps), or asks whether two things are one object. See also `changes_imported`."""
    stores = _OF["STORE_ATTR"] in code.co_code[::2]
    return stores or not names.isdisjoint(telling) or _tells_identity(code)


def is_tidy(code: CodeType, names: Set[str]) -> bool:
    """Whether a test's code can have changed nothing but what is its own and what `State` sees: the
    tests after it run in the same process."""
    names = names | names_of(code)
    known = names.isdisjoint(_KEEPING) and names.isdisjoint(("exec", "eval", "globals"))
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
            elif what == "BUILD_SLICE":
                depths[-argument:] = [_FOREIGN]
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


class State:
    """The interpreter as it is now, before anything foreign has run."""

    def __init__(self, names: set[str], leaves: bool = False):
        self._names = names
        self._modules: list[dict[str, Any]] = []
        self._random = random.getstate() if "random" in names else None
        numbers = sys.modules.get("numpy.random") if "random" in names else None
        self._numpy_random: Any = numbers
        self._numpy_state = numbers.get_state() if numbers is not None else None
        self._numbers: Any = None
        self.leaves = leaves or not names.isdisjoint(_KEEPING)
        """Whether a cell may have left something that `changed` does not see."""
        self._before = _held()
        self._first: object = None

    def loaded(self) -> None:
        """The solution was loaded for the first time."""
        names = {"builtins", *self._names} - {"test", "solution"}
        modules = (sys.modules.get(name) for name in names)
        self._modules = [vars(module) for module in modules if type(module) is ModuleType]
        self._numbers = decimal.Context.copy(decimal.getcontext())
        self._first = self._now()

    def begin(self) -> None:
        """Another cell begins; the solution will be loaded for it."""
        if self._random is not None:
            random.setstate(self._random)
        if self._numpy_state is not None:
            self._numpy_random.set_state(self._numpy_state)

    @staticmethod
    def let_go(namespace: dict[str, Any]) -> None:
        """A cell is over: what it held is not to be missing in the next one. (A recycled subject
        holds little, and loses all of it.)"""
        namespace.clear()
        if not native.recycled():
            gc.collect()

    def changed(self) -> bool:
        """Whether a cell has left something."""
        try:
            return bool(self._now() != self._first)
        except Exception:  # what we call is no longer what it was
            return True

    def loads_otherwise(self) -> bool:
        """Whether a solution that is loaded again would not find what it found at first."""
        return self.leaves or _held() != self._before

    def _now(self) -> tuple[object, ...]:
        return (
            native.checksum(self._modules),
            sys.getrecursionlimit(),
            sys.getswitchinterval(),
            sys.get_int_max_str_digits(),
            sys.gettrace() is None,
            sys.getprofile() is None,
            _signal.getsignal(signal.SIGALRM),
            _signal.getsignal(signal.SIGINT),
            list(map(id, warnings.filters)),
            _held(),
            [getattr(one, "closed", True) for one in (sys.stdin, sys.stdout, sys.stderr)],
            sys.path[:],
            _loop(),
            _numpy(),
            gc.isenabled(),
            gc.get_threshold(),
            time.tzname,
            "modules" in self._names and None in sys.modules.values(),
            self._numbers is not None and decimal.getcontext().traps == self._numbers.traps,
            dict(decimal.getcontext().flags) if "getcontext" in self._names else None,
            *_of_libraries(),
            # In a recycled subject no call gets through that could change what the kernel holds.
            () if native.recycled() else _of_kernel("umask" in self._names),
        )


def _loop() -> object:
    """Which event loop this thread has, if any was ever made or closed."""
    events = sys.modules.get("asyncio.events")
    if events is None:  # as when it is there and has none
        return 0, id(None), False
    policy = getattr(events, "_event_loop_policy", None)
    local = getattr(policy, "_local", None)
    return (id(policy) if policy else 0, id(getattr(local, "_loop", None)), _set_called(local))


def _set_called(local: object) -> bool:
    return bool(getattr(local, "_set_called", False))


def _held() -> tuple[object, ...]:
    """What a solution that is loaded again should find as it was before the first time."""
    # In a recycled subject no call gets through that could change what the kernel holds.
    kept = () if native.recycled() else (_files(), _streams())
    return _environment(), sys.argv[:], *kept


def _of_kernel(umask: bool) -> tuple[object, ...]:
    timer = signal.getitimer(signal.ITIMER_REAL)[0] > 0
    return threading.active_count(), timer, os.getcwd(), umask and _umask()


def _environment() -> dict[Any, Any]:
    """As bytes, which is what it holds: decoding all of it would take as long as the rest."""
    return dict(getattr(os.environ, "_data", os.environ))


def _umask() -> int:
    mask = os.umask(0o22)
    os.umask(mask)
    return mask


def _files(folder: str = ".") -> list[tuple[object, ...]]:
    """All in the scratch folder, and when it was last changed."""
    found: list[tuple[object, ...]] = []
    for one in os.scandir(folder):  # no more: to ask for the temporary folder writes a file
        if len(found) > _MOST_FILES:
            return [(object(),)]  # equal to nothing
        told = one.stat(follow_symlinks=False)
        found.append((one.path, told.st_ino, told.st_size, told.st_mtime_ns, told.st_ctime_ns))
        if one.is_dir(follow_symlinks=False):
            found += _files(one.path)
    return found  # in no order: another one is a change


def _streams() -> list[int]:
    """What stands behind standard input, output and errors, as far as it is open."""
    found = []
    for descriptor in (0, 1, 2):
        with contextlib.suppress(OSError):
            found.append(os.fstat(descriptor).st_ino)
    return found


def _of_libraries() -> tuple[object, ...]:
    """What C code and objects hold, which no module's names show. An import alone is no change."""
    language = _locale.setlocale(_locale.LC_ALL)
    context: Any = decimal.getcontext()
    numbers = (
        context.prec,
        context.rounding,
        context.Emin,
        context.Emax,
        context.clamp,
        context.capitals,
    )
    logging: Any = sys.modules.get("logging")
    root = logging and logging.root
    logs = (root.manager.disable, root.handlers[:]) if root else (0, [])
    return language, numbers, logs, levels()


def _numpy() -> object:
    numpy = sys.modules.get("numpy")
    if numpy is None or not hasattr(numpy, "geterr"):
        return None
    return sorted(numpy.geterr().items())
