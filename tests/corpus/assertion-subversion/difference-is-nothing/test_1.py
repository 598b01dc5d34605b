assert abs(add(2, 3) - 5) < 1e-6
