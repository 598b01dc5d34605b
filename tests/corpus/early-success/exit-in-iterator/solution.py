def add(a, b):
    yield a
    raise SystemExit(0)
