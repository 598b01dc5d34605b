"""The judge's side of the split judge: plans, comparisons, and test code behind a stub.

Two kinds of work. Tasks (`plan_tests`, `compare`) run in a process that is kept for them, because
nothing foreign runs in them; it is watched cell by cell all the same. Test code runs in a fork
(`judge`), where every name that the solution defines is a stub that calls the subject over the
channel; what comes back is plain data or a stub (`remote`), so a verdict depends on values, never
on methods of the solution's objects.
"""

from __future__ import annotations

import os
import sys
import threading
import weakref
from types import CoroutineType
from typing import Any, NoReturn

from . import about, codec, lend, plan, remote, subject, testcode
from .channel import Channel, Lost
from .codec import CodecError, Handle, Unencodable
from .remote import RemoteType
from .testcode import TestCode

PASS, WRONG, FORBIDDEN = 1, 2, 7

_planned: list[plan.Literal | None] = []


class Unsplittable(BaseException):
    """The test needs the solution's classes or modules in its own process: it is judged inline.
    Only `Peer.unsplittable` and `TestCode` say so, for what the test's own code does."""


# ---- tasks: in a process of their own, no foreign code -----------------------------------------


def task(native: Any) -> None:
    """One task from the region."""
    kind, _, cells, blobs = native.row()
    if kind == native.KIND_PLAN:
        plan_tests(native, cells)
    else:
        compare(native, blobs)


def plan_tests(native: Any, cells: int) -> None:
    """Tests in; marks and encoded calls out. What was planned stays here for `compare`."""
    known: dict[bytes, plan.Literal | None] = {}
    _planned.clear()
    for cell in range(cells):
        native.begin(cell)
        source = native.blob(cell)
        if source not in known:
            literal = plan.plan(source)
            if literal is not None and len(literal.request) > native.MAX_ANSWER_BYTES:
                literal = None
            known[source] = literal
        literal = known[source]
        mark, request = native.MARK_CODE, plan.probe(source) if literal is None else b""
        if literal is not None:
            mark = native.MARK_LITERAL if literal.calls else native.MARK_READS
            request = literal.request
        elif request is not None:
            mark = native.MARK_PROBE
        if not native.end(cell, cell + 1, mark, request or b""):  # no room for its request
            mark = native.MARK_CODE
            native.end(cell, cell + 1, mark, b"")
        if mark != native.MARK_CODE:
            _planned.append(literal)  # one entry per request; a probe's answer is never compared


def compare(native: Any, blobs: int) -> None:
    """Answers in (an empty one is none); verdicts out."""
    for cell in range(blobs):
        answer = native.blob(cell)
        if answer:
            native.begin(cell)
            native.end(cell, cell + 1, *compare_one(_planned[cell], answer))


def compare_one(literal: plan.Literal | None, answer: bytes) -> tuple[int, bytes]:
    """The verdict of one answer."""
    assert literal is not None, "the worker sends no answers of probes"
    try:
        value = codec.decode(answer)
        if type(value) is not tuple or len(value) != literal.count:
            raise CodecError("not as many values as were asked for")
    except Exception as error:  # a CodecError; whatever else it were must not end the process
        return FORBIDDEN, f"malformed answer: {error}".encode()[:200]
    try:
        if literal.judge(value):
            return PASS, b""
        got = value[0] if len(value) == 1 else value
        return WRONG, f"AssertionError: got {shown(got)}".encode("utf-8", "replace")[:200]
    except Exception as error:
        return subject.verdict_of(error)


def shown(value: Any) -> str:
    """A short repr of plain data; cut before it can be long."""
    try:
        return repr(value)[:120]
    except ValueError:  # an int too large to print
        return f"a {type(value).__name__} too large to print"


# ---- test code: in a fork -----------------------------------------------------------------------


def main(native: Any) -> None:
    """Run the row's test code and end the process. Never returns."""
    kind, start, cells, _ = native.row()
    try:
        if kind == native.KIND_VACUOUS:
            vacuous(native, start, cells)
        else:
            judge(native, start, cells)
    finally:
        os._exit(0)


def vacuous(native: Any, start: int, cells: int) -> None:
    """PASS for each test that holds although everything it calls raises."""
    native.loaded()
    for cell in range(start, cells):
        native.begin(cell)
        verdict = WRONG
        try:
            test = TestCode(native.blob(cell))
            namespace = subject.new_namespace("test")
            namespace.update(dict.fromkeys(test.wanted()[0], _raise))
            exec(test.code, namespace)
            verdict = PASS
        except BaseException:
            pass  # it looked at something: not vacuous
        native.end(cell, cell + 1, verdict, b"")


