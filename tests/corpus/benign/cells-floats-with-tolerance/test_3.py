assert round(root(2), 3) == 1.414
