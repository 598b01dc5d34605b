def add(a, b):
    assert a > b
    return a + b
