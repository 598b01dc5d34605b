assert sum(evens(5)) == 6 and 4 in evens(10)
