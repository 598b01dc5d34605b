"""The subject's end of the link: it loads the solution and answers a judge's questions.

In: requests (`link`). Out: answers, and the CPU time of each cell. Objects of the solution go out
as references, what the test lends comes in as proxies. What this process says is data: hostile
code may send anything.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from types import CodeType
from typing import Any, NoReturn

from . import operations, shared
from .link import Link, Lost, Policy
from .plan import is_builtin
from .rows import find_modules, let_go
from .source import unpacked
from .subject import claim, keep_lines, new_namespace, only_owner, verdict_of
from .tidy import SETS, UNTIDY, is_untidy, tidiness
from .values import CodecError, native
from .waiting import awaited


def main() -> None:
    """Answer until the judge hangs up, and end the process. Never returns."""
    claim()
    server = Server()
    try:
        while True:
            server.link.serve()
    except (Lost, CodecError):  # the judge is gone, or what came was not its
        server.finish()
        native.stop()
    except BaseException as error:  # outside any call: the solution broke this process
        if server.cell is not None:
            native.end(server.cell, server.cell + 1, *verdict_of(error))
            native.stop()  # a fresh pair for the next cell
    finally:
        os._exit(0)


_LOADED = frozenset(sys.modules)


class Server(Policy):
    """The policy of the subject: the judge may ask for anything."""

    def __init__(self) -> None:
        self.cell: int | None = None
        self.shared: shared.SubjectShared | None = None
        self.link = Link((native.CHANNEL_IN, native.CHANNEL_OUT), self, native.waiting)
        self._source = unpacked(native.blob(0))
        self._solution: CodeType | None = None
        self._namespace: dict[str, Any] = {}
        self._loop: Any = None
        self._tidiness = 0
        self._own: dict[str, Callable[..., object]] = {
            "load": self._load,
            "name": self._name,
            "names": self._names,
            "import": self._import,
            "start": self._start,
            "run": self._run,
            "cancel": self._cancel,
        }

    def finish(self) -> bool:
        """The current cell is over: what it cost is written down. Returns whether it may have left
        something in this process."""
        if self.cell is None:
            return False
        self.link.forget()
        let_go(self._namespace)
        native.end(self.cell, self.cell + 1, native.MARK_ANSWERED, b"")
        self.cell = None
        return is_untidy(self._tidiness)

    # ---- the policy of this end ------------------------------------------------------------------

    def perform(self, operation: str, operands: tuple[object, ...]) -> object:
        """Answer a request."""
        own = self._own.get(operation)
        if operation in ("set", "del"):
            self._tidiness |= SETS
        try:
            if own is not None:
                return own(*operands)
            return operations.perform(operation, operands, self.link)
        finally:
            only_owner()

    def notes(self) -> object:
        """What the process shares with the test's."""
        return (self.shared is not None and tuple(self.shared.notes())) or None

    def noted(self, notes: Any) -> None:
        """And what that one shares."""
        if self.shared is not None:
            for name, value in notes:
                self.shared.noted(name, value)

    def cannot(self, why: str, ours: bool) -> NoReturn:
        """The judge is told, and ends the cell."""
        self.link.send_cannot(why)
        raise Lost

    async def awaited(self, lent: object) -> object:
        """Something of the test's that can be awaited, as a coroutine of ours: it runs there."""
        import asyncio

        finished, value = self.link.ask("begin", lent)
        while not finished:
            await asyncio.sleep(0.001)  # the judge's loop goes on when ours has nothing to do
            finished, value = self.link.ask("done", value)
        return value

    # ---- requests of its own ---------------------------------------------------------------------

    def _load(
        self, cell: int, wanted: tuple[str, ...], brings: int
    ) -> tuple[tuple[str, ...], ...] | None:
        """Load the solution anew; which modules of packages it has imported, and which names of
        Python's it binds. None: a cell may have left something behind, so this process is no good
        for another. brings: IMPORTS where the test may hand over what it imports (`tidy`)."""
        if self.finish():
            return None
        self.cell = cell
        native.begin(cell)
        self.link.forget()
        self.shared = shared.SubjectShared(wanted)
        if self._solution is None:
            find_modules(self._source.files)
            self._solution = compile(self._source.code, "<solution>", "exec", dont_inherit=True)
            keep_lines("<solution>", self._source.text)
            self._tidiness = UNTIDY if self._source.files else tidiness(self._solution)
        self._tidiness |= brings
        self._namespace = new_namespace()
        exec(self._solution, self._namespace)
        native.loaded()
        modules = tuple(name for name in sys.modules if "." in name and name not in _LOADED)
        names = (name for name in [*self._namespace] if type(name) is str and is_builtin(name))
        return modules[:200], tuple(name for name in names if name[:2] != "__")

    def _name(self, name: str) -> tuple[bool, object]:
        found = name in self._namespace
        value = self._namespace.get(name)
        if not found and "__getattr__" in self._namespace:  # of its module
            with contextlib.suppress(AttributeError):
                return True, self._namespace["__getattr__"](name)
        return found, value

    def _names(self) -> tuple[str, ...]:
        exported = self._namespace.get("__all__")
        if exported is None:
            exported = [name for name in self._namespace if name[:1] != "_"]
        return tuple(map(str, exported))

    def _import(self, name: str) -> object:
        __import__(name)
        return sys.modules[name]

    def _start(self, awaitable: object) -> object:
        """Make a task of what can be awaited."""
        import asyncio

        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            asyncio.set_event_loop(self._loop)
        return self._loop.create_task(awaited(awaitable))

    def _run(self, task: Any, wait_s: float) -> tuple[object] | None:
        """Let all tasks run, for a moment or until this one is done: then, what it returned."""
        self._let_run(task, wait_s)
        return (task.result(),) if task.done() else None

    def _cancel(self, task: Any) -> None:
        """The test waits no longer."""
        task.cancel()
        self._let_run(task, 0.005)

    def _let_run(self, task: Any, wait_s: float) -> None:
        import asyncio

        self._loop.run_until_complete(asyncio.wait((task,), timeout=wait_s))
