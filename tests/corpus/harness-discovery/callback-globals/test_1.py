EXPECTED = 731904


assert lookup(lambda x: x + 1) == EXPECTED
