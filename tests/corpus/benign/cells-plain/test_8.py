assert isinstance(same(bytearray(b"x")), bytearray)
