assert same(1 + 2j) == 1 + 2j and same(range(3)) == range(3)
