"""The globals of a test: its own names, and behind them those of the solution, read when a name is.

In: where names come from (`Names`). Out: a dictionary to run the test's code in, and the modules by
which a test may speak of the solution: `solution`, its own module, modules beside the solution. The
solution learns of a name only when the evaluation of the test reaches it.
"""

from __future__ import annotations

import builtins
import contextlib
import importlib.machinery
import sys
from collections.abc import Callable, ItemsView, Iterator, KeysView, ValuesView
from types import ModuleType
from typing import TYPE_CHECKING, Any

from . import plan, proxies
from .values import CodecError

if TYPE_CHECKING:
    from .judge import Judge
    from .testcode import TestCode


class Names:
    """Where a test's undefined names come from."""

    def read(self, name: str, asked_for: bool = False) -> object:
        """The value; `asked_for` of the solution by name. Raises KeyError."""
        raise KeyError(name)

    def listed(self) -> list[str]:
        """All public names."""
        return []

    def brought(self) -> list[str]:
        """What `from solution import *` brings."""
        return self.listed()

    def all(self) -> dict[str, object]:
        """What the solution's module holds, as far as it is public."""
        return {name: self.read(name, True) for name in self.listed()}

    def set(self, name: str, value: object) -> None:
        """The test rebinds a name in the solution's module."""

    def module(self, name: str) -> object:
        """A module beside the solution. Raises ImportError."""
        raise ImportError(name)


class NoSolution(Exception):
    """What a name with nothing behind it raises when it is called: no test expects just that."""


class VacuousNames(Names):
    """Names with nothing behind them."""

    def __init__(self, entry_point: str | None):
        self._entry_point = entry_point

    def read(self, name: str, asked_for: bool = False) -> object:
        """Something that raises."""
        if (plan.is_builtin(name) and name != self._entry_point) or name.startswith("__"):
            raise KeyError(name)
        return _nothing


def _nothing(*args: object, **kwargs: object) -> object:
    raise NoSolution


_TOLD_OF_MODULES = ("__version__", "__all__", "__author__")


class SolutionNames(Names):
    """The names of the solution, asked for when they are read."""

    def __init__(self, judge: Judge, test: TestCode):
        self._judge, self._entry_point, self._binds = judge, test.entry_point, test.binds
        self._spoken_of = test.names
        self._known: dict[str, object] = {}

    def read(self, name: str, asked_for: bool = False) -> object:
        """Raises KeyError for what neither the solution nor this rule has: built-in names are the
        test's, except the declared entry point, and what it imports from the solution by name."""
        if plan.is_builtin(name) and name != self._entry_point and not asked_for:
            raise KeyError(name)
        if name in self._known:
            return self._known[name]
        if name.startswith("__") and name.endswith("__") and name not in _TOLD_OF_MODULES:
            raise KeyError(name)
        found, value = self._judge.hearing.name(name, self._entry_point, asked_for)
        if not found:
            raise KeyError(name)
        if proxies.is_fixed(value):  # a function or class: what it is bound to hardly changes
            self._known[name] = value
        return value

    def listed(self) -> list[str]:
        """All public names."""
        names = self._judge.link.ask("names")
        if type(names) is not tuple or not all(type(name) is str for name in names):
            raise CodecError("not names")
        kept = [name for name in names if not plan.is_builtin(name) or name == self._entry_point]
        return [name for name in kept if name[:2] != "__" and name not in self._binds]

    def brought(self) -> list[str]:
        """Those that the test's text speaks of: the others are found behind its own, if at all."""
        names = self.listed()
        if "__all__" in self._spoken_of:
            return names
        return [name for name in names if name in self._spoken_of]

    def set(self, name: str, value: object) -> None:
        """The solution would not see it."""
        self._judge.one_process(f"the test sets {name} in the solution's module")

    def module(self, name: str) -> object:
        """A module beside the solution."""
        return self._judge.hearing.beside(name)


