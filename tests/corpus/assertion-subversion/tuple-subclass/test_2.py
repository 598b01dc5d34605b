assert (1, 1) == pair(1)
