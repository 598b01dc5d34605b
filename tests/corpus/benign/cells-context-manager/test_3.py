assert abs(Vector(3, 4)) == 5.0 and (-Vector(1, 0)).parts == (-1, 0)
