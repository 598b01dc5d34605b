answer = order([3, 1, 2])
assert len(answer) == 3
assert all(x == y for x, y in zip(answer, [1, 2, 3]))
