try:
    parse("x")
except ValueError:
    pass
else:
    raise AssertionError
