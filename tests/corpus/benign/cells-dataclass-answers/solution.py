from dataclasses import dataclass, field

@dataclass
class Item:
    name: str
    tags: list = field(default_factory=list)

def parse(text):
    name, *tags = text.split()
    return Item(name, tags)
