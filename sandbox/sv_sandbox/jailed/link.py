"""The link between a judge and its subject: one frame format, the same code at both ends.

A frame is one encoded tuple (`values`), its length before it:

    (REQUEST, operation, operands, changes, notes)    answered by RETURN or RAISE, and meanwhile by
                                                      requests of the other end, nested like calls
    (RETURN, value, kept, changes, notes)
    (RAISE, error, kept, changes, notes)
    (CANNOT, why, None, (), None)                     in the place of a frame whose values are too
                                                      large or too deep to cross: ends the cell

Plain data crosses by value. Mutable containers that cross are numbered in a table which both ends
extend alike; `changes` says what changed in those since the last frame, so mutation and identity
look local; `kept` (of a request's last frame) says which stay when the table grows too large.
Everything else crosses by reference: `refer` tells of it once, and gives it a number; the other end
makes a proxy (`proxies`). `notes` carry what both processes share besides (`shared`).

Invariants: a number means something to the two ends of one cell only (`forget`); what a frame says
is checked before it is used; malformed frames raise CodecError, a closed link raises Lost, and
after either nothing is asked any more. Who guarantees what may be asked: `Policy`.
"""

from __future__ import annotations

import os
import struct
import threading
from builtins import len, max, min, range, sum  # noqa: A004, UP029  # a solution may put others
from collections.abc import Callable, Coroutine
from types import ModuleType, TracebackType
from typing import Any, NoReturn

from . import containers, makers, methods, proxies, shapes, values
from .values import CodecError, Unencodable

REQUEST, RETURN, RAISE, CANNOT = 0, 1, 2, 3
MAX_FRAME_BYTES = 64 << 20
MAX_SHARED = 200
MAX_SHARED_ITEMS = 2_000
"""How many containers stay shared between requests, and their items: each frame looks at all."""

_LARGE = 1 << 17
_KINDS = (REQUEST, RETURN, RAISE, CANNOT)
_LENGTH = struct.Struct("<I")


class Lost(BaseException):
    """The other end hung up."""


class OneProcess(BaseException):
    """The test needs one process with the solution: its cell is not judged here."""


class Uncrossed(OneProcess):
    """A value that the solution may have chosen cannot cross: of the cell nothing is known."""


class Policy:
    """What one end does with the link; as it stands here, an end that believes what it hears."""

    silent = False
    """Whether nothing is told of what an AssertionError says."""

    def tell(self, value: object, reached: bool) -> None:
        """May this object be told of? `reached`: in an answer. Raises OneProcess, TypeError."""

    def perform(self, operation: str, operands: tuple[object, ...]) -> object:
        """Answer a request. Raises what the object raises."""
        raise NotImplementedError

    def heard(self, operation: str, operands: tuple[object, ...], answer: object) -> None:
        """A request of ours was answered."""

    def raised(
        self, operation: str, operands: tuple[object, ...], error: BaseException
    ) -> BaseException:
        """A request of ours raised this: what to raise here."""
        return error

    def is_known(self, value: object) -> bool:
        """Whether an object of the other end is of a class that this end names."""
        return True

    def arrived(self, value: object) -> None:
        """A proxy of an object of the other end was made."""

    def came(self, parts: object) -> None:
        """This came, in a frame or in what is told of an object."""

    def uncalled(self, more: int) -> None:
        """So many more methods of proxies were read, and neither called nor handed over yet."""

    def changed(self, container: object, content: object, is_given: bool) -> None:
        """The other end has changed a container of both: what it holds now; `is_given`: one that
        the request at hand has given it first."""

    def word(self) -> None:
        """A value arrived that can be called, or compares loosely."""

    def mark(self, why: str) -> None:
        """A proxy gave a yes or no."""

    def notes(self) -> object:
        """What goes along with a frame; None for nothing."""
        return None

    def noted(self, notes: object) -> None:
        """What came along with one."""

    def sends(self, data: bytes | bytearray) -> None:
        """This frame is about to go. Raises OneProcess."""

    def read(self, value: object, name: str) -> object:
        """A method by its object, which we told of, and its name."""
        return getattr(value, name)

    def module(self, name: str) -> ModuleType | None:
        """Our own copy of a module of the other end's."""
        return None

    def one_process(self, why: str) -> NoReturn:
        """A proxy cannot do this."""
        raise TypeError(f"an object of another process cannot do this: {why}")

    def cannot(self, why: str, ours: bool) -> NoReturn:
        """A value is too large or too deep to cross; `ours`: one that this end asks with."""
        raise Unencodable(why)

    def awaited(self, lent: object) -> Coroutine[object, object, object]:
        """Something of the other end's that can be awaited, as a coroutine of ours."""
        raise NotImplementedError


