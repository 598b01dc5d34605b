assert add(2, 3) * 2 == 10
