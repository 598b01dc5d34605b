assert pair(1) == (1, 1)
