assert add(3, 1) == 4