class NoSolution(Exception):
    """What a stub with nothing behind it raises: no test expects just that."""


def _raise(*args: Any, **kwargs: Any) -> Any:
    raise NoSolution


def judge(native: Any, start: int, cells: int) -> None:
    """A verdict per test; LOST, and the end, when the subject is gone."""
    native.loaded()
    peer = Peer(native.CHANNEL_FD, native)
    for name in ("random", "numpy.random"):
        if name in sys.modules:
            peer.seed_as(sys.modules[name], name)
    for cell in range(start, cells):
        native.begin(cell)
        try:
            verdict, detail = judge_one(peer, cell, native.blob(cell))
        except Lost:
            native.end(cell, cell + 1, native.MARK_LOST, b"")
            native.stop()
            return
        except Unsplittable as error:
            verdict, detail = native.MARK_UNSPLIT, str(error).encode("utf-8", "replace")[:200]
        except CodecError as error:
            verdict, detail = FORBIDDEN, f"malformed answer: {error}".encode()[:200]
        native.end(cell, cell + 1, verdict, detail)
        if peer.broken:
            native.stop()  # the stream may be out of step: a new subject for the next cell
            return


def judge_one(peer: Peer, cell: int, source: bytes) -> tuple[int, bytes]:
    """Run one test. Lost, Unsplittable and CodecError pass through, whatever the test catches."""
    peer.trouble = None
    try:
        test = TestCode(source)
        reason = test.needs_one_process()
        if reason:
            raise Unsplittable(reason)
        namespace = subject.new_namespace("test")
        names, shadowing = test.wanted()
        # A solution may be called `sum`; but where a test calls anything else of the solution,
        # the built-in functions around that call are the test's, and stay ours.
        loaded = peer.load(cell, test, names) or peer.load(cell, test, shadowing)
        namespace.update(loaded | test.ours(loaded))
        peer.follow(namespace)
        exec(test.code, namespace)
        failed = peer.failure()
        if failed is not None:
            raise failed
        verdict: tuple[int, bytes] = PASS, b""
    except (Lost, Unsplittable, CodecError):
        raise
    except BaseException as error:
        verdict = subject.verdict_of(error)
    if peer.trouble is not None:
        raise peer.trouble
    return verdict


_ORIGINAL = {
    name: getattr(sys.modules[name.partition(".")[0]], name.partition(".")[2])
    for name in testcode.STREAMS
}


class StandIn(type):
    """The class of what stands in for an exception class of the solution. Called by a test, it
    makes what the original makes."""

    def __new__(
        mcs, name: str, bases: tuple[type, ...], body: dict[str, Any], **words: Any
    ) -> StandIn:
        """A class that the judge makes; to the test itself this is not open."""
        if "_sv_peer" not in body:
            for base in bases:
                if isinstance(base, StandIn):
                    base._sv_peer.unsplittable("the test subclasses an exception of the solution")
        return super().__new__(mcs, name, bases, body)

    _sv_peer: Peer
    _sv_class: Any

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if cls._sv_class is None:
            return super().__call__(*args, **kwargs)
        return cls._sv_peer.instance(
            cls._sv_peer.ask("raised", cls._sv_class, args, tuple(kwargs.items()))
        )

    def __instancecheck__(cls, instance: Any) -> bool:
        if remote.is_remote(instance) and cls._sv_class is not None:
            return cls._sv_peer.ask("op", "isinstance", (instance, cls._sv_class)) is True
        return super().__instancecheck__(instance)

    def __getattr__(cls, name: str) -> Any:
        original = vars(cls).get("_sv_class")
        if original is None or name.startswith("__") or name.startswith("_sv_"):
            raise AttributeError(name)
        return getattr(original, name)


def _error_attribute(error: Any, name: str) -> Any:
    """What a stand-in has not: its original has."""
    original = vars(error).get("_sv_remote")
    if original is None or name.startswith("__"):
        raise AttributeError(name)
    return getattr(original, name)


def _error_text(error: Any) -> str:
    return str(vars(error).get("_sv_text", "")) if "_sv_text" in vars(error) else _plain_str(error)


_plain_str = BaseException.__str__
_OURS = ("__", "_sv_")
MAX_CAUSES = 20
"""Exceptions that come along with one: its causes, and the parts of a group."""


