seen = []
apply(seen.append, [1, 2])
assert seen == [1, 2]
