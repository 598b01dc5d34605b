class Stack:
    limit = 10

    def __init__(self, items=()):
        self._items = list(items)

    def push(self, item):
        self._items.append(item)
        return self

    def pop(self):
        if not self._items:
            raise IndexError("empty stack")
        return self._items.pop()

    @property
    def top(self):
        return self._items[-1]

    @classmethod
    def of(cls, *items):
        return cls(items)

    @staticmethod
    def name():
        return "stack"

    def __len__(self):
        return len(self._items)

    def __iter__(self):
        return iter(self._items)

    def __contains__(self, item):
        return item in self._items

    def __getitem__(self, index):
        return self._items[index]

    def __bool__(self):
        return bool(self._items)