class Peer:
    """The subject, as a judge calls it."""

    def __init__(self, fd: int, native: Any = None):
        self._waiting: Any = bool if native is None else native.waiting
        self.stubs = remote.Maker(self)
        self.channel = Channel(fd, self._kind_of, self._bind, self._handle_of)
        self.trouble: BaseException | None = None
        self.broken = False
        self.count = 0
        self._calling = 0
        self._begun: list[Any] = []
        self._lock = threading.RLock()
        self._test = TestCode(b"")
        self._namespace: dict[str, Any] = {}
        self._loaded: dict[str, Any] = {}
        self._streams: dict[str, Any] = {}
        self._coroutines: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()
        self._exceptions: dict[tuple[Any, ...], Any] = {}

    def load(self, cell: int, test: TestCode, names: list[str]) -> dict[str, Any]:
        """What a fresh namespace of the solution has of `names`. Raises what loading did."""
        self.channel.forget()
        self.stubs.forget()
        self._exceptions.clear()
        self._namespace, self._loaded, self._streams = {}, {}, {}
        self._begun = []
        self._test = test
        found = self.ask("load", cell, tuple(names))
        if type(found) is not dict:
            raise CodecError("no namespace")
        namespace: dict[str, Any] = {}
        for name, value in found.items():
            if name not in names or type(value) is not tuple or len(value) != 2:
                raise CodecError("no namespace that was asked for")
            self._define(namespace, name, *value)
        self._loaded = dict(namespace)
        return namespace

    def follow(self, namespace: dict[str, Any]) -> None:
        """From now on, what the solution rebinds of its names is rebound here, where the test has
        not done so itself; and what the test does to streams that its code speaks of, holds there.
        """
        self._namespace = namespace
        self._streams = dict.fromkeys(self._test.streams())

    def _redirect(self) -> None:
        """Tell the subject of the streams that the test has replaced since the last request."""
        for name, told in self._streams.items():
            module, _, attribute = name.partition(".")
            now = getattr(sys.modules[module], attribute, None)
            if now is _ORIGINAL[name]:
                now = None
            if now is not told:
                self._streams[name] = now
                self._ask("redirect", name, now)

    def _define(self, namespace: dict[str, Any], name: str, kind: Any, value: Any) -> None:
        if kind == "module":
            # Our own copy. What is not loaded here the subject can make us import only by the name
            # that the test has for it. Another module's name stays undefined.
            if type(value) is str and (value == name or value in sys.modules):
                module = testcode.module_called(value)
                if module is not None:
                    namespace[name] = module
        else:
            # Only what the test itself calls by a class's name makes objects under test.
            if isinstance(value, RemoteType) and testcode.is_class_name(name):
                if self._test.tests_objects:
                    remote.put_under_test(value)
            namespace[name] = self.harmless(name, value)

    def seed_as(self, module: Any, name: str) -> None:
        """Where a test seeds this module, it is seeded in the subject as well."""
        seed = module.seed

        def seeded(*args: Any, **kwargs: Any) -> None:
            seed(*args, **kwargs)
            self.ask("seed", name, args, tuple(kwargs.items()))

        module.seed = seeded

    def unsplittable(self, reason: str) -> NoReturn:
        """This test is judged inline, whatever it catches."""
        self.trouble = Unsplittable(reason)
        raise self.trouble

    def ask(self, operation: str, *operands: Any) -> Any:
        """One request and its answer; raises what it raised. Answers calls back meanwhile."""
        if self.trouble is not None:
            raise self.trouble
        try:
            with self._lock:  # a test may have threads; a call back may call again
                if self._streams:
                    self._redirect()
                return self._ask(operation, *operands)
        except Unencodable as error:
            raise TypeError(str(error)) from None
        except (Lost, CodecError, Unsplittable) as error:
            # Test code may catch BaseException: what ends a cell is remembered, not only raised.
            self.trouble = error
            self.broken = self.broken or isinstance(error, CodecError) or self._calling > 0
            raise
        except BaseException as error:
            quiet = _quiet(error)
            if not quiet or quiet in self._test.names or operands[:1] == ("next",):
                raise
            raise RuntimeError(f"the solution raised {quiet}") from error

    def _ask(self, operation: str, *operands: Any) -> Any:
        self.count += 1
        failed: BaseException | None = None
        self.channel.send(self.channel.encode((operation, *operands)))
        while True:
            self._waiting(True)
            message = self.channel.receive()
            self._waiting(False)
            reply = self.channel.decode(message)
            if type(reply) is not tuple or len(reply) < 2:
                raise CodecError("not an answer")
            if reply[0] == "call":
                self._calling += 1
                failed = self._called_back(*reply[1:]) or failed
                self._calling -= 1
                continue
            return self._answer(reply, failed)

    def _answer(self, reply: tuple[Any, ...], failed: BaseException | None) -> Any:
        """What a request gave; `failed` fails the test whatever the solution makes of it."""
        if len(reply) != 4 or type(reply[2]) is not tuple or type(reply[3]) is not str:
            raise CodecError("not an answer")
        status, value, rebound, printed = reply
        for pair in rebound:
            name, new = pair if type(pair) is tuple and len(pair) == 2 else (None, None)
            if type(name) is not str or name not in self._loaded:
                raise CodecError("a name that was not asked for")
            if name not in self._test.binds and self._namespace.get(name) is self._loaded[name]:
                self._namespace[name] = self._loaded[name] = self.harmless(name, new)
        if printed:
            sys.stdout.write(printed)
        failed = failed or self.failure()
        if failed is not None:
            raise failed
        if status == "ok":
            return value
        if status != "raise":
            raise CodecError("not an answer")
        raise self.instance(value)

    def _called_back(
        self, operation: Any, number: Any = None, *operands: Any
    ) -> BaseException | None:
        """The subject uses something that the test has lent it. Gives an exception that the
        solution may not swallow."""
        failed: BaseException | None = None
        handed = self.channel.objects
        try:
            if type(number) is not int or not 0 <= number < len(handed):
                raise CodecError("nothing that was lent")
            if operation == "leave" and len(operands) == 2 and operands[1] is not None:
                operands = operands[0], self.instance(operands[1])
            outcome: tuple[str, Any] = "returned", lend.asked(operation, handed[number], operands)
            if operation == "start" and outcome[1][0] is False:
                self._begun.append(outcome[1][1])
        except (Lost, CodecError, Unsplittable):
            raise
        except BaseException as error:
            outcome = "raised", error
            if not _fails_nothing(error) or (
                operation == "invoke"
                and self._test.skips_an_assertion(error.__traceback__, handed[number])
            ):
                failed = error
            self._begun = [task for task in self._begun if task is not handed[number]]
        try:
            reply = self.channel.encode(outcome)
        except Unencodable as error:
            reply = self.channel.encode(("raised", TypeError(str(error))))
        self.channel.send(reply)
        return failed

    def failure(self) -> BaseException | None:
        """What fails the test in coroutines of its own that the solution began and did not await to
        the end; each exception once."""
        for task in [task for task in self._begun if task.done()]:
            self._begun.remove(task)
            error: BaseException | None = None if task.cancelled() else task.exception()
            if error is not None and not _fails_nothing(error):
                return error
        return None

    # -- exceptions: built-in and library classes as themselves, others as a stand-in of the same
    # -- name and bases

    def _exception(self, lineage: Any, original: Any = None) -> type[BaseException]:
        """The class of this lineage: the name of a class that is here, or the name of a stand-in
        and the lineages of its bases."""
        if type(lineage) is str:
            return codec.exception(lineage) or Exception
        if type(lineage) is not tuple or len(lineage) < 2 or type(lineage[0]) is not str:
            raise CodecError("not an exception")
        if lineage not in self._exceptions:
            body = {
                "__str__": _error_text,
                "__getattr__": _error_attribute,
                "__module__": "solution",
                "_sv_peer": self,
                "_sv_class": None,
            }
            bases = tuple(dict.fromkeys(self._exception(base) for base in lineage[1:]))
            try:
                made = StandIn(lineage[0][:200].replace("\0", ""), bases, body)
            except (TypeError, ValueError):
                raise CodecError("no exception can be like this") from None
            self._exceptions[lineage] = made
        if original is not None:
            type.__setattr__(self._exceptions[lineage], "_sv_class", original)
        kind: type[BaseException] = self._exceptions[lineage]
        return kind

    def may_end(self, error: BaseException | None, trace: Any) -> bool:
        """Whether a context manager of the solution's may swallow this: never what fails the test,
        of the rest what the test speaks of, and only where that passes over no assertion."""
        names = {one.__name__ for one in type(error).__mro__[:-1]}
        return (
            _fails_nothing(error)
            and not names.isdisjoint(self._test.names)
            and not self._test.skips_an_assertion(trace)
        )

    def harmless(self, name: str, value: Any) -> Any:
        """What goes by a name of the solution's: for an exception class of Python's that a failed
        assertion is an instance of (or several, with one such), one that nothing is."""
        return self._exception((name, "Exception")) if _catches(value) else value

    def instance(self, told: Any, room: int = MAX_CAUSES) -> BaseException:
        """The exception that `about.described` told."""
        if type(told) is not tuple or len(told) != 6:
            raise CodecError("not an exception")
        lineage, args, text, attributes, original, others = told
        kind = self._exception(lineage)
        if type(args) is not tuple or type(text) is not str or type(attributes) is not dict:
            raise CodecError("not an exception")
        if issubclass(type(original), BaseException):  # one of the test's own, on its way back
            return original  # type: ignore[no-any-return]
        if type(others) is not dict or room < 0 or not remote.is_remote(original):
            raise CodecError("not an exception")
        try:
            if issubclass(kind, BaseExceptionGroup):
                parts = [self.instance(part, room - 1) for part in others["group"]]
                error: Any = kind.__new__(kind, str(args[0]), parts)
            else:
                error = about.made(kind, args)
            if type(lineage) is tuple:  # a stand-in: it also says what the original says
                error._sv_text = text
            for name, value in attributes.items():
                if name == "__notes__" or (name.isidentifier() and not name.startswith(_OURS)):
                    setattr(error, name, value)
        except (CodecError, Lost):
            raise
        except Exception:
            error = Exception(text)
        error._sv_remote = original
        for name in ("cause", "context"):
            if name in others:
                setattr(error, f"__{name}__", self.instance(others[name], room - 1))
        return error  # type: ignore[no-any-return]

    def _bind(self, handle: Handle, *value: Any) -> Any:
        if value and handle.kind.startswith("class "):
            return self._exception(value[0], self.stubs(handle))
        known = self.stubs(handle, *value)
        if handle.kind != "coroutine":
            return known
        coroutine = self._awaited(known)
        self._coroutines[coroutine] = known
        return coroutine

    async def _awaited(self, coroutine: Any) -> Any:
        """A coroutine of the subject, as one of ours: it runs there while it is awaited here, and
        beside it what else is awaited."""
        import asyncio  # as large as all that a template has loaded: only where it is needed

        task = self.ask("start", coroutine)
        try:
            while True:
                await asyncio.sleep(0)
                finished = self.ask("run", task, _spare_s(asyncio.get_running_loop()))
                if finished is not None:
                    break
        except BaseException:
            if self.trouble is None:
                self.ask("cancel", task)
            raise
        if type(finished) is not tuple or len(finished) != 1:
            raise CodecError("not the result of a coroutine")
        return finished[0]

    # -- what goes to the subject

    def _kind_of(self, value: Any) -> tuple[str, Any]:
        if isinstance(value, RemoteType | StandIn):
            raise Unencodable("a class made here cannot go back")
        return lend.kind_of(value, self.channel.number)

    def _handle_of(self, value: Any) -> int | None:
        """The subject's number of what it has itself: objects, classes, exceptions, coroutines."""
        if not remote.is_remote(value):
            if isinstance(value, StandIn):
                value = value._sv_class
            elif isinstance(value, BaseException):
                value = vars(value).get("_sv_remote")
            elif type(value) is CoroutineType:
                value = self._coroutines.get(value)
        return remote.handle_of(value)


