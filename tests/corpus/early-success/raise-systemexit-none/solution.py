def add(a, b):
    raise SystemExit
