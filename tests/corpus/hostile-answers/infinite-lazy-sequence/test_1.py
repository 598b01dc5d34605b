assert list(order([3, 1])) == [1, 3]
