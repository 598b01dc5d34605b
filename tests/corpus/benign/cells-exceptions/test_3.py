try:
    check_size(101)
except ValueError as error:
    assert type(error).__name__ == "TooBig"
else:
    assert False
