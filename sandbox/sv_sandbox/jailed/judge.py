"""The judge's side of the split judge: plans, comparisons, and test code behind a stub.

Two kinds of work. Tasks (`plan_tests`, `compare`) run in the judge's template itself, because
nothing foreign runs in them. Test code runs in a fork (`judge`), where every name that the solution
defines is a stub that calls the subject over the channel; what comes back is plain data or a
`Remote`, so a verdict depends on values, never on methods of the solution's objects:

- a Remote never equals, or orders against, plain data;
- an answer's `__contains__` is not asked: its items are looked at here. Only an instance that the
  test itself made by calling a class is taken at its word: its class is what is tested.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import BuiltinFunctionType, CodeType, CoroutineType, FunctionType, MethodType
from typing import Any

from . import channel, codec, plan, subject
from .channel import Channel, Lost
from .codec import CodecError, Handle, Refused, Unencodable

COMPARE_CPU_S = 2.0
PASS, WRONG, TIMEOUT, FORBIDDEN = 1, 2, 4, 7

_planned: list[plan.Literal | None] = []


class TooSlow(BaseException):
    """Comparing the answers of one row took too long."""


class Unsplittable(BaseException):
    """The test does something that cannot cross to the subject: the cell is judged inline."""


# ---- tasks: in the template, no foreign code ---------------------------------------------------


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
        source = native.blob(cell)
        if source not in known:
            literal = plan.plan(source)
            if literal is not None and len(literal.request) > native.MAX_ANSWER_BYTES:
                literal = None
            known[source] = literal
        literal = known[source]
        if literal is not None or plan.probe(source) is not None:
            _planned.append(literal)  # one entry per request; a probe's answer is never compared
        if literal is None:
            first = plan.probe(source)
            if first is None:
                native.record(cell, native.MARK_CODE, b"")
            else:
                native.record(cell, native.MARK_PROBE, first)
        else:
            mark = native.MARK_LITERAL if literal.calls else native.MARK_READS
            native.record(cell, mark, literal.request)


def _too_slow(number: int, frame: Any) -> None:
    raise TooSlow


def compare(native: Any, blobs: int) -> None:
    """Answers in (an empty one is none); verdicts out."""
    signal.signal(signal.SIGPROF, _too_slow)
    for cell in range(blobs):
        answer = native.blob(cell)
        if not answer:
            continue
        try:
            signal.setitimer(signal.ITIMER_PROF, COMPARE_CPU_S)
            verdict, detail = compare_one(_planned[cell], answer)
            signal.setitimer(signal.ITIMER_PROF, 0)
        except TooSlow:
            verdict, detail = TIMEOUT, b"the answer took too long to compare"
        native.record(cell, verdict, detail)


def compare_one(literal: plan.Literal | None, answer: bytes) -> tuple[int, bytes]:
    """The verdict of one answer."""
    assert literal is not None, "the worker sends no answers of probes"
    try:
        value = codec.decode(answer)
        if type(value) is not tuple or len(value) != literal.count:
            raise CodecError("not as many values as were asked for")
    except CodecError as error:
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
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
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
            code = compile(native.blob(cell), "<test>", "exec", dont_inherit=True)
            namespace = subject.new_namespace("test")
            namespace.update(dict.fromkeys(names_of(code)[0], _raise))
            exec(code, namespace)
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
    peer = Peer(native.CHANNEL_FD)
    for cell in range(start, cells):
        native.begin(cell)
        try:
            verdict, detail = judge_one(peer, cell, native.blob(cell))
        except Lost:
            native.end(cell, cell + 1, native.MARK_LOST, b"")
            native.stop()
            return
        except (Unsplittable, Unencodable) as error:
            verdict, detail = native.MARK_UNSPLIT, str(error).encode("utf-8", "replace")[:200]
        except CodecError as error:
            verdict, detail = FORBIDDEN, f"malformed answer: {error}".encode()[:200]
        native.end(cell, cell + 1, verdict, detail)
        if verdict == FORBIDDEN and peer.broken:
            native.stop()  # the stream may be out of step: a new subject for the next cell
            return


def judge_one(peer: Peer, cell: int, source: bytes) -> tuple[int, bytes]:
    """Run one test. Lost, Unsplittable and CodecError pass through, whatever the test catches."""
    peer.trouble = None
    try:
        code = compile(source, "<test>", "exec", dont_inherit=True)
        namespace = subject.new_namespace("test")
        names, shadowing = names_of(code)
        # A solution may be called `sum`; but where a test calls anything else of the solution,
        # the built-in functions around that call are the test's, and stay ours.
        namespace.update(peer.load(cell, names) or peer.load(cell, shadowing))
        exec(code, namespace)
        verdict: tuple[int, bytes] = PASS, b""
    except (Lost, Unsplittable, Unencodable, CodecError):
        raise
    except BaseException as error:
        verdict = subject.verdict_of(error)
    if peer.trouble is not None:
        raise peer.trouble
    return verdict


def names_of(code: CodeType) -> tuple[list[str], list[str]]:
    """Names that the test uses: those that Python does not define, and those of built-in functions
    and types."""
    used: set[str] = set()
    stack = [code]
    while stack:
        one = stack.pop()
        used.update(one.co_names)
        stack.extend(const for const in one.co_consts if isinstance(const, CodeType))
    return (
        sorted(name for name in used if not plan.is_builtin(name)),
        sorted(name for name in used if name in codec.BUILTINS),
    )


_MODULES = frozenset((*sys.stdlib_module_names, "numpy"))


class Peer:
    """The subject, as a judge calls it."""

    def __init__(self, fd: int):
        self.channel = Channel(fd, _kind_of, self._bind, _handle_of)
        self.trouble: BaseException | None = None
        self.broken = False
        self._lock = threading.RLock()
        self._exceptions: dict[tuple[str, ...], type[BaseException]] = {}
        self._remotes: dict[int, Remote] = {}

    def load(self, cell: int, names: list[str]) -> dict[str, Any]:
        """What a fresh namespace of the solution has of `names`. Raises what loading did."""
        self.channel.forget()
        self._remotes.clear()
        self._exceptions.clear()
        found = self.ask("load", cell, names)
        if type(found) is not dict:
            raise CodecError("no namespace")
        namespace: dict[str, Any] = {}
        for name, value in found.items():
            if name not in names or type(value) is not tuple or len(value) != 2:
                raise CodecError("no namespace that was asked for")
            self._define(namespace, name, *value)
        return namespace

    def _define(self, namespace: dict[str, Any], name: str, kind: Any, value: Any) -> None:
        if kind == "exception":
            namespace[name] = self._exception(value)
        elif kind == "module":
            # Our own copy, and only of what is loaded here already: the subject cannot make us
            # import. Another module's name stays undefined.
            if type(value) is str and value in _MODULES and value in sys.modules:
                namespace[name] = sys.modules[value]
        else:
            # Only what the test itself calls by a class's name makes objects under test.
            if isinstance(value, RemoteClass) and name[:1].isupper():
                object.__setattr__(value, "_under_test", True)
            namespace[name] = value

    def ask(self, operation: str, *operands: Any) -> Any:
        """One request and its answer; raises what it raised. Answers calls back meanwhile."""
        if self.trouble is not None:
            raise self.trouble
        try:
            with self._lock:  # a test may have threads; a call back may call again
                return self._ask(operation, *operands)
        except Refused as error:  # the solution's doing: it must not choose its judge
            raise TypeError(str(error)) from None
        except (Lost, CodecError, Unencodable, Unsplittable) as error:
            # Test code may catch BaseException: what ends a cell is remembered, not only raised.
            self.trouble = error
            self.broken = self.broken or isinstance(error, CodecError)
            raise

    def _ask(self, operation: str, *operands: Any) -> Any:
        message, sent = self.channel.encode((operation, *operands))
        self.channel.send(message)
        while True:
            reply, _ = self.channel.decode(self.channel.receive(), sent)
            if type(reply) is not tuple or len(reply) < 2:
                raise CodecError("not an answer")
            if reply[0] == "call":
                self._called_back(*reply[1:])
                continue
            return self._answer(reply, sent)

    def _answer(self, reply: tuple[Any, ...], sent: list[Any]) -> Any:
        if len(reply) != 4 or type(reply[2]) is not list or type(reply[3]) is not str:
            raise CodecError("not an answer")
        status, value, changes, printed = reply
        for change in changes:
            if type(change) is not tuple or len(change) != 2 or type(change[0]) is not int:
                raise CodecError("not a change")
            if not 0 <= change[0] < len(sent) or not channel.is_mutable(sent[change[0]]):
                raise CodecError("a change to nothing")
            channel.refill(sent[change[0]], change[1])
        if printed:
            sys.stdout.write(printed)
        if status == "ok":
            return value
        if status != "raise" or type(value) is not tuple or len(value) != 4:
            raise CodecError("not an answer")
        raise self._instance(*value)

    def _called_back(self, function: Any, args: Any, kwargs: Any) -> None:
        """The subject calls something that the test passed to it."""
        try:
            if _kind_of(function) is None or type(args) is not tuple or type(kwargs) is not dict:
                raise CodecError("not a call")
            outcome: tuple[str, Any] = "ok", function(*args, **kwargs)
        except (Lost, CodecError, Unencodable, Unsplittable):
            raise
        except BaseException as error:
            outcome = "raise", subject.described(error)
        self.channel.send(self.channel.encode(outcome)[0])

    # -- exceptions: built-in classes as themselves, others as a stand-in of the same name and bases

    def _exception(self, lineage: Any) -> type[BaseException]:
        """The class of this lineage: the last name is a built-in class, the others stand-ins."""
        if type(lineage) is not tuple or not 0 < len(lineage) <= 50:
            raise CodecError("not an exception")
        if not all(type(name) is str and len(name) < 200 for name in lineage):
            raise CodecError("not an exception")
        if len(lineage) == 1:
            return codec.EXCEPTIONS.get(lineage[0], Exception)
        if lineage not in self._exceptions:
            name = lineage[0].replace("\0", "")
            body = {"__str__": lambda error: vars(error).get("_sv_text", Exception.__str__(error))}
            self._exceptions[lineage] = type(name, (self._exception(lineage[1:]),), body)
        return self._exceptions[lineage]

    def _instance(self, lineage: Any, args: Any, text: Any, attributes: Any) -> BaseException:
        kind = self._exception(lineage)
        if type(args) is not tuple or type(text) is not str or type(attributes) is not dict:
            raise CodecError("not an exception")
        try:
            error = kind(*args)
            if len(lineage) > 1:  # a stand-in: it also says what the original says
                for name, value in attributes.items():
                    if type(name) is str and name.isidentifier() and not name.startswith("__"):
                        setattr(error, name, value)
                error._sv_text = text  # type: ignore[attr-defined]
        except Exception:
            return Exception(text)
        return error

    def _bind(self, handle: Handle) -> Any:
        known = self._remotes.get(handle.index)
        if known is None:
            known = self._remotes[handle.index] = (
                RemoteClass(self, handle) if handle.kind == "class" else Remote(self, handle)
            )
        return self._awaited(known) if handle.kind == "coroutine" else known

    async def _awaited(self, coroutine: Remote) -> Any:
        """A coroutine of the subject, as one of ours: it runs there when it is awaited here."""
        return self.ask("run", coroutine)


def _kind_of(value: Any) -> str | None:
    """What of the test's own may be handed to a subject: callables, to be called back. What was
    made here on the subject's behalf (exceptions, coroutines) is Refused."""
    if isinstance(value, BaseException | CoroutineType):
        raise Refused(f"a {type(value).__name__} cannot go back")
    if isinstance(value, type) and issubclass(value, BaseException):
        raise Refused("an exception class cannot go back")
    if isinstance(value, FunctionType | MethodType | BuiltinFunctionType):
        return "callable"
    if isinstance(value, type) or not callable(value):
        return None
    return "callable"