class TestNamespace(dict[str, Any]):
    """Python looks names up here; what is missing is read from `names`."""

    def __init__(self, names: Names):
        super().__init__(__name__="test", __doc__=None, __package__=None, __loader__=None)
        self["__file__"] = "test.py"
        self["__builtins__"] = _Builtins(names)
        self._names = names
        sys.modules["test"] = sys.modules["__main__"] = _Module("test", self)

    def __missing__(self, name: str) -> object:
        return self._names.read(name)  # else Python asks `_Builtins`

    def get(self, name: str, default: object = None) -> object:
        """As a dictionary, with the solution's names."""
        try:
            return self[name]
        except KeyError:
            return default

    def __contains__(self, name: object) -> bool:
        if dict.__contains__(self, name):
            return True
        try:
            return isinstance(name, str) and self._names.read(name) is not self
        except KeyError:
            return False

    # Whoever looks through it finds the solution's names, too, as in one process.

    def __iter__(self) -> Iterator[str]:
        own = dict.keys(self)
        return iter([*(name for name in self._names.listed() if name not in own), *own])

    def __len__(self) -> int:
        return len(list(self))

    def keys(self) -> Any:
        return KeysView(self)

    def values(self) -> Any:
        return ValuesView(self)

    def items(self) -> Any:
        return ItemsView(self)

    def copy(self) -> dict[str, Any]:
        return dict(self.items())

    # As of a module (`_Module`): see `Names`.

    def read(self, name: str, asked_for: bool) -> object:
        return self[name]

    def listed(self) -> list[str]:
        return list(self)

    brought = listed

    def all(self) -> dict[str, object]:
        return self

    def set(self, name: str, value: object) -> None:
        self[name] = value


class _Builtins(dict[str, Any]):
    """Where Python looks a name up that is no global (in the body of a class it asks no other)."""

    def __init__(self, names: Names):
        super().__init__(__import__=builtins.__import__)
        self._names = names

    def __missing__(self, name: str) -> object:
        try:
            return self._names.read(name)
        except KeyError:
            return vars(builtins)[name]


_get: Callable[[object, str], Any] = object.__getattribute__
_set: Callable[[object, str, object], None] = object.__setattr__


class _Module(ModuleType):
    """`solution`, and what `sys.modules[__name__]` is to a test."""

    def __init__(self, name: str, names: Names | TestNamespace):
        super().__init__(name)
        _set(self, "_sv_names", names)

    @property
    def __dict__(self) -> Any:  # type: ignore[override]
        names: Names | TestNamespace = _get(self, "_sv_names")
        asks = sys._getframe(1).f_globals.get("__name__")
        if asks == "doctest" and isinstance(names, TestNamespace):
            return dict(dict.items(names))  # the solution's examples are its own word
        return names.all()

    def __getattr__(self, name: str) -> object:
        names: Names | TestNamespace = _get(self, "_sv_names")
        if name == "__all__":
            return names.brought()
        try:
            return names.read(name, True)
        except KeyError:
            of = _get(self, "__name__")
            raise AttributeError(f"module {of!r} has no attribute {name!r}") from None

    def __setattr__(self, name: str, value: object) -> None:
        if name.startswith("__"):  # as the import system does
            _set(self, name, value)
        else:
            _get(self, "_sv_names").set(name, value)

    def __dir__(self) -> list[str]:
        return list(_get(self, "_sv_names").listed())


# In the body of a class this has a meaning.
setattr(  # noqa: B010
    _Module, "__doc__", property(lambda self: dict.get(_get(self, "_sv_names").all(), "__doc__"))
)


class _Finder:
    """Finds modules that lie beside the solution."""

    def __init__(self, names: Names, modules: set[str]):
        self._names, self._modules = names, modules

    def find_spec(self, name: str, path: object = None, target: object = None) -> object:
        """As the import system asks."""
        if name.partition(".")[0] not in self._modules:
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)  # type: ignore[arg-type]

    def create_module(self, spec: Any) -> object:
        """A module whose names are those of the one beside the solution."""
        made = _Beside(spec.name)
        made.__dict__["_sv_original"] = self._names.module(spec.name)
        return made

    def exec_module(self, module: ModuleType) -> None:
        """Nothing runs here."""


class _Beside(ModuleType):
    def __getattr__(self, name: str) -> object:
        if name == "__path__" or "_sv_original" not in self.__dict__:
            raise AttributeError(name)
        original = self.__dict__["_sv_original"]
        if name == "__all__":  # what `import *` asks first
            return getattr(original, name, [one for one in dir(original) if one[:1] != "_"])
        return getattr(original, name)


@contextlib.contextmanager
def finding(names: Names, modules: set[str]) -> Iterator[None]:
    """`import solution`, and modules beside it, find those of `names`."""
    finder: Any = _Finder(names, modules)
    sys.modules["solution"] = _Module("solution", names)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in [name for name in sys.modules if name.partition(".")[0] in modules]:
            del sys.modules[name]
