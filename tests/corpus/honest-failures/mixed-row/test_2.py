assert add(2, 3) == 6
