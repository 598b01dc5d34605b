assert abs(root(2) - 1.41421356) < 1e-6
