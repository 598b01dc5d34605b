assert sum(10, 15) == 6
