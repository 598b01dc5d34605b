assert math.isclose(add(2, 3), 5)
