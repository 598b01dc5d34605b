g = evens(5)
assert next(g) == 0 and next(g) == 2 and next(g) == 4
try:
    next(g)
    assert False
except StopIteration:
    pass
