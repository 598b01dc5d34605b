from enum import Enum, Flag, IntEnum, auto
from typing import Generic, NamedTuple, Optional, Protocol, TypedDict, TypeVar, runtime_checkable

class Colour(Enum):
    RED = auto()
    BLUE = auto()

class Level(IntEnum):
    LOW = 1

class Bits(Flag):
    A = 1
    B = 2

T = TypeVar("T")

class Box(Generic[T]):
    def __init__(self, item: T) -> None:
        self.item = item

class Movie(TypedDict):
    name: str

class Pair(NamedTuple):
    a: int
    b: Optional[int] = None

@runtime_checkable
class Sized(Protocol):
    def __len__(self) -> int: ...

print(Colour.RED, Colour["BLUE"].value, Level.LOW + 1, Bits.A | Bits.B, Box[int](3).item, Movie(name="x"), Pair(1), isinstance([], Sized))
