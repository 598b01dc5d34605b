assert [a for a in evens(3)] == [0, 2] and sorted(evens(5), reverse=True) == [4, 2, 0]
