"""The names that a test gets by `import pytest`, in the process where test code runs.

`install` puts a module `pytest` into `sys.modules`, also where the real one could be imported.
Decorators only note what they were given (`Mark`, `Fixture`): `collect` acts on the notes. What
swallows an expected exception tells `sites`. A name that is missing is `NotAvailable`.
"""

from __future__ import annotations

import importlib
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType, TracebackType
from typing import Any, NoReturn, Protocol

from .pytest_approx import approx

Kinds = type[BaseException] | tuple[type[BaseException], ...]


class Sites(Protocol):
    """Who keeps account of assertions."""

    def caught(self, error: BaseException, kinds: Kinds) -> None:
        """`error`, which the test expects as one of `kinds`, is about to be swallowed."""

    def word(self, why: str) -> None:
        """A pass says less than the text does."""


class NoSites:
    def caught(self, error: BaseException, kinds: Kinds) -> None:
        pass

    def word(self, why: str) -> None:
        pass


sites: Sites = NoSites()


class Unsupported(BaseException):
    """The test asks for what nobody here can give it: no verdict, never a failure."""


class NotAvailable(AttributeError):
    """A name of pytest that is missing here."""


class Outcome(BaseException):
    """What a test says of itself. No `except Exception` of a test catches it, as in pytest."""


class Skipped(Outcome):
    __module__ = "builtins"


class Failed(Outcome):
    __module__ = "builtins"


class XFailed(Failed):
    pass


def skip(reason: str = "", *, allow_module_level: bool = False) -> NoReturn:
    raise Skipped(reason)


def fail(reason: str = "", pytrace: bool = True) -> NoReturn:
    raise Failed(reason)


def xfail(reason: str = "") -> NoReturn:
    raise XFailed(reason)


for _says, _kind in ((skip, Skipped), (fail, Failed), (xfail, XFailed)):
    setattr(_says, "Exception", _kind)  # noqa: B010 (a function has no such attribute for mypy)


def importorskip(modname: str, minversion: str | None = None, reason: str | None = None) -> object:
    try:
        module = importlib.import_module(modname)
    except ImportError as error:
        raise Skipped(reason or f"could not import {modname!r}: {error}") from None
    found = re.findall(r"\d+", getattr(module, "__version__", "0"))
    if [int(n) for n in found] < [int(n) for n in re.findall(r"\d+", minversion or "")]:
        raise Skipped(reason or f"module {modname!r} is older than {minversion}")
    return module


# ---- what decorators note -----------------------------------------------------------------------


@dataclass(frozen=True)
class Mark:
    """`@mark.name(*args, **kwargs)`; as a decorator it appends itself to `pytestmark`."""

    name: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, *args: Any, **kwargs: object) -> object:
        target = args[0] if len(args) == 1 and not kwargs else None
        if isinstance(target, type) or getattr(target, "__name__", "<lambda>") != "<lambda>":
            own = vars(target).get("pytestmark", []) if hasattr(target, "__dict__") else []
            target.pytestmark = [*(own if isinstance(own, list) else [own]), self]  # type: ignore[union-attr]
            return target
        return Mark(self.name, self.args + args, {**self.kwargs, **kwargs})


class Marks:
    def __getattr__(self, name: str) -> Mark:
        if name.startswith("_"):
            raise AttributeError(name)
        return Mark(name)


@dataclass(frozen=True)
class Param:
    """One set of arguments of `parametrize`, or one value of a fixture's `params`."""

    values: tuple[object, ...]
    id: str | None = None
    marks: tuple[Mark, ...] = ()


def param(*values: object, id: str | None = None, marks: Any = ()) -> Param:  # noqa: A002 (as pytest's)
    return Param(values, id, (marks,) if isinstance(marks, Mark) else tuple(marks))


@dataclass(frozen=True, eq=False)
class Fixture:
    function: Callable[..., object]
    scope: str = "function"
    params: tuple[object, ...] | None = None
    autouse: bool = False
    ids: object = None
    name: str | None = None
    bound: bool = False

    def __call__(self, *args: object, **kwargs: object) -> NoReturn:
        fail(f'Fixture "{self.function.__name__}" called directly')


def fixture(function: Callable[..., object] | None = None, **options: Any) -> object:
    if options.get("params") is not None:
        options["params"] = tuple(options["params"])
    if not isinstance(options.get("scope", ""), str):
        raise Unsupported("a fixture whose scope is computed")
    return Fixture(function, **options) if function else lambda f: Fixture(f, **options)


# ---- expected exceptions and warnings -----------------------------------------------------------


