assert list(order([3, 1, 2])) == [1, 2, 3]
