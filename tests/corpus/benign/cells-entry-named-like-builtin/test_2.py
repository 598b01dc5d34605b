assert sum(100, 150) == 93
