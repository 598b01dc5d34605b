assert add(2, 3) + 0 == 5
