for x, y in zip(order([3, 1, 2]), [1, 2, 3]):
    assert x == y
