assert list(evens(7)) == [0, 2, 4, 6]
