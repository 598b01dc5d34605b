class Vector:
    def __init__(self, *parts):
        self.parts = parts

    def __add__(self, other):
        return Vector(*(a + b for a, b in zip(self.parts, other.parts)))

    def __mul__(self, factor):
        return Vector(*(a * factor for a in self.parts))

    __rmul__ = __mul__

    def __neg__(self):
        return self * -1

    def __eq__(self, other):
        return self.parts == other.parts

    def __abs__(self):
        return sum(a * a for a in self.parts) ** 0.5

    def __call__(self, index):
        return self.parts[index]

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return False

    def __str__(self):
        return str(self.parts)
