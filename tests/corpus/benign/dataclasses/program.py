from dataclasses import FrozenInstanceError, asdict, dataclass, field, replace

@dataclass(order=True, frozen=True, slots=True)
class Point:
    x: int
    y: int = 0
    tags: list = field(default_factory=list, compare=False)

p = Point(1, 2)
print(p, replace(p, y=5), asdict(p), sorted([Point(2), Point(1)])[0], p == Point(1, 2, ["x"]))
try:
    p.x = 3
except FrozenInstanceError as error:
    print(type(error).__name__)
