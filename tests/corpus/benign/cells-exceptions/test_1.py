try:
    check_size(-1)
except ValueError as error:
    assert str(error) == "negative" and error.args == ("negative",)
else:
    assert False