def _handle_of(value: Any) -> int | None:
    if isinstance(value, Remote):
        index: int = object.__getattribute__(value, "_handle").index
        return index
    return None


class Remote:
    """An object of the subject; operations on it happen there.

    An *answer* (what any call returned) is shown no data of the test's: no operator with data on
    the other side reaches it, and what it says of its length must agree with its items. An object
    *under test*, which the test made by calling a class by its name, is taken at its word in all
    but comparisons with data, which it never wins. What its methods return are answers again.
    """

    def __init__(self, peer: Peer, handle: Handle, under_test: bool = False):
        object.__setattr__(self, "_peer", peer)
        object.__setattr__(self, "_handle", handle)
        object.__setattr__(self, "_under_test", under_test)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return _peer(self).ask("invoke", self, args, kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__") and name not in _READABLE:
            raise AttributeError(name)
        return _peer(self).ask("getattr", self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        _peer(self).ask("setattr", self, name, value)

    def __delattr__(self, name: str) -> None:
        _peer(self).ask("delattr", self, name)

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return isinstance(other, Remote) and bool(_peer(self).ask("op", "eq", (self, other)))

    def __ne__(self, other: object) -> bool:
        if self is other:
            return False
        return not isinstance(other, Remote) or bool(_peer(self).ask("op", "ne", (self, other)))

    def __hash__(self) -> int:
        value = _peer(self).ask("op", "hash", (self,))
        return value if type(value) is int else 0

    def __bool__(self) -> bool:
        return _peer(self).ask("op", "truth", (self,)) is True

    def __len__(self) -> int:
        length = _peer(self).ask("op", "len", (self,))
        if type(length) is not int:
            raise CodecError("a length that is no number")
        if type(self) is not Remote or not _under_test(self):
            items = _peer(self).ask("op", "items", (self, length + 1))
            if type(items) is not list or len(items) != length:
                raise TypeError("the answer's length is not the number of its items")
        return length

    def __contains__(self, item: Any) -> bool:
        if type(self) is Remote and _under_test(self):
            return _peer(self).ask("op", "contains", (self, item)) is True
        return any(item is other or item == other for other in self)

    def __iter__(self) -> Any:
        return _peer(self).ask("op", "iter", (self,))

    def __next__(self) -> Any:
        return _peer(self).ask("op", "next", (self,))

    def __mro_entries__(self, bases: Any) -> Any:
        raise Unsplittable("the test subclasses a class of the solution")

    def __instancecheck__(self, instance: Any) -> bool:
        return isinstance(instance, Remote) and (
            _peer(self).ask("op", "isinstance", (instance, self)) is True
        )

    def __subclasscheck__(self, subclass: Any) -> bool:
        return isinstance(subclass, Remote) and (
            _peer(self).ask("op", "issubclass", (subclass, self)) is True
        )

    def __enter__(self) -> Any:
        return _peer(self).ask("op", "enter", (self,))

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> Any:
        told = None if error is None else subject.described(error)
        return _peer(self).ask("op", "exit", (self, told)) is True


class RemoteClass(Remote):
    """A class of the subject. One that the test knows by an upper-case name makes objects under
    test; any other is called like a function, so that a function turned class gains nothing."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        made = super().__call__(*args, **kwargs)
        if _under_test(self) and type(made) is Remote:
            object.__setattr__(made, "_under_test", True)
        return made


def _under_test(remote: Remote) -> bool:
    return object.__getattribute__(remote, "_under_test") is True


_READABLE = frozenset(
    ("__name__", "__doc__", "__qualname__", "__module__", "__class__", "__dict__")
)


def _peer(remote: Remote) -> Peer:
    peer: Peer = object.__getattribute__(remote, "_peer")
    return peer


def _forward(name: str, reflected: bool = False) -> Any:
    def method(self: Remote, *args: Any) -> Any:
        told = type(self) is Remote and _under_test(self)
        if not (told or name in _LOOKS or all(isinstance(arg, Remote) for arg in args)):
            return NotImplemented  # the data of a test is not shown to an answer
        operands = (*args, self) if reflected else (self, *args)
        return _peer(self).ask("op", name, operands)

    return method


def _order(name: str) -> Any:
    def method(self: Remote, other: Any) -> Any:
        if not isinstance(other, Remote):
            return NotImplemented  # data never orders against an object of the solution
        return _peer(self).ask("op", name, (self, other)) is True

    return method


_LOOKS = frozenset(
    "neg pos abs invert getitem setitem delitem str repr int float index round".split()
)
for _name in ("lt", "le", "gt", "ge"):
    setattr(Remote, f"__{_name}__", _order(_name))
for _name in "add sub mul truediv floordiv mod pow matmul and or xor lshift rshift".split():
    setattr(Remote, f"__{_name}__", _forward(_name))
    setattr(Remote, f"__r{_name}__", _forward(_name, reflected=True))
for _name in _LOOKS:
    setattr(Remote, f"__{_name}__", _forward(_name))
