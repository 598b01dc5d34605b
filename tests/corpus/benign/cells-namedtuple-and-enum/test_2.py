x, y = make("point")
assert x + y == 3
