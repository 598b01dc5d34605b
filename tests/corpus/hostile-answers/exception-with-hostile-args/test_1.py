try:
    parse("x")
except ValueError as error:
    assert str(error) == "bad x"
else:
    raise AssertionError
