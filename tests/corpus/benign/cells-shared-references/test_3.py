x = [1]
assert pair(x)[0] == x
