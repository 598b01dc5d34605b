assert round(add(2, 3), 3) == 5
