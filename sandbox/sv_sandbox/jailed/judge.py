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

import builtins
import dis
import os
import signal
import sys
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType
from typing import Any

from . import channel, codec, plan, subject
from .channel import Channel, Lost
from .codec import CodecError, Handle, Unencodable

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
            if literal is not None and len(literal.call) > native.MAX_ANSWER_BYTES:
                literal = None
            known[source] = literal
        literal = known[source]
        _planned.append(literal)
        if literal is None:
            native.record(cell, native.MARK_CODE, b"")
        else:
            native.record(cell, native.MARK_LITERAL, literal.call)


def _too_slow(number: int, frame: Any) -> None:
    raise TooSlow


def compare(native: Any, blobs: int) -> None:
    """Answers in (an empty one is none); verdicts out."""
    literals = [literal for literal in _planned if literal is not None]
    signal.signal(signal.SIGPROF, _too_slow)
    for cell in range(blobs):
        answer = native.blob(cell)
        if not answer:
            continue
        try:
            signal.setitimer(signal.ITIMER_PROF, COMPARE_CPU_S)
            verdict, detail = compare_one(literals[cell], answer)
            signal.setitimer(signal.ITIMER_PROF, 0)
        except TooSlow:
            verdict, detail = TIMEOUT, b"the answer took too long to compare"
        native.record(cell, verdict, detail)


def compare_one(literal: plan.Literal, answer: bytes) -> tuple[int, bytes]:
    """The verdict of one answer."""
    try:
        value = codec.decode(answer)
    except CodecError as error:
        return FORBIDDEN, f"malformed answer: {error}".encode()[:200]
    try:
        if literal.judge(value):
            return PASS, b""
        return WRONG, f"AssertionError: got {shown(value)}".encode("utf-8", "replace")[:200]
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
            namespace.update(dict.fromkeys(free_names(code), _raise))
            exec(code, namespace)
            verdict = PASS
        except BaseException:
            pass  # it looked at something: not vacuous
        native.end(cell, cell + 1, verdict, b"")


def _raise(*args: Any, **kwargs: Any) -> Any:
    raise RuntimeError("there is no solution")


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
        namespace.update(peer.load(cell, free_names(code)))
        exec(code, namespace)
        verdict: tuple[int, bytes] = PASS, b""
    except (Lost, Unsplittable, Unencodable, CodecError):
        raise
    except BaseException as error:
        verdict = subject.verdict_of(error)
    if peer.trouble is not None:
        raise peer.trouble
    return verdict


def free_names(code: CodeType) -> list[str]:
    """Names that the test uses, and neither Python nor the test's own top level defines."""
    used: set[str] = set()
    stored: set[str] = set()
    stack = [code]
    while stack:
        one = stack.pop()
        used.update(one.co_names)
        stack.extend(const for const in one.co_consts if isinstance(const, CodeType))
    for line in _assigned(code):
        stored.add(line)
    return sorted(name for name in used - stored if not hasattr(builtins, name))


def _assigned(code: CodeType) -> set[str]:
    stores = {"STORE_NAME", "STORE_GLOBAL"}
    return {i.argval for i in dis.get_instructions(code) if i.opname in stores}


_MODULES = frozenset((*sys.stdlib_module_names, "numpy"))


class Peer:
    """The subject, as a judge calls it."""

    def __init__(self, fd: int):
        self.channel = Channel(fd, _kind_of, self._bind, _handle_of)
        self.trouble: BaseException | None = None
        self.broken = False
        self._exceptions: dict[str, type[BaseException]] = {}
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
            if type(value) is not tuple or len(value) != 2:
                raise CodecError("no namespace")
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
            namespace[name] = value

    def ask(self, operation: str, *operands: Any) -> Any:
        """One request and its answer; raises what it raised. Answers calls back meanwhile."""
        if self.trouble is not None:
            raise self.trouble
        try:
            return self._ask(operation, *operands)
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
        if status != "raise" or type(value) is not tuple or len(value) != 3:
            raise CodecError("not an answer")
        lineage, args, text = value
        raise self._instance(lineage, args, text)

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
        if type(lineage) is not tuple or not lineage or len(lineage) > 50:
            raise CodecError("not an exception")
        if not all(type(name) is str and len(name) < 200 for name in lineage):
            raise CodecError("not an exception")
        name = lineage[0]
        if name in codec.EXCEPTIONS:
            return codec.EXCEPTIONS[name]
        if name not in self._exceptions:
            base = self._exception(lineage[1:]) if len(lineage) > 1 else Exception
            self._exceptions[name] = type(name, (base,), {})
        return self._exceptions[name]

    def _instance(self, lineage: Any, args: Any, text: Any) -> BaseException:
        kind = self._exception(lineage)
        if type(args) is not tuple or type(text) is not str:
            raise CodecError("not an exception")
        try:
            error = kind(*args)
        except Exception:
            error = kind.__new__(kind)
            error.args = (text,)
        return error

    def _bind(self, handle: Handle) -> Any:
        known = self._remotes.get(handle.index)
        if known is None:
            kind = RemoteClass if handle.kind == "class" else Remote
            known = self._remotes[handle.index] = kind(self, handle)
        return known


def _kind_of(value: Any) -> str | None:
    """What of the test's own may be handed to a subject: callables, to be called back."""
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
    """An object of the subject. Operations on it happen there; comparisons with data fail here."""

    def __init__(self, peer: Peer, handle: Handle):
        object.__setattr__(self, "_peer", peer)
        object.__setattr__(self, "_handle", handle)
        object.__setattr__(self, "_made_here", False)

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

    def __contains__(self, item: Any) -> bool:
        if object.__getattribute__(self, "_made_here"):
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

    def __exit__(self, *error: Any) -> Any:
        kind = error[0]
        if kind is not None:
            raise Unsplittable("an exception inside a context manager of the solution")
        return _peer(self).ask("op", "exit", (self, None, None, None))

    def __await__(self) -> Any:
        raise Unsplittable("the test awaits an object of the solution")


class RemoteClass(Remote):
    """A class of the subject; calling it makes an object under test."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        made = super().__call__(*args, **kwargs)
        if isinstance(made, Remote):
            object.__setattr__(made, "_made_here", True)
        return made


_READABLE = frozenset(
    ("__name__", "__doc__", "__qualname__", "__module__", "__class__", "__dict__")
)


def _peer(remote: Remote) -> Peer:
    peer: Peer = object.__getattribute__(remote, "_peer")
    return peer


def _forward(name: str, reflected: bool = False) -> Any:
    def method(self: Remote, *args: Any) -> Any:
        operands = (*args, self) if reflected else (self, *args)
        return _peer(self).ask("op", name, operands)

    return method


def _order(name: str) -> Any:
    def method(self: Remote, other: Any) -> Any:
        if not isinstance(other, Remote):
            return NotImplemented  # data never orders against an object of the solution
        return _peer(self).ask("op", name, (self, other)) is True

    return method


for _name in ("lt", "le", "gt", "ge"):
    setattr(Remote, f"__{_name}__", _order(_name))
for _name in ("add sub mul truediv floordiv mod pow matmul and or xor lshift rshift").split():
    setattr(Remote, f"__{_name}__", _forward(_name))
    setattr(Remote, f"__r{_name}__", _forward(_name, reflected=True))
for _name in (
    "neg pos abs invert len getitem setitem delitem str repr int float index round"
).split():
    setattr(Remote, f"__{_name}__", _forward(_name))
