try:
    parse("x")
except ValueError as error:
    assert error.args == ("bad x",)
else:
    raise AssertionError
