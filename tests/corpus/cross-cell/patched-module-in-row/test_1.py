assert add(-1, 1) == 0
