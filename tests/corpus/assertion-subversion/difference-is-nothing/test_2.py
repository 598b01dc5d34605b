assert 5 - add(2, 3) == 0
