def add(a, b):
    if a == 0:
        raise KeyError(a)
    while a == 1:
        pass
    return a + b
