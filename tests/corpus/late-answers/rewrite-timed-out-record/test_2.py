assert add(5, 6) == 12
