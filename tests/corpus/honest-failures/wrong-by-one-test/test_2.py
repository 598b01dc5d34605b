assert add(2, 2) == 4
