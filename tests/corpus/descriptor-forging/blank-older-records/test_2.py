assert add(3, 3) == 6
