assert add(0, 1) == 1
