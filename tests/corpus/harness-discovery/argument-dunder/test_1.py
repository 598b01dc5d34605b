EXPECTED = 731904


class Key(str):
    def twice(self):
        return self + self


assert lookup(Key("alpha")) == EXPECTED
