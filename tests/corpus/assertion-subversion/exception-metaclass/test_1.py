try:
    parse("x")
except ValueError:
    pass
