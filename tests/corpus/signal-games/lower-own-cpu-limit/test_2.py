assert add(2, 1) == 3
