assert list(add(2, 3)) == [2, 3]
