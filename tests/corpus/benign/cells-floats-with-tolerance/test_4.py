assert root(4) == 2 and isinstance(root(4), float)
