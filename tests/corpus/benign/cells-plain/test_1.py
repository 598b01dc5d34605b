assert same(None) is None and same(True) is True
