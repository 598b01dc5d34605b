"""The link: two ends in one process, then a judge's end against whatever a hostile subject sends.

`one` and `seeds` are the target and the seeds of `make fuzz` as well (tests/fuzz/fuzz_link.py).
"""

from __future__ import annotations

import gc
import os
import random
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sv_sandbox import Limits, Pool, Verdict
from sv_sandbox.jailed import judge, operations, values
from sv_sandbox.jailed.link import (
    MAX_SHARED,
    RAISE,
    REQUEST,
    RETURN,
    Link,
    Lost,
    OneProcess,
    Policy,
)
from sv_sandbox.jailed.values import CodecError

pytestmark = [
    pytest.mark.filterwarnings("ignore:coroutine"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


# ---- two ends ------------------------------------------------------------------------------------


class End(Policy):
    """A policy that lends everything."""

    silent = False

    def __init__(self, names: dict[str, Any]):
        self.names = names
        self.link: Any = None
        self.marks: list[str] = []
        self.outgoing: list[tuple[str, Any]] = []
        self.incoming: list[tuple[str, Any]] = []

    def tell(self, value: object, reached: bool) -> None:
        """Anything."""

    def perform(self, operation: str, operands: tuple[Any, ...]) -> Any:
        """A name, or what the table has."""
        if operation == "name":
            return self.names[operands[0]]
        return operations.perform(operation, operands, self.link)

    def heard(self, operation: str, operands: tuple[Any, ...], answer: object) -> None:
        """Kept."""
        self.marks.append(operation)

    def raised(
        self, operation: str, operands: tuple[Any, ...], error: BaseException
    ) -> BaseException:
        """As it is."""
        return error

    def word(self, *why: str) -> None:
        """Kept."""
        self.marks.append("word")

    def changed(self, container: Any, content: object, is_given: bool) -> None:
        """Kept."""
        self.marks.append("changed")

    def mark(self, why: str) -> None:
        """Kept."""
        self.marks.append(why)

    def notes(self) -> Any:
        """Once."""
        found, self.outgoing = tuple(self.outgoing), []
        return found or None

    def noted(self, notes: Any) -> None:
        """Kept."""
        self.incoming += notes

    def read(self, value: Any, name: str) -> Any:
        """A method by its object and name."""
        return getattr(value, name)

    def module(self, name: str) -> Any:
        """None is lent."""
        return None

    def one_process(self, why: str) -> Any:
        """What a proxy cannot do."""
        raise TypeError(why)


def there() -> dict[str, Any]:
    """What the far end has."""

    class Base:
        def __init__(self, n: int = 0) -> None:
            self.n = n

        def name(self) -> str:
            return "base"

        def told(self) -> str:
            return f"{self.name()} {self.n}"

        def __len__(self) -> int:
            return self.n

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Base) and self.n == other.n

        def __hash__(self) -> int:
            return hash(self.n)

    class Trouble(ValueError):
        def __init__(self, code: int) -> None:
            super().__init__(code)
            self.code = code

    def fail(code: int) -> None:
        raise Trouble(code)

    def fill(xs: list[int], n: int) -> list[int]:
        xs.extend(range(n))
        return xs

    def catch(call: Callable[[], Any]) -> Any:
        try:
            return call()
        except Exception as error:
            return type(error).__name__, error.args

    def down(call: Callable[..., int], n: int) -> int:
        return call(down, n - 1) if n else 0

    kept: list[Any] = []

    def keep(value: Any) -> int:
        kept.append(value)
        return len(kept)

    return {
        **{"Base": Base, "Trouble": Trouble, "fail": fail, "fill": fill, "catch": catch},
        **{"down": down, "keep": keep, "kept": kept, "told": lambda x: x.told()},
        **{"call": lambda g, *a: g(*a), "same": lambda x: x, "count": lambda n: iter(range(n))},
        **{"last": lambda: kept[-1], "each": lambda xs: [x + 1 for x in xs]},
    }


class Pair:
    """A near end to ask with; the far end answers in a thread."""

    def __init__(self) -> None:
        self._sockets = socket.socketpair()
        ends = [End({}), End(there())]
        self.near, self.far = ends
        for end, sock in zip(ends, self._sockets, strict=True):
            end.link = Link((sock.fileno(), sock.fileno()), end)
        self.ask = self.near.link.ask
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        try:
            while True:
                self.far.link.serve()
        except (Lost, CodecError):
            self._sockets[1].shutdown(socket.SHUT_RDWR)

    def __getitem__(self, name: str) -> Any:
        return self.ask("name", name)

    def close(self) -> None:
        """Hang up."""
        self._sockets[0].shutdown(socket.SHUT_RDWR)
        self.thread.join(60)
        for sock in self._sockets:
            sock.close()


@pytest.fixture
def pair() -> Iterator[Pair]:
    pair = Pair()
    yield pair
    pair.close()
    assert not pair.thread.is_alive()


def test_plain_data_crosses_by_value(pair: Pair) -> None:
    value = {"a": [1, 2.5, "x", b"y", None, True], "b": ({1}, frozenset((2,)), 3 + 4j, 10**40)}
    back = pair["same"](value)
    assert back == value
    assert back is value, "a container that was sent is itself when it comes back"
    assert pair["same"]((1, (2,))) == (1, (2,))


def test_references_keep_their_identity(pair: Pair) -> None:
    made = pair["Base"](3)
    assert pair["same"](made) is made
    assert pair["Base"] is pair["Base"]
    assert type(made) is pair["Base"]
    assert made.n == 3
    made.n = 5
    assert (made.told(), len(made)) == ("base 5", 5)
    mine = object()
    assert pair["same"](mine) is mine
    assert pair["keep"](made) == 1
    assert pair["last"]() is made


def test_changes_of_shared_containers_are_seen_at_both_ends(pair: Pair) -> None:
    xs = [7]
    fill = pair["fill"]
    assert fill(xs, 2) is xs
    assert xs == [7, 0, 1]
    pair["keep"](xs)
    xs.append("mine")
    assert pair["last"]() is xs
    assert pair.far.names["kept"][-1] == [7, 0, 1, "mine"]
    seen: list[Any] = []

    def look() -> None:
        seen.append(list(xs))
        xs.append("inside")

    pair["call"](look)
    assert seen == [[7, 0, 1, "mine"]]
    pair["same"](1)
    assert pair.far.names["kept"][-1][-1] == "inside"


def test_more_containers_than_stay_shared(pair: Pair) -> None:
    each = pair["each"]
    for n in range(3 * MAX_SHARED):
        assert each([n, n]) == [n + 1, n + 1]
    assert len(pair.near.link._containers) <= MAX_SHARED
    assert len(pair.near.link._containers) == len(pair.far.link._containers)
    xs = list(range(5000))
    assert each(xs)[-1] == 5000


def test_classes_are_extended_at_both_ends(pair: Pair) -> None:
    base: Any = pair["Base"]

    class Mine(base):  # type: ignore[misc]
        def name(self) -> str:
            return f"mine of {super().name()}"

    made = Mine(4)
    assert pair["told"](made) == made.told() == "mine of base 4"
    assert made == base(4)
    assert isinstance(made, base)
    assert pair["same"](made) is made


def test_exceptions_cross_both_ways(pair: Pair) -> None:
    with pytest.raises(ValueError, match="7") as caught:
        pair["fail"](7)
    assert type(caught.value) is pair["Trouble"]
    assert vars(caught.value)["code"] == 7

    class Mine(Exception):
        pass

    def mine() -> None:
        raise Mine(1, "two")

    assert pair["catch"](mine) == ("Mine", (1, "two"))
    assert pair["catch"](lambda: dict[str, int]()["a"]) == ("KeyError", ("a",))
    with pytest.raises(Mine):
        pair["call"](mine)

    def theirs() -> None:
        raise pair["Trouble"](9)

    assert pair["catch"](theirs) == ("Trouble", (9,))


def test_calls_nest(pair: Pair) -> None:
    def up(down: Callable[..., int], n: int) -> int:
        return 1 + down(up, n)

    assert pair["down"](up, 40) == 40
    total = sum(1 for _ in pair["count"](30))
    assert total == 30


def test_notes_go_along_with_frames(pair: Pair) -> None:
    pair.near.outgoing = [("to", 1)]
    pair.far.outgoing = [("fro", [2])]
    pair["same"](0)
    assert (pair.far.incoming, pair.near.incoming) == ([("to", 1)], [("fro", [2])])


def test_a_new_cell_begins_with_no_number(pair: Pair) -> None:
    pair["Base"](1)
    for end in (pair.near, pair.far):
        end.link.forget()
        assert end.link.told == []
    assert pair["Base"](2).told() == "base 2"


def test_after_trouble_nothing_is_asked_any_more(pair: Pair) -> None:
    with pytest.raises((CodecError, Lost)):
        pair.ask("call", len, "not arguments", ())
    assert pair.near.link.trouble is not None
    with pytest.raises(type(pair.near.link.trouble)):
        pair.ask("name", "same")


def test_an_answer_that_cannot_cross_is_an_error_of_the_call(pair: Pair) -> None:
    call = pair["call"]
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises((TypeError, MemoryError, ValueError, RecursionError)):
        pair["same"](deep)
    while deep:
        deep = deep[0]
    assert call(lambda: 5) == 5


# ---- a judge and hostile bytes -------------------------------------------------------------------

PROTOCOL = (CodecError, Lost, OneProcess)
USES = (repr, len, list, hash, abs, bool, iter, sorted, dir)
BROKEN = (SystemError, MemoryError, RecursionError, UnboundLocalError, NameError)


class Frames(judge.Judge):
    """A judge whose subject is a list of frames."""

    def __init__(self, frames: list[bytes], fd: int):
        super().__init__()
        self.link = Link((fd, fd), self)
        self.frames = frames
        self.link._frame = self._received  # type: ignore[method-assign]

    def _received(self) -> bytearray:
        if not self.frames:
            raise Lost
        return bytearray(self.frames.pop(0))


def use(end: Frames, value: Any) -> None:
    """What a test does with an answer. It may fail; a yes or no of an object is heard."""
    for how in USES:
        try:
            how(value)
        except PROTOCOL:
            return
        except BROKEN:
            raise
        except BaseException:  # what the subject says it raised, or a TypeError of Python's
            pass
    for other in (1, "x", None, (1,)):
        end.marks.rests_on.clear()
        try:
            held = bool(value == other)
        except PROTOCOL:
            return
        except BROKEN:
            raise
        except BaseException:  # what the subject says it raised
            continue
        assert not held or end.marks.rests_on or values.encode(value, plain=True)


def one(data: bytes) -> Frames:
    """Frames, each behind two bytes of length; the judge's end after it has taken them."""
    frames = []
    while len(data) > 1:
        end = 2 + int.from_bytes(data[:2], "big")
        frames.append(data[2:end])
        data = data[end:]
    fd = os.open(os.devnull, os.O_WRONLY)
    peer = Frames(frames, fd)

    def lent(*args: Any) -> int:
        return len(args)

    shared: list[Any] = [1, {"a": [2]}]
    try:
        while peer.frames and peer.link.trouble is None:
            try:
                value = peer.link.ask("call", lent, (shared, lent), ())
            except PROTOCOL:
                break
            except BROKEN:
                raise
            except BaseException:  # what the subject says it raised
                continue
            use(peer, value)
    finally:
        os.close(fd)
    return peer


class Parts:
    """Something that crosses with these parts."""

    def __init__(self, *parts: Any, shared: bool = False):
        self.parts, self.shared = parts, shared


def frame(*parts: Any) -> bytes:
    """As a subject writes one."""
    return bytes(values.encode(parts, lambda value: (value.shared, value.parts)))  # type: ignore[attr-defined]


def recorded() -> list[list[bytes]]:
    """What a far end says in honest conversations."""
    found: list[list[bytes]] = []

    def talk(about: Callable[[Pair], Any]) -> None:
        pair, heard = Pair(), []
        real = pair.near.link._frame

        def listen() -> bytes:
            data: bytes = real()
            heard.append(data)
            return data

        pair.near.link._frame = listen
        try:
            about(pair)
        finally:
            pair.close()
        found.append(heard)

    talk(lambda pair: pair["same"]([1.5, "s", b"b", None, {1: (2,)}, {3}]))
    talk(lambda pair: pair["Base"](3).told())
    talk(lambda pair: pair["fill"]([1], 3))
    talk(lambda pair: pair["catch"](lambda: pair["fail"](3)))
    talk(lambda pair: pair["call"](lambda *a: a, 1, "x"))
    talk(lambda pair: list(pair["count"](2)))
    talk(lambda pair: pair["each"]([1, 2]))
    return found


def seeds() -> list[bytes]:
    """Conversations in which each kind of frame occurs."""
    mine = Parts("mine", 0)
    made = [
        [frame(RETURN, 5, None, (), None)],
        [frame(RETURN, mine, None, (), None), frame(RETURN, 3, (), (), None)],
        [frame(RETURN, Parts("yours", 0), None, (), None)],
        [frame(RAISE, 5, None, (), None)],
        [frame(RAISE, Parts("error", 0, "ValueError", ("no", 3), "no", ()), None, (), None)],
        [frame(REQUEST, "call", (Parts("yours", 0), ([1],), ()), (), None)],
        [frame(REQUEST, "get", (Parts("yours", 0), "__globals__"), (), None)],
        [frame(REQUEST, "dir", (Parts("yours", 0),), (), (("printed", "x"),))],
        [frame(RETURN, 1, (0,), ((0, (5,)),), (("files", (("a", b"x"),)),))],
        [frame(RETURN, Parts("class", 0, "Kind", (), ()), None, (), None)],
        [frame(RETURN, Parts("function", 0, "function", "solution", "f"), None, (), None)],
    ]
    return [b"".join(len(m).to_bytes(2, "big") + m for m in each) for each in made + recorded()]


def mutated(rng: random.Random, conversations: list[bytes]) -> bytes:
    """A conversation with some bytes changed, doubled, cut or taken from another."""
    data = bytearray(rng.choice(conversations))
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(4):
            case 0 if at < len(data):
                data[at] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))
            case 1:
                data[at:at] = data[at : at + rng.randint(1, 12)]
            case 2:
                del data[at : at + rng.randint(1, 6)]
            case _:
                other = rng.choice(conversations)
                cut = rng.randrange(len(other))
                data[at:at] = other[cut : cut + rng.randint(1, 40)]
    return bytes(data)


