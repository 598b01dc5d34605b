assert 2 * Vector(1, 2) == Vector(2, 4) == Vector(1, 2) * 2
