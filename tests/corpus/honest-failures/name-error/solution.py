def add(a, b):
    return math.fsum([a, b])
