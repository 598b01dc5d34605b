assert add(1, 1) == 2
