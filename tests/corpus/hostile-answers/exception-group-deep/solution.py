def add(a, b):
    error = ValueError()
    for _ in range(50_000):
        error = ExceptionGroup("g", [error])
    raise error
