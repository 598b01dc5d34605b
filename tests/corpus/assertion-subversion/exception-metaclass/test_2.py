try:
    parse("x")
except Exception as error:
    assert type(error) is ValueError
