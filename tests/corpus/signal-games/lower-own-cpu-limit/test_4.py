assert add(4, 1) == 5
