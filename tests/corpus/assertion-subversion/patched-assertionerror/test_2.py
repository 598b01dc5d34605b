if add(2, 3) != 5:
    raise AssertionError
