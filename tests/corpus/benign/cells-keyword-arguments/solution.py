def f(a, b=2, *rest, c=3, **others):
    return [a, b, list(rest), c, sorted(others)]
