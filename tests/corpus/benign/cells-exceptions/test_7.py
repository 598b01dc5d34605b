try:
    check_size("x")
except TypeError:
    pass
else:
    assert False