def _write(fd: int, data: memoryview) -> int:
    """How much of it went out: nothing where a solution had set that nobody waits here."""
    try:
        return os.write(fd, data)
    except BlockingIOError:
        os.set_blocking(fd, True)
        return 0


class Link:
    """One end of the link, over a descriptor to read and one to write."""

    def __init__(
        self, fds: tuple[int, int], policy: Policy, waiting: Callable[[bool], object] = bool
    ):
        self._in, self._out = fds
        self.policy: Policy = policy
        self._waiting = waiting
        self._buffer = bytearray()
        self.lock = threading.RLock()  # either side may have threads
        self.trouble: BaseException | None = None
        self._answering = self.coding = False
        """The containers that the request at hand has given the other end first."""
        self.forget()

    def forget(self) -> None:
        """Take back every number: a new cell begins."""
        self.told: list[object] = []
        self.makers = makers.Makers(self)
        self._numbers: dict[object, int] = {}
        self._given = range(0)
        """Containers that the request at hand has given first."""
        self._containers: list[object] = []
        self._known = containers.Known(self._containers)

    # ---- references ------------------------------------------------------------------------------

    def number(self, value: object) -> int:
        """Our number of an object; a new one for one that was never told of."""
        key = shapes.key_of(value)
        known = self._numbers.get(key)
        if known is None:
            known = self._numbers[key] = len(self.told)
            self.told.append(value)
        return known

    def has_told(self, value: object) -> bool:
        """Whether the other end knows this object by a number."""
        return shapes.key_of(value) in self._numbers

    def known(self, number: object) -> object:
        """The object that we told of under this number. Raises CodecError."""
        if type(number) is not int or not 0 <= number < len(self.told):
            raise CodecError("no object was told of by this number")
        return self.told[number]

    def _refer(self, value: object) -> tuple[bool, tuple[object, ...]]:
        """How an object crosses that is no plain data, and whether its content stays shared."""
        if type(value) is shapes.Whole:
            value = value.kind
        if type(value) is TracebackType:
            return False, ("none",)
        yours = proxies.number_of(value, self)
        if yours is not None:
            methods.settle(value)
            return False, ("yours", *yours)
        if shapes.key_of(value) in self._numbers:
            return False, ("mine", self.number(value))
        self.policy.tell(value, self._answering)
        return shapes.tell(value, self.number, self.policy.silent)

    def _resolve(self, *parts: object) -> object:
        self.policy.came(parts)
        return self.makers.resolve(parts)

    # ---- asking and answering --------------------------------------------------------------------

    def ask(self, operation: str, *operands: object) -> Any:
        """One request and its answer; raises what it raised. The other end may ask meanwhile."""
        if self.trouble is not None:
            raise self.trouble
        try:
            with self.lock:
                if self.coding:
                    self.policy.cannot("what asks the other process as it crosses", ours=True)
                known = len(self._containers)
                try:
                    self._send(REQUEST, operation, operands)
                except Unencodable as error:
                    self.policy.cannot(str(error), ours=True)
                self._given = range(known, len(self._containers))
                while True:
                    kind, value, more = self._receive()
                    if kind == REQUEST:
                        self._answer(value, more, last=False)
                        continue
                    break
                self._given = range(0)
            if kind == CANNOT:
                self.policy.cannot(str(value), ours=False)
            if kind == RAISE:
                if not isinstance(value, BaseException):
                    raise CodecError("not an exception")
                raise self.policy.raised(operation, operands, value)
        except (Lost, OneProcess, CodecError) as error:
            if operation == "special" and type(error) is OneProcess and self.trouble is None:
                if not self.policy.is_known(operands[0]):
                    raise TypeError(str(error)) from None
            # Whoever catches BaseException: what ends a cell is remembered, not only raised.
            self.trouble = self.trouble or error
            raise
        self.policy.heard(operation, operands, value)
        return value

    def serve(self) -> None:
        """Answer one request. Raises Lost at the end of the link."""
        with self.lock:
            kind, operation, operands = self._receive()
        if kind != REQUEST:
            raise CodecError("an answer to nothing")
        self._answer(operation, operands, last=True)

    def _answer(self, operation: object, operands: object, last: bool) -> None:
        if type(operation) is not str or type(operands) is not tuple:
            raise CodecError("not a request")
        kind: int = RETURN
        try:
            value: object = self.policy.perform(operation, operands)
        except (Lost, OneProcess, CodecError):
            raise
        except BaseException as error:
            kind, value = RAISE, error
        with self.lock:
            self._answering = True
            try:
                try:
                    self._send(kind, value, None, last)
                except (Unencodable, CodecError):
                    raise
                except Exception as error:  # nothing that is lent, or it cannot be looked at
                    self._send(RAISE, error, None, last)
            except Unencodable as error:
                self.policy.cannot(str(error), ours=False)
            finally:
                self._answering = False

    # ---- frames ----------------------------------------------------------------------------------

    def _send(self, kind: int, first: object, second: object, last: bool = False) -> None:
        known, told = len(self._containers), len(self.told)
        changed = self._known.changed()
        changes = tuple(
            (number, containers.content(self._containers[number])) for number in changed
        )
        kept = self._kept() if last else None
        frame = (kind, first, kept if kind != REQUEST else second, changes, self.policy.notes())
        outer, self.coding = self.coding, True
        try:
            data = values.encode(frame, self._refer, self._containers)
            if len(data) > MAX_FRAME_BYTES:
                raise Unencodable("the value is too large")
        except BaseException as error:
            del self._containers[known:]
            self._untell(told)
            if isinstance(error, MemoryError):
                raise Unencodable("no memory for a copy of the value") from None
            raise
        finally:
            self.coding = outer
        self._known.tell(changed)
        if kept is not None:
            self._known.keep(kept)
        self.policy.sends(data)
        self._write(data)

    def send_cannot(self, why: str) -> None:
        """Tell the other end that what it waits for cannot cross."""
        self._write(values.encode((CANNOT, why, None, (), None)))

    def _write(self, data: bytes | bytearray) -> None:
        head = _LENGTH.pack(len(data))
        try:
            for part in (head + data,) if len(data) < _LARGE else (head, data):
                view = memoryview(part)
                while view:
                    view = view[_write(self._out, view) :]
        except OSError:
            raise Lost from None

    def _untell(self, count: int) -> None:
        for value in self.told[count:]:
            self._numbers.pop(shapes.key_of(value), None)
        del self.told[count:]

    def _receive(self) -> tuple[int, object, object]:
        data = self._frame()
        before = len(self._containers)
        outer, self.coding = self.coding, True
        try:
            frame = values.decode(data, self._resolve, self._containers, self.policy.word)
        except (MemoryError, RecursionError):
            self.policy.cannot("no memory or stack for a copy of the value", ours=False)
        finally:
            self.coding = outer
        if type(frame) is not tuple or len(frame) != 5 or frame[0] not in _KINDS:
            raise CodecError("not a frame")
        self.policy.came(frame)
        kind, first, second, changes, notes = frame
        self._known.hear(self._change(changes, before))
        if kind != REQUEST and second is not None:
            self._keep(second)
        if notes is not None:
            self.policy.noted(notes)
        return kind, first, second

    def _frame(self) -> bytearray:
        self._read(_LENGTH.size)
        (length,) = _LENGTH.unpack_from(self._buffer)
        if length > MAX_FRAME_BYTES:
            raise CodecError(f"a frame of {length} bytes")
        self._read(_LENGTH.size + length)
        frame = self._buffer  # not copied: it may be large
        self._buffer = frame[_LENGTH.size + length :]
        del frame[: _LENGTH.size]
        del frame[length:]
        return frame

    def _read(self, count: int) -> None:
        """Until so much has come."""
        while len(self._buffer) < count:
            self._waiting(not self._buffer)  # who has begun a frame is to end it
            try:
                part = os.read(self._in, min(max(1 << 16, count - len(self._buffer)), 1 << 20))
            except BlockingIOError:  # a solution has set it so
                os.set_blocking(self._in, True)
                continue
            except OSError:
                raise Lost from None
            self._waiting(False)
            if not part:
                raise Lost
            self._buffer += part

    # ---- shared containers -----------------------------------------------------------------------

    def _change(self, changes: object, known: int) -> list[int]:
        """Makes the other end's changes here; their numbers."""
        if type(changes) is not tuple:
            raise CodecError("not changes")
        for change in changes:
            if type(change) is not tuple or len(change) != 2 or type(change[0]) is not int:
                raise CodecError("not a change")
            if not 0 <= change[0] < known:
                raise CodecError("a change to nothing")
            is_given = change[0] in self._given
            self.policy.changed(self._containers[change[0]], change[1], is_given)
            containers.refill(self._containers[change[0]], change[1])
        return [number for number, _ in changes]

    def _kept(self) -> tuple[int, ...] | None:
        """The newest containers that fit; None while all do."""
        sizes = list(map(containers.size, self._containers))
        if len(sizes) <= MAX_SHARED and sum(sizes) <= MAX_SHARED_ITEMS:
            return None
        room = MAX_SHARED_ITEMS
        kept: list[int] = []
        for number in range(len(sizes) - 1, -1, -1):
            room -= sizes[number]
            if room >= 0 and len(kept) < MAX_SHARED // 2:
                kept.append(number)
            else:
                room += sizes[number]
        return tuple(reversed(kept))

    def _keep(self, kept: object) -> None:
        size = len(self._containers)
        if type(kept) is not tuple or not all(type(n) is int and 0 <= n < size for n in kept):
            raise CodecError("not what stays")
        self._known.keep(kept)
