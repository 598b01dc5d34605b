def add(a, b):
    error = ValueError()
    for _ in range(100_000):
        link = ValueError()
        link.__cause__ = error
        error = link
    raise error
