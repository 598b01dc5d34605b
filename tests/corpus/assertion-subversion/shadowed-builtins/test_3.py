assert isinstance(add(2, 3), int) and add(2, 3) == 5
