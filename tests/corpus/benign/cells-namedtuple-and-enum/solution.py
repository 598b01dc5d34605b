from collections import namedtuple
from enum import Enum, IntEnum

Point = namedtuple("Point", "x y")

class Level(IntEnum):
    LOW = 1

class Colour(Enum):
    RED = "red"

class Name(str):
    pass

def make(kind):
    return {"point": Point(1, 2), "level": Level.LOW, "colour": Colour.RED, "name": Name("ann")}[kind]
