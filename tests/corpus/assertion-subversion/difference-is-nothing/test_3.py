assert not add(2, 3) % 5
