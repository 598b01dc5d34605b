assert all([add(2, 3) == 5])
