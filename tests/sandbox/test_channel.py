"""A judge against whatever bytes a hostile subject sends (the target of `make fuzz` as well).

The judge's end of a channel gets one message after another and uses what came. Only the errors of
the protocol may come of a message; what the judge then does with the values must end, and break
nothing.
"""

from __future__ import annotations

import gc
import random
from typing import Any

import pytest
from sv_sandbox.jailed.channel import Lost
from sv_sandbox.jailed.codec import CodecError, Encoder, Handle

from sv_sandbox.jailed import judge, remote

pytestmark = [
    pytest.mark.filterwarnings("ignore:coroutine"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
PROTOCOL = (CodecError, Lost, judge.Unsplittable)
USES = (repr, len, list, hash, abs, bool, iter, sorted)
BROKEN = (SystemError, MemoryError, RecursionError, UnboundLocalError, NameError)


class Messages(judge.Peer):
    """A judge's peer whose subject is a list of messages."""

    def __init__(self, messages: list[bytes]):
        super().__init__(-1)
        self.messages = messages
        self.channel.send = lambda data: None
        self.channel.receive = self._received

    def _received(self) -> bytes:
        if not self.messages:
            raise Lost
        return self.messages.pop(0)


def use(peer: Messages, value: Any) -> None:
    """What a test does with an answer. It may fail in every way; true to plain data it never is."""
    for how in USES:
        try:
            how(value)
        except PROTOCOL:
            return
        except BROKEN:
            raise
        except BaseException:  # what the subject says it raised, or a TypeError of Python's
            pass
    if remote.is_remote(value) and not isinstance(value, remote.Extended):
        plain = isinstance(value, remote.Remote) and remote.extends(value)
        for other in (1, "x", None, (1,)):
            try:
                equal, unequal = value == other, value != other
            except PROTOCOL:
                return
            except BROKEN:
                raise
            except BaseException:  # what the subject says it raised
                continue
            assert plain or (not equal and unequal)


def one(data: bytes) -> Messages:
    """Messages, each behind two bytes of length; the judge's end after it has taken them."""
    messages = []
    while len(data) > 1:
        end = 2 + int.from_bytes(data[:2], "big")
        messages.append(data[2:end])
        data = data[end:]
    peer = Messages(messages)
    peer._loaded = {"f": 1}

    def lent(*args: Any) -> int:  # its handle is number 0
        return len(args)

    shared: list[Any] = [1, {"a": [2]}]
    while peer.messages and peer.trouble is None:
        try:
            value = peer.ask("invoke", print, (shared, lent), ())
        except PROTOCOL:
            break
        except BROKEN:
            raise
        except BaseException:  # what the subject says it raised
            continue
        use(peer, value)
    return peer


class Theirs:
    """Something that crosses as a handle of this kind."""

    def __init__(self, kind: str, value: Any = None, mine: bool = False):
        self.kind, self.value, self.mine = kind, value, mine


def message(value: Any, changes: Any = (), kept: Any = ()) -> bytes:
    """As a subject writes one."""
    numbers: dict[int, int] = {}

    def export(value: Any, extends: bool = False) -> Handle | None:
        if not isinstance(value, Theirs):
            return None
        number = numbers.setdefault(id(value), len(numbers))
        return Handle(number, value.kind, value.mine, value.value)

    encoder = Encoder(export)
    encoder.add((value, changes))
    return encoder.message(kept)


def seeds() -> list[bytes]:
    """Conversations in which each kind of message occurs."""
    stack = Theirs("object 5 len,iter,contains,bool,add,eq,call Stack")
    error = Theirs("object 6 !ValueError Trouble")
    told = (("Trouble", "ValueError"), ("no", 3), "no", {"code": 1}, error, {})
    xs = [1, 2]
    replies = [
        [message(("ok", 5, (), ""))],
        [message(("ok", [1.5, "s", b"b", None, {1: (2,)}, {3}], (("f", 2),), "printed"))],
        [message(("ok", stack, (), "")), *[message(("ok", n, (), "")) for n in (3, [1, 2, 3], 7)]],
        [message(("ok", Theirs("class 7 len,generic Kind"), (), ""))],
        [message(("ok", Theirs("function"), (), "")), message(("ok", Theirs("generator"), (), ""))],
        [message(("ok", Theirs("coroutine"), (), ""))],
        [message(("ok", Theirs("value 3 add,=int Colour", 3), (), "")), message(("ok", 1, (), ""))],
        [message(("ok", Theirs("object 8 =list Many"), (), "")), message(("ok", [4], (), ""))],
        [message(("raise", told, (), ""))],
        [message(("raise", ("KeyError", ("k",), "k", {}, error, {"cause": told}), (), ""))],
        [message(("call", "invoke", 0, ([1],), ())), message(("ok", 1, (), ""))],
        [message(("call", "op", 0, "str", (Theirs("", mine=True),))), message(("ok", 1, (), ""))],
        [message(("call", "about", 0)), message(("call", "getattr", 0, "x"))],
        [message(("ok", (xs, xs), (), ""), (), (0,)), message(("ok", 1, (), ""), ((0, (5,)),))],
    ]
    return [b"".join(len(m).to_bytes(2, "big") + m for m in each) for each in replies]


@pytest.mark.parametrize("number", range(len(seeds())))
def test_every_seed_is_understood(number: int) -> None:
    """Or mutations of them would only ever meet the first check."""
    peer = one(seeds()[number])
    assert not isinstance(peer.trouble, CodecError), peer.trouble
    assert not peer.messages, "what the judge did not take"


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
    for _ in range(40_000):
        one(mutated(rng, conversations))
    gc.collect()  # coroutines that nobody awaits say so here
