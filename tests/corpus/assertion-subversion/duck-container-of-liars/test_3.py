assert sorted(order([3, 1, 2]), key=str) == [1, 2, 3]