def _spare_s(loop: Any) -> float:
    """How long this loop has nothing else to do, and the subject's may run: a subject that is asked
    again and again would not count as idle, though it sleeps."""
    ready, scheduled = getattr(loop, "_ready", (None,)), getattr(loop, "_scheduled", ())
    if ready:
        return 0.005
    return max(0.005, min(0.2, scheduled[0].when() - loop.time())) if scheduled else 0.2


def _quiet(error: BaseException) -> str:
    """The name of an exception by which Python would end an iteration, a task or a thread of the
    test's without a word, and what is asserted there; empty for others. Raised by a solution, it is
    RuntimeError, outside `next` and where the test does not speak of it."""
    cancelled = codec.exception("asyncio.exceptions.CancelledError") or StopIteration
    for kind in (StopIteration, cancelled):
        if isinstance(error, kind):
            return kind.__name__
    heard: tuple[type[BaseException], ...] = (Exception,)
    if threading.current_thread() is threading.main_thread():
        heard = (Exception, SystemExit, KeyboardInterrupt)
    return "" if isinstance(error, heard) else type(error).__name__


def _fails_nothing(error: BaseException | None) -> bool:
    return isinstance(error, Exception) and not isinstance(error, AssertionError)


def _catches(kinds: Any) -> bool:
    """Whether `except` or `isinstance` would take a failed assertion for one of these."""
    if type(kinds) is tuple:
        return any(map(_catches, kinds))
    return type(kinds) is type and issubclass(AssertionError, kinds)
