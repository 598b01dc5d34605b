import math

assert math.isclose(root(2), math.sqrt(2))
