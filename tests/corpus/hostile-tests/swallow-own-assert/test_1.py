try:
    assert add(2, 3) == 5
except AssertionError:
    raise KeyError from None
