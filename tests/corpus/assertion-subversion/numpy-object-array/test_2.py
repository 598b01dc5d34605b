assert list(scale([1, 2])) == [2, 4]