class ExceptionInfo:
    """What `raises` caught."""

    value: Any

    @property
    def type(self) -> object:
        return type(self.value)

    @property
    def typename(self) -> str:
        return type(self.value).__name__

    @property
    def tb(self) -> object:
        return self.value.__traceback__

    def exconly(self, tryshort: bool = False) -> str:
        return f"{self.typename}: {self.value}"

    def errisinstance(self, kinds: Kinds) -> bool:
        return isinstance(self.value, kinds)

    def match(self, pattern: str | re.Pattern[str]) -> bool:
        text = "\n".join([str(self.value), *getattr(self.value, "__notes__", [])])
        if not re.search(pattern, text):
            raise AssertionError(f"Regex pattern did not match.\n {pattern!r}\n {text!r}")
        return True

    def __class_getitem__(cls, item: object) -> object:
        return cls


class Raises:
    def __init__(self, kinds: Any, match: Any = None, check: Any = None):
        self.kinds, self.match, self.check, self.info = kinds, match, check, ExceptionInfo()

    def __enter__(self) -> ExceptionInfo:
        return self.info

    def __exit__(self, kind: object, error: BaseException | None, tb: TracebackType | None) -> bool:
        if error is None:
            fail(f"DID NOT RAISE {self.kinds!r}")
        if not isinstance(error, self.kinds):
            return False
        self.info.value = error
        if self.match is not None:
            self.info.match(self.match)
        if self.check is not None and not self.check(error):
            raise AssertionError(f"check did not return True: {error!r}")
        sites.caught(error, self.kinds)
        return True


def raises(expected_exception: object = None, *args: Any, **kwargs: object) -> object:
    match, check = (None, None) if args else (kwargs.pop("match", None), kwargs.pop("check", None))
    if expected_exception is None and (match is not None or check is not None):
        expected_exception = BaseException
    kinds = expected_exception if isinstance(expected_exception, tuple) else (expected_exception,)
    if not all(isinstance(kind, type) and issubclass(kind, BaseException) for kind in kinds):
        raise TypeError(f"expected exception must be a BaseException type, not {kinds!r}")
    if not kinds:
        raise ValueError("expected at least one exception type")
    context = Raises(kinds, match, check)
    if not args:
        if kwargs:
            raise TypeError(f"unexpected keyword arguments of pytest.raises: {sorted(kwargs)}")
        return context
    with context as info:
        args[0](*args[1:], **kwargs)
    return info


class Warns:
    """The warnings of its block; those that do not match are given again at its end."""

    def __init__(self, kinds: Any, match: Any = None):
        self.kinds, self.match = kinds, match

    def __enter__(self) -> Warns:
        self._catch = warnings.catch_warnings(record=True)
        self.list: Any = self._catch.__enter__()
        warnings.simplefilter("always")
        return self

    def __exit__(self, kind: Any, error: BaseException | None, tb: Any) -> None:
        self._catch.__exit__(kind, error, tb)
        if error is not None and not isinstance(error, Exception):
            return
        others = [seen for seen in self.list if not self._matches(seen)]
        for seen in others:
            warnings.warn_explicit(seen.message, seen.category, seen.filename, seen.lineno)
        if len(others) == len(self.list):
            fail(f"DID NOT WARN. No matching warnings of {self.kinds} were emitted.")

    def _matches(self, seen: Any) -> bool:
        said = self.match is None or re.search(self.match, str(seen.message))
        return bool(issubclass(seen.category, self.kinds) and said)

    def pop(self, kind: type[Warning] = Warning) -> object:
        for index, seen in enumerate(self.list):
            if issubclass(seen.category, kind):
                return self.list.pop(index)
        raise AssertionError(f"{kind!r} not found in warning list")

    def __len__(self) -> int:
        return len(self.list)

    def __getitem__(self, index: int) -> object:
        return self.list[index]

    def __iter__(self) -> Iterator[object]:
        return iter(self.list)


def warns(expected_warning: object = Warning, *args: Any, **kwargs: object) -> object:
    if not args:
        return Warns(expected_warning, kwargs.get("match"))
    with Warns(expected_warning):
        return args[0](*args[1:], **kwargs)


def deprecated_call(*args: object, **kwargs: object) -> object:
    return warns((DeprecationWarning, PendingDeprecationWarning, FutureWarning), *args, **kwargs)


# ---- the module ---------------------------------------------------------------------------------


def _missing(name: str) -> NoReturn:
    raise NotAvailable(f"pytest.{name} is not available in the sandbox")


def install(to: Sites, main: Callable[..., object]) -> None:
    """Make `import pytest` mean this module's names; `main` is what `pytest.main` does."""
    global sites
    sites = to
    module = ModuleType("pytest")
    public: Sequence[Any] = (skip, fail, xfail, importorskip, param, fixture, raises, warns)
    module.__dict__.update({one.__name__: one for one in (*public, deprecated_call, approx)})
    module.__dict__.update(mark=Marks(), ExceptionInfo=ExceptionInfo, WarningsRecorder=Warns)
    module.__dict__.update(__getattr__=_missing, main=main, __version__="9")
    module.__dict__.update(FixtureRequest=object, register_assert_rewrite=lambda *names: None)
    sys.modules["pytest"] = module
