x = []
assert same(x, x) and not same([], [])