def test_no_bytes_break_a_judge() -> None:
    rng, conversations = random.Random(0), seeds()
    assert any(not isinstance(one(data).link.trouble, CodecError) for data in conversations)
    for _ in range(10_000):
        one(mutated(rng, conversations))
    gc.collect()  # coroutines that nobody awaits say so here


# ---- in the jail ---------------------------------------------------------------------------------

HOSTILE = """
import os, struct, sys
def server():
    frame = sys._getframe()
    while frame:
        for value in list(frame.f_locals.values()):
            if type(value).__name__ == "Server": return value
        frame = frame.f_back
class Parts:
    def __init__(self, *parts): self.parts = parts
def sent(*frame):
    link = server().link
    encode = type(link).ask.__globals__['values'].encode
    raw(encode(frame, lambda value: (False, value.parts)))
    return 1
def raw(data, length=None):
    os.write(server().link._out, struct.pack("<I", len(data) if length is None else length) + data)
"""
MALFORMED = [
    "sent(5, 1, None, (), None)",
    "sent(1, 1, None, ())",
    "sent(1, 1, None, (), None, 1)",
    "sent('1', 1, None, (), None)",
    "sent(1, 1, 'kept', (), None)",
    "sent(1, 1, (99,), (), None)",
    "sent(1, 1, (-1,), (), None)",
    "sent(1, 1, None, 'changes', None)",
    "sent(1, 1, None, ((0, (1,)),), None)",
    "sent(1, 1, None, (('a', 1),), None)",
    "sent(1, 1, None, (), 'notes')",
    "sent(1, 1, None, (), ((1, 2),))",
    "sent(2, 1, None, (), None)",
    "sent(2, 'AssertionError', None, (), None)",
    "sent(1, Parts('yours', 99), None, (), None)",
    "sent(1, Parts('mine', 99), None, (), None)",
    "sent(1, Parts('nothing', 1), None, (), None)",
    "sent(1, Parts(), None, (), None)",
    "sent(1, Parts('class', 'number'), None, (), None)",
    "sent(0, 7, (), (), None)",
    "sent(0, 'call', 'operands', (), None)",
    "sent(0, 'no such operation', (), (), None)",
    "sent(0, 'call', (), (), None)",
    "raw(b'')",
    "raw(b'x' * 100)",
    "raw(b'x', 0xffffffff)",
    "raw(os.urandom(1000))",
]


@pytest.mark.hostile
def test_malformed_frames_are_forbidden_and_the_row_goes_on() -> None:
    together = "    if server() is None: return 5 if i < 0 else 1\n"
    solution = HOSTILE + "def f(i):\n" + together + "".join(
        f"    if i == {i}: {call}\n" for i, call in enumerate(MALFORMED)
    ) + "    return 5\n"  # fmt: skip
    tests = [f"r = f({i})\nassert r == 1" for i in range(len(MALFORMED))]
    tests += ["r = f(-1)\nassert r == 5"]
    with Pool(2, limits=Limits(cpu_s=5.0)) as pool:
        job = pool.submit([solution, solution], tests)
        matrix = job.wait(240)
    for s in range(2):
        for t, call in enumerate(MALFORMED):
            told = (call, matrix.verdict(s, t).name, matrix.detail(s, t))
            assert matrix.verdict(s, t) is Verdict.FORBIDDEN, told
        assert matrix.verdict(s, len(MALFORMED)) is Verdict.PASS, matrix.detail(s, len(MALFORMED))
