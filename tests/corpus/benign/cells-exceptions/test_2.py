try:
    check_size(101)
except TooBig as error:
    assert "101" in str(error)
else:
    assert False, "should raise"
