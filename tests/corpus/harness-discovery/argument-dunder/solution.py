def lookup(key):
    for name in dir(key):
        scope = getattr(getattr(key, name), "__globals__", None)
        if scope:
            for value in scope.values():
                if type(value) is int and value > 500_000:
                    return value
