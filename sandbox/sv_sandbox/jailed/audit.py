"""What test code does that no proxy sees, in the judge's process.

Running text or bytes as code: an answer of the solution that is evaluated, unpickled or compiled
would run in the judge. So a test that does this needs one process: `watch` is told beforehand.
What stands in the test's own text may run (its doctests, `eval("f")(1)`), and so may what the
library writes itself (classes that `dataclasses` and `namedtuple` make, imports). `watch_patches`
and `watch_suppress` are told of patched modules and of swallowed errors.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import sys
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

from . import testcode
from .sites import Sites

_RUNS = frozenset(
    ("exec", "compile", "marshal.loads", "pickle.find_class", "code.__new__", "function.__new__")
)
_OWN = ("jailed", "zipimport")
_MAKERS = frozenset(
    (
        *("collections", "dataclasses", "enum", "functools", "abc", "types", "symtable"),
        "hypothesis.internal.reflection",
    )
)
"""Modules that run code which they write themselves, from names that they have checked; or none."""


def watch(found: Callable[[str], object], text: Callable[[], str]) -> None:
    """From now on `found` is called, and may raise, before test code runs text or bytes as code
    that do not stand in `text`. It cannot be taken back: for a process that runs one row."""

    # They would read, and so compile, the source of what was raised.
    threading.excepthook = lambda _: None
    sys.unraisablehook = lambda _: None
    compiled = [""]  # by whom something was compiled that stands in the text
    library = tuple(path for path in sys.path if path)

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event not in _RUNS:
            return
        frame = sys._getframe(1)
        caller = str(frame.f_globals.get("__name__", ""))
        top = caller.partition(".")[0]
        if caller.startswith(("_frozen_importlib", "importlib.")):
            code = arguments[0] if arguments else None
            path = str(getattr(code, "co_filename", "<frozen"))
            if event != "exec" or path.startswith(("<frozen", *library)):
                return
        elif top in _OWN or caller in _MAKERS:
            return
        if event == "compile" and caller in ("typing", "ast", "re"):
            return
        if event == "compile" and _stands_in(arguments[0], text()):
            compiled[0] = caller
            return
        if event == "exec" and compiled[0] == caller:
            compiled[0] = ""
            return
        found(f"the test may run an answer as code ({event} by {caller or 'code of its own'})")

    sys.addaudithook(hook)


def _stands_in(source: object, text: str) -> bool:
    """Whether this is a whole string of the text, or an example in one."""
    if isinstance(source, bytes):
        source = source.decode("utf-8", "replace")
    return isinstance(source, str) and source.strip() in _strings(text)


@functools.lru_cache(maxsize=4)
def _strings(text: str) -> frozenset[str]:
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value.strip())
            if ">>>" in node.value:
                found |= {one.source.strip() for one in _examples(node.value)}
    return frozenset(found - {""})


def _examples(text: str) -> list[Any]:
    import doctest  # as large as all that a template has loaded: only where it is needed

    try:
        return list(doctest.DocTestParser().get_examples(text))
    except ValueError:
        return []


def watch_suppress(marks: Sites) -> None:
    """What `contextlib.suppress` swallows is told to the marks of this cell."""

    def leave(self: Any, kind: Any, error: Any, trace: object) -> bool:
        swallowed = kind is not None and issubclass(kind, self._exceptions)
        if swallowed:
            marks.suppressed(error, self._exceptions)
        return swallowed

    contextlib.suppress.__exit__ = leave  # type: ignore[method-assign]


def watch_patches(one_process: Callable[[str], object]) -> None:
    """What `unittest.mock.patch` changes in a module the solution would not see."""
    from unittest import mock

    kind: Any = mock._patch
    enter = kind.__enter__
    while hasattr(enter, "_sv_plain"):
        enter = enter._sv_plain

    def watched(self: Any) -> object:
        target = self.getter()
        module = target.__name__ if isinstance(target, ModuleType) else ""
        here = module == "test" and dict.__contains__(target.__dict__, self.attribute)
        if module and not here and (module, self.attribute) not in testcode.REDIRECTED:
            one_process(f"the test patches {module}.{self.attribute}")
        return enter(self)

    watched._sv_plain = enter  # type: ignore[attr-defined]
    kind.__enter__ = watched
